import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from models.estimators.calibrate import FARTHEST_SHIFT, fit_calibration, level_shift, shift_to


def rows(slope: float, levels: list[float], count: int = 20_000, seed: int = 0):
    """Score, label, need and day of pairs whose log-odds are slope * score + the day's level - 3."""
    draw = np.random.default_rng(seed)
    day = np.repeat(np.arange(len(levels)) * 28, count)
    score = draw.normal(-3, 1, len(day))
    odds = slope * (score + 3) - 3 + np.repeat(levels, count)
    return score, (draw.random(len(day)) < expit(odds)).astype(np.int8), np.zeros(len(day), dtype=int), day


@pytest.mark.parametrize("slope", [0.6, 1.0, 1.4])
def test_the_slope_is_found_although_the_level_of_every_day_was_missed(slope):
    score, label, need, day = rows(slope, [-1.2, 0.0, 1.2])
    assert fit_calibration(score, label, need, day, 1).slope[0] == pytest.approx(slope, abs=0.08)


def test_calibrated_probabilities_sum_to_what_was_observed():
    score, label, need, day = rows(0.8, [0.3, 0.3])
    found = fit_calibration(score, label, need, day, 1)
    assert expit(found.log_odds(score, need)).sum() == pytest.approx(label.sum(), rel=0.03)


def test_a_level_that_older_members_missed_by_ever_less_is_not_carried_on():
    score, label, need, day = rows(1.4, [1.6, 0.8, 0.0])
    found, newest = fit_calibration(score, label, need, day, 1), day == day.max()
    assert expit(found.log_odds(score[newest], need[newest])).sum() < 1.4 * label[newest].sum()


def test_a_need_without_requests_takes_what_all_needs_share():
    score, label, need, day = rows(0.7, [0.0, 0.0])
    need = need + (np.arange(len(need)) % 2)
    label = np.where(need == 0, label, 0)
    found = fit_calibration(score, label, need, day, 2)
    assert np.isfinite(found.slope).all() and np.isfinite(found.intercept).all()
    assert found.slope[1] > 0


@given(
    odds=st.lists(st.floats(-8, 2), min_size=1, max_size=40).map(np.array),
    mean=st.floats(0.001, 0.6),
)
def test_a_shift_reaches_the_mean_or_stops_at_its_limit(odds, mean):
    shift = shift_to(odds, mean)
    assert abs(shift) <= FARTHEST_SHIFT
    if abs(shift) < FARTHEST_SHIFT - 1e-6:
        assert expit(odds + shift).mean() == pytest.approx(mean, abs=1e-6)


def test_a_level_moves_the_sum_to_the_number_expected_and_leaves_the_order():
    odds = np.linspace(-5, -2, 1000)
    need = np.zeros(1000, dtype=int)
    shift = level_shift(np.array([60.0]), odds, need, np.array([1.0]))
    assert expit(odds + shift[0]).sum() == pytest.approx(60, rel=1e-3)
    assert level_shift(np.array([60.0]), odds, need, np.array([0.0]))[0] == 0


def test_a_need_that_stopped_or_began_lately_takes_the_level_of_the_weekly_counts_however_far():
    odds = np.linspace(-5, -2, 1000)
    need, half = np.zeros(1000, dtype=int), np.array([0.5])
    usual = float(expit(odds).sum())

    def level(expected: float, changed: float, weight: np.ndarray = half) -> float:
        shift = level_shift(np.array([expected]), odds, need, weight, np.array([changed]))
        return float(expit(odds + shift[0]).sum())

    assert level(usual / 4, 0.0) == pytest.approx(usual / 2, rel=1e-3)  # half of the way, as shares
    assert level(usual / 4, 1.0) == pytest.approx(usual / 4, rel=1e-3)
    assert level(usual / 4, 0.5) == pytest.approx(usual / 4**0.75, rel=1e-3)
    assert level(usual / 100, 1.0) == pytest.approx(usual / 100, rel=1e-3)  # beyond FARTHEST_SHIFT
    assert level(usual / 100, 0.0) > usual / 20
    assert level(usual / 4, 1.0, np.array([0.0])) == pytest.approx(usual)  # a need without a level of its own
