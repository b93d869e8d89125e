import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.estimators.level_weight import LevelDay, learnt_weight

HORIZON = np.array([28.0, 28.0, 28.0])


def day(own: list[float], expected: list[float], came: list[float]) -> LevelDay:
    return LevelDay(*map(np.array, (own, expected, came)))


def test_without_days_both_forecasts_weigh_the_same():
    assert (learnt_weight([], HORIZON) == 0.5).all()


def test_a_level_that_was_wrong_in_every_fold_loses_its_weight_and_a_right_one_keeps_it():
    days = [day([76.0, 60.0, 0.0], [1.0, 90.0, 0.0], [75.0, 91.0, 0.0])] * 6
    weight = learnt_weight(days, HORIZON)
    assert weight[0] < 0.05
    assert weight[1] > weight[0] + 0.2


def test_probabilities_that_miss_the_end_of_a_season_lose_their_weight():
    days = [day([60.0, 60.0, 60.0], [21.0, 20.0, 22.0], [20.0, 22.0, 19.0])] * 3
    assert (learnt_weight(days, HORIZON) > 0.8).all()


def test_two_forecasts_that_missed_as_much_weigh_the_same():
    days = [day([50.0] * 3, [200.0] * 3, [100.0] * 3), day([200.0] * 3, [50.0] * 3, [100.0] * 3)] * 2
    assert (np.abs(learnt_weight(days, HORIZON) - 0.5) < 0.02).all()


def test_a_need_with_few_requests_follows_the_others():
    days = [day([100.0, 100.0, 1.0], [300.0, 300.0, 3.0], [100.0, 100.0, 2.0])] * 6
    few, many = learnt_weight(days, HORIZON)[2], learnt_weight(days, HORIZON)[0]
    assert abs(few - many) < 0.3


def test_one_day_says_less_than_a_year_and_overlapping_windows_less_than_others():
    one = day([300.0] * 3, [100.0] * 3, [100.0] * 3)
    once, often = learnt_weight([one], HORIZON)[0], learnt_weight([one] * 9, HORIZON)[0]
    assert 0.5 < once < often
    assert learnt_weight([one] * 3, 6 * HORIZON)[0] < learnt_weight([one] * 3, HORIZON)[0]


counts = st.lists(st.floats(0, 1e5), min_size=3, max_size=3)


@given(counts, counts, counts)
def test_weights_lie_between_none_and_all_whatever_came(own, expected, came):
    weight = learnt_weight([day(own, expected, came)], HORIZON)
    assert ((weight > 0) & (weight < 1)).all()
    swapped = learnt_weight([day(expected, own, came)], HORIZON)
    assert np.allclose(weight + swapped, 1)
