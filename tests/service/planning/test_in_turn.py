"""An office whose few requests do not tell households apart: visits in turn, each household once."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import openpyxl
import pandas as pd
from make_records import make_community, make_records
from small_town import NEEDS
from tiny_town import TinyTown, make_tiny_town

from features.point_in_time.records import Known, Records, day_of, known_before
from features.point_in_time.schema_fit import fit_schema
from features.store.partitions import InMemory
from models.registry.champion import Champion, install_copy
from models.registry.tracking import registry_address
from models.scoring.model import FEWEST_REQUESTS, NeedModel
from models.scoring.untrained import untrained
from service.planning.planner import plan
from service.weekly.list_tasks import Written
from service.weekly.list_week import _tiers, list_week
from service.weekly.model_lines import about, list_notes
from service.weekly.week_directory import week_directory

MONDAY = date(2024, 9, 2)
HOMES = [f"h{number:02}" for number in range(30)]


def office(visited: dict[str, date]) -> Records:
    """Thirty households with forty requests, and the days on which some were visited."""
    random = np.random.default_rng(4)
    requests = [
        {
            "household_id": HOMES[random.integers(30)],
            "need": "childcare",
            "requested_at": day_of(MONDAY) - 200.0 - at,
        }
        for at in range(40)
    ]
    outreach = [
        {
            "outreach_id": f"o{one}",
            "household_id": one,
            "need": "meals",
            "contacted_at": str(day),
            "outcome": "not_reached",
        }
        for one, day in visited.items()
    ]
    community = make_community([{**need, "who": ""} for need in NEEDS], outreach={"visits_per_worker": 6})
    return make_records(
        [{"household_id": home} for home in HOMES], requests, outreach=outreach, community=community
    )


def visits(known: Known) -> pd.DataFrame:
    """The week's plan in turn, by scores that are the same for every household."""
    rows = [(home, need.id, 0.1) for home in HOMES for need in known.community.needs if not need.sensitive]
    scores = pd.DataFrame(rows, columns=["household_id", "need", "p_need"]).assign(model_version="1")
    return plan(scores, known, by_turn=True).visits


def test_each_household_is_visited_once_before_anybody_again() -> None:
    seen: dict[str, date] = {}
    for week in range(5):
        monday = MONDAY + timedelta(weeks=week)
        listed = visits(known_before(office(seen), day_of(monday)))["household_id"].unique()
        assert len(listed) == 6 and not {*listed} & {*seen}
        seen.update(dict.fromkeys(listed, monday + timedelta(days=1)))
    assert sorted(seen) == HOMES


def test_the_longest_unvisited_come_first_and_nobody_is_drawn_by_lot() -> None:
    days = {home: MONDAY - timedelta(days=60 + 9 * number) for number, home in enumerate(HOMES)}
    del days["h07"]
    listed = visits(known_before(office(days), day_of(MONDAY)))
    assert {*listed["household_id"]} == {"h07", "h29", "h28", "h27", "h26", "h25"}
    assert {*listed["arm"]} == {"targeted"}


def listed_without_training(town: TinyTown, metadata: dict[str, int]) -> Path:
    """Make the week's lists by a model without training, and return their directory."""
    town.ingest()
    monday = date(2024, 6, 10)
    known = known_before(town.records(), day_of(monday))
    made = town.workspace / "champion" / "made"
    base = untrained(known, fit_schema(known), known.as_of)
    replace(base, metadata={**base.metadata, **metadata}).save(made)
    install_copy(town.workspace, registry_address(town.workspace), 1, made)
    home = week_directory(town.workspace, monday)
    list_week(town.workspace, InMemory(town.records()), monday, home, lambda _: nullcontext())
    return home


def test_the_lists_say_that_it_is_a_round(tmp_path: Path) -> None:
    town = make_tiny_town(tmp_path / "town", tmp_path / "workspace")
    home = listed_without_training(town, {})
    says = "诉求太少，还分不出哪家先去：本周轮流走访，每户一次，最久没人去的先去。"
    for name in ("grid-G1.html", "overview.html"):
        assert says in (home / name).read_text("utf-8")
    assert "红" not in (home / "overview.html").read_text("utf-8")  # nor do tiers tell households apart
    assert {*pd.read_parquet(home / "risk.parquet")["tier"]} == {"green"}
    sheet = openpyxl.load_workbook(home / "grid-G1.xlsx").worksheets[0]
    assert says in str(sheet["A3"].value)
    listed = pd.read_parquet(home / "outreach.parquet")
    assert {*listed["reason"]} == {"轮流走访：还没有人去过"} and {*listed["arm"]} == {"targeted"}
    assert not {"H03", "H05", "H07", "H10", "H11"} & {*listed["household_id"]}  # visited of late, or refuses


def test_who_is_listed_by_past_requests_is_given_reasons_of_them_and_no_turn(tmp_path: Path) -> None:
    town = make_tiny_town(tmp_path / "town", tmp_path / "workspace")
    home = listed_without_training(town, {"requests": FEWEST_REQUESTS})
    reasons = pd.read_parquet(home / "outreach.parquet")["reason"]
    assert len(reasons) and not any("轮流走访" in reason for reason in reasons)
    assert any("申请" in reason for reason in reasons)


def test_what_lists_say_of_a_model_without_training_is_true_of_how_they_are_ordered() -> None:
    known = known_before(office({}), day_of(MONDAY))
    base = untrained(known, fit_schema(known), known.as_of)

    def notes(model: NeedModel) -> list[str]:
        return list_notes(cast(Champion, SimpleNamespace(model=model)), known.community)

    enough = replace(base, metadata={**base.metadata, "requests": FEWEST_REQUESTS})
    assert notes(enough) == [
        "还训练不出模型：暂时按本户、邻居和同类家庭以往的诉求排先后。",
        "名单是照以往的诉求排的：从没开过口的家庭也可能有需要，只是排不到前面。",
    ]
    assert len(notes(base)) == 1 and "轮流走访" in notes(base)[0]  # a round leaves nobody behind
    told = about(cast(Champion, SimpleNamespace(model=base)), known.community)
    assert "训练时有 40 条诉求；满 50 条后运行 xianying retrain，名单就能分出先后。" in told
    assert not any(
        "满 50 条后" in line for line in about(cast(Champion, SimpleNamespace(model=enough)), known.community)
    )
    some = replace(enough, modelled=np.arange(len(base.modelled)) > 0)
    name = known.community.needs[0].name.here
    assert notes(some)[0] == f"{name}：能有这几项需求的住户诉求太少，没有训练模型，排的先后只供参考。"


def test_tiers_that_tell_no_household_apart_are_not_counted() -> None:
    green, red = (cast(Written, SimpleNamespace(tiers={("G1", tier): 2})) for tier in ("green", "red"))
    assert _tiers([green]).empty and len(_tiers([green, red])) == 4
