"""Expected demand: intervals that hold, scatter read from the past, programmes that run in a window."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_records import make_community, make_records

from features.contract import Programme
from features.records import Known, day_of, known_before
from models.demand import against_seats, expected_demand, interval, past_scatter, runs
from service.pages import verdict

DAY = day_of(date(2025, 9, 1))
GRIDS = 4


def town(requests: list[dict], homes: int = 80) -> Known:
    """Households in four grids, with one need of a four-week window."""
    households = [{"household_id": f"h{index:03}", "grid_id": f"g{index % GRIDS}"} for index in range(homes)]
    community = make_community([{"id": "meals", "horizon_weeks": 4}])
    return known_before(make_records(households, requests, community=community), DAY)


def steady(rate: np.ndarray, homes: int = 80) -> list[dict]:
    """Requests over four years: each household asks in a window with the chance ``rate`` [windows, grids]."""
    draw = np.random.default_rng(1)
    return [
        {"household_id": f"h{home:03}", "need": "meals", "requested_at": DAY - 28 * window - 14.0}
        for window in range(len(rate))
        for home in range(homes)
        if draw.random() < rate[window, home % GRIDS]
    ]


@pytest.mark.parametrize("level", [0.8, 0.9])
@pytest.mark.parametrize(
    ("homes", "wide"), [(10, 0.2), (400, 0.05)]
)  # small counts jump: nothing fits closely
def test_intervals_hold_for_independent_households(level: float, homes: int, wide: float) -> None:
    draw = np.random.default_rng(0)
    p = draw.beta(1, 9, homes)
    counts = (draw.random((4000, homes)) < p).sum(axis=1)
    low, high = interval(np.array([p.sum()]), np.array([(p * (1 - p)).sum()]), level)
    covered = ((counts >= low[0]) & (counts <= high[0])).mean()
    assert level - 0.01 <= covered <= level + wide


@given(st.floats(0.01, 500), st.floats(0.05, 3))
def test_more_scatter_never_narrows_an_interval(mean: float, ratio: float) -> None:
    variance = np.array([mean * ratio, mean * ratio * 1.5])
    low, high = interval(np.full(2, mean), variance, 0.9)
    assert (low >= 0).all() and (low <= high).all()
    assert high[1] - low[1] >= high[0] - low[0] - 1  # whole numbers: one may round away


def test_scatter_is_read_from_the_past() -> None:
    draw = np.random.default_rng(2)
    even = town(steady(np.full((26, GRIDS), 0.3)))
    uneven = town(steady(draw.choice([0.02, 0.6], (26, GRIDS))))
    assert past_scatter(even, 0, 4)[0] < 1.5
    assert past_scatter(uneven, 0, 4)[0] > 3
    changing = np.repeat(draw.choice([0.1, 0.6], (26, 1)), GRIDS, axis=1)
    assert past_scatter(town(steady(changing)), 0, 4)[1] > 0.2
    assert past_scatter(even, 0, 4)[1] < 0.2
    assert past_scatter(town([]), 0, 4) == (1.0, 0.0)


def test_the_towns_row_is_the_sum_of_its_grids() -> None:
    known = town(steady(np.full((10, GRIDS), 0.3)))
    homes = known.records.household_ids
    p = np.linspace(0.01, 0.5, len(homes))
    table = expected_demand(pd.DataFrame({"household_id": homes, "need": "meals", "p_request": p}), known)
    town_row, grids = table[table["grid_id"] == ""], table[table["grid_id"] != ""]
    assert town_row["expected"].item() == pytest.approx(p.sum()) == grids["expected"].sum()
    assert town_row["households"].item() == 80 == grids["households"].sum()
    assert (town_row["begins"].item(), town_row["ends"].item()) == (date(2025, 9, 1), date(2025, 9, 29))


@pytest.mark.parametrize(
    ("opens", "closes", "begins", "ends", "expected"),
    [
        ("07-05", "08-20", "2025-08-20", "2025-09-20", True),
        ("07-05", "08-20", "2025-08-21", "2025-09-20", False),
        ("07-05", "08-20", "2025-06-01", "2025-07-05", False),
        ("07-05", "08-20", "2025-06-01", "2025-07-06", True),
        ("12-01", "02-28", "2025-01-15", "2025-01-22", True),
        ("12-01", "02-28", "2025-03-01", "2025-11-30", False),
        ("", "", "2025-03-01", "2025-03-02", True),
        ("07-05", "08-20", "2025-09-01", "2026-09-01", True),
    ],
)
def test_programmes_run_between_their_month_days(
    opens: str, closes: str, begins: str, ends: str, expected: bool
) -> None:
    programme = Programme(id="p", opens=opens, closes=closes)
    span = (day_of(date.fromisoformat(one)) for one in (begins, ends))
    assert runs(programme, *span) == expected


def test_needs_that_share_seats_are_added_up() -> None:
    programme = {"id": "canteen", "name": "幸福食堂", "needs": ["meals", "daycare"], "seats": 50}
    community = make_community([{"id": "meals"}, {"id": "daycare"}, {"id": "legal"}], programmes=[programme])
    homes = [f"h{index:03}" for index in range(100)]
    known = known_before(make_records([{"household_id": one} for one in homes], community=community), DAY)
    scores = pd.DataFrame({"household_id": homes * 3, "p_request": np.repeat([0.4, 0.3, 0.3], 100)})
    demand = expected_demand(scores.assign(need=np.repeat(["meals", "daycare", "legal"], 100)), known)
    seats = against_seats(demand, community, DAY)
    assert seats["short"].tolist() == pytest.approx([20, 20, np.nan], nan_ok=True)
    texts = [
        verdict(row, {"meals": "助餐", "daycare": "日托", "legal": "法律"})
        for row in seats.to_dict("records")
    ]
    assert texts == [
        "名额不够，约缺 20 个（与日托共用名额）",
        "名额不够，约缺 20 个（与助餐共用名额）",
        "窗口内没有对应项目",
    ]
