"""What parts share of a town: whole visits, and seats that no plan promises twice."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.planning.seat_limits import Limit
from service.weekly.plan_town import limits_by_partition, visits_by_partition

WORTH = st.lists(
    st.lists(st.floats(0, 9), max_size=6).map(lambda one: np.sort(one)[::-1]), min_size=1, max_size=5
)


@given(WORTH, st.dictionaries(st.sampled_from(["a", "b", "c"]), st.integers(0, 9), min_size=1))
def test_every_visit_is_made_in_one_part_and_the_best_first(
    worth: list[np.ndarray], visits: dict[str, int]
) -> None:
    shares = visits_by_partition(worth, visits)
    assert {visit: sum(share[visit] for share in shares) for visit in visits} == visits
    made = [sum(share.values()) for share in shares]
    total = sum(visits.values())
    visited = np.sort(np.concatenate([one[:count] for one, count in zip(worth, made, strict=True)]))[::-1]
    best = np.sort(np.concatenate(worth))[::-1][:total]
    assert np.array_equal(visited, best)


SEATS = st.floats(0, 60)
TAKERS = st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50)), min_size=1, max_size=4)


@given(TAKERS, SEATS, SEATS)
def test_shares_of_seats_add_up_to_those_there_are(
    takers: list[tuple[float, float]], one: float, two: float
) -> None:
    plans = [{0b01: first, 0b11: both} for first, both in takers]
    limits = limits_by_partition(np.array([one, two]), plans, [() for _ in plans])
    needed = {0b01: (sum(first for first, _ in takers), one), 0b11: (sum(map(sum, takers)), one + two)}
    short = {bits: seats for bits, (wanted, seats) in needed.items() if wanted > seats + 1e-6}
    assert (limits is None) == (not short)
    for bits, seats in short.items():
        own = [limit.seats for part in limits or [] for limit in part if limit.programmes == bits]
        assert len(own) == len(plans) and np.isclose(sum(own), seats)


def test_a_limit_that_holds_already_is_not_set_again() -> None:
    held = [(Limit(0b1, 3.0),), (Limit(0b1, 1.0),)]
    assert limits_by_partition(np.array([4.0]), [{0b1: 5.0}, {0b1: 1.0}], held) is None
