"""Scores to probabilities: a shape for each need, fitted out of time, and a level for each as-of day.

probability = expit(intercept + slope * log-odds + shift), where the shift of a need at an as-of day makes the mean
over its cohort what the town's weekly counts lead to expect (``models.level``).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

SLOPE_SPREAD = 0.15  # prior standard deviation of a need's slope around the shared one
INTERCEPT_SPREAD = 0.3
FARTHEST_SHIFT = 1.5  # log-odds


@dataclass(frozen=True)
class Calibration:
    """Slope and intercept of each need's log-odds."""

    slope: np.ndarray  # float64 [needs]
    intercept: np.ndarray  # float64 [needs]

    def log_odds(self, score: np.ndarray, need: np.ndarray) -> np.ndarray:
        """Calibrated log-odds, before any shift."""
        return self.intercept[need] + self.slope[need] * score


def no_calibration(needs: int) -> Calibration:
    """Leaves log-odds as they are."""
    return Calibration(np.ones(needs), np.zeros(needs))


def fit_calibration(
    score: np.ndarray,
    label: np.ndarray,
    need: np.ndarray,
    day: np.ndarray,
    needs: int,
    repeats: float = 1.0,
) -> Calibration:
    """Slopes and intercepts by logistic regression: a shared pair, then each need's pulled towards it.

    Slopes compare households of one as-of ``day`` only: every day and need is first given the level that was
    observed, as days whose level was missed would otherwise flatten the slope.
    ``score``: out-of-time log-odds. ``repeats``: how many rows tell of the same request, on average (as-of
    days whose windows overlap); evidence counts by as much less.
    """
    if not label.any() or label.all():
        return no_calibration(needs)
    weight = 1.0 / repeats
    within = _slopes(
        score + _observed_levels(score, label, need, day, needs)[day_index(day), need],
        label,
        need,
        needs,
        weight,
    )
    slope = np.maximum(within, 0.2)
    sloped = slope[need] * score
    tight = np.array([1e-3, 2.0])
    shared = _fit(sloped, label, weight, np.array([1.0, 0.0]), tight)
    intercept = np.zeros(needs)
    for one in range(needs):
        mine = need == one
        center = np.array([1.0, shared[1]])
        spread = np.array([1e-3, INTERCEPT_SPREAD])
        intercept[one] = (
            _fit(sloped[mine], label[mine], weight, center, spread)[1] if label[mine].any() else shared[1]
        )
    return Calibration(slope, intercept)


def day_index(day: np.ndarray) -> np.ndarray:
    """Position of each row's day among the days, oldest first."""
    return np.unique(day, return_inverse=True)[1]


def _slopes(score: np.ndarray, label: np.ndarray, need: np.ndarray, needs: int, weight: float) -> np.ndarray:
    """[needs] slopes, pulled towards a shared one."""
    shared = _fit(score, label, weight, np.array([1.0, 0.0]), np.array([0.5, 2.0]))
    slope = np.full(needs, shared[0])
    for one in range(needs):
        mine = need == one
        if label[mine].any():
            slope[one] = _fit(
                score[mine], label[mine], weight, shared, np.array([SLOPE_SPREAD, INTERCEPT_SPREAD])
            )[0]
    return slope


def _observed_levels(
    score: np.ndarray, label: np.ndarray, need: np.ndarray, day: np.ndarray, needs: int
) -> np.ndarray:
    """[days, needs] shifts that give each day and need the share of requests that was observed; 0 where none."""
    which = day_index(day)
    shift = np.zeros((which.max() + 1, needs))
    cell = which * needs + need
    order = np.argsort(cell, kind="stable")
    ends = np.flatnonzero(np.diff(cell[order], append=-1)) + 1
    for begin, end in zip(np.append(0, ends[:-1]), ends, strict=True):
        rows = order[begin:end]
        if label[rows].any():
            shift.flat[cell[rows[0]]] = shift_to(score[rows], float(label[rows].mean()))
    return shift


def _fit(
    score: np.ndarray, label: np.ndarray, weight: float, center: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """Slope and intercept that minimise log loss with a normal prior; scores are centred for the prior."""
    middle = float(np.average(score, weights=expit(score)))

    def loss(value: np.ndarray) -> tuple[float, np.ndarray]:
        odds = value[1] + middle * center[0] + value[0] * (score - middle)
        slope = weight * (expit(odds) - label)
        away = (value - prior) / spread**2
        total = weight * np.sum(np.logaddexp(0, odds) - label * odds) + 0.5 * np.sum((value - prior) * away)
        return total, np.array([slope @ (score - middle), slope.sum()]) + away

    prior = np.array([center[0], center[1]])
    found = minimize(loss, prior, jac=True, method="BFGS").x
    return np.array([found[0], found[1] + middle * center[0] - found[0] * middle])


def shift_to(log_odds: np.ndarray, mean: float) -> float:
    """The number that, added to these log-odds, gives probabilities of this mean (within limits)."""
    low, high = -FARTHEST_SHIFT, FARTHEST_SHIFT
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if expit(log_odds + middle).mean() < mean else (low, middle)
    return (low + high) / 2


def level_shift(
    expected: np.ndarray, log_odds: np.ndarray, need: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """float64 [needs]: shifts that bring the sum of a cohort's probabilities to the ``expected`` number.

    The sum aimed at lies between the model's own and the expected one, on a logarithmic scale, by
    ``weight`` [needs] (0: no shift).
    """
    shift = np.zeros(len(expected))
    for one in np.flatnonzero((expected > 0) & (weight > 0)):
        mine = log_odds[need == one]
        if len(mine):
            own = float(expit(mine).mean())
            aim = np.exp((1 - weight[one]) * np.log(own) + weight[one] * np.log(expected[one] / len(mine)))
            shift[one] = shift_to(mine, min(float(aim), 0.95))
    return shift
