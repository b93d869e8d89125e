"""Fitting the parts of a need model on a training table: a log-linear ground, and trees on top of it."""

import os
from dataclasses import dataclass

import numpy as np

from features import seasons
from features.schema import Schema
from features.town import YEAR
from models.boosting import lgb
from models.ground import Ground, fit_ground
from models.logistic import FEW_ROWS, Logistic, fit_logistic, fit_transform
from models.sample import Table

THREADS = 2
SEEDS = 2  # pooled boosters averaged in the final fit
MOST_ROUNDS = 500
FEWEST_ROUNDS = 20
PATIENCE = 40
FEWEST_FOR_OWN = 200  # positive rows of a need from which it gets trees of its own
SHORTEST_FOR_SEASONS = 1.5 * YEAR  # days trained on, below which the log-linear model leaves seasons out
PARTS = ("logistic", "pooled", "own")
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
OWN: dict[str, object] = {**POOLED, "num_leaves": 12, "min_data_in_leaf": 100, "learning_rate": 0.05}


@dataclass(frozen=True)
class Rounds:
    """Boosting rounds: of the pooled trees, and of each need's own (0: none)."""

    pooled: int
    own: tuple[int, ...]


@dataclass(frozen=True)
class Parts:
    """The fitted parts; each gives log-odds."""

    logistic: Logistic
    ground: Ground
    pooled: tuple[lgb.Booster, ...]
    own: dict[int, lgb.Booster]

    def log_odds(self, matrix: np.ndarray, need: np.ndarray, threads: int = THREADS) -> np.ndarray:
        """float64 [rows, 3]: by the log-linear model, by the pooled trees, by the need's own trees.

        A need without trees of its own uses the pooled ones.
        """
        if len(matrix) <= FEW_ROWS:
            threads = 1  # a second one takes longer to begin
        threads = min(threads, int(os.environ.get("OMP_NUM_THREADS") or threads))  # one of several processes
        result = np.empty((len(matrix), len(PARTS)))
        result[:, 0] = self.logistic.log_odds(matrix, need)
        trees = [one.predict(matrix, raw_score=True, num_threads=threads) for one in self.pooled]
        base = self.ground.log_odds(matrix, need)
        result[:, 1] = base + (np.mean(trees, axis=0) if trees else 0)
        result[:, 2] = result[:, 1]
        for one, booster in self.own.items():
            rows = np.flatnonzero(need == one)
            if len(rows):
                own = booster.predict(matrix[rows], raw_score=True, num_threads=threads)
                result[rows, 2] = base[rows] + own
        return result


class Trainer:
    """Fits the parts on any rows of one table; the table is cut into bins only once."""

    def __init__(self, table: Table, needs: int, seed: int = 0, threads: int = THREADS) -> None:
        self.table = table
        self.needs = needs
        self.seed = seed
        self.threads = threads
        self.binned = lgb.Dataset(
            table.matrix,
            table.label,
            weight=table.weight,
            feature_name=[f"f{index}" for index in range(len(table.names))],
            params={**POOLED, "num_threads": threads},
            free_raw_data=False,
        ).construct()

    def fit_logistic(self, rows: np.ndarray) -> Logistic:
        """The log-linear model of some rows."""
        table = self.table
        matrix = table.matrix[rows] if len(rows) < len(table) else table.matrix
        transform = fit_transform(matrix, table.weight[rows], self.seed)
        if table.days.max() - table.days.min() < SHORTEST_FOR_SEASONS:
            # what all households share on a day would be carried on without bound outside the days seen
            seasonal = {one.name for one in seasons.features(Schema((), (), ()))}
            transform = transform.without([index for index, one in enumerate(table.names) if one in seasonal])
        return fit_logistic(
            transform, matrix, table.label[rows], table.weight[rows], table.need[rows], self.needs, self.seed
        )

    def fit(
        self, rows: np.ndarray, rounds: Rounds | None, later: np.ndarray, seeds: int = 1
    ) -> tuple[Parts, Rounds]:
        """All parts from ``rows`` (positions), the pooled trees ``seeds`` times.

        Without ``rounds``, boosting goes on until the loss on the ``later`` rows stops falling.
        """
        logistic = self.fit_logistic(rows)
        table = self.table
        ground = fit_ground(
            table.names,
            table.matrix[rows],
            table.label[rows],
            table.weight[rows],
            table.need[rows],
            self.needs,
        )
        offset = ground.log_odds(table.matrix, table.need)
        pooled: list[lgb.Booster] = []
        best: list[int] = []
        for seed in range(seeds):
            given = rounds.pooled if rounds else None
            booster = self._boost({**POOLED, "seed": self.seed + seed}, rows, offset, given, later)
            pooled.append(booster)
            best.append(booster.current_iteration())
        own: dict[int, lgb.Booster] = {}
        own_rounds = np.zeros(self.needs, dtype=int)
        for need in range(self.needs):
            mine = rows[self.table.need[rows] == need]
            ahead = later[self.table.need[later] == need]
            if self.table.label[mine].sum() < FEWEST_FOR_OWN or (rounds is None and not len(ahead)):
                continue
            given = rounds.own[need] if rounds else None
            booster = self._boost({**OWN, "seed": self.seed}, mine, offset, given, ahead)
            own[need] = booster
            own_rounds[need] = booster.current_iteration()
        found = Rounds(int(np.mean(best)), tuple(int(one) for one in own_rounds))
        return Parts(logistic, ground, tuple(pooled), own), found

    def _boost(
        self, parameters: dict, rows: np.ndarray, offset: np.ndarray, rounds: int | None, later: np.ndarray
    ) -> lgb.Booster:
        parameters = {**parameters, "num_threads": self.threads}
        data = self._subset(rows, offset)
        if rounds is not None:
            return lgb.train(parameters, data, num_boost_round=max(rounds, 1))
        booster = lgb.train(
            {**parameters, "metric": "binary_logloss"},
            data,
            num_boost_round=MOST_ROUNDS,
            valid_sets=[self._subset(later, offset)],
            callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
        )
        best = max(booster.best_iteration, 1)
        return lgb.Booster(model_str=booster.model_to_string(num_iteration=best))

    def _subset(self, rows: np.ndarray, offset: np.ndarray) -> lgb.Dataset:
        data = self.binned.subset(rows.tolist())
        data.construct()
        data.set_init_score(offset[rows])
        return data
