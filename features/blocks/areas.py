"""Compare the requests of each area with those expected there, shrunk, leaving the household itself out."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csc_array

from features.point_in_time.records import Known
from features.point_in_time.remembered import remembered
from features.point_in_time.town_summary import members, prior_strength, rate, shrunk


@dataclass(frozen=True)
class Area:
    """Observed and expected requests of every grid, or of every micro-grid."""

    count: np.ndarray  # [areas, needs]
    expected: np.ndarray  # [areas, needs]
    dispersion: np.ndarray  # [needs] variance of a household's count over its expectation, at least 1
    strength: np.ndarray  # [needs] prior strength of an area's ratio to 1
    holds_household: bool = True  # false where the households asked about are not among those summed

    def besides(self, where: np.ndarray, count: np.ndarray, expected: np.ndarray) -> np.ndarray:
        """Compute the area's ratio of requests to those expected, leaving the household itself out.

        ``where``: int [households], the area each household is in; -1 for none. ``count``, ``expected``: float64
        [households, needs], the household's own requests and those expected of it. Returns float64 [households, needs],
        shrunk towards 1; 1 where the household is in no area.
        """
        rest, usual = self.count.take(where, axis=0), self.expected.take(where, axis=0)
        if self.holds_household:
            rest, usual = rest - count, usual - expected
        ratio = shrunk(rest / self.dispersion, usual / self.dispersion, self.strength)
        ratio[where < 0] = 1.0
        return ratio


def fit_area(
    known: Known, kind: str, count: np.ndarray, expected: np.ndarray, fitted: Area | None = None
) -> Area:
    """Sum requests and expectations by area, and estimate how much the areas differ.

    Households differ among themselves; only what areas differ beyond that counts for the prior strength.

    ``kind``: ``grid`` or ``microgrid``. ``count``, ``expected``: float64 [households, needs], requests and those
    expected. ``fitted``: an earlier estimate, whose strength and dispersion are kept; only its sums are made anew.
    """
    if fitted:
        return replace(fitted, count=by_area(known, kind, count), expected=by_area(known, kind, expected))
    noise = (count - expected) ** 2
    total, mean, spread = (by_area(known, kind, values) for values in (count, expected, noise))
    strength = [
        prior_strength(total[:, need], mean[:, need], spread[:, need]) for need in range(count.shape[1])
    ]
    return Area(total, mean, np.maximum(rate(noise.sum(0), expected.sum(0)), 1.0), np.array(strength))


def by_area(known: Known, kind: str, values: np.ndarray) -> np.ndarray:
    """Sum values over the households that live in each area now: float64 [areas, needs].

    ``kind``: ``grid`` or ``microgrid``. ``values``: [households, needs].
    """
    return _members(known, kind) @ np.ascontiguousarray(values, dtype=np.float64)


@remembered
def _members(known: Known, kind: str) -> csc_array:
    where = known.area(kind)
    areas = len(known.grid_ids if kind == "grid" else known.microgrid_ids)
    return members(where, areas)
