"""Each need gets the blend of members that lost least on rows that they had not seen."""

import numpy as np
import pytest

from models.estimators.train import MEMBERS
from models.training.blend import choose_weights

NEEDS = 3


def rows(right: list[int], count: int = 4000, seed: int = 0):
    """Log-odds of the members, labels and needs: for each need only the member ``right`` knows who asks."""
    draw = np.random.default_rng(seed)
    need = np.arange(count) % NEEDS
    odds = draw.normal(-1, 2, count)
    label = (draw.random(count) < 1 / (1 + np.exp(-odds))).astype(np.int8)
    parts = draw.normal(-1, 2, (count, len(MEMBERS)))
    parts[np.arange(count), np.array(right)[need]] = odds
    return parts, label, need


@pytest.mark.parametrize("member", range(len(MEMBERS)))
def test_the_member_that_knows_who_asks_has_all_the_weight(member: int) -> None:
    weights = choose_weights(*rows([member] * NEEDS), NEEDS)
    assert weights.tolist() == [[float(at == member) for at in range(len(MEMBERS))]] * NEEDS


def test_a_need_follows_its_own_rows_where_there_are_many_and_all_needs_where_there_are_few() -> None:
    parts, label, need = rows([0, 1, 2], 30_000)
    assert np.argmax(choose_weights(parts, label, need, NEEDS), axis=1).tolist() == [0, 1, 2]
    few = np.flatnonzero((need == 0) | (np.arange(len(need)) < 30))
    weights = choose_weights(parts[few], label[few], need[few], NEEDS)
    assert weights.argmax(axis=1).tolist() == [0, 0, 0]
    assert np.allclose(weights.sum(axis=1), 1)
