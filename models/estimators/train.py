"""Fit of the members of the ensemble on a training table: a log-linear model, trees over all needs, plain trees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from features.blocks import seasons
from features.units import YEAR_OF_WEEKS
from models.dataset.sample import Table
from models.estimators.boosting import lgb
from models.estimators.logistic import FEW_ROWS, Logistic, fit_logistic, fit_transform
from models.estimators.offset import Offset, fit_offset
from models.estimators.threads import usable_threads, working_beside

THREADS = 2
SEEDS = 2  # pooled boosters averaged in the final fit
MOST_ROUNDS = 500
PATIENCE = 40
LOSS = "binary_logloss"
# days trained on, below which the log-linear model leaves seasons out
SHORTEST_FOR_SEASONS = 1.5 * YEAR_OF_WEEKS
MEMBERS = ("logistic", "pooled", "plain")
FEWEST_FOR_PLAIN = 50  # positive rows of a need from which it gets trees of its own
SHARED_ROWS = 300.0  # positive rows' worth of evidence that the needs together give to each need's choice
POOLED: dict[str, object] = {
    "objective": "binary",
    "learning_rate": 0.06,
    "num_leaves": 24,
    "min_data_in_leaf": 200,
    "min_sum_hessian_in_leaf": 5.0,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 20.0,
    "max_bin": 127,
    "path_smooth": 20.0,
    "deterministic": True,
    "force_col_wise": True,
    "boost_from_average": False,
    "feature_pre_filter": False,
    "is_enable_sparse": False,  # with sparse bins, Dataset.subset corrupts memory (LightGBM 4.7.0)
    "verbosity": -1,
}
# Trees that begin at the need's mean and read every column: what an analyst would fit first. They are free of the
# offset's assumptions, and learn from what was asked for other needs.
PLAIN: dict[str, object] = {
    **POOLED,
    "num_leaves": 15,
    "min_data_in_leaf": 40,
    "min_sum_hessian_in_leaf": 2.0,
    "lambda_l2": 5.0,
    "path_smooth": 5.0,
    "feature_fraction": 0.5,
    "boost_from_average": True,
}


@dataclass(frozen=True)
class Rounds:
    """Boosting rounds of the pooled trees, and of each need's plain ones (0: none)."""

    pooled: int
    plain: tuple[int, ...]


@dataclass(frozen=True)
class Members:
    """The fitted members of the ensemble; each gives log-odds."""

    logistic: Logistic
    offset: Offset
    pooled: tuple[lgb.Booster, ...]
    plain: dict[int, lgb.Booster]

    def log_odds(
        self, matrix: np.ndarray, need: np.ndarray, threads: int = THREADS, used: np.ndarray | None = None
    ) -> np.ndarray:
        """Compute each member's log-odds: float64 [rows, 3], in the order of MEMBERS.

        matrix: float32 [rows, features].
        need: int [rows].
        threads: the most threads that LightGBM takes.
        used: bool [needs, 3], members wanted for each need, by default all; the other entries may be anything.

        A need without plain trees gets the pooled ones' in their place.
        """
        used = np.ones((int(need.max(initial=0)) + 1, len(MEMBERS)), dtype=bool) if used is None else used
        if len(matrix) <= FEW_ROWS:
            threads = 1  # a second one takes longer to begin
        threads = usable_threads(threads)
        result = np.empty((len(matrix), len(MEMBERS)))
        shared = matrix[:, : self.columns]
        result[:, 0] = self.logistic.log_odds(shared, need, np.flatnonzero(used[:, 0]))
        trees = [booster.predict(shared, raw_score=True, num_threads=threads) for booster in self.pooled]
        base = self.offset.log_odds(matrix, need)
        result[:, 1] = result[:, 2] = base + (np.mean(trees, axis=0) if trees else 0)
        for index, booster in self.plain.items():
            rows = np.flatnonzero(need == index)
            if len(rows) and used[index, 2]:
                result[rows, 2] = booster.predict(matrix[rows], raw_score=True, num_threads=threads)
        return result

    @property
    def columns(self) -> int:
        """Return the number of columns that all members read; only the plain trees read those after them, too."""
        return len(self.logistic.transform.center)


class Trainer:
    """Fits the members on any rows of one table, whose features are cut into bins only once."""

    def __init__(
        self,
        table: Table,
        needs: int,
        seed: int = 0,
        threads: int = THREADS,
        only_plain: int = 0,
    ) -> None:
        """Cut the table into bins. ``only_plain``: how many of its last columns only the plain trees read."""
        self.table = table
        self.columns = table.matrix.shape[1] - only_plain
        self.pooled: Mapping[str, object] = POOLED
        self.needs = needs
        self.seed = seed
        self.threads = threads
        self.binned = self._binned(table.matrix[:, : self.columns])
        self.binned_whole = self._binned(table.matrix) if only_plain else self.binned

    def _binned(self, matrix: np.ndarray) -> lgb.Dataset:
        return lgb.Dataset(
            matrix,
            self.table.label,
            weight=self.table.weight,
            feature_name=[f"f{index}" for index in range(matrix.shape[1])],
            params={**POOLED, "num_threads": self.threads},
            free_raw_data=False,
        ).construct()

    def fit_logistic(self, rows: np.ndarray) -> Logistic:
        """Fit the log-linear model to some rows (positions)."""
        table = self.table
        matrix = table.matrix[:, : self.columns]
        matrix = matrix[rows] if len(rows) < len(table) else matrix
        transform = fit_transform(matrix, table.weight[rows], self.seed)
        if table.days.max() - table.days.min() < SHORTEST_FOR_SEASONS:
            # what all households share on a day would be carried on without bound outside the days seen
            seasonal = {feature.name for feature in seasons.FEATURES}
            names = table.names[: self.columns]
            transform = transform.without([index for index, name in enumerate(names) if name in seasonal])
        return fit_logistic(
            transform, matrix, table.label[rows], table.weight[rows], table.need[rows], self.needs, self.seed
        )

    def fit(
        self,
        rows: np.ndarray,
        rounds: Rounds | None,
        later: np.ndarray,
        seeds: int = 1,
        used: np.ndarray | None = None,
    ) -> tuple[Members, Rounds]:
        """Fit all members, and return them with the rounds of boosting.

        rows: positions to fit on.
        rounds: how many rounds; None to go on until the loss on the ``later`` rows (positions) stops falling.
        seeds: how many times the pooled trees are fitted, with a seed each, to be averaged.
        used: bool [needs, 3], members wanted for each need, by default all; plain trees that are not wanted are not
            grown.
        """
        used = np.ones((self.needs, len(MEMBERS)), dtype=bool) if used is None else used
        with working_beside() as beside:
            logistic = beside.submit(self.fit_logistic, rows)
            offset, pooled, plain, rounds_found = self._fit_trees(rows, rounds, later, seeds, used[:, 2])
            return Members(logistic.result(), offset, pooled, plain), rounds_found

    def fit_whole(self, rounds: Rounds | None, used: np.ndarray) -> tuple[Members, Rounds]:
        """Fit the wanted members to all rows, the pooled trees with SEEDS seeds; parameters as of ``fit``."""
        rows = np.arange(len(self.table))
        return self.fit(rows, rounds, rows[:0], SEEDS, used)

    def _fit_trees(
        self, rows: np.ndarray, rounds: Rounds | None, later: np.ndarray, seeds: int, used: np.ndarray
    ) -> tuple[Offset, tuple[lgb.Booster, ...], dict[int, lgb.Booster], Rounds]:
        offset = self.fit_offset(rows)
        begin = offset.log_odds(self.table.matrix, self.table.need)
        given = rounds.pooled if rounds else None
        pooled = [
            self.boost({**self.pooled, "seed": self.seed + seed}, rows, begin, given, later)
            for seed in range(seeds)
        ]
        plain, plain_rounds = self._fit_plain(rows, rounds.plain if rounds else None, later, used)
        best = int(np.mean([booster.current_iteration() for booster in pooled]))
        return offset, tuple(pooled), plain, Rounds(best, plain_rounds)

    def _fit_plain(
        self, rows: np.ndarray, rounds: Sequence[int] | None, later: np.ndarray, used: np.ndarray
    ) -> tuple[dict[int, lgb.Booster], tuple[int, ...]]:
        """Fit trees of each need with enough requests; return them and their rounds [needs], see ``shared_rounds``.

        rows, later: positions. rounds: of each need; None to stop early. used: bool [needs], whose trees are wanted.
        """
        trees: dict[int, lgb.Booster] = {}
        seeded = {**PLAIN, "seed": self.seed}
        best, most, evidence = (np.zeros(self.needs) for _ in range(3))
        of_row = self.table.need
        for need in np.flatnonzero(used).tolist():
            now, ahead = rows[of_row[rows] == need], later[of_row[later] == need]
            never_seen = not len(ahead) if rounds is None else not rounds[need]  # how many rounds it takes
            if never_seen or self.table.label[now].sum() < FEWEST_FOR_PLAIN:
                continue
            if rounds is not None:
                trees[need] = self.boost(seeded, now, None, rounds[need], ahead)
                best[need] = trees[need].current_iteration()
                continue
            grown = self._until_no_better(seeded, now, None, ahead)
            best[need], most[need] = grown.best_iteration, grown.current_iteration()
            trees[need] = _first_rounds(grown, grown.current_iteration())  # lets go of the rows
            evidence[need] = self.table.label[ahead].sum()
        if rounds is None:
            best = shared_rounds(best, evidence, most)
            trees = {need: _first_rounds(whole, int(best[need])) for need, whole in trees.items()}
        return trees, tuple(int(number) for number in best)

    def fit_offset(self, rows: np.ndarray) -> Offset:
        """Fit the offset at which the trees begin to some rows (positions)."""
        table = self.table
        of_rows = (table.matrix[rows], table.label[rows], table.weight[rows], table.need[rows])
        return fit_offset(table.names, *of_rows, self.needs)

    def boost(
        self,
        parameters: dict,
        rows: np.ndarray,
        offset: np.ndarray | None,
        rounds: int | None,
        later: np.ndarray,
    ) -> lgb.Booster:
        """Fit trees on ``rows`` (positions).

        parameters: LightGBM's.
        offset: float64, log-odds for every row of the table; None to begin at the mean and to read every column.
        rounds: how many; None to go on until the loss on the ``later`` rows (positions) stops falling.
        """
        if rounds is not None:
            parameters = {**parameters, "num_threads": self.threads}
            return lgb.train(parameters, self._subset(rows, offset), num_boost_round=max(rounds, 1))
        booster = self._until_no_better(parameters, rows, offset, later)
        return _first_rounds(booster, max(booster.best_iteration, 1))

    def least_loss(self, parameters: dict, rows: np.ndarray, offset: np.ndarray, later: np.ndarray) -> float:
        """Return the weighted log loss of the ``later`` rows at the round where it is least.

        parameters: LightGBM's. rows, later: positions. offset: float64, log-odds for every row of the table.
        """
        booster = self._until_no_better(parameters, rows, offset, later)
        return float(booster.best_score["valid_0"][LOSS])

    def _until_no_better(
        self, parameters: dict, rows: np.ndarray, offset: np.ndarray | None, later: np.ndarray
    ) -> lgb.Booster:
        return lgb.train(
            {**parameters, "num_threads": self.threads, "metric": LOSS},
            self._subset(rows, offset),
            num_boost_round=MOST_ROUNDS,
            valid_sets=[self._subset(later, offset)],
            keep_training_booster=True,  # else the trees after the best round are gone
            callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
        )

    def _subset(self, rows: np.ndarray, offset: np.ndarray | None) -> lgb.Dataset:
        if offset is None:
            return self.binned_whole.subset(rows.tolist()).construct()
        data = self.binned.subset(rows.tolist()).construct()
        data.set_init_score(offset[rows])
        return data


def _first_rounds(booster: lgb.Booster, rounds: int) -> lgb.Booster:
    return lgb.Booster(model_str=booster.model_to_string(num_iteration=rounds))


def shared_rounds(best: np.ndarray, evidence: np.ndarray, grown: np.ndarray) -> np.ndarray:
    """Draw each need's number of rounds to one shared by all: a few positives stop trees anywhere, mostly too soon.

    best: the round of least loss: float64 [needs], 0 for a need without trees.
    evidence: positive rows that it was seen on: float64 [needs].
    grown: rounds that there are: float64 [needs].

    Returns float64 [needs] whole numbers: on a logarithmic scale, between the need's own and the mean of all, which
    counts as SHARED_ROWS positive rows; no more than ``grown``.
    """
    log = np.log(np.maximum(best, 1))
    weight = np.where(best > 0, evidence, 0.0)
    mean = weight @ log / max(weight.sum(), 1.0)
    drawn = np.rint(np.exp((weight * log + SHARED_ROWS * mean) / (weight + SHARED_ROWS)))
    return np.where(best > 0, np.clip(drawn, 1, np.maximum(grown, 1)), 0.0)
