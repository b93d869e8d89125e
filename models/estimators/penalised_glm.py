"""Logistic regression with a normal prior on its coefficients: the one optimiser of every log-linear fit here."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit, logit

ROWS_FOR_CURVATURE = 10_000
MOST_STEPS = 100
NEAR = 1e-9  # in posterior standard deviations of a coefficient
LEAST_GAIN = 1e-15  # share of the loss


@dataclass(frozen=True)
class NormalPrior:
    """Independent normal priors: one entry a column, then one for the intercept where there is one."""

    center: np.ndarray  # float64 [coefficients]; the fit begins here
    precision: np.ndarray  # float64 [coefficients]: 1 / variance; 0 is flat


@dataclass(frozen=True)
class Stop:
    """Rule by which a fit ends: after so many steps, or once a step gains no more than this share of the loss.

    near: distance to the minimum, in posterior standard deviations of a coefficient, at which it may end.
    polish: end with one step of Newton's method. It finds the minimum more exactly than the loss, a sum over many rows,
        can tell apart.
    """

    steps: int = MOST_STEPS
    least_gain: float = LEAST_GAIN
    near: float = NEAR
    polish: bool = True


def ridge_prior(width: int, ridge: float, label: np.ndarray, weight: np.ndarray) -> NormalPrior:
    """Return a prior that penalises ``width`` coefficients alike and leaves the intercept free.

    ridge: twice the penalty of a squared coefficient.
    label: float [rows], 0 or 1; the intercept begins at the log-odds of its mean. weight: float [rows].
    """
    share = np.clip(np.average(label, weights=weight), 1e-6, 1 - 1e-6)
    return NormalPrior(np.append(np.zeros(width), logit(share)), np.append(np.full(width, ridge), 0.0))


def fit_penalised_logistic(
    columns: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    prior: NormalPrior,
    offset: np.ndarray | float = 0.0,
    stop: Stop = Stop(),
) -> np.ndarray:
    """Fit the coefficients of least penalised log loss.

    The loss is the sum of weight * (log(1 + exp(s)) - label * s) with s = offset + columns @ coefficients (+
    intercept), plus half the sum of precision * (coefficient - center)². L-BFGS works on coordinates in which the
    curvature, taken at the start from some of the rows, is one everywhere.

    columns: float32 or float64 [rows, columns]; sums over columns are made in this precision
    label: float [rows], 0 or 1
    weight: float [rows], not negative
    prior: one entry a column, and one more, the last, for the intercept where there is one
    offset: float [rows], or one number: log-odds to begin with
    stop: when the fit ends

    Returns float64 [coefficients], the intercept last.
    """
    problem = _Problem(columns, label, weight, prior, offset)
    root = problem.root_of_curvature(prior.center, max(1, len(columns) // ROWS_FOR_CURVATURE))

    def scaled(place: np.ndarray) -> tuple[float, np.ndarray]:
        total, gradient = problem.loss(solve_triangular(root, place, lower=True, trans=1))
        return total, solve_triangular(root, gradient, lower=True)

    options = {"maxiter": stop.steps, "ftol": stop.least_gain, "gtol": stop.near}
    start = np.zeros(len(prior.center))
    optimum = minimize(scaled, start, jac=True, method="L-BFGS-B", options=options)
    away = solve_triangular(root, optimum.x, lower=True, trans=1)
    if stop.polish:
        _, gradient = problem.loss(away)
        away = away - cho_solve((problem.root_of_curvature(prior.center + away), True), gradient)
    return prior.center + away


@dataclass(frozen=True)
class _Problem:
    """The loss that ``fit_penalised_logistic`` minimises."""

    columns: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    prior: NormalPrior
    offset: np.ndarray | float

    @property
    def intercept(self) -> bool:
        return len(self.prior.center) > self.columns.shape[1]

    def log_odds(self, value: np.ndarray) -> np.ndarray:
        """Compute the log-odds of each row by the coefficients ``value``."""
        kind = self.columns.dtype.type
        score = self.offset + self.columns @ value[: self.columns.shape[1]].astype(kind)
        return score + kind(value[-1]) if self.intercept else score

    def loss(self, away: np.ndarray) -> tuple[float, np.ndarray]:
        """Compute loss and gradient where the coefficients are ``away`` from the prior's centre."""
        score = self.log_odds(self.prior.center + away)
        total = self.weight * (np.logaddexp(0, score) - self.label * score)
        slope = self.weight * (expit(score) - self.label)
        gradient = self.columns.T @ slope
        if self.intercept:
            gradient = np.append(gradient, slope.sum(dtype=np.float64))
        pull = self.prior.precision * away
        return float(total.sum(dtype=np.float64)) + 0.5 * float(away @ pull), gradient + pull

    def root_of_curvature(self, value: np.ndarray, step: int = 1) -> np.ndarray:
        """Factorise the second derivatives (lower Cholesky factor), of every ``step``-th row."""
        p = expit(self.log_odds(value)[::step])
        weight = step * (self.weight[::step] * p * (1 - p))
        curvature = _curvature(self.columns[::step], weight, self.intercept)
        return np.linalg.cholesky(curvature + np.diag(self.prior.precision))


def _curvature(columns: np.ndarray, weight: np.ndarray, intercept: bool) -> np.ndarray:
    """Sum the weighted products of columns, a column of ones last where there is an intercept.

    float64 [coefficients, coefficients].
    """
    weighted = columns * weight[:, None]
    products = (weighted.T @ columns).astype(np.float64)
    if not intercept:
        return products
    ones = weighted.sum(axis=0, dtype=np.float64)
    return np.block([[products, ones[:, None]], [ones, weight.sum(dtype=np.float64)]])
