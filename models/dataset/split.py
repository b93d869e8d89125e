"""Temporal folds: as-of days to train on, and later ones to validate on, with a gap between them.

A model of a fold is trained as if the retrain had happened on the fold's ``cut``: only on labels whose whole
window, and the usual recording delay after it, had passed by then. Its validation as-of days are ``cut`` or later.
"""

from dataclasses import dataclass

import numpy as np

from features.point_in_time.cohort import MONDAY
from features.point_in_time.labels import label_end, usual_recording_delay
from features.point_in_time.records import Known, date_of
from features.point_in_time.town_summary import days_recorded
from features.units import WEEK

STEP = 4 * WEEK  # between validation as-of days
FOLD = 13 * WEEK  # the days that the validation as-of days of one fold span; less where history is short
MOST_FOLDS = 3
SHORTEST_HISTORY = 26 * WEEK  # recorded before the first as-of day to train on, where there is enough
FEW_KNOWN = 0.01  # share of today's households: days on which fewer were known teach next to nothing


@dataclass(frozen=True)
class Fold:
    """A fold: trained on labels complete by ``cut``, validated on ``days`` (as-of days, ``cut`` or later).

    dates: those on the lattice, which other retrains validate on, too. beside: the newest day of all, if it is not.
    """

    name: str
    cut: int
    dates: tuple[int, ...]
    beside: tuple[int, ...] = ()

    @property
    def days(self) -> tuple[int, ...]:
        """Return all days validated on, oldest first."""
        return self.dates + self.beside


@dataclass(frozen=True)
class Split:
    """Dates of a retrain: as-of days to train on, oldest first, and the folds, oldest first."""

    dates: tuple[int, ...]
    folds: tuple[Fold, ...]


def complete(known_now: Known, days: np.ndarray, by: float) -> np.ndarray:
    """Tell which labels were complete on day ``by``, usual recording delay included: bool [days, needs].

    days: as-of days. by: a day.
    """
    delay = usual_recording_delay(known_now)
    ends = np.stack([label_end(known_now.community, day) for day in days]) if len(days) else np.empty((0, 0))
    return ends + delay <= by


def split(known_now: Known, step_weeks: int = 4) -> Split:
    """Choose the as-of days for training and the folds, from what is known now.

    Days are Mondays on a lattice that does not move from one retrain to the next, ``step_weeks`` apart in training and
    four weeks apart in validation, and the newest Monday of all: up to four weeks of the newest labels would else be
    left out. Folds go back at most a year; the newest ends where the labels of the need with the shortest window do.
    Without enough history there are fewer folds, one that is trained on few days, or none.
    """
    days = _usable(known_now, _mondays(known_now, step_weeks * WEEK))
    if not len(days):
        return Split((), ())
    newest = _usable(known_now, np.arange(days[-1], known_now.as_of, WEEK))[-1:]
    days = np.union1d(days, newest)
    return Split(tuple(int(day) for day in days), tuple(_folds(known_now, days)))


def _usable(known_now: Known, days: np.ndarray) -> np.ndarray:
    """Return the days on which the labels of any need are complete by now."""
    return days[complete(known_now, days, known_now.as_of).any(axis=1)] if len(days) else days


def _mondays(known_now: Known, step: int) -> np.ndarray:
    recorded = days_recorded(known_now)
    start = known_now.as_of - recorded + min(SHORTEST_HISTORY, recorded / 4)
    since = known_now.known_since[known_now.known_since < known_now.as_of]
    if len(since):
        start = max(start, float(np.quantile(since, FEW_KNOWN)))
    first = MONDAY + step * int(np.ceil((start - MONDAY) / step))
    return np.arange(first, known_now.as_of, step)


def _folds(known_now: Known, days: np.ndarray) -> list[Fold]:
    validated = np.arange(days[0] + (MONDAY - days[0]) % STEP, days[-1] + 1, STEP)
    end = int(days[-1]) + 1
    length = int(np.clip((end - days[0]) // 5, STEP, FOLD))
    folds: list[Fold] = []
    for _ in range(MOST_FOLDS):
        cut = end - length
        dates = tuple(int(day) for day in validated if cut <= day < end)
        trained = days[complete(known_now, days, cut).any(axis=1)]
        if not dates or not len(trained):
            break
        # a single fold may be trained on one day: without any, nothing could be trained at all
        if folds and trained[-1] - trained[0] < min(length, FOLD - STEP):
            break
        beside = () if folds or days[-1] in validated else (int(days[-1]),)
        folds.insert(0, Fold(str(date_of(cut)), cut, dates, beside))
        end = cut
    return folds
