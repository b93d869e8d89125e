"""Log-odds of a visit model to calibrated ones: the level of silent pairs, and of those that asked lately."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from models.underreporting.design import ASKED_WITHIN, Pairs

HALF_LIFE = 364.0  # days after which a visit counts half for the level
SILENT_SPREAD = (0.15, 0.3)  # prior standard deviations of slope (about 1) and shift (about 0)
LATELY_SPREAD = (0.4, 3.0)  # what is there after a request may have more to do with the request


@dataclass(frozen=True)
class NeedCalibration:
    """Log-odds = shift + slope * (score - middle), with a slope for silent pairs and one for those that asked
    lately, and with a shift for every time since the request."""

    middle: float
    silent: tuple[float, float]  # slope, shift
    lately_slope: float
    lately_shift: tuple[float, ...]  # by ASKED_WITHIN

    def log_odds(self, score: np.ndarray, pairs: Pairs) -> np.ndarray:
        """float64 per row."""
        slope = np.append(np.full(len(ASKED_WITHIN), self.lately_slope), self.silent[0])
        shift = np.append(self.lately_shift, self.silent[1])
        return self.middle + shift[pairs.asked] + slope[pairs.asked] * (score - self.middle)


def fit_need_calibration(
    score: np.ndarray, pairs: Pairs, found: np.ndarray, weight: np.ndarray, as_of: np.ndarray
) -> NeedCalibration:
    """``score``: log-odds from visits to other households; newer visits weigh more.

    Pairs that asked lately but not within ASKED_WITHIN count neither as silent nor as having asked.
    """
    weight = weight * np.exp2((as_of - as_of.max()) / HALF_LIFE)
    middle = float(np.average(score, weights=weight * expit(score)))
    away = score - middle
    silent, lately = np.flatnonzero(pairs.silent), np.flatnonzero(pairs.lately)
    columns = np.column_stack([away, np.ones(len(away))])
    own = _fit(columns, found, weight, silent, middle, np.array([1.0, 0.0]), np.array(SILENT_SPREAD))
    since = pairs.asked[:, None] == np.arange(len(ASKED_WITHIN))
    center = np.append(1.0, np.zeros(len(ASKED_WITHIN)))
    spread = np.append(LATELY_SPREAD[0], np.full(len(ASKED_WITHIN), LATELY_SPREAD[1]))
    asked = _fit(np.column_stack([away, since]), found, weight, lately, middle, center, spread)
    return NeedCalibration(
        middle, (float(own[0]), float(own[1])), float(asked[0]), tuple(float(one) for one in asked[1:])
    )


def _fit(
    columns: np.ndarray,
    found: np.ndarray,
    weight: np.ndarray,
    rows: np.ndarray,
    middle: float,
    center: np.ndarray,
    spread: np.ndarray,
) -> np.ndarray:
    """Coefficients of a logistic regression with a normal prior, on some rows."""
    columns, found, weight = columns[rows], found[rows], weight[rows]

    def loss(value: np.ndarray) -> tuple[float, np.ndarray]:
        odds = middle + columns @ value
        away = (value - center) / spread**2
        total = weight @ (np.logaddexp(0, odds) - found * odds) + 0.5 * (value - center) @ away
        return float(total), (weight * (expit(odds) - found)) @ columns + away

    return minimize(loss, center, jac=True, method="L-BFGS-B").x
