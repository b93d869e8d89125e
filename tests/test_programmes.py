"""Programmes against demand: which run in a window, and needs that share seats."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from make_records import make_community, make_records

from features.contract import Programme
from features.records import day_of, known_before
from models.demand import expected_demand
from models.programmes import against_seats, runs
from service.pages import verdict

DAY = day_of(date(2025, 9, 1))


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
    programme = {"id": "canteen", "name": "幸福食堂", "needs": ["meals", "daycare"], "seats": 30}
    community = make_community([{"id": "meals"}, {"id": "daycare"}, {"id": "legal"}], programmes=[programme])
    homes = [f"h{index:03}" for index in range(100)]
    known = known_before(make_records([{"household_id": one} for one in homes], community=community), DAY)
    scores = pd.DataFrame({"household_id": homes * 3, "p_request": np.repeat([0.4, 0.3, 0.3], 100)})
    demand = expected_demand(scores.assign(need=np.repeat(["meals", "daycare", "legal"], 100)), known)
    seats = against_seats(demand, community, DAY)
    assert seats["short"].tolist() == pytest.approx([40, 40, np.nan], nan_ok=True)
    texts = [
        verdict(row, {"meals": "助餐", "daycare": "日托", "legal": "法律"})
        for row in seats.to_dict("records")
    ]
    assert texts == [
        "名额不够，约缺 40 个（与日托共用名额）",
        "名额不够，约缺 40 个（与助餐共用名额）",
        "窗口内没有对应项目",
    ]
