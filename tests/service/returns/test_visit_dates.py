"""The day of a visit: what may be right, and what is a slip, at the edge of each rule."""

from datetime import date, timedelta

import pytest

from service.returns.visit_dates import near_week, usual_date, yet_to_come

MONDAY = date(2025, 6, 2)


def days(number: int) -> date:
    return MONDAY + timedelta(days=number)


@pytest.mark.parametrize(("day", "near"), [(-8, False), (-7, True), (180, True), (181, False)])
def test_a_visit_lies_near_its_lists_week(day: int, near: bool) -> None:
    assert near_week(days(day), MONDAY) is near


@pytest.mark.parametrize(
    ("day", "today", "ahead"), [(6, 0, False), (7, 0, True), (9, 9, False), (10, 9, True)]
)
def test_a_visit_of_the_lists_week_is_not_ahead_and_one_after_today_is(
    day: int, today: int, ahead: bool
) -> None:
    assert yet_to_come(days(day), MONDAY, days(today)) is ahead


@pytest.mark.parametrize(("today", "day"), [(-3, 0), (0, 0), (4, 4), (6, 6), (7, 6), (90, 6)])
def test_a_visit_without_a_date_was_made_today_or_on_the_nearest_day_of_the_week(
    today: int, day: int
) -> None:
    assert usual_date(MONDAY, days(today)) == days(day)
