import numpy as np
import pytest
from scipy.special import expit

from models.estimators.offset import EXPECTED, fit_offset

NAMES = ["days_observed", EXPECTED]


def test_the_expected_number_becomes_the_chance_of_at_least_one_request_at_the_observed_level():
    draw = np.random.default_rng(0)
    expected = draw.gamma(0.5, 0.1, 40_000)
    need = np.arange(len(expected)) % 2
    label = (draw.random(len(expected)) < -np.expm1(-expected * np.where(need, 2.0, 1.0))).astype(np.int8)
    matrix = np.column_stack([np.zeros(len(expected)), expected]).astype(np.float32)
    offset = fit_offset(NAMES, matrix, label, np.ones(len(label)), need, 2)
    p = expit(offset.log_odds(matrix, need))
    for one in (0, 1):
        assert p[need == one].sum() == pytest.approx(
            label[need == one].sum(), rel=0.15
        )  # a shift of log-odds is not quite a factor
    assert offset.shift[1] - offset.shift[0] == pytest.approx(np.log(2), abs=0.15)


def test_nothing_expected_and_nothing_known_stay_finite():
    matrix = np.array([[0, 0], [0, np.nan], [0, 50]], dtype=np.float32)
    offset = fit_offset(NAMES, matrix, np.zeros(3), np.ones(3), np.zeros(3, dtype=int), 1)
    assert np.isfinite(offset.log_odds(matrix, np.zeros(3, dtype=int))).all()
