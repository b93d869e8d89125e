"""What a look back counts: fresh rows, past weeks whose windows have passed, and past demand, at their edges."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from make_records import make_community, make_records

from features.point_in_time.records import Known, date_of, day_of, known_before
from models.monitoring.monitor import (
    AskingByGrid,
    PastRequests,
    TableStates,
    freshness,
    past_demand,
    past_week,
    spans_told,
)

NOW = day_of(date(2024, 6, 3))
NEEDS = ({"id": "meals", "horizon_weeks": 4}, {"id": "care", "horizon_weeks": 8})
HOMES = [{"household_id": f"h{at:03d}", "grid_id": f"g{at % 2}"} for at in range(100)]


def town(*requests: dict, as_of: int = NOW, visits: tuple = ()) -> tuple[TableStates, Known]:
    community = make_community(NEEDS)
    rows = [{"need": "meals", **request} for request in requests]
    records = make_records(HOMES, rows, outreach=visits, community=community)
    known = known_before(records, as_of)
    return TableStates.of(known), known


def asked(home: int, day: float, **more: object) -> dict:
    return {"household_id": f"h{home:03d}", "requested_at": day, "recorded_at": day, **more}


def test_four_weeks_of_rows_stand_beside_the_mean_of_four_weeks_in_the_year_before() -> None:
    days = [NOW - 1.0, NOW - 28.0, NOW - 28.5, NOW - 14 * 28.0, NOW - 14 * 28.0 - 0.5]
    seen, _ = town(*(asked(at, day) for at, day in enumerate(days)))
    row = freshness([seen], NOW).set_index("table").loc["requests"]
    assert (row["age"], row["rows"], row["usual_rows"]) == (1.0, 2, pytest.approx(2 / 13))


def scores(day: int) -> list[pa.Table]:
    """Scores of a past week by which h000 and h001 are the likeliest two of a hundred."""
    frame = pd.DataFrame(
        [(home["household_id"], need["id"]) for home in HOMES for need in NEEDS],
        columns=["household_id", "need"],
    )
    number = frame["household_id"].str[1:].astype(int)
    frame["p_request"] = 0.9 / (1 + number)
    table = pa.Table.from_pandas(frame.astype({"household_id": "category", "need": "category"}))
    return [table.slice(0, 70), table.slice(70)]


@pytest.mark.parametrize(("late", "passed"), [(0, True), (1, False)])
@pytest.mark.parametrize("delay", [0, 3])
def test_a_past_week_is_checked_once_its_window_and_the_usual_delay_have_passed(
    late: int, passed: bool, delay: int
) -> None:
    week = NOW - 28 - delay + late
    begin = [asked(at, week - 60.0, recorded_at=week - 60.0 + delay) for at in range(50, 90)]
    _, known = town(*begin)
    found = past_week(PastRequests.of(known), week, scores(week), None)
    assert (found["need"].tolist() if len(found) else []) == (["meals"] if passed else [])


def test_a_past_week_counts_requests_of_its_window_in_the_top_and_on_the_lists() -> None:
    week = NOW - 70
    inside = [asked(0, week), asked(1, week + 27.9), asked(7, week + 3.0), asked(7, week + 4.0)]
    outside = [asked(2, week - 0.1), asked(3, week + 28.0), asked(9, week + 2.0, need="care")]
    _, known = town(*inside, *outside)
    listed = pd.DataFrame(
        [
            ("h007", "meals", "targeted"),
            ("h008", "meals", "targeted"),
            ("h000", "meals", "random"),
            ("h009", "gone", "targeted"),
        ],
        columns=["household_id", "need", "arm"],
    )
    row = past_week(PastRequests.of(known), week, scores(week), listed).set_index("need").loc["meals"]
    assert row["households"] == 100 and row["observed"] == 3
    assert row["predicted"] == pytest.approx(sum(0.9 / (1 + at) for at in range(100)))
    assert (row["top"], row["top_asked"]) == (2, 2)
    assert (row["listed"], row["listed_asked"]) == (2, 1)


@pytest.mark.parametrize(("ends", "there"), [(NOW, True), (NOW + 1, False)])
def test_past_demand_is_checked_once_its_span_has_passed(ends: int, there: bool) -> None:
    begins = NOW - 40
    _, known = town(asked(0, begins), asked(1, begins + 1.0), asked(2, begins - 0.1), asked(2, float(ends)))
    told = pd.DataFrame(
        [
            {"grid_id": "", "low_80": 2, "high_80": 3, "low_90": 2, "high_90": 2},
            {"grid_id": "g0", "low_80": 0, "high_80": 0, "low_90": 0, "high_90": 1},
            {"grid_id": "g1", "low_80": 2, "high_80": 5, "low_90": 1, "high_90": 5},
        ]
    ).assign(need="meals", begins=str(date_of(begins)), ends=str(date_of(ends)))
    spans = [span for span in set(spans_told(told)) if span[1] <= NOW]
    found = past_demand(PastRequests.of(known), AskingByGrid.of(known, spans), told)
    assert len(found) == (3 if there else 0)
    if there:
        assert found["observed"].tolist() == [2, 1, 1]
        assert found["within_80"].tolist() == [True, False, False]
        assert found["within_90"].tolist() == [True, True, True]


def test_outcomes_are_counted_by_arm() -> None:
    arms = ("random", "random", "targeted")
    results = ("needed", "not_reached", "needed")
    visits = tuple(
        {
            "household_id": f"h{at:03d}",
            "need": "meals",
            "contacted_at": NOW - timedelta(days=at + 1).days,
            "arm": arm,
            "outcome": outcome,
        }
        for at, (arm, outcome) in enumerate(zip(arms, results, strict=True))
    )
    seen, _ = town(visits=visits)
    table = seen.outcomes.set_index("arm")
    assert table.loc["random", ["needed", "not_reached"]].tolist() == [1, 1]
    assert np.asarray(table.loc["targeted", ["needed", "not_reached"]]).tolist() == [1, 0]
