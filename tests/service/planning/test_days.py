"""The planner's rules about days at their edge: the day before, the day itself and the day after."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pytest
from make_records import make_community, make_records

from features.point_in_time.records import Known, date_of, day_of, known_before
from models.monitoring.reason_quality import returned
from service.lists.feedback_week import FeedbackWeek, feedback_week
from service.planning.eligibility import HANDLED_DAYS, left_out
from service.planning.planner import plan

MONDAY = day_of(date(2025, 6, 2))
NEEDS = ({"id": "meals", "horizon_weeks": 4}, {"id": "care", "horizon_weeks": 8})
HOMES = [{"household_id": "a"}, {"household_id": "b"}]


def town(programmes: tuple = (), settings: dict | None = None, **tables: list) -> Known:
    usual = {"explore_share": 0.0, "visits_per_household_a_year": 99, "cooldown_weeks": 0}
    community = make_community(NEEDS, outreach={**usual, **(settings or {})}, programmes=programmes)
    return known_before(make_records(HOMES, **tables, community=community), MONDAY)


def out(known: Known) -> np.ndarray:
    """The pairs of household a that may not be listed."""
    return left_out(known, np.zeros((2, 2), dtype=bool)).pairs()[0]


def visit(days_ago: float) -> list[dict]:
    return [
        {"household_id": "a", "need": "meals", "contacted_at": MONDAY - days_ago, "outcome": "not_needed"}
    ]


def asked(need: str, days_ago: float, resolved: bool = False) -> list[dict]:
    rows = [{"household_id": "a", "need": need, "requested_at": MONDAY - days_ago}]
    known = {"household_id": "b", "need": need, "requested_at": MONDAY - 90.0, "resolved_at": MONDAY - 80.0}
    return [*rows, known] if resolved else rows


def is_last_chance(days: int) -> bool:
    """Whether b, the less likely one, comes first because its programme enrols until a day of the coming days."""
    ends = f"{date_of(MONDAY + days):%m-%d}"
    known = town(programmes=({"id": "p", "needs": ["care"], "enrol_until": ends, "closes": "12-31"},))
    scores = pd.DataFrame(
        [("a", "meals", 0.9, "1"), ("b", "care", 0.3, "1")],
        columns=["household_id", "need", "p_need", "model_version"],
    )
    return plan(scores, known).visits["household_id"].iloc[0] == "b"


# how many days back (or ahead) a rule still holds
RULES: dict[str, tuple[Callable[[int], bool], int]] = {
    "rests after a contact": (
        lambda n: out(town(settings={"cooldown_weeks": 6}, outreach=visit(n))).all(),
        42,
    ),
    "rests after a visit of the office's own ledger": (
        lambda n: out(
            town(settings={"cooldown_weeks": 6}, feedback=[{"household_id": "a", "recorded_at": MONDAY - n}])
        ).all(),
        42,
    ),
    "had its visits of a year": (
        lambda n: out(town(settings={"visits_per_household_a_year": 1}, outreach=visit(n))).all(),
        365,
    ),
    "its request is handled for the need's window": (
        lambda n: out(town(requests=asked("meals", n))).tolist() == [True, False],
        28,
    ),
    "so it is for a longer window": (
        lambda n: out(town(requests=asked("care", n))).tolist() == [False, True],
        56,
    ),
    "its request is handled for a year where resolutions are noted": (
        lambda n: out(town(requests=asked("meals", n, resolved=True))).tolist() == [True, False],
        HANDLED_DAYS,
    ),
    "enrols this week only": (is_last_chance, 6),
}


@pytest.mark.parametrize("rule", RULES)
def test_the_last_day_of_a_rule_and_the_days_beside_it(rule: str) -> None:
    holds, last = RULES[rule]
    assert [bool(holds(last + days)) for days in (-1, 0, 1)] == [True, True, False]


def week(**feedback: object) -> FeedbackWeek:
    rows = [{"household_id": "a", "need": "meals", "kind": "satisfied", **feedback}]
    community = make_community(NEEDS)
    records = make_records(HOMES, feedback=rows, community=community)
    listed = pd.DataFrame(columns=["outreach_id", "reason_kinds", "worker_id"], dtype=object)
    return feedback_week(known_before(records, MONDAY), listed, returned(records))


@pytest.mark.parametrize(("days", "due"), [(-1, False), (0, True), (6, True), (7, False)])
def test_a_visit_is_agreed_for_the_week_in_which_its_day_lies(days: int, due: bool) -> None:
    assert bool(week(recorded_at=MONDAY - 30.0, next_visit=float(MONDAY + days)).agreed) is due


@pytest.mark.parametrize(("days", "new"), [(-8, 0), (-7, 1), (-1, 1)])
def test_feedback_is_new_from_the_monday_before(days: int, new: int) -> None:
    counts = week(recorded_at=float(MONDAY + days)).counts
    assert sum(row["new"] for row in counts) == new
    assert sum(row["all"] for row in counts) == 1
