"""Calibration of p_need: levels for silent pairs, and for those that asked lately."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from features.point_in_time.town_summary import prior_strength
from models.estimators.penalised_glm import NormalPrior, fit_penalised_logistic
from models.underreporting.design import ASKED_WITHIN, DesignMatrix

HALF_LIFE = 364.0  # days after which a visit counts half for the level
SILENT_SPREAD = (0.15, 0.3)  # prior standard deviations of slope (about 1) and shift (about 0)
LATELY_SPREAD = (0.4, 3.0)  # what is there after a request may have more to do with the request


@dataclass(frozen=True)
class NeedCalibration:
    """Shifts and slopes: log-odds = middle + shift + slope * (score - middle).

    There is a slope for silent pairs and one for those that asked lately, and a shift for each time since the request.
    Pairs that did not ask lately have their need's own shift as well: how often a need is kept silent differs from need
    to need.
    """

    middle: float
    silent: tuple[float, float]  # slope, shift
    lately_slope: float
    lately_shift: tuple[float, ...]  # by ASKED_WITHIN
    need_shift: tuple[float, ...] = ()  # by need; empty in models that were stored before there was one

    def log_odds(self, score: np.ndarray, design: DesignMatrix) -> np.ndarray:
        """Compute calibrated log-odds: float64 [rows]."""
        slope = np.append(np.full(len(ASKED_WITHIN), self.lately_slope), self.silent[0])
        shift = np.append(self.lately_shift, self.silent[1])
        odds = self.middle + shift[design.asked] + slope[design.asked] * (score - self.middle)
        if self.need_shift:
            odds += np.where(design.lately, 0.0, np.array(self.need_shift)[design.need])
        return odds


def fit_need_calibration(
    score: np.ndarray,
    design: DesignMatrix,
    found: np.ndarray,
    weight: np.ndarray,
    as_of: np.ndarray,
    needs: int,
) -> NeedCalibration:
    """Fit slopes and shifts with normal priors, and the needs' own shifts; newer visits weigh more.

    score: float64 [visits], log-odds from visits to other households.
    design: of the visits.
    found: float64 [visits], 0 or 1.
    weight: float64 [visits].
    as_of: int32 [visits], day.
    needs: number of needs.

    Pairs that asked in the last half year but not within ASKED_WITHIN count neither as silent nor as having asked
    lately.
    """
    weight = weight * np.exp2((as_of - as_of.max()) / HALF_LIFE)
    middle = float(np.average(score, weights=weight * expit(score)))
    away = score - middle
    silent, lately = np.flatnonzero(design.silent), np.flatnonzero(design.lately)
    columns = np.column_stack([away, np.ones(len(away))])
    prior = NormalPrior(np.array([1.0, 0.0]), np.array(SILENT_SPREAD) ** -2.0)
    slope = fit_penalised_logistic(columns[silent], found[silent], weight[silent], prior, middle)
    since = design.asked[:, None] == np.arange(len(ASKED_WITHIN))
    center = np.append(1.0, np.zeros(len(ASKED_WITHIN)))
    spread = np.append(LATELY_SPREAD[0], np.full(len(ASKED_WITHIN), LATELY_SPREAD[1]))
    columns = np.column_stack([away, since])[lately]
    asked = fit_penalised_logistic(
        columns, found[lately], weight[lately], NormalPrior(center, spread**-2.0), middle
    )
    shared = NeedCalibration(
        middle,
        (float(slope[0]), float(slope[1])),
        float(asked[0]),
        tuple(float(intercept) for intercept in asked[1:]),
    )
    of_need = (design.need[silent, None] == np.arange(needs)).astype(float)
    shifts = _need_shifts(of_need, shared.log_odds(score, design)[silent], found[silent], weight[silent])
    return replace(shared, need_shift=tuple(shifts.tolist()))


def _need_shifts(of_need: np.ndarray, odds: np.ndarray, found: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Fit a shift of the log-odds for each need, with a prior as wide as found over expected varies beyond chance.

    of_need: float64 [visits, needs], 1 for the visit's need. odds: float64 [visits]. Returns float64 [needs].
    """
    expected = weight * expit(odds)
    noise = of_need.T @ (weight * expected * (1 - expit(odds)))
    strength = prior_strength(of_need.T @ (weight * found), of_need.T @ expected, noise)
    prior = NormalPrior(np.zeros(of_need.shape[1]), np.full(of_need.shape[1], strength))
    return fit_penalised_logistic(of_need, found, weight, prior, odds)
