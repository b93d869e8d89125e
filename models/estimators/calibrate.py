"""Calibration: a slope and an intercept for each need, fitted out of time, and a shift for each as-of day.

probability = expit(intercept + slope * log-odds + shift), where the shift of a need at an as-of day brings the mean
over its cohort to what the town's weekly counts lead to expect (``models.estimators.seasonal_level``).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from models.estimators.level_weight import USUAL_ERROR, drawn_together
from models.estimators.penalised_glm import NormalPrior, fit_penalised_logistic

SLOPE_SPREAD = 0.15  # prior standard deviation of a need's slope around the shared one
INTERCEPT_SPREAD = 0.3  # of a need's level, also of what is missed on every day
TINY = 1e-12
FARTHEST_SHIFT = 1.5  # log-odds
ANY_SHIFT = 20.0  # log-odds
BOUND_WIDTH = 1e-6
LEVELS_AND_SLOPES = 3  # rounds in which each is fitted given the other
MOST_STEPS = 40
NEAR = 1e-10  # log-odds (and slope): what is nearer than this is there


@dataclass(frozen=True)
class Calibration:
    """Slope and intercept of each need's log-odds."""

    slope: np.ndarray  # float64 [needs]
    intercept: np.ndarray  # float64 [needs]

    def log_odds(self, score: np.ndarray, need: np.ndarray) -> np.ndarray:
        """Compute calibrated log-odds, before any shift: float64 [rows]."""
        return self.intercept[need] + self.slope[need] * score


def no_calibration(needs: int) -> Calibration:
    """Return a calibration that leaves log-odds as they are."""
    return Calibration(np.ones(needs), np.zeros(needs))


def fit_calibration(
    score: np.ndarray,
    label: np.ndarray,
    need: np.ndarray,
    day: np.ndarray,
    needs: int,
    repeats: float = 1.0,
) -> Calibration:
    """Fit each need's slope by logistic regression, pulled towards a shared one, and its intercept by what days missed.

    score: float [rows], out-of-time log-odds.
    label: int8 or bool [rows].
    need: int [rows], position below ``needs``.
    day: int [rows], as-of day.
    repeats: how many rows stand for the same request on average, as windows of as-of days overlap; rows weigh 1 /
        repeats.

    Slopes compare households of one as-of day only: every day and need is first given the level that was observed, as
    days whose level was missed would otherwise flatten the slope. Without any request, or without any other row, the
    calibration leaves log-odds as they are.
    """
    if not label.any() or label.all():
        return no_calibration(needs)
    slope = np.maximum(_slopes(score, label, need, day, needs, 1.0 / repeats), 0.2)
    return Calibration(slope, _intercepts(slope[need] * score, score, label, need, day, needs, repeats))


def at_observed_levels(
    parts: np.ndarray, label: np.ndarray, need: np.ndarray, day: np.ndarray, needs: int
) -> np.ndarray:
    """Give each member's log-odds the level that was observed on every day and need: float64 [rows, members].

    parts: float64 [rows, members]. label: int8 [rows]. need: int [rows], position below ``needs``. day: int [rows].

    Levels are set afterwards; members differ in how they tell the households of a day apart.
    """
    which = np.unique(day, return_inverse=True)[1] * needs + need
    return np.column_stack([part + _observed_levels(part, label, which) for part in parts.T])


def _intercepts(
    sloped: np.ndarray,
    score: np.ndarray,
    label: np.ndarray,
    need: np.ndarray,
    day: np.ndarray,
    needs: int,
    repeats: float,
) -> np.ndarray:
    """Compute intercepts that keep the sum of each need's probabilities, and add what was missed on every day."""
    kept = np.zeros(needs)
    for index in np.unique(need):
        of_need = need == index
        kept[index] = shift_to(sloped[of_need], float(expit(score[of_need]).mean()), ANY_SHIFT)
    which = np.unique(day, return_inverse=True)[1] * needs + need
    cells, first = np.unique(which, return_index=True)
    missed = _observed_levels(sloped + kept[need], label, which)[first]
    chance = 1 / (np.bincount(which, label)[cells] + 1)
    return kept + _lasting(missed, chance, cells % needs, needs, repeats)


def _lasting(
    missed: np.ndarray, chance: np.ndarray, need: np.ndarray, needs: int, repeats: float
) -> np.ndarray:
    """Estimate how much of what single days missed is missed on every day: float64 [needs] log-odds.

    missed: float64 [cells], by day and need. chance: float64 [cells], variance of the day's number of requests, as a
    logarithm. need: int [cells].

    A mean is worth as much as days agree: what they scatter beyond chance, drawn to that of all needs, is its error, by
    which it is shrunk. Members of a fold saw less than those that are used: most of what they missed has been learnt.
    """

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(need, values, needs)

    precision = USUAL_ERROR**2 / (USUAL_ERROR**2 + chance)
    days = np.maximum(total(precision), TINY)
    apart = missed - (total(precision * missed) / days)[need]
    free = days - total(precision**2) / days  # the mean takes one
    scatter = drawn_together(total(precision * (apart**2 - chance)) / repeats, free / repeats)
    weight = 1 / (chance + scatter[need])
    evidence = np.maximum(total(weight), TINY)
    return total(weight * missed) / evidence / (1 + repeats / (evidence * INTERCEPT_SPREAD**2))


def _slopes(
    score: np.ndarray, label: np.ndarray, need: np.ndarray, day: np.ndarray, needs: int, weight: float
) -> np.ndarray:
    """Fit slopes within a day and need, pulled towards a shared one: float64 [needs]."""
    which = np.unique(day, return_inverse=True)[1] * needs + need
    heavy = expit(score)
    center = np.bincount(which, heavy * score) / np.maximum(np.bincount(which, heavy), TINY)
    apart = score - center[which]  # centred, so that slope and levels can be fitted in turn
    slope = np.ones(needs)
    for _ in range(LEVELS_AND_SLOPES):
        level = _observed_levels(slope[need] * apart, label, which)
        shared = _fit(apart, label, weight, np.array([1.0, 0.0]), np.array([0.5, 2.0]), level)
        for position in range(needs):
            of_need = need == position
            slope[position] = shared[0]
            if label[of_need].any():
                spread = np.array([SLOPE_SPREAD, INTERCEPT_SPREAD])
                slope[position] = _fit(
                    apart[of_need], label[of_need], weight, shared, spread, level[of_need]
                )[0]
    return slope


def _observed_levels(score: np.ndarray, label: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Compute for each row the shift that gives its cell the observed share of requests (at least half a request)."""
    shift = np.zeros(len(score))
    order = np.argsort(cell, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(cell[order])) + 1):
        mean = max(float(label[rows].mean()), 0.5 / len(rows))
        shift[rows] = shift_to(score[rows], mean, ANY_SHIFT)
    return shift


def _fit(
    score: np.ndarray,
    label: np.ndarray,
    weight: float,
    center: np.ndarray,
    spread: np.ndarray,
    level: np.ndarray | float = 0.0,
) -> np.ndarray:
    """Fit slope and intercept on top of ``level`` by log loss and a normal prior, with scores centred for the prior."""
    middle = float(np.average(score, weights=expit(score)))
    away = score - middle
    base = level + middle * center[0]

    columns = np.column_stack([away, np.ones(len(away))])
    prior = NormalPrior(center, spread**-2.0)
    fitted = fit_penalised_logistic(columns, label, np.full(len(label), weight), prior, base)
    return np.array([fitted[0], fitted[1] + middle * center[0] - fitted[0] * middle])


def shift_to(log_odds: np.ndarray, mean: float, farthest: float = FARTHEST_SHIFT) -> float:
    """Find the number that, added to log-odds, gives probabilities of this mean; at most ``farthest`` from 0.

    log_odds: float64 [rows], at least one. mean: between 0 and 1.

    Newton's method, replaced by bisection wherever a step would leave the interval known to hold the solution.
    """
    low, high, shift = -farthest, farthest, 0.0
    for _ in range(2 * MOST_STEPS):
        p = expit(log_odds + shift)
        miss = float(p.mean()) - mean
        low, high = (shift, high) if miss < 0 else (low, shift)
        slope = float(p @ (1 - p)) / len(p)
        following = shift - miss / slope if slope > 0 else np.inf
        if not low <= following <= high:
            following = (low + high) / 2
        moved, shift = abs(following - shift), following
        if moved <= NEAR:
            break
    return shift


def level_shift(
    expected: np.ndarray,
    log_odds: np.ndarray,
    need: np.ndarray,
    weight: np.ndarray,
    changed: np.ndarray | None = None,
) -> np.ndarray:
    """Compute the shifts that bring the sum of a cohort's probabilities to the expected number: float64 [needs].

    expected: float64 [needs], number of households that ask.
    log_odds: float64 [pairs], calibrated.
    need: int [pairs].
    weight: float64 [needs], 0 to 1: how far the sum goes from the model's own to the expected one, on a logarithmic
        scale; at 0 there is no shift.
    changed: float64 [needs], probability that the need stopped or began lately, which the probabilities cannot know
        yet. The weight goes so much of the way to 1, and the shift of a need that may have changed is bounded by
        ANY_SHIFT only.
    """
    shift = np.zeros(len(expected))
    turned = np.zeros(len(expected)) if changed is None else changed
    weight = np.where(weight > 0, weight + (1 - weight) * turned, 0.0)
    for index in np.flatnonzero((expected > 0) & (weight > 0)):
        odds = log_odds[need == index]
        if len(odds):
            level = float(expit(odds).mean())
            aim = np.exp(
                (1 - weight[index]) * np.log(level) + weight[index] * np.log(expected[index] / len(odds))
            )
            farthest = ANY_SHIFT if turned[index] else FARTHEST_SHIFT
            shift[index] = shift_to(odds, min(float(aim), 0.95), farthest)
    return shift


def at_bound(shift: np.ndarray) -> np.ndarray:
    """Tell which shifts stop at FARTHEST_SHIFT, which no sound level needs: bool, shaped like ``shift``."""
    return np.abs(np.abs(shift) - FARTHEST_SHIFT) < BOUND_WIDTH
