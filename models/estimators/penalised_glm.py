"""Logistic regression with a normal prior on its coefficients: the one optimiser of every log-linear fit here."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular
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
    """When a fit ends: after so many steps, or once a step gains no more than this share of the loss."""

    steps: int = MOST_STEPS
    least_gain: float = LEAST_GAIN
    near: float = NEAR


def ridge_prior(width: int, ridge: float, label: np.ndarray, weight: np.ndarray) -> NormalPrior:
    """Penalise ``width`` coefficients alike, and leave the intercept free; it begins at the log-odds of the labels.

    ridge: twice the penalty of a squared coefficient. label: float [rows], 0 or 1. weight: float [rows].
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

    The loss is the sum of weight * (log(1 + exp(s)) - label * s) with s = offset + columns @ coefficients (+ intercept),
    plus half the sum of precision * (coefficient - center)². L-BFGS works on coordinates in which the curvature, taken
    at the start from some of the rows, is one everywhere.

    Parameters
    ----------
    columns: float32 or float64 [rows, columns]; sums over columns are made in this precision
    label: float [rows], 0 or 1
    weight: float [rows], not negative
    prior: of every column and, where it has one entry more, of the intercept
    offset: float [rows], or one number: log-odds to begin with

    Returns
    -------
    float64 [coefficients], the intercept last.
    """
    width, kind = columns.shape[1], columns.dtype.type
    intercept = len(prior.center) > width

    def log_odds(value: np.ndarray) -> np.ndarray:
        score = offset + columns @ value[:width].astype(kind)
        return score + kind(value[-1]) if intercept else score

    p = expit(log_odds(prior.center))
    curvature = _curvature(columns, weight * p * (1 - p), intercept)
    root = np.linalg.cholesky(curvature + np.diag(prior.precision))

    def loss(place: np.ndarray) -> tuple[float, np.ndarray]:
        away = solve_triangular(root, place, lower=True, trans=1)
        score = log_odds(prior.center + away)
        total = float((weight * (np.logaddexp(0, score) - label * score)).sum(dtype=np.float64))
        slope = weight * (expit(score) - label)
        gradient = columns.T @ slope
        if intercept:
            gradient = np.append(gradient, slope.sum(dtype=np.float64))
        gradient = gradient + prior.precision * away
        penalty = 0.5 * float(away @ (prior.precision * away))
        return total + penalty, solve_triangular(root, gradient, lower=True)

    found = minimize(
        loss,
        np.zeros(len(prior.center)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": stop.steps, "ftol": stop.least_gain, "gtol": stop.near},
    )
    return prior.center + solve_triangular(root, found.x, lower=True, trans=1)


def _curvature(columns: np.ndarray, weight: np.ndarray, intercept: bool) -> np.ndarray:
    """Sum the weighted products of columns, a column of ones last where there is an intercept; from some rows.

    float64 [coefficients, coefficients].
    """
    step = max(1, len(columns) // ROWS_FOR_CURVATURE)
    part, heavy = columns[::step], step * weight[::step, None]
    weighted = part * heavy
    products = (weighted.T @ part).astype(np.float64)
    if not intercept:
        return products
    ones = weighted.sum(axis=0, dtype=np.float64)
    return np.block([[products, ones[:, None]], [ones, heavy.sum(dtype=np.float64)]])
