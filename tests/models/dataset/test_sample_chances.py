import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.dataset.sample import FEWEST_ROWS, _chances

COUNTS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**5)), min_size=1, max_size=12)


def rows_kept(negatives, positives, most_rows=300_000):
    total = np.array([negatives, positives], dtype=float)
    return _chances(total, most_rows) * total


def test_a_rare_need_keeps_many_negatives_for_each_positive_beside_a_frequent_one():
    negative, positive = rows_kept([1_000_000, 1_200_000], [200_000, 2_000])
    assert positive[1] == 2_000 and negative[1] > 10 * positive[1]
    assert np.isclose(negative[0], positive[0])
    assert np.isclose(negative.sum() + positive.sum(), 300_000, atol=1)


def test_all_positives_are_kept_where_there_is_room():
    _, positive = rows_kept([500_000, 500_000], [3_000, 40])
    assert list(positive) == [3_000, 40]


@given(COUNTS)
@settings(max_examples=60)
def test_chances_are_chances_and_there_are_no_more_rows_than_asked_for(counts):
    negatives, positives = zip(*counts, strict=True)
    total = np.array([negatives, positives], dtype=float)
    chance = _chances(total, 300_000)
    assert (chance >= 0).all() and (chance <= 1).all()
    assert (chance * total).sum() <= max(300_000, FEWEST_ROWS) + 1
    few = total.sum() <= FEWEST_ROWS
    assert not few or np.array_equal(chance[total > 0], np.ones((total > 0).sum()))
