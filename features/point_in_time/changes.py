"""When the attributes of a household last changed, and by how much, over the history known at a date."""

from dataclasses import dataclass

import numpy as np

from features.point_in_time.records import Known
from features.point_in_time.remembered import remembered


@dataclass(frozen=True)
class History:
    """The known rows of households, grouped by household, each household's from its oldest row to its newest."""

    count: int  # households
    row: np.ndarray  # int64: its row in Known.households
    household: np.ndarray  # int32
    valid_from: np.ndarray  # float64 days
    follows: np.ndarray  # bool: a row of the same household stands before it


@remembered
def history(known: Known) -> History:
    """Group the rows known at the date by household, each household's in the order of time."""
    row = known.household_history
    household = known.households.household[row]
    follows = np.zeros(len(row), dtype=bool)
    follows[1:] = household[1:] == household[:-1]
    return History(known.household_count, row, household, known.households.valid_from[row], follows)


def changed(past: History, value: np.ndarray) -> np.ndarray:
    """Tell which rows differ from the row before: bool per row of ``past``; where either value is missing, False.

    ``value``: float64 per row of ``Known.households``.
    """
    ordered = value[past.row]
    differs = np.zeros(len(ordered), dtype=bool)
    differs[1:] = (ordered[1:] != ordered[:-1]) & ~np.isnan(ordered[1:]) & ~np.isnan(ordered[:-1])
    return differs & past.follows


def last_change(past: History, change: np.ndarray) -> np.ndarray:
    """Find the latest change of each household: int64 [households], its position in ``past``; -1 where none.

    ``change``: bool per row of ``past``, as ``changed`` returns it.
    """
    last = np.full(past.count, -1, dtype=np.int64)
    last[past.household[change]] = np.flatnonzero(change)  # the later of two stands later, and wins
    return last


def days_since(known: Known, past: History, last: np.ndarray) -> np.ndarray:
    """Compute the days from each household's change to the as-of day: float64 [households]; NaN where it has none.

    ``last``: int64 [households], positions in ``past`` as ``last_change`` returns them.
    """
    return known.as_of - np.append(past.valid_from, np.nan)[last]


def size(past: History, value: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Compute by how much a value changed at each household's last change: float64 [households]; NaN where it has none.

    ``value``: float64 per row of ``Known.households``. ``last``: int64 [households], as ``last_change`` returns it.
    """
    ordered = value[past.row]
    before = np.append(np.nan, ordered[:-1]) if len(ordered) else ordered
    return np.append(ordered - before, np.nan)[last]


def number_within(known: Known, past: History, change: np.ndarray, days: float) -> np.ndarray:
    """Count the rows of each household that changed something recently: float64 [households]; NaN where not known.

    ``change``: bool per row of ``past``. ``days``: how far back from the as-of day changes count.
    """
    recent = past.household[change & (past.valid_from >= known.as_of - days)]
    return np.where(known.present, np.bincount(recent, minlength=past.count), np.nan)
