"""What people write into the cells of a list."""

from datetime import date

import pytest

from service.lists.answers import contradiction, read_date


@pytest.mark.parametrize(
    ("written", "as_of", "meant"),
    [
        ("1月2日", date(2025, 12, 29), date(2026, 1, 2)),
        ("12月30日", date(2025, 12, 29), date(2025, 12, 30)),
        ("12月30日", date(2026, 1, 5), date(2025, 12, 30)),
        ("1月6日", date(2026, 1, 5), date(2026, 1, 6)),
        ("2月29日", date(2026, 12, 28), None),
        ("2月29日", date(2027, 12, 27), date(2028, 2, 29)),
        ("2月29日", date(2025, 1, 6), date(2024, 2, 29)),
        ("2025-1-2", date(2025, 12, 29), date(2025, 1, 2)),
    ],
)
def test_a_day_without_a_year_is_the_one_nearest_to_the_lists_week(
    written: str, as_of: date, meant: date | None
) -> None:
    assert read_date(written, as_of) == meant


def test_of_two_outcomes_of_one_day_none_is_called_the_later_visit() -> None:
    monday, friday = date(2026, 6, 8), date(2026, 6, 12)
    same = contradiction("h1", ("需要", monday), ("不需要", monday), "不需要")
    later = contradiction("h1", ("需要", monday), ("不需要", friday), "不需要")
    assert "同一天去的，算后登记的“不需要”" in same and "较晚" not in same
    assert "算较晚去的那次“不需要”" in later
