"""Block: past outreach to the household and what it found."""

from collections.abc import Callable

import numpy as np

from features.blocks.catalogue import listed
from features.contract.need_kinds import Telling
from features.contract.tables import DEPARTED, OUTCOMES
from features.language import say
from features.point_in_time.records import Known, Rows
from features.point_in_time.row_index import own_visits
from features.point_in_time.schema import Schema
from features.point_in_time.spoken import spoken_month
from features.point_in_time.town import TownSummary

OUTCOME_NAMES = {
    "needed": ("需要", "needed"),
    "not_needed": ("不需要", "not needed"),
    "declined": ("婉拒", "declined"),
    "not_reached": ("未遇见", "not reached"),
}
TOLD_OF_HOUSEHOLD = ("needed", "not_needed")  # outcomes about other needs that say something of this one
FEATURES = listed(
    "outreach",
    "visits",
    "visits | 就本项走访次数 | Visits about this need | all time | visits | last_visit",
    "days_since_visit | 距上次就本项走访的天数 | Days since the last visit about this need | all time | days | last_visit",
    *(
        f"visits_{name} | 就本项走访结果为“{zh}”的次数 | Visits about this need: {en} | all time | visits | last_visit"
        for name, (zh, en) in OUTCOME_NAMES.items()
    ),
    "last_visit_needed | 上次走访见到人时是否需要 | Whether the last visit that met someone found the need | all time | 0 or 1 | last_visit",
    "household_visits | 走访本户次数 | Visits to the household | all time | visits | last_visit",
    "days_since_household_visit | 距上次走访本户的天数 | Days since the last visit to the household | all time | days | last_visit",
    *(
        f"household_visits_{name} | 走访本户结果为“{OUTCOME_NAMES[name][0]}”的次数 | Visits to the household: {OUTCOME_NAMES[name][1]} | all time | visits | last_visit"
        for name in TOLD_OF_HOUSEHOLD
    ),
)


def block(known: Known, rows: Rows, town: TownSummary, schema: Schema) -> dict[str, np.ndarray]:
    """Compute the block's columns for the pairs ``rows`` as of ``known.as_of``; ``town`` and ``schema`` are not used.

    Returns float32 [len(rows)] by feature name: counts of visits, days since the last one (NaN without visits), and 1
    or 0 for what the last visit with an answer found (NaN without an answer).
    """
    visits = known.outreach
    needs = len(known.community.needs)
    about = visits.need >= 0
    cell = visits.household.astype(np.int64) * needs + visits.need
    pair = rows.household.astype(np.int64) * needs + rows.need
    age, outcome = known.as_of - visits.contacted, visits.outcome
    pairs, size = known.household_count * needs, known.household_count

    def count(where: np.ndarray, keep: np.ndarray, size: int) -> np.ndarray:
        return np.bincount(where[keep], minlength=size)

    def youngest(where: np.ndarray, keep: np.ndarray, size: int) -> np.ndarray:
        least = np.full(size, np.inf)
        np.minimum.at(least, where[keep], age[keep])
        return np.where(np.isinf(least), np.nan, least)

    of_pair = {
        "visits": count(cell, about, pairs),
        "days_since_visit": youngest(cell, about, pairs),
        **{
            f"visits_{name}": count(cell, about & (outcome == OUTCOMES.index(name)), pairs)
            for name in OUTCOME_NAMES
        },
        "last_visit_needed": _last_answer(cell, about, age, outcome, pairs),
    }
    every = np.ones(len(visits), dtype=bool)
    of_household = {
        "household_visits": count(visits.household, every, size),
        "days_since_household_visit": youngest(visits.household, every, size),
        **{
            f"household_visits_{name}": count(visits.household, outcome == OUTCOMES.index(name), size)
            for name in TOLD_OF_HOUSEHOLD
        },
    }
    columns = {name: values[pair] for name, values in of_pair.items()}
    columns.update({name: values[rows.household] for name, values in of_household.items()})
    return {name: values.astype(np.float32) for name, values in columns.items()}


def _last_answer(
    cell: np.ndarray, about: np.ndarray, age: np.ndarray, outcome: np.ndarray, size: int
) -> np.ndarray:
    """Return 1 where the last answered visit found the need, 0 where it did not, NaN without answer: float64 [size]."""
    nobody = [OUTCOMES.index(outcome) for outcome in ("not_reached", *DEPARTED)]
    answered = np.flatnonzero(about & (outcome >= 0) & ~np.isin(outcome, nobody))
    answered = answered[np.argsort(-age[answered], kind="stable")]
    answer = np.full(size, np.nan)
    answer[cell[answered]] = outcome[answered] == OUTCOMES.index("needed")
    return answer


def last_answered(known: Known, household: int, need: int) -> int | None:
    """Find the row of the last visit about the need that met somebody; None where none did."""
    visits, rows = known.outreach, own_visits(known, household)
    answers = [OUTCOMES.index(outcome) for outcome in ("needed", "not_needed", "declined")]
    rows = rows[(visits.need[rows] == need) & np.isin(visits.outcome[rows], answers)]
    return int(rows[np.argmax(visits.contacted[rows])]) if len(rows) else None


def _last_visit(known: Known, schema: Schema, household: int, need: int) -> str:
    visits, last = known.outreach, last_answered(known, household, need)
    if last is None or visits.outcome[last] != OUTCOMES.index("needed"):  # no other answer speaks for a visit
        return ""
    when = spoken_month(visits.contacted[last], known.as_of)
    return say(f"{when}走访时说有需要", f"the visit in {when} found the need")


KIND = ("以往走访", "past visits")  # what reasons of this block are called
FACTS: dict[str, Callable[[Known, Schema, int, int], str]] = {"last_visit": _last_visit}
TELLING = {"last_visit": Telling("visit", "list")}
