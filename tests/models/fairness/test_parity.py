"""What parity between groups costs and brings, told from two lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.blocks.groups import Groups
from features.contract.community import Name, Parity
from features.language import speaking
from models.fairness.parity import price_lines, recall_sums, recalls, short_of_parity

HOUSEHOLD = np.array([0, 0, 1, 2, 3])
P_NEED = np.array([0.4, 0.2, 0.3, 0.1, 0.2])
GROUPS = Groups(
    ("new", "grid=G1", "grid=G2"),
    (Name(zh="新居民", en="New residents"), Name(zh="网格 G1"), Name(zh="网格 G2")),
    np.array([[False, True, False], [False, True, False], [True, False, True], [True, False, True]]),
)
BEST = np.array([True, True, True, False, False])
EVEN = np.array([True, True, False, False, True])


def test_recall_of_each_group_by_hand() -> None:
    table = recalls(recall_sums(HOUSEHOLD, P_NEED, EVEN, GROUPS)).set_index("group")
    assert table.loc["all", ["need", "visits", "found"]].tolist() == pytest.approx([1.2, 2, 0.8])
    assert table["recall"].tolist() == pytest.approx([0.8 / 1.2, 0.2 / 0.3, 0.6 / 0.9, 0.2 / 0.3])
    assert table["relative"].tolist() == pytest.approx([1, 1, 1, 1])


def test_groups_short_of_parity() -> None:
    unequal = recalls(recall_sums(HOUSEHOLD, P_NEED, BEST, GROUPS))
    assert short_of_parity(unequal, GROUPS, Parity(groups=("new", "grid"))) == ["new", "grid=G2"]
    even = recalls(recall_sums(HOUSEHOLD, P_NEED, EVEN, GROUPS))
    assert short_of_parity(even, GROUPS, Parity(groups=("new", "grid"), tolerance=0)) == []


def test_the_price_in_words() -> None:
    unequal, even = (recalls(recall_sums(HOUSEHOLD, P_NEED, one, GROUPS)) for one in (BEST, EVEN))
    parity = Parity(groups=("new",))
    with speaking("en"):
        lines = price_lines(unequal, even, GROUPS, parity)
        assert "45.0 → 40.0 (-5.0)" in lines[0]
        assert "New residents" in lines[1]
        assert "0.0% → 66.7%" in lines[1]
        assert len(lines) == 2
        assert "New residents" in price_lines(unequal, unequal, GROUPS, parity)[-1]


@given(st.lists(st.booleans(), min_size=5, max_size=5), st.lists(st.floats(0, 1), min_size=5, max_size=5))
def test_found_never_exceeds_need_and_disjoint_groups_add_up(listed: list[bool], p_need: list[float]) -> None:
    table = recalls(recall_sums(HOUSEHOLD, np.array(p_need), np.array(listed), GROUPS)).set_index("group")
    assert (table["found"] <= table["need"] + 1e-9).all()
    for column in ("need", "visits", "found"):
        grids = table.loc[["grid=G1", "grid=G2"], column].sum()
        assert grids == pytest.approx(table.loc["all", column])
