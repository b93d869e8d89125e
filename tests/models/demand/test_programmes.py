"""Seats left: as the settings say, or counted since the programme opened."""

from datetime import date
from typing import Any

import pandas as pd
import pytest
from make_records import make_community, make_records

from features.contract.community import Programme
from features.point_in_time.records import Known, date_of, day_of, known_before
from models.demand.programmes import opening, runs
from models.demand.seats import found, seats_left, seats_told
from service.lists.visit_rows import programmes_text

AS_OF = 20332  # 2025-09-01
CANTEEN = {
    "id": "canteen",
    "name": "幸福食堂",
    "needs": ["meals"],
    "seats": 4,
    "opens": "03-01",
    "closes": "12-31",
}


def town(**programme: Any) -> Known:
    """h1 asked before the programme opened, h2 and h3 since then, h4's visit found the need."""
    when = {"h1": "2025-02-20", "h2": "2025-03-02", "h3": "2025-08-01"}
    records = make_records(
        [{"household_id": f"h{one}"} for one in (1, 2, 3, 4, 5)],
        [{"household_id": one, "need": "meals", "requested_at": day} for one, day in when.items()]
        + [{"household_id": "h5", "need": "childcare", "requested_at": "2025-08-01"}],
        outreach=[
            {"household_id": "h4", "need": "meals", "contacted_at": "2025-08-20", "outcome": "needed"},
            {"household_id": "h5", "need": "meals", "contacted_at": "2025-08-20", "outcome": "not_needed"},
        ],
        community=make_community(programmes=[{**CANTEEN, **programme}]),
    )
    return known_before(records, AS_OF)


@pytest.mark.parametrize(
    ("programme", "left", "text"),
    [
        ({}, 1, "幸福食堂（4 个名额，约剩 1，3月1日～12月31日）"),
        ({"seats": 3}, 0, "幸福食堂（3 个名额可能已满，3月1日～12月31日）"),
        ({"seats_taken": 1}, 3, "幸福食堂（4 个名额，剩 3，3月1日～12月31日）"),
        ({"seats": None, "organiser": "居委会"}, None, "幸福食堂（3月1日～12月31日，居委会）"),
        # opens within the window: nobody has a seat yet
        ({"opens": "09-15"}, 4, "幸福食堂（4 个名额，9月15日～12月31日）"),
        # over the turn of the year: since last September
        ({"opens": "09-10", "closes": "09-05"}, 0, "幸福食堂（4 个名额可能已满，9月10日～9月5日）"),
    ],
)
def test_seats_left(programme: dict, left: int | None, text: str) -> None:
    known = town(**programme)
    (one,) = known.community.programmes
    assert seats_left(one, known) == left
    assert programmes_text(known.community.needs[1], known) == text


def test_a_household_takes_one_seat_however_often_it_asked_or_was_found_in_need() -> None:
    again = [{"household_id": "h2", "need": "meals", "requested_at": f"2025-0{month}-10"} for month in (4, 5)]
    visits = [
        {"household_id": "h2", "need": "meals", "contacted_at": f"2025-07-{day}", "outcome": "needed"}
        for day in (10, 11)
    ]
    community = make_community(programmes=[CANTEEN])
    records = make_records([{"household_id": "h2"}], again, outreach=visits, community=community)
    known = known_before(records, AS_OF)
    (one,) = known.community.programmes
    assert seats_left(one, known) == 3
    assert found(one, known) == 1


@pytest.mark.parametrize(("day", "taken"), [("2025-02-28", 0), ("2025-03-01", 1), ("2025-03-02", 1)])
def test_seats_are_taken_from_the_opening_day_on(day: str, taken: int) -> None:
    asked = [{"household_id": "h2", "need": "meals", "requested_at": day}]
    visit = {"household_id": "h2", "need": "meals", "contacted_at": day, "outcome": "needed"}
    community = make_community(programmes=[CANTEEN])
    for requests, visits in ((asked, ()), ((), [visit])):
        records = make_records([{"household_id": "h2"}], requests, outreach=visits, community=community)
        known = known_before(records, AS_OF)
        (one,) = known.community.programmes
        assert seats_left(one, known) == 4 - taken
        assert found(one, known) == (taken if visits else 0)


@pytest.mark.parametrize(
    ("day", "opened"),
    [("2025-02-28", "2024-03-01"), ("2025-03-01", "2025-03-01"), ("2025-03-02", "2025-03-01")],
)
def test_a_programme_opened_on_its_last_opening_day(day: str, opened: str) -> None:
    programme = Programme.model_validate(CANTEEN)
    assert str(date_of(opening(programme, day_of(date.fromisoformat(day))))) == opened


@pytest.mark.parametrize(
    ("opens", "closes", "day", "runs_then"),
    [
        ("03-01", "06-30", "2025-02-28", False),
        ("03-01", "06-30", "2025-03-01", True),
        ("03-01", "06-30", "2025-06-30", True),
        ("03-01", "06-30", "2025-07-01", False),
        ("11-15", "02-15", "2025-11-14", False),
        ("11-15", "02-15", "2025-11-15", True),
        ("11-15", "02-15", "2025-02-15", True),
        ("11-15", "02-15", "2025-02-16", False),
    ],
)
def test_a_programme_runs_on_its_first_and_its_last_day(
    opens: str, closes: str, day: str, runs_then: bool
) -> None:
    programme = Programme.model_validate({**CANTEEN, "opens": opens, "closes": closes})
    begins = day_of(date.fromisoformat(day))
    assert runs(programme, begins, begins + 1) is runs_then


def test_a_course_that_was_handed_in_tells_the_seats() -> None:
    known = town()
    course = {"programme_id": "canteen", "need": "meals", "seats": 30.0, "enrolled": 30.0}
    history = pd.DataFrame([{**course, "opened": AS_OF - 20.0}])
    assert programmes_text(known.community.needs[1], known, history) == (
        "幸福食堂（30 个名额，剩 0，3月1日～12月31日）"
    )


@pytest.mark.parametrize(
    ("opened", "told"),
    [
        (("2024-03-10",), (4, None)),  # of last year's run
        (("2025-02-28",), (4, None)),
        (("2025-03-01",), (30, 12)),
        (("2024-03-10", "2025-03-10"), (30, 12)),
    ],
)
def test_only_a_course_of_the_run_that_is_open_now_tells_the_seats(opened: tuple, told: tuple) -> None:
    known = town()
    course = {"programme_id": "canteen", "need": "meals", "seats": 30.0, "enrolled": 12.0}
    days = [float(day_of(date.fromisoformat(day))) for day in opened]
    history = pd.DataFrame([{**course, "opened": day} for day in days])
    (one,) = known.community.programmes
    assert seats_told(one, known, history) == told
    assert seats_left(one, known, history) == (1 if told[1] is None else 18)
