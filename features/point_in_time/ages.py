"""Who lives in a household as known at a date: how many, of which age, alone or with children."""

import numpy as np

from features.point_in_time.records import Known
from features.point_in_time.remembered import remembered
from features.units import JULIAN_YEAR

AGE_GROUPS = {  # name: youngest age, the age from which no longer, zh, en
    "children_0_2": (0, 3, "0-2岁孩子", "children aged 0-2"),
    "children_3_6": (3, 7, "3-6岁孩子", "children aged 3-6"),
    "children_7_12": (7, 13, "7-12岁孩子", "children aged 7-12"),
    "children_13_17": (13, 18, "13-17岁孩子", "children aged 13-17"),
    "children": (0, 18, "未满18岁的孩子", "children under 18"),
    "adults": (18, 60, "18-59岁成人", "adults aged 18-59"),
    "elders": (60, np.inf, "60岁及以上老人", "elders aged 60 or more"),
    "elders_70": (70, np.inf, "70岁及以上老人", "elders aged 70 or more"),
    "elders_80": (80, np.inf, "80岁及以上老人", "elders aged 80 or more"),
}


@remembered
def aggregates(known: Known) -> dict[str, np.ndarray]:
    """Count the residents, age groups and situations of each household: float64 [households] by name.

    Ages are in years. NaN where no resident is known, and for an age of which none is known.
    """
    rows = known.resident_rows
    household = known.residents.household[rows]
    return of_residents(household, known.as_of - known.residents.born[rows], known.household_count)


def of_residents(household: np.ndarray, days: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Count what ``aggregates`` does.

    household: of each resident: its number, int [residents].
    days: since the resident was born, float64 [residents]; NaN where not known.
    count: number of households.
    """
    age = np.floor(days / JULIAN_YEAR)
    age = np.where(age < 0, np.nan, age)
    number = sum_by_household(household, np.ones(len(age)), count)
    number[number == 0] = np.nan
    absent = np.isnan(number)
    columns = {"residents": number}
    for name, (youngest, end, *_) in AGE_GROUPS.items():
        columns[name] = sum_by_household(household, (age >= youngest) & (age < end), count)
        columns[name][absent] = np.nan
    columns["youngest_age"] = least_by_household(household, age, count)
    columns["oldest_age"] = -least_by_household(household, -age, count)
    columns["youngest_child_age"] = np.where(columns["youngest_age"] < 18, columns["youngest_age"], np.nan)
    alone = (number == 1) & (columns["elders"] == 1)
    grown = columns["adults"] + columns["elders"]
    single = (grown == 1) & (columns["children"] > 0)
    for name, truth in (("elder_alone", alone), ("single_adult_with_children", single)):
        columns[name] = np.where(absent, np.nan, truth)
    return columns


def sum_by_household(household: np.ndarray, value: np.ndarray, count: int) -> np.ndarray:
    """float64 [count]: the sum of ``value`` over residents, whose ``household`` each is given."""
    return np.bincount(household, value.astype(np.float64), count).astype(np.float64)


def least_by_household(household: np.ndarray, value: np.ndarray, count: int) -> np.ndarray:
    """float64 [count]: the least ``value`` of each household's residents; NaN where none is known."""
    least = np.full(count, np.inf)
    stated = ~np.isnan(value)
    np.minimum.at(least, household[stated], value[stated])
    return np.where(np.isinf(least), np.nan, least)
