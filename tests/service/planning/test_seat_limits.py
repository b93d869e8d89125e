"""Deadlines and seats: until when a programme takes people in, and what is left of it."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from make_records import make_community, make_records, records_of

from features.contract.community import Programme
from features.language import UserError, speaking
from features.point_in_time.records import Known, date_of, day_of, known_before
from service.planning.planner import plan
from service.planning.seat_limits import enrolment, last_day_to_enrol

DAY = day_of(date(2025, 6, 2))
NEEDS = ({"id": "childcare", "horizon_weeks": 8, "severity": 2}, {"id": "meals", "severity": 1})


@pytest.mark.parametrize(
    ("closes", "until", "begins", "expected"),
    [
        ("08-20", "06-20", "2025-06-01", "2025-06-20"),
        ("08-20", "06-20", "2025-07-01", "2025-06-20"),  # this season's enrolment is over
        ("08-20", "06-20", "2025-08-20", "2025-06-20"),
        ("08-20", "06-20", "2025-08-21", "2026-06-20"),  # the next season's
        ("02-10", "12-20", "2025-11-01", "2025-12-20"),  # over the turn of the year
        ("02-10", "12-20", "2026-01-15", "2025-12-20"),
        ("", "03-15", "2025-06-01", "2025-03-15"),
        ("", "02-29", "2023-01-01", "2023-02-28"),
    ],
)
def test_last_day_to_enrol(closes: str, until: str, begins: str, expected: str) -> None:
    programme = Programme.model_validate({"id": "p", "closes": closes, "enrol_until": until})
    assert date_of(last_day_to_enrol(programme, day_of(date.fromisoformat(begins)))).isoformat() == expected


def test_without_a_last_day_people_can_always_join() -> None:
    assert last_day_to_enrol(Programme(id="p", closes="08-20"), DAY) == np.inf


def test_a_last_day_that_is_no_day_is_refused() -> None:
    with pytest.raises(UserError, match="06-20"):
        make_community(NEEDS, programmes=[{"id": "p", "needs": ["meals"], "enrol_until": "June"}])


def summer(as_of: int, visits: tuple = (), **programme: object) -> Known:
    """Two households in two grids and a summer class."""
    klass = {"id": "class", "needs": ["childcare"], "seats": 9, "opens": "07-05", "closes": "08-20"}
    settings = {"visits_per_worker": 3, "explore_share": 0.0}
    community = make_community(NEEDS, programmes=[{**klass, **programme}], outreach=settings)
    homes = [{"household_id": "a", "grid_id": "g1"}, {"household_id": "b", "grid_id": "g2"}]
    return known_before(make_records(homes, outreach=visits, community=community), as_of)


def asked_of(known: Known, **chances: float) -> set[tuple[str, str]]:
    """The pairs that a plan lists; ``chances``: p_need by household, of both needs."""
    rows = [(home, need, p) for home, p in chances.items() for need in ("childcare", "meals")]
    scores = pd.DataFrame(rows, columns=["household_id", "need", "p_need"]).assign(model_version="1")
    visits = plan(scores, known).visits
    return set(zip(visits["household_id"], visits["need"], strict=True))


def test_a_need_is_asked_about_until_the_last_day_and_not_later() -> None:
    assert ("a", "childcare") in asked_of(summer(DAY, enrol_until="06-02"), a=0.5, b=0.2)
    late = asked_of(summer(DAY, enrol_until="06-01"), a=0.5, b=0.2)
    assert late == {("a", "meals"), ("b", "meals")}
    after = day_of(date(2025, 8, 25))  # the class is over: what a visit finds now is not for the class
    assert ("a", "childcare") in asked_of(summer(after, enrol_until="06-01"), a=0.5, b=0.2)


def test_who_can_enrol_this_week_only_is_visited_first() -> None:
    known = summer(DAY, enrol_until="06-06")
    rows = [("a", "meals", 0.9), ("b", "childcare", 0.3)]
    scores = pd.DataFrame(rows, columns=["household_id", "need", "p_need"]).assign(model_version="1")
    for town, first in ((known, "b"), (summer(DAY, enrol_until="06-20"), "a")):
        one_grid = replace(
            records_of(town).households, grid=np.zeros(2, np.int32), microgrid=np.zeros(2, np.int32)
        )
        town = known_before(replace(records_of(town), households=one_grid), DAY)
        visits = plan(scores, town).visits
        assert visits.loc[visits["visit_order"] == 1, "household_id"].tolist() == [first]


def test_a_programme_of_one_grid_closes_there_only() -> None:
    offered = enrolment(summer(DAY, enrol_until="06-01", grids=["g2"]))
    assert offered.closed[:, 0].tolist() == [False, True]
    assert offered.within[:, 0].tolist() == [0, 0]


def test_seats_go_to_the_likeliest_and_others_are_asked_about_other_needs() -> None:
    one_seat = summer(DAY, seats=9, seats_taken=8)
    assert asked_of(one_seat, a=0.5, b=0.7) == {("a", "meals"), ("b", "meals"), ("b", "childcare")}
    assert {("a", "childcare"), ("b", "childcare")} <= asked_of(one_seat, a=0.2, b=0.7)


def test_seats_that_visits_found_takers_for_since_it_opened_are_taken() -> None:
    july = day_of(date(2025, 7, 21))
    found = [
        {"household_id": "a", "need": "childcare", "contacted_at": july - 14.0, "outcome": "needed"},
        {"household_id": "a", "need": "childcare", "contacted_at": july - 10.0, "outcome": "needed"},
        {"household_id": "b", "need": "childcare", "contacted_at": july - 60.0, "outcome": "needed"},
        {"household_id": "b", "need": "meals", "contacted_at": july - 3.0, "outcome": "needed"},
    ]
    assert enrolment(summer(july, visits=tuple(found))).seats.tolist() == [8]


def test_lines_say_which_seats_limit_the_list_and_what_to_change() -> None:
    rows = [("a", "childcare", 0.5), ("b", "childcare", 0.7)]
    scores = pd.DataFrame(rows, columns=["household_id", "need", "p_need"]).assign(model_version="1")
    with speaking("en"):
        lines = "\n".join(plan(scores, summer(DAY, seats_taken=8)).lines)
        assert "class" in lines and "seats_taken" in lines
        assert "seats_taken" not in "\n".join(plan(scores, summer(DAY)).lines)


def test_without_any_visits_to_make_the_line_says_where_to_set_them() -> None:
    community = make_community(NEEDS, outreach={"visits_per_worker": 0})
    known = known_before(make_records([{"household_id": "a"}], community=community), DAY)
    with pytest.raises(UserError, match="visits_per_worker"):
        asked_of(known, a=0.5)


def test_more_programmes_than_can_be_told_apart_are_refused_in_one_line() -> None:
    def offered(count: int) -> np.ndarray:
        programmes = [{"id": f"p{at}", "needs": ["meals"], "seats": 2} for at in range(count)]
        community = make_community(NEEDS, programmes=programmes)
        known = known_before(make_records([{"household_id": "h1"}], community=community), DAY)
        return enrolment(known).within

    assert offered(63)[0, 1] == 2**63 - 1
    with pytest.raises(UserError, match="63"):
        offered(64)
