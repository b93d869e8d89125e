"""What blocks share: past requests by household and need, exposure, and shrinkage towards the whole town.

A *cell* is household * number of needs + need. Arrays over cells have the shape [households, needs].
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_array

from features.point_in_time.records import Known
from features.point_in_time.remembered import remembered
from features.point_in_time.row_index import Grouped

WEAKEST, STRONGEST = 0.02, 1e4  # limits of a prior strength, in expected requests


@dataclass(frozen=True)
class Asked:
    """The known requests for known needs, oldest first, with their ages at the as-of day."""

    shape: tuple[int, int]  # households, needs
    household: np.ndarray  # int32
    need: np.ndarray  # int16
    cell: np.ndarray  # int64
    age: np.ndarray  # float64 days before the as-of day, > 0
    row: np.ndarray  # int64: its row in Known.requests

    def count(self, youngest: float, oldest: float) -> np.ndarray:
        """Count the requests made in [as_of - oldest, as_of - youngest): float64 [households, needs].

        ``youngest``, ``oldest``: ages in days.
        """
        return self.total(None, (self.age > youngest) & (self.age <= oldest))

    def decayed(self, half_life: float) -> np.ndarray:
        """Sum the requests, each worth half after ``half_life`` days: float64 [households, needs]."""
        return self.total(np.exp2(-self.age / half_life))

    def total(self, weight: np.ndarray | None = None, keep: np.ndarray | None = None) -> np.ndarray:
        """Sum a weight over all requests, or over those of the mask ``keep``: float64 [households, needs].

        ``weight``: float64 per request; by default 1, which counts them.
        """
        cell = self.cell if keep is None else self.cell[keep]
        if weight is not None and keep is not None:
            weight = weight[keep]
        return np.bincount(cell, weight, self.shape[0] * self.shape[1]).astype(float).reshape(self.shape)

    def last_two(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the ages in days of the last request and the one before: float64 [households, needs] each; NaN where
        none.
        """
        order = np.argsort(self.cell, kind="stable")  # oldest first within a cell
        cell, age = self.cell[order], self.age[order]
        newest = np.append(cell[1:] != cell[:-1], True)[: len(cell)]
        second = np.append(newest[1:] & (cell[1:] == cell[:-1]), False)[: len(cell)]
        both = []
        for which in (newest, second):
            ages = np.full(self.shape, np.nan)
            ages.reshape(-1)[cell[which]] = age[which]
            both.append(ages)
        return both[0], both[1]


@remembered
def asked(known: Known) -> Asked:
    """Gather the known requests for known needs in the order in which they were made."""
    requests = known.requests
    row = np.argsort(requests.requested, kind="stable")
    row = row[requests.need[row] >= 0]
    shape = (known.household_count, len(known.community.needs))
    household, need = requests.household[row], requests.need[row]
    return Asked(
        shape=shape,
        household=household,
        need=need,
        cell=household.astype(np.int64) * shape[1] + need,
        age=known.as_of - requests.requested[row],
        row=row,
    )


def requests_of(known: Known, household: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the times (float64 days, oldest first) and needs (int16) of one household's known requests."""
    past = asked(known)
    rows = _asked_by_household(known).of(household)
    return known.as_of - past.age[rows], past.need[rows]


@remembered
def _asked_by_household(known: Known) -> Grouped:
    past = asked(known)
    return Grouped(past.household, past.shape[0])


@remembered
def days_recorded(known: Known) -> float:
    """Count the days from the town's first request to the as-of day.

    The oldest in a thousand requests do not count, as their dates are likely typing errors.
    """
    if known.town is not None:
        return known.town.days_recorded
    return days_since_first(known.requests.requested, known.as_of)


@remembered
def resolutions_recorded(known: Known) -> bool:
    """Tell whether the town notes when requests were resolved: without any such time none can be called open."""
    if known.town is not None:
        return known.town.resolutions_recorded
    return bool(np.isfinite(known.requests.resolved).any())


@remembered
def first_known(known: Known) -> float:
    """Return the day of the first ``valid_from`` of the town's households; NaN where there is none."""
    if known.town is not None:
        return known.town.first_known
    return float(np.nanmin(known.known_since)) if known.present.any() else np.nan


def days_since_first(requested: np.ndarray, as_of: float) -> float:
    """Compute ``days_recorded`` from the days on which requests were made."""
    return float(as_of - np.quantile(requested, 0.001, method="lower")) if len(requested) else 0.0


@remembered
def days_observed(known: Known) -> np.ndarray:
    """Count the days for which requests could have been recorded: float64 [households].

    A household is observed since its first row or its first request, but not before the town's requests begin. 0 for a
    household that is not present and has never asked.
    """
    past = asked(known)
    days = np.where(known.present, known.as_of - np.nan_to_num(known.known_since, nan=known.as_of), 0.0)
    np.maximum.at(days, past.household, past.age)
    return np.minimum(days, days_recorded(known))


def overlap(days: np.ndarray, youngest: float, oldest: float) -> np.ndarray:
    """Return how many days of [as_of - oldest, as_of - youngest) lie within the last ``days`` before the as-of day.

    ``youngest``, ``oldest``: ages in days. Returns float64 of the shape of ``days``.
    """
    return np.clip(np.minimum(days, oldest) - youngest, 0.0, None)


def decayed_days(days: np.ndarray, half_life: float) -> np.ndarray:
    """Compute the exposure of decayed counts: the days before the as-of day, each worth half after ``half_life`` days."""
    return half_life / np.log(2) * (1 - np.exp2(-days / half_life))


def prior_strength(count: np.ndarray, expected: np.ndarray, noise: np.ndarray | None = None) -> float:
    """Estimate the strength k of a gamma prior with mean 1 on groups' ratios count / expected, by the method of moments.

    A group's ratio has the variance 1/k. ``count``, ``expected``: float64 [groups]. ``noise``: float64 [groups],
    variance of each count given its ratio; by default Poisson's, which is ``expected``. Returns 0.02 to 10 000, in
    expected requests.
    """
    excess = np.sum((count - expected) ** 2) - np.sum(expected if noise is None else noise)
    if excess <= 0:
        return STRONGEST
    return float(np.clip(np.sum(expected**2) / excess, WEAKEST, STRONGEST))


def shrunk(count: np.ndarray, expected: np.ndarray, strength: np.ndarray | float) -> np.ndarray:
    """Compute the posterior mean of count / expected under a gamma prior with mean 1: float64, as ``count`` in shape.

    ``strength``: of the prior, in expected requests; the larger it is, the closer the result lies to 1.
    """
    return (count + strength) / (expected + strength)


def members(group: np.ndarray, groups: int) -> csc_array:
    """Make a sparse matrix of who is in which group: float64 [groups, households], 1 for a member.

    ``group``: int [households], -1 for none. ``members(...) @ values`` sums [households, needs] by group. It adds in the
    order of the households, as ``numpy.bincount`` does for one need at a time.
    """
    inside = group >= 0
    begins = np.arange(len(group) + 1, dtype=np.int32)
    if not inside.all():
        begins[1:], group = np.cumsum(inside), group[inside]
    ones = np.ones(len(group))
    return csc_array((ones, group.astype(np.int32), begins), shape=(groups, len(inside)))


def rate(count: np.ndarray, exposure: np.ndarray) -> np.ndarray:
    """Return count / exposure, 0 where there is no exposure."""
    return np.divide(count, exposure, out=np.zeros(np.shape(count)), where=np.asarray(exposure) > 0)
