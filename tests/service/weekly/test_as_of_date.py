"""Which Monday is the default as-of date."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from make_records import make_community, make_records

from features.language import UserError
from features.store.partitions import InMemory
from service.weekly.as_of_date import choose_as_of, default_as_of


@pytest.mark.parametrize(
    ("timezone", "now", "expected"),
    [
        ("Asia/Shanghai", datetime(2024, 6, 5, 12, tzinfo=UTC), date(2024, 6, 3)),
        ("Asia/Shanghai", datetime(2024, 6, 2, 15, 59, tzinfo=UTC), date(2024, 5, 27)),
        ("Asia/Shanghai", datetime(2024, 6, 2, 16, 0, tzinfo=UTC), date(2024, 6, 3)),
        ("America/New_York", datetime(2024, 6, 3, 3, 59, tzinfo=UTC), date(2024, 5, 27)),
        ("America/New_York", datetime(2024, 6, 3, 4, 0, tzinfo=UTC), date(2024, 6, 3)),
        (
            "America/New_York",
            datetime(2024, 12, 2, 4, 30, tzinfo=UTC),
            date(2024, 11, 25),
        ),  # winter: five hours
    ],
)
def test_default_as_of_is_this_weeks_monday_in_the_communitys_timezone(timezone, now, expected):
    community = make_community(community={"name": "x", "timezone": timezone})
    records = make_records([{"household_id": "h", "valid_from": f"{now:%Y-%m-%d}"}], community=community)
    as_of, line = default_as_of(records, now)
    assert as_of == expected
    assert "本周一" in line


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("2024-05-30T10:00", date(2024, 6, 3)),
        ("2024-06-02T23:59", date(2024, 6, 3)),
        ("2024-06-03T00:00", date(2024, 6, 10)),
        ("2024-06-05", date(2024, 6, 10)),
    ],
)
def test_default_as_of_is_the_first_monday_after_data_that_end_earlier(last, expected):
    records = make_records(
        [{"household_id": "h"}], [{"household_id": "h", "need": "meals", "requested_at": last}]
    )
    as_of, line = default_as_of(records, datetime(2024, 9, 4, tzinfo=UTC))
    assert as_of == expected
    assert "数据只到" in line and str(expected) in line


def test_an_office_gets_its_first_list_on_the_day_on_which_it_begins():
    today = datetime.now(ZoneInfo("Asia/Shanghai")).date()
    records = make_records([{"household_id": "h", "valid_from": today.isoformat()}])
    as_of, _ = choose_as_of(InMemory(records), None)
    assert as_of.weekday() == 0 and timedelta(0) < as_of - today <= timedelta(days=7)
    with pytest.raises(UserError, match="没有任何住户资料"):
        choose_as_of(InMemory(records), today)


def test_a_clock_set_far_back_makes_no_lists_of_long_ago():
    records = make_records(
        [{"household_id": "h"}], [{"household_id": "h", "need": "meals", "requested_at": "2024-06-05"}]
    )
    with pytest.raises(UserError, match=r"数据到 2024-06-05，比今天 2023-06-01 晚得多.*时钟.*--as-of"):
        default_as_of(records, datetime(2023, 6, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("last", "expected"), [("2024-07-29", date(2024, 9, 2)), ("2024-07-28", date(2024, 7, 29))]
)
def test_a_quiet_month_keeps_this_weeks_monday(last, expected):
    records = make_records(
        [{"household_id": "h"}], [{"household_id": "h", "need": "meals", "requested_at": last}]
    )
    as_of, line = default_as_of(records, datetime(2024, 9, 4, tzinfo=UTC))
    assert as_of == expected
    assert "数据只到" in line


def test_without_data_there_is_no_default_as_of():
    with pytest.raises(UserError, match="xianying ingest"):
        default_as_of(make_records(), datetime(2024, 9, 4, tzinfo=UTC))
