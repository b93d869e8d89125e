"""Counts of the week and month: who was met, who was never visited, and which promises were kept."""

import pytest
from make_records import make_records

from features.point_in_time.records import known_before
from models.monitoring.week_counts import WeekCounts, week_counts

NOW = 19_960
HOMES = [{"household_id": f"h{at}"} for at in range(4)]


def visit(home: int, day: float, outcome: str | None = "needed") -> dict:
    name = f"o{home}-{day}"
    return {
        "outreach_id": name,
        "household_id": f"h{home}",
        "need": "meals",
        "contacted_at": day,
        "outcome": outcome,
    }


def counts(*visits: dict, **tables: list[dict]) -> WeekCounts:
    return week_counts(known_before(make_records(HOMES, outreach=visits, **tables), NOW))


@pytest.mark.parametrize(
    ("outcome", "found", "met"),
    [
        ("needed", True, True),
        ("not_needed", False, True),
        ("declined", False, True),
        ("not_reached", False, False),
        ("moved_away", False, False),
    ],
)
def test_who_was_not_reached_was_visited_but_not_met(outcome: str, found: bool, met: bool) -> None:
    (row,) = counts(visit(0, NOW - 3.0, outcome)).visits.to_dict("records")
    assert (row["found"], row["met"]) == (found, met)


def test_visits_without_an_outcome_and_households_that_refuse_do_not_count_as_never_visited() -> None:
    made = counts(
        visit(0, NOW - 40.0),
        visit(1, NOW - 2.0, None),
        opt_outs=[{"household_id": "h2", "from": NOW - 90.0}],
    )
    (grid,) = made.grids.to_dict("records")
    assert (grid["households"], grid["never"], grid["unseen"]) == (3, 2, 40.0)  # h1 and h3 were never visited


@pytest.mark.parametrize(("off", "kept"), [(-7, True), (7, True), (7.5, False), (-8, False)])
def test_a_promise_is_kept_by_a_visit_within_a_week_of_the_day(off: float, kept: bool) -> None:
    promise = {"feedback_id": "f", "household_id": "h0", "recorded_at": NOW - 30.0, "next_visit": NOW - 14.0}
    made = counts(visit(0, NOW - 14.0 + off), visit(1, NOW - 14.0), feedback=[promise])
    assert made.promised["kept"].tolist() == [kept]
    nobody = counts(visit(0, NOW - 14.0 + off, None), feedback=[promise])
    assert nobody.promised["kept"].tolist() == [False]
