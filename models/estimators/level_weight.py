"""How far to trust the town's weekly counts with the level of each need, learnt from out-of-time predictions.

Two forecasts of how many households ask are averaged, each weighed by the inverse of its squared error on past days
(J. M. Bates and C. W. J. Granger, "The combination of forecasts", Operational Research Quarterly 20, 1969). The few
days of a year's folds say little, and what befalls one need on a day befalls others too: errors are therefore pulled
towards one that both forecasts share, so that the weight stays near one half until the days tell them apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.dataset.split import STEP

USUAL_ERROR = 0.2  # of either forecast before any evidence, as a logarithm
USUAL_DAYS = 3.0  # independent days, as which it counts
SHARED_DAYS = 2.0  # independent days of a need, as which the error over all needs counts


@dataclass(frozen=True)
class LevelDay:
    """Households that ask in each need's window of one as-of day: by two forecasts, and as observed."""

    own: np.ndarray  # float64 [needs]: sum of calibrated probabilities, without a level
    expected: np.ndarray  # float64 [needs]: by the town's weekly counts
    came: np.ndarray  # float64 [needs]


def learnt_weight(days: Sequence[LevelDay], horizon_days: np.ndarray) -> np.ndarray:
    """Compute each need's weight of ``expected`` against ``own``, on a logarithmic scale: float64 [needs], in (0, 1).

    days: with sums of both forecasts; without any the weights are one half. horizon_days: float64 [needs], length of
    the window; days whose windows overlap count as fewer.
    """
    if not days:
        return np.full(len(horizon_days), 0.5)
    own, expected, came = (
        np.array([getattr(day, name) for day in days]) for name in ("own", "expected", "came")
    )
    able = (own > 0) & (expected > 0)
    overlap = np.maximum(horizon_days / STEP, 1)
    of_own, of_expected = (_squared_error(forecast, came, able, overlap) for forecast in (own, expected))
    return of_own / (of_own + of_expected)


def _squared_error(
    forecast: np.ndarray, came: np.ndarray, able: np.ndarray, overlap: np.ndarray
) -> np.ndarray:
    """Estimate the mean squared error beyond chance of a logarithmic forecast: float64 [needs].

    forecast, came: float64 [days, needs]. able: bool [days, needs], what to count. overlap: float64 [needs], how many
    of the days share a window.
    """
    chance = 1 / (came + 1)
    beyond = np.log((came + 0.5) / (forecast + 0.5)) ** 2 - chance
    precision = np.where(able, USUAL_ERROR**2 / (USUAL_ERROR**2 + chance), 0.0)
    independent = precision / overlap  # days, less where chance hides the error
    return drawn_together((independent * beyond).sum(axis=0), independent.sum(axis=0))


def drawn_together(squares: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Estimate each need's mean square, drawn to one that all needs share: float64 [needs].

    squares: float64 [needs], summed over days. days: float64 [needs], how many independent ones.
    """
    of_need = np.maximum(squares, 0.0)
    # the median, so that a need whose forecast fails leaves the others theirs
    shared = np.median((USUAL_DAYS * USUAL_ERROR**2 + of_need) / (USUAL_DAYS + days))
    return (SHARED_DAYS * shared + of_need) / (SHARED_DAYS + days)
