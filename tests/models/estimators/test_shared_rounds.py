import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.dataset.sample import Table
from models.estimators import train
from models.estimators.offset import EXPECTED
from models.estimators.train import Rounds, Trainer, shared_rounds

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


def frequent_and_rare(count: int = 6000) -> Table:
    """Rows of a need that a column tells much of, and of one with a tenth of the rows, where another turns about."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(count, 4)).astype(np.float32)
    matrix[:, 0] = 0.5
    need = (rng.random(count) < 0.1).astype(np.int16)
    turning = np.where(np.arange(count) < count / 2, matrix[:, 2], -matrix[:, 2])
    chance = 1 / (1 + np.exp(-2 * np.where(need == 0, matrix[:, 1], turning)))
    zeros = np.zeros(count, dtype=np.int32)
    return Table(
        matrix,
        [EXPECTED, "a", "b", "c"],
        (rng.random(count) < chance).astype(np.int8),
        np.ones(count, dtype=np.float32),
        zeros,
        need,
        zeros,
        np.zeros(1, dtype=np.int32),
        np.zeros((1, 2, 2)),
        {},
    )


def test_trees_of_a_need_that_would_stop_at_once_are_grown_on_towards_those_of_all(monkeypatch):
    trainer, half = Trainer(frequent_and_rare(), 2, threads=1), np.arange(3000)

    def plain_rounds() -> tuple[int, ...]:
        members, rounds = trainer.fit(half, None, half + 3000)
        assert {need: trees.num_trees() for need, trees in members.plain.items()} == dict(
            enumerate(rounds.plain)
        )
        return rounds.plain

    together = plain_rounds()
    monkeypatch.setattr(train, "SHARED_ROWS", 1e-9)
    alone = plain_rounds()
    assert alone[1] == 1 and together[1] > 5
    assert alone[0] >= together[0] > 10


def test_a_need_that_no_fold_could_grow_trees_of_is_left_to_the_trees_over_all_needs():
    trainer = Trainer(frequent_and_rare(), 2, threads=1)
    members, _ = trainer.fit_whole(Rounds(5, (8, 0)), np.ones((2, 3), dtype=bool))
    assert members.plain.keys() == {0}
