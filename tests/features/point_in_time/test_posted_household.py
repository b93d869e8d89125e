"""What another system posts of a household."""

from datetime import date, datetime
from itertools import permutations
from zoneinfo import ZoneInfo

from features.point_in_time.posted_household import Posted
from features.point_in_time.records import day_of

ZONE, AS_OF = ZoneInfo("Asia/Shanghai"), day_of(date(2024, 9, 2))


def row(grid: str, when: date | str) -> dict:
    return {
        "grid_id": grid,
        "valid_from": datetime.fromisoformat(when) if isinstance(when, str) else when,
    }


def test_where_it_lives_does_not_depend_on_the_order_of_its_rows() -> None:
    rows = [
        row("first", date(2019, 3, 1)),
        row("morning", "2024-09-01T08:00:00+08:00"),
        row("evening", "2024-09-01T11:00:00+00:00"),  # 19:00 in the community
        row("later", date(2024, 9, 2)),
    ]
    for order in permutations(rows):
        found = Posted("h", order).row_known(AS_OF, ZONE)
        assert found and found["grid_id"] == "evening"
    assert Posted("h", rows[3:]).row_known(AS_OF, ZONE) is None
