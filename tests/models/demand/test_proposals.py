"""What to open, where, for how many, by when, who pays and who runs it."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from demand_of_town import demand_ahead
from make_records import make_community, make_records

from features.contract.tables import TABLES
from features.point_in_time.records import Known, day_of, known_before
from models.demand.candidates import Homes, Piece, candidates
from models.demand.proposals import Proposals, propose
from models.demand.seats import seats_told, take_up
from service.lists.needs_tables import verdict

DAY = day_of(date(2025, 6, 2))
HOMES = 200
NEEDS = [
    {"id": "childcare", "horizon_weeks": 8, "lead_weeks": 2},
    {"id": "meals", "horizon_weeks": 8},
    {"id": "daycare", "horizon_weeks": 8},
    {"id": "aid", "horizon_weeks": 8, "severity": 3, "sensitive": True},
]
CANTEEN = {
    "id": "canteen",
    "needs": ["meals", "daycare"],
    "seats": 60,
    "organiser": "养老中心",
    "fund": "love",
}
CLASSROOM = {
    "id": "classroom",
    "needs": ["childcare"],
    "seats": 10,
    "opens": "07-05",
    "closes": "08-20",
    "organiser": "爱心联盟",
    "fund": "main",
    "cost_per_seat": 600,
    "enrolment_weeks": 3,
}
FUNDS = [{"id": "main", "budget": 50000, "spent": 20000}, {"id": "love", "budget": 1000, "needs": ["aid"]}]


def known_of(programmes: list[dict], requests: list[dict] | None = None, **settings: Any) -> Known:
    homes = [{"household_id": f"h{index:03}", "grid_id": f"g{index % 4}"} for index in range(HOMES)]
    community = make_community(NEEDS, programmes=programmes, funds=FUNDS, **settings)
    return known_before(make_records(homes, requests or [], community=community), DAY)


def scores_of(known: Known, chances: dict[str, float]) -> pd.DataFrame:
    homes = known.household_ids
    parts = [
        pd.DataFrame({"household_id": homes, "need": need, "p_request": chance})
        for need, chance in chances.items()
    ]
    return pd.concat(parts, ignore_index=True)


def history_of(rows: list[tuple]) -> pd.DataFrame:
    columns = [name for name in TABLES["programme_history"].columns if name != "recorded_at"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(opened=[float(day_of(one)) for one in table["opened_at"]])


def proposals_of(known: Known, chances: dict[str, float], history: list[tuple] = ()) -> Proposals:
    return propose(demand_ahead(scores_of(known, chances), known), known, history_of(list(history)))


def test_what_no_seat_serves_is_proposed_with_grids_money_and_a_day() -> None:
    found = proposals_of(known_of([CLASSROOM]), {"childcare": 0.2})
    run, more = found.projects.to_dict("records")
    assert (run["kind"], run["seats"]) == ("run", 10)
    assert (more["kind"], more["programme"], more["seats"]) == ("extend", "classroom", 30)
    assert more["low"] <= more["seats"] <= more["high"]
    assert dict(more["grids"]) == pytest.approx({f"g{one}": 7.5 for one in range(4)})
    assert sum(whole for _, whole in more["whole_grids"]) == 30
    assert (more["begins"], more["tell_by"]) == (date(2025, 7, 5), date(2025, 6, 14))
    assert (more["fund"], more["organiser"], more["cost"]) == ("main", "爱心联盟", 18000)
    main = found.funds.set_index("fund").loc["main"]
    assert (main["planned"], main["left"]) == (24000, 6000) and not more["short_of_money"]


def test_residents_are_told_within_the_week_of_what_opens_too_soon_for_the_usual_notice() -> None:
    soon, now = (CLASSROOM | {"opens": day} for day in ("06-16", "05-20"))
    told = [proposals_of(known_of([one]), {"childcare": 0.2}) for one in (soon, now)]
    assert [found.projects["tell_by"].iloc[0] for found in told] == [date(2025, 6, 9), None]
    assert [found.programmes["told"].tolist() for found in told] == [[True], [False]]


def test_a_fund_that_does_not_last_is_said() -> None:
    known = known_of([CLASSROOM | {"cost_per_seat": 2000}])
    assert proposals_of(known, {"childcare": 0.2}).projects["short_of_money"].tolist() == [False, True]


def test_seats_are_shared_in_proportion_by_the_needs_that_draw_on_them() -> None:
    found = proposals_of(known_of([CANTEEN]), {"meals": 0.3, "daycare": 0.1})
    needs = found.needs.set_index("need")
    assert needs["served"].to_dict() == pytest.approx({"meals": 45, "daycare": 15})
    assert needs["unserved"].to_dict() == pytest.approx({"meals": 15, "daycare": 5})
    assert set(found.projects["kind"]) == {"run"}  # fewer than 20 households are left


def test_what_a_programme_is_wanted_for_adds_up_as_the_list_of_needs_rounds_it() -> None:
    found = proposals_of(known_of([CANTEEN]), {"meals": 0.1324, "daycare": 0.0774})
    wanted = found.needs.set_index("need")["wanted"]
    assert [round(number) for number in wanted[["meals", "daycare"]]] == [26, 15] and round(
        wanted.sum()
    ) == 42
    assert found.programmes["whole_wanted"].tolist() == [41]


def test_the_size_of_a_project_is_the_communitys() -> None:
    known = known_of([CANTEEN], projects={"smallest": 10})
    found = proposals_of(known, {"meals": 0.3, "daycare": 0.1})
    assert found.projects.query("kind == 'extend'")["need"].tolist() == ["meals"]


def test_a_programme_serves_its_own_grids_only() -> None:
    found = proposals_of(known_of([CANTEEN | {"grids": ["g0", "g1"], "seats": 500}]), {"meals": 0.3})
    more = found.projects.query("kind == 'extend'").to_dict("records")[0]
    assert {grid for grid, _ in more["grids"]} == {"g2", "g3"} and more["seats"] == 30


def test_a_need_without_a_programme_gets_a_fund_that_may_pay() -> None:
    found = proposals_of(known_of([]), {"aid": 0.2, "meals": 0.2})
    projects = found.projects.set_index("need")
    assert projects["fund"].to_dict() == {"aid": "love", "meals": "main"}
    assert set(projects["kind"]) == {"open"} and projects["cost"].isna().all()
    assert list(projects.index) == ["aid", "meals"]  # the most severe first


def test_another_course_of_a_programme_of_another_season() -> None:
    known = known_of([CLASSROOM | {"opens": "01-10", "closes": "02-20"}])
    (row,) = proposals_of(known, {"childcare": 0.2}).projects.to_dict("records")
    assert (row["kind"], row["programme"], row["begins"]) == ("open", "classroom", date(2025, 6, 30))


def test_history_tells_seats_left_and_how_many_take_one() -> None:
    asked = [{"household_id": f"h{one:03}", "need": "meals", "requested_at": DAY - 40.5} for one in range(40)]
    known = known_of([CANTEEN], asked)
    history = [
        ("canteen", "meals", date(2025, 5, 1), 80, 10, 0),
        ("canteen", "daycare", date(2025, 5, 1), 80, 30, 5),
    ]
    assert seats_told(known.community.programmes[0], known, history_of(history)) == (80, 40)
    share = dict(zip(known.community.need_index(), take_up(known, history_of(history)), strict=True))
    assert share["meals"] == pytest.approx(20 / 50)
    assert share["childcare"] == 1 and share["daycare"] == 2  # at most two seats for each who asks
    needs = proposals_of(known, {"meals": 0.3}, history).needs.set_index("need")
    assert needs.loc["meals", "wanted"] == pytest.approx(24)
    assert needs.loc["meals", "seats"] == 40


def test_a_course_of_an_earlier_run_says_nothing_of_the_seats_left() -> None:
    known = known_of([CLASSROOM])
    history = history_of([("classroom", "childcare", date(2024, 7, 5), 10, 10, 4)])
    assert seats_told(known.community.programmes[0], known, history) == (10, None)


def halves(pairs: Piece) -> list[list[np.ndarray]]:
    return [[column[half::2] for column in (pairs.home, pairs.need, pairs.p)] for half in (0, 1)]


def test_candidates_are_those_likeliest_to_ask_who_may_be_listed() -> None:
    homes = [{"household_id": f"h{index:03}", "grid_id": f"g{index % 4}"} for index in range(HOMES)]
    refuses = [{"household_id": "h197", "from": DAY - 5}]
    records = make_records(homes, [], opt_outs=refuses, community=known_of([]).community)
    known = known_before(records, DAY)
    scores = scores_of(known, {"meals": 0.0})
    scores["p_request"] = np.linspace(0.1, 0.3, HOMES)
    found = propose(demand_ahead(scores, known), known, history_of([]))
    homes = Homes.of(known)
    homes.barred[199] = True
    table = pa.table({name: scores[name].to_numpy() for name in ("household_id", "need", "p_request")})
    for at, name in enumerate(("household_id", "need")):
        table = table.set_column(at, name, table[name].dictionary_encode())
    pairs = Piece.of(homes, table)
    pieces = [replace(pairs, home=halve[0], need=halve[1], p=halve[2]) for halve in halves(pairs)]
    named = candidates(found.projects, pieces)
    assert named["household_id"].tolist()[:2] == ["h198", "h196"]
    assert len(named) == 3 * found.projects["seats"].item()
    assert (named["p_request"].diff().dropna() <= 0).all()


@pytest.mark.parametrize(
    ("unserved", "served", "high", "spare", "words"),
    [
        (30, 10, 60, 0, "约缺 30 个名额"),
        (0, 40, 70, 5, "大致够"),
        (0, 40, 70, 50, "名额够"),
        (15, 0, 30, 0, "可能凑满 20 户"),
        (5, 0, 10, 0, "逐户对接"),
        (0, 10, 20, 0, "名额够"),
        (0.6, 0, 2, 0, "逐户对接"),  # told as a gap of 1
        (0.4, 1, 2, 0, "名额够"),  # told as no gap
        (0.4, 0, 2, 0, "逐户对接"),  # no seats at all
    ],
)
def test_verdicts(unserved: float, served: float, high: float, spare: float, words: str) -> None:
    row = {"unserved": unserved, "served": served, "wanted_high": high, "spare": spare}
    assert words in verdict(row, known_of([]).community)


def test_seats_that_nobody_wants_are_spare_for_all_who_share_them() -> None:
    needs = proposals_of(known_of([CANTEEN | {"seats": 90}]), {"meals": 0.3, "daycare": 0.1}).needs
    assert needs.set_index("need")["spare"][["meals", "daycare"]].tolist() == pytest.approx([10, 10])


def test_two_programmes_of_one_need_serve_each_household_once() -> None:
    second = CLASSROOM | {"id": "second_classroom"}
    proposals = proposals_of(known_of([CLASSROOM, second]), {"childcare": 0.1})  # 20 households
    running = proposals.projects[proposals.projects["kind"] == "run"]
    assert list(running["seats"]) == pytest.approx([10, 10])
    assert proposals.needs.set_index("need").loc["childcare", "served"] == pytest.approx(20)


def test_no_fund_pays_more_than_it_has_and_nobody_is_told_on_the_day_of_the_list() -> None:
    found = proposals_of(known_of([CLASSROOM | {"cost_per_seat": 1500}]), {"childcare": 0.2, "daycare": 0.3})
    funds, projects = found.funds.set_index("fund"), found.projects
    assert (funds["planned"] <= funds["budget"] - funds["spent"]).all() and (funds["left"] >= 0).all()
    short = projects[projects["short_of_money"]]
    assert (short["missing"] > 0).all() and len(short)
    paid = (projects["cost"].fillna(0) - projects["missing"]).groupby(projects["fund"]).sum()
    assert paid["main"] == funds.loc["main", "planned"]
    told = projects.loc[projects["kind"] != "run", "tell_by"]
    assert all(one > date(2025, 6, 2) for one in told) and len(told)


def test_seats_of_a_project_are_rounded_as_the_list_of_needs_rounds_them() -> None:
    found = proposals_of(known_of([]), {"childcare": 0.2})
    (project,) = found.projects.to_dict("records")
    assert project["seats"] == round(found.needs.set_index("need").loc["childcare", "unserved"])
