"""The optimiser of every log-linear fit against scikit-learn's, and against its own conditions of an optimum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from models.estimators.penalised_glm import NormalPrior, fit_penalised_logistic, ridge_prior


def rows(seed: int, count: int = 3000, width: int = 6, shift: float = -3.0):
    draw = np.random.default_rng(seed)
    columns = draw.normal(size=(count, width)) * draw.uniform(0.01, 5, width)
    label = draw.random(count) < expit(columns @ draw.normal(size=width) * 0.3 + shift)
    return columns, label.astype(float), draw.uniform(0.2, 4, count)


@pytest.mark.parametrize("penalty", [0.01, 1.0, 50.0])
def test_coefficients_are_those_of_scikit_learn(penalty):
    columns, label, weight = rows(1)
    ours = fit_penalised_logistic(columns, label, weight, ridge_prior(6, 1 / penalty, label, weight))
    theirs = LogisticRegression(C=penalty, solver="newton-cholesky", tol=1e-12, max_iter=200)
    theirs.fit(columns, label, sample_weight=weight)
    assert ours == pytest.approx(np.append(theirs.coef_[0], theirs.intercept_), abs=1e-7)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 8), st.floats(-7, 2), st.floats(0.01, 10), st.booleans())
def test_nothing_is_gained_by_moving_any_coefficient(seed, width, shift, spread, intercept):
    columns, label, weight = rows(seed, 400, width, shift)
    draw = np.random.default_rng(seed)
    count = width + intercept
    prior = NormalPrior(draw.normal(size=count), np.full(count, spread**-2))
    offset = draw.normal(size=len(label))
    value = fit_penalised_logistic(columns, label, weight, prior, offset)
    whole = np.column_stack([columns, np.ones(len(label))]) if intercept else columns
    p = expit(offset + whole @ value)
    slope = whole.T @ (weight * (p - label)) + prior.precision * (value - prior.center)
    curvature = (whole.T * (weight * p * (1 - p))) @ whole + np.diag(prior.precision)
    # in posterior standard deviations
    assert np.sqrt(slope @ np.linalg.solve(curvature, slope)) < 1e-6


def test_without_rows_of_one_kind_the_prior_holds_the_coefficients():
    columns, _, weight = rows(2)
    prior = NormalPrior(np.zeros(7), np.full(7, 4.0))
    value = fit_penalised_logistic(columns, np.zeros(len(columns)), weight, prior)
    assert np.isfinite(value).all()
    assert value[-1] < 0
