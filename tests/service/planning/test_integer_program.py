"""The chosen visits against trying out every choice, on towns small enough for that."""

import ctypes
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array

from service.planning.integer_program import GAP, Places, Side, assign, without_output


def can_all_be_visited(areas: np.ndarray, places: Places) -> bool:
    """Whether each of these households finds a visit of its own."""
    seats = np.repeat(np.arange(len(places.capacity)), places.capacity)
    if len(areas) > len(seats):
        return False
    if places.most is not None and (np.bincount(areas, minlength=len(places.most)) > places.most).any():
        return False
    fits = places.covers[areas][:, seats]
    row, column = linear_sum_assignment(fits.astype(float), maximize=True)
    return bool(fits[row, column].all())


def best_value(household, area, value, places, use, limit) -> float:
    """The highest total value over all sets of options that keep the rules."""
    best = 0.0
    for size in range(1, len(household) + 1):
        for which in map(np.array, combinations(range(len(household)), size)):
            if len(np.unique(household[which])) < size or use[which].sum() > limit + 1e-9:
                continue
            if value[which].sum() > best and can_all_be_visited(area[which], places):
                best = value[which].sum()
    return best


@st.composite
def small_towns(draw: st.DrawFn):
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    options, areas, classes = draw(st.integers(1, 8)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    household = np.sort(random.integers(0, 6, options))
    area = random.integers(0, areas, 6)[household]
    covers = random.random((areas, classes)) < 0.6
    most = random.integers(0, 3, areas) if draw(st.booleans()) else None
    places = Places(covers, random.integers(0, 3, classes), most)
    return household, area, random.random(options).round(2), places, random.random(options), random.random()


@settings(max_examples=60)
@given(small_towns(), st.booleans())
def test_no_other_choice_is_worth_more(town, limited: bool) -> None:
    household, area, value, places, use, limit = town
    limit = limit if limited else np.inf
    side = Side(csr_array(use[None, :]), np.array([-np.inf]), np.array([limit]))
    found = assign(household, area, value, places, [side] if limited else [])
    assert found is not None
    assert len(np.unique(household[found.chosen])) == len(found.chosen)
    assert use[found.chosen].sum() <= limit + 1e-6
    assert can_all_be_visited(area[found.chosen], places)
    best = best_value(household, area, value, places, use, limit)
    assert found.value == pytest.approx(best, rel=2 * GAP, abs=1e-6)
    assert found.value * (1 + found.gap) >= best - 1e-6


def test_what_cannot_be_met_has_no_answer() -> None:
    places = Places(np.array([[True]]), np.array([1]))
    at_least_two = Side(csr_array(np.ones((1, 2))), np.array([2.0]), np.array([np.inf]))
    assert assign(np.array([0, 1]), np.array([0, 0]), np.ones(2), places, [at_least_two]) is None


def test_nothing_is_printed_past_python_while_a_programme_is_solved(
    capfd: pytest.CaptureFixture[str],
) -> None:
    print("before")
    with without_output():
        ctypes.CDLL(None).puts(b"a line of the solver's makers")
    print("after")
    assert capfd.readouterr() == ("before\nafter\n", "")
