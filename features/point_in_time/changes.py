"""When the attributes of a household last changed, and by how much, over the history known at a date."""

from dataclasses import dataclass

import numpy as np

from features.point_in_time.records import Known
from features.point_in_time.remembered import remembered


@dataclass(frozen=True)
class History:
    """The known rows of households, household by household, each from its oldest row to its newest."""

    count: int  # households
    row: np.ndarray  # int64: its row in Known.households
    household: np.ndarray  # int32
    valid_from: np.ndarray  # float64 days
    follows: np.ndarray  # bool: a row of the same household stands before it


@remembered
def history(known: Known) -> History:
    """Order the rows known at the date household by household."""
    row = known.household_history
    household = known.households.household[row]
    follows = np.zeros(len(row), dtype=bool)
    follows[1:] = household[1:] == household[:-1]
    return History(known.household_count, row, household, known.households.valid_from[row], follows)


def changed(past: History, value: np.ndarray) -> np.ndarray:
    """bool per row of ``past``: ``value`` (per known row) differs from the row before; missing never does."""
    ordered = value[past.row]
    differs = np.zeros(len(ordered), dtype=bool)
    differs[1:] = (ordered[1:] != ordered[:-1]) & ~np.isnan(ordered[1:]) & ~np.isnan(ordered[:-1])
    return differs & past.follows


def last_change(past: History, change: np.ndarray) -> np.ndarray:
    """int64 per household: position in ``past`` of its latest change, -1 where none."""
    last = np.full(past.count, -1, dtype=np.int64)
    last[past.household[change]] = np.flatnonzero(change)  # the later of two stands later, and wins
    return last


def days_since(known: Known, past: History, last: np.ndarray) -> np.ndarray:
    """float64 per household: days from the change at position ``last`` to the as-of day; NaN where none."""
    return known.as_of - np.append(past.valid_from, np.nan)[last]


def size(past: History, value: np.ndarray, last: np.ndarray) -> np.ndarray:
    """float64 per household: by how much ``value`` (per known row) changed at position ``last``."""
    ordered = value[past.row]
    before = np.append(np.nan, ordered[:-1]) if len(ordered) else ordered
    return np.append(ordered - before, np.nan)[last]


def number_within(known: Known, past: History, change: np.ndarray, days: float) -> np.ndarray:
    """float64 per household: rows that changed something in the last ``days``; NaN for unknown households."""
    recent = past.household[change & (past.valid_from >= known.as_of - days)]
    return np.where(known.present, np.bincount(recent, minlength=past.count), np.nan)
