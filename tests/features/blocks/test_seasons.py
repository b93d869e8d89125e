"""Holidays and festivals on known dates, and the town's rates against a slow recomputation."""

from datetime import date

import numpy as np
import pytest
from make_records import day, make_community, make_records
from small_town import AS_OF, NEEDS, at, town_records, town_rows

from features.blocks import seasons
from features.blocks.build import summarise
from features.point_in_time.cohort import cohort, eligible
from features.point_in_time.records import day_of, known_before
from features.point_in_time.schema_fit import fit_schema

BASE = town_rows(seed=7, requests=600)
KNOWN, ROWS, SCHEMA = at(town_records(BASE))
MADE = seasons.block(KNOWN, ROWS, summarise(KNOWN, SCHEMA), SCHEMA)


@pytest.mark.parametrize(
    ("year", "month", "dayofmonth"),
    [
        (2010, 2, 14),
        (2017, 1, 28),
        (2020, 1, 25),
        (2023, 1, 22),
        (2024, 2, 10),
        (2025, 1, 29),
        (2026, 2, 17),
        (2033, 1, 31),
    ],
)
def test_spring_festival(year, month, dayofmonth):
    assert seasons.spring_festival(year) == date(year, month, dayofmonth)


def test_holidays():
    assert seasons.summer_holiday(2024) == (day_of(date(2024, 7, 1)), day_of(date(2024, 9, 1)))
    begin, end = seasons.winter_holiday(2024)
    assert begin == day_of(date(2024, 1, 27))
    assert end == day_of(date(2024, 2, 24)) + 1  # the Lantern Festival is its last day


def made_on(as_of: date, **need):
    community = make_community([{"id": "one", "horizon_weeks": 8, **need}])
    records = make_records([{"household_id": "h1", "valid_from": "2015-01-01"}], community=community)
    known = known_before(records, day_of(as_of))
    schema = fit_schema(known)
    made = seasons.block(known, cohort(known), summarise(known, schema), schema)
    facts = {name: fact(known, schema, 0, 0) for name, fact in seasons.FACTS.items()}
    return {name: float(values[0]) for name, values in made.items()}, facts


def test_before_the_summer_holiday():
    made, facts = made_on(date(2024, 6, 10))
    assert made["weeks_to_summer_holiday"] == 3
    assert made["summer_holiday_share"] == pytest.approx(35 / 56)
    assert made["winter_holiday_share"] == 0
    assert facts["summer"] == "离暑假还有3周"
    assert facts["winter"] == facts["spring_festival"] == ""


def test_weeks_are_told_as_people_count_them():
    assert made_on(date(2026, 6, 8))[1]["summer"] == "离暑假还有3周"  # and two days
    assert made_on(date(2026, 6, 29))[1]["summer"] == "离暑假还有1周"


def test_the_window_counts_from_its_own_beginning():
    made, _ = made_on(date(2024, 6, 3), lead_weeks=4, horizon_weeks=4)
    assert made["weeks_to_summer_holiday"] == 0  # the window begins on the holiday's first day
    assert made["summer_holiday_share"] == 1


def test_around_spring_festival():
    made, facts = made_on(date(2024, 1, 8))
    assert made["weeks_to_spring_festival"] == pytest.approx(33 / 7)
    assert made["winter_holiday_share"] == pytest.approx(29 / 56)
    assert facts["winter"] == "离寒假还有3周"
    assert facts["spring_festival"] == "离春节还有5周"
    assert made_on(date(2024, 8, 12))[1]["summer"] == "暑假还剩3周"


def test_time_of_year_runs_round_once():
    first, later = made_on(date(2023, 3, 6))[0], made_on(date(2024, 3, 4))[0]
    for name in ("year_sine", "year_cosine", "half_year_sine", "half_year_cosine"):
        assert first[name] == pytest.approx(later[name], abs=0.05)
    assert made_on(date(2023, 9, 4))[0]["year_cosine"] == pytest.approx(-first["year_cosine"], abs=0.1)


def slow_rate(need: int, youngest: float, oldest: float) -> float:
    """Requests of eligible households made in the window, over their exposure in years of 364 days."""
    first = min(day(row["requested_at"]) for row in BASE["requests"])
    able = eligible(KNOWN)
    count = exposure = 0.0
    for index, name in enumerate(KNOWN.household_ids):
        if not able[index, need]:
            continue
        asked = [
            (row["need"], AS_OF - day(row["requested_at"]))
            for row in BASE["requests"]
            if row["household_id"] == name
        ]
        listed = [AS_OF - day(row["valid_from"]) for row in BASE["households"] if row["household_id"] == name]
        known = min(max(listed + [age for _, age in asked]), AS_OF - first)
        exposure += max(0.0, min(oldest, known) - youngest)
        count += sum(one == NEEDS[need]["id"] and youngest < age <= oldest for one, age in asked)
    return count / exposure * 364


@pytest.mark.parametrize("need", range(3))
def test_town_rates(need):
    mine = ROWS.need == need
    for days in seasons.WINDOWS:
        assert np.unique(MADE[f"town_requests_{days}_days"][mine]) == pytest.approx(
            slow_rate(need, 0, days), rel=1e-4
        )
    lead, horizon = 7 * NEEDS[need].get("lead_weeks", 0), 7 * NEEDS[need]["horizon_weeks"]
    for years in seasons.YEARS_BACK:
        expected = slow_rate(need, 364 * years - lead - horizon, 364 * years - lead)
        made = np.unique(MADE[f"town_requests_same_window_{years}_years_ago"][mine])
        assert made == pytest.approx(expected, rel=1e-4)


def test_season_index_tells_a_summer_need():
    """Everyone asks each July and never else: before July the index is high, before December low."""
    requests = [
        {"household_id": f"h{index}", "need": "one", "requested_at": f"{year}-07-{1 + index % 28:02d}"}
        for year in (2021, 2022, 2023)
        for index in range(100)
    ]
    households = [{"household_id": f"h{index}"} for index in range(100)]
    community = make_community([{"id": "one", "horizon_weeks": 4}])
    records = make_records(households, requests, community=community)
    index = {}
    for as_of in (date(2024, 7, 1), date(2024, 12, 2)):
        known = known_before(records, day_of(as_of))
        schema = fit_schema(known)
        index[as_of.month] = summarise(known, schema).parts["seasons"]["season_index"][0]
    assert index[7] > 6
    assert index[12] < 0.7
