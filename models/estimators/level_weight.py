"""How far to trust the town's weekly counts with the level of each need, learnt from out-of-time predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.dataset.split import STEP

GRID = np.linspace(0.05, 1, 20)
USUAL = 0.8  # weight before any evidence
USUAL_SPREAD = 0.3  # prior standard deviation of the weight that needs share
OWN_SPREAD = 0.25  # of a need's weight around the shared one
DAY_SPREAD = 0.15  # by which a day's number of requests differs from any foresight, as a share


@dataclass(frozen=True)
class LevelDay:
    """Households that ask in each need's window of one as-of day: by two forecasts, and as observed."""

    own: np.ndarray  # float64 [needs]: sum of calibrated probabilities, without a level
    expected: np.ndarray  # float64 [needs]: by the town's weekly counts
    came: np.ndarray  # float64 [needs]


def learnt_weight(days: Sequence[LevelDay], horizon_days: np.ndarray) -> np.ndarray:
    """Choose each need's weight of ``expected`` against ``own`` by least loss: float64 [needs], above 0 to 1.

    The forecasts are averaged on a logarithmic scale.

    The loss is Poisson's; each day's is divided by how much its count scatters and by the number of days whose windows
    overlap. ``horizon_days``: float64 [needs]. First all needs share a weight; each need's own is pulled towards it.
    """
    needs = len(horizon_days)
    loss = np.zeros((needs, len(GRID)))
    for day in days:
        able = (day.own > 0) & (day.expected > 0)
        log_own, expected = np.log(np.where(able, day.own, 1)), np.log(np.where(able, day.expected, 1))
        aim = (1 - GRID) * log_own[:, None] + GRID * expected[:, None]
        scatter = 1 + DAY_SPREAD**2 * np.exp((log_own + expected) / 2)
        own_loss = (np.exp(aim) - day.came[:, None] * aim) / scatter[:, None]
        loss += np.where(able[:, None], own_loss, 0)
    loss /= np.maximum(horizon_days / STEP, 1)[:, None]
    shared = GRID[np.argmin(loss.sum(axis=0) + 0.5 * ((GRID - USUAL) / USUAL_SPREAD) ** 2)]
    return GRID[np.argmin(loss + 0.5 * ((GRID - shared) / OWN_SPREAD) ** 2, axis=1)]
