import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.estimators.level_weight import GRID, USUAL, LevelDay, learnt_weight

HORIZON = np.array([28.0, 28.0, 28.0])


def day(own: list[float], expected: list[float], came: list[float]) -> LevelDay:
    return LevelDay(*map(np.array, (own, expected, came)))


def test_without_days_the_weight_is_the_usual_one():
    assert (np.abs(learnt_weight([], HORIZON) - USUAL) < 0.03).all()


def test_a_level_that_was_wrong_in_every_fold_loses_its_weight_and_a_right_one_keeps_it():
    days = [day([76.0, 60.0, 0.0], [1.0, 90.0, 0.0], [75.0, 91.0, 0.0])] * 6
    weight = learnt_weight(days, HORIZON)
    assert weight[0] == GRID[0]
    assert weight[1] > weight[0] + 0.2


def test_a_need_with_few_requests_follows_the_others():
    days = [day([100.0, 100.0, 1.0], [300.0, 300.0, 3.0], [100.0, 100.0, 2.0])] * 6
    few, many = learnt_weight(days, HORIZON)[2], learnt_weight(days, HORIZON)[0]
    assert abs(few - many) < 0.3


counts = st.lists(st.floats(0, 1e5), min_size=3, max_size=3)


@given(counts, counts, counts)
def test_weights_lie_within_the_grid_whatever_came(own, expected, came):
    weight = learnt_weight([day(own, expected, came)], HORIZON)
    assert ((weight >= GRID[0]) & (weight <= 1)).all()
