import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.estimators.train import shared_rounds

NEEDS = st.lists(
    st.tuples(st.integers(1, 500), st.integers(0, 5000), st.integers(0, 40)), min_size=1, max_size=8
)


def test_few_positives_do_not_stop_trees_after_four_rounds_and_many_are_believed():
    rounds = shared_rounds(
        np.array([4.0, 200.0, 0.0]), np.array([20.0, 8000.0, 0.0]), np.array([44.0, 240.0, 0.0])
    )
    assert rounds[0] == 44
    assert 195 <= rounds[1] <= 200
    assert rounds[2] == 0


@given(NEEDS)
def test_rounds_lie_between_the_least_and_the_most_and_were_grown(needs):
    best, evidence, later = (np.array(column, dtype=float) for column in zip(*needs, strict=True))
    rounds = shared_rounds(best, evidence, best + later)
    assert (rounds >= min(1, best.min())).all() and (rounds <= np.minimum(best + later, best.max() + 1)).all()
