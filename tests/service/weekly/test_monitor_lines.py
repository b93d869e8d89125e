"""Each warning of a look back is written beyond its threshold, and not at it."""

from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from make_records import make_community

from features.language import speaking
from features.point_in_time.records import day_of
from models.monitoring.alarms import MISCOUNT, STALE_DAYS
from service.weekly.monitor_lines import FEWEST, freshness_lines, past_lines, set_aside_lines

LAST = day_of(pd.Timestamp("2024-05-20").date())
COMMUNITY = make_community([{"id": "meals", "name": {"zh": "助餐", "en": "Meals"}}])


@pytest.mark.parametrize(
    ("table", "days", "warns"),
    [
        ("requests", STALE_DAYS, False),
        ("requests", STALE_DAYS + 1, True),
        ("households", STALE_DAYS + 100, False),
    ],
)
def test_requests_older_than_two_weeks_are_stale(table: str, days: int, warns: bool) -> None:
    row = {"table": table, "last": float(LAST), "age": days, "rows": 3, "usual_rows": 4.0}
    (zh,) = freshness_lines(pd.DataFrame([row]))
    assert ("太久没有新的" in zh) is warns
    with speaking("en"):
        assert ("stale" in freshness_lines(pd.DataFrame([row]))[0]) is warns


def test_rows_set_aside_are_counted_beside_those_of_their_export() -> None:
    read_on = date(2024, 5, 21)
    lines = set_aside_lines(Path("w"), {"requests": (1000, 21, read_on), "outreach": (40, 2, read_on)})
    assert lines == ["诉求：21 行没读进（2.1%）", "走访：2 行没读进（5.0%）", "原因见 w/ingest.html"]
    assert set_aside_lines(Path("w"), {}) == ["每一行都读进来了"]


def past(predicted: float, observed: int, **row: Any) -> list[str]:
    """What is written of two past weeks that together have these numbers."""
    half = {"need": "meals", "households": 500, "top": 10, "top_asked": 2, "listed": 5, "listed_asked": 1}
    half |= {"predicted": predicted / 2, "observed": observed / 2, "hindsight": False} | row
    weeks = [{**half, "as_of": pd.Timestamp(day)} for day in ("2024-03-04", "2024-03-11")]
    with speaking("en"):
        return past_lines(pd.DataFrame(weeks), COMMUNITY)


@pytest.mark.parametrize(
    ("predicted", "observed", "warns"),
    [
        (100 * MISCOUNT, 100, False),
        (100 * MISCOUNT + 1, 100, True),
        (100, 130, False),
        (99, 130, True),
        (3 * FEWEST, FEWEST, True),
        (3 * FEWEST, FEWEST - 1, False),
        (0.0, FEWEST, True),
    ],
)
def test_a_need_that_was_predicted_far_off_asks_for_a_retrain(
    predicted: float, observed: int, warns: bool
) -> None:
    line = past(predicted, observed)[-1]
    assert f"{predicted:.0f} predicted, {observed} observed" in line
    assert ("retrain" in line) is warns


@pytest.mark.parametrize("hindsight", [True, False])
def test_weeks_scored_in_hindsight_are_told(hindsight: bool) -> None:
    lines = past(100, 100, hindsight=hindsight)
    assert "2 past weeks" in lines[0]
    assert any("look too good" in line for line in lines) is hindsight


def test_without_a_past_week_whose_window_has_passed_there_is_nothing_to_check() -> None:
    with speaking("en"):
        assert past_lines(pd.DataFrame(), COMMUNITY) == [
            "no past week's windows have passed yet: nothing to check"
        ]
