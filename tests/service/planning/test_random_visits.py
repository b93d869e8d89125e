"""The lot: recorded propensities are the frequencies of many draws, and keep their floor."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_records import make_community, make_records

from features.point_in_time.records import day_of, known_before
from service.planning.random_visits import drawn_by_lot, exploration_weights, shares_of, systematic
from service.planning.workers import Workers

DAY = day_of(pd.Timestamp("2025-09-01").date())


def crew(covers: list[list[bool]], visits: list[int]) -> Workers:
    """Workers with these visits and areas (a row each)."""
    count, areas = len(visits), len(covers[0])
    frame = pd.DataFrame(
        {"worker_id": [f"w{index}" for index in range(count)], "visits": visits, "coordinator": False}
    )
    places = pd.DataFrame({"grid_id": "g1", "microgrid_id": [f"m{index}" for index in range(areas)]})
    return Workers(frame, np.array(covers).T, places, np.zeros(0, np.int32))


def some_pairs(random: np.random.Generator, homes: int, areas: int) -> pd.DataFrame:
    """Households in random areas with one to five needs each and random weights."""
    rows = [
        (home, need, area)
        for home, area in enumerate(random.integers(0, areas, homes))
        for need in np.sort(random.choice(6, random.integers(1, 6), replace=False))
    ]
    frame = pd.DataFrame(rows, columns=["household", "need", "area"])
    return frame.assign(weight=random.gamma(0.5, size=len(frame)))


@pytest.mark.parametrize("floor", [1.0, 0.25])
def test_propensities_are_the_frequencies_of_many_draws(floor: float) -> None:
    random = np.random.default_rng(7)
    workers = crew([[True, False, False], [True, True, True], [False, True, False]], [3, 4, 1])
    pairs = some_pairs(random, 16, 3)
    draws, recorded, drawn = 500, {}, {}
    for _ in range(draws):
        for row in drawn_by_lot(pairs, workers, np.full(3, 9), 0.4, random, floor).itertuples():
            drawn[row.household, row.need] = drawn.get((row.household, row.need), 0) + 1
            recorded.setdefault((row.household, row.need), set()).add(round(row.propensity, 12))
    assert len(drawn) == len(pairs)  # nobody is out of the lot's reach
    assert all(len(one) == 1 for one in recorded.values())
    chance = np.array([min(recorded[one]) for one in drawn])
    happened = np.array(list(drawn.values()))
    away = (happened - draws * chance) / np.sqrt(draws * chance * (1 - chance))
    assert np.abs(away).max() < 4.5
    assert (away**2).mean() == pytest.approx(1, abs=0.5)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 30), st.sampled_from([0.05, 0.3, 1.0]))
def test_every_draw_keeps_its_rules(seed: int, homes: int, share: float) -> None:
    random = np.random.default_rng(seed)
    areas, count = int(random.integers(1, 4)), int(random.integers(1, 5))
    visits = random.integers(0, 6, count)
    workers = crew((random.random((count, areas)) < 0.6).tolist(), visits.tolist())
    pairs, spare = some_pairs(random, homes, areas), visits.copy()
    start = random.integers(10**6)
    weighted = drawn_by_lot(pairs, workers, spare, share, np.random.default_rng(start), 0.25)
    uniform = drawn_by_lot(
        pairs.assign(weight=1.0), workers, visits.copy(), share, np.random.default_rng(start)
    )
    assert not weighted.duplicated(["household", "need"]).any()
    assert not weighted.drop_duplicates(["household", "worker"]).duplicated("household").any()
    assert weighted["propensity"].between(0, 1, inclusive="right").all()
    made = weighted.drop_duplicates("household").groupby("worker").size().reindex(range(count), fill_value=0)
    assert (spare >= 0).all() and (made.to_numpy() == visits - spare).all()
    assert (made <= np.ceil(share * visits + 1e-9)).all()
    assert workers.covers[weighted["area"], weighted["worker"]].all()
    expected = uniform.drop_duplicates("area").set_index("area")["propensity"]
    asked = (
        pairs.groupby("household")["need"].size().clip(upper=3) / pairs.groupby("household")["need"].size()
    )
    for row in weighted.itertuples():
        first = uniform[uniform["area"] == row.area].iloc[0]
        in_area = expected[row.area] / asked[first["household"]]  # chance of a household in a uniform draw
        assert row.propensity >= 0.25 * in_area * asked[row.household] - 1e-9


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=20),
    st.floats(0.01, 1),
    st.integers(1, 20),
    st.integers(0),
)
def test_shares_add_up_between_their_bounds(weight: list[float], floor: float, most: int, seed: int) -> None:
    count, most = len(weight), min(most, len(weight))
    shares = shares_of(np.array(weight), floor, most)
    assert shares.sum() == pytest.approx(1)
    assert (shares >= floor / count - 1e-12).all() and (shares <= 1 / most + 1e-12).all()
    order = np.argsort(weight)
    assert (np.diff(shares[order]) >= -1e-12).all()
    picked = systematic(shares, most, np.random.default_rng(seed))
    assert len(np.unique(picked)) == most


def test_weights_are_higher_for_uncertain_pairs_and_for_places_and_groups_that_were_not_seen() -> None:
    households = [
        {"household_id": f"h{index}", "microgrid_id": f"m{index % 2}", "elders": int(index >= 6)}
        for index in range(8)
    ]
    visits = [
        {
            "household_id": f"h{2 * (index % 3)}",
            "need": "meals",
            "contacted_at": DAY - 60.0 - index,
            "outcome": "not_needed",
        }
        for index in range(20)
    ]
    community = make_community(groups=[{"id": "elders", "who": "elders > 0"}])
    known = known_before(make_records(households, outreach=visits, community=community), DAY)
    pairs = pd.DataFrame(
        {"household": range(8), "need": 1, "p_need": [0.1, 0.1, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1]}
    )
    weight = exploration_weights(pairs, known.microgrid, known)
    assert weight[2] > weight[0] == weight[4]  # less certain
    assert weight[1] > weight[0]  # a micro-grid where nobody was visited
    assert weight[6] > weight[4]  # a group that was never visited, in a micro-grid that was
