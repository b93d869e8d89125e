"""Estimators of p_need fitted to the visits themselves: a penalised logistic regression, and boosted trees."""

from dataclasses import dataclass

import numpy as np

from models.estimators.boosting import lgb
from models.estimators.penalised_glm import fit_penalised_logistic, ridge_prior
from models.estimators.threads import usable_threads
from models.underreporting.design import DesignMatrix, first_columns

INVERSE_PENALTY = 0.02  # of coefficients whose prior spreads are those of ``design.SPREADS``
START_INVERSE_PENALTY = 0.1  # of the few columns at which trees begin
ROUNDS = 150
SEEDS = 3  # trees are grown from so many seeds and averaged
TREES: dict[str, object] = {
    "objective": "binary",
    "learning_rate": 0.04,
    "num_leaves": 4,
    "min_data_in_leaf": 150,
    "min_sum_hessian_in_leaf": 3.0,
    "lambda_l2": 20.0,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.6,
    "bagging_freq": 1,
    "max_bin": 127,
    "boost_from_average": False,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True)
class VisitLogistic:
    """Log-odds linear in the first of ``DesignMatrix.columns``, as many as there are coefficients."""

    intercept: np.ndarray  # float64 []
    coefficients: np.ndarray  # float64 [columns]

    def log_odds(self, design: DesignMatrix) -> np.ndarray:
        """Compute log-odds: float64 [rows]."""
        return design.columns[:, : len(self.coefficients)] @ self.coefficients + self.intercept


def fit_visit_logistic(
    design: DesignMatrix,
    found: np.ndarray,
    weight: np.ndarray,
    columns: int | None = None,
    penalty: float = INVERSE_PENALTY,
) -> VisitLogistic:
    """Fit a ridge-penalised logistic regression.

    design: of the visits. found: float64 [visits], 0 or 1. weight: float64 [visits].
    columns: how many of the first columns are used; None for all.
    penalty: inverse of the ridge's strength.
    """
    used = design.columns[:, :columns]
    value = fit_penalised_logistic(
        used, found, weight, ridge_prior(used.shape[1], 1 / penalty, found, weight)
    )
    return VisitLogistic(value[-1], value[:-1])


@dataclass(frozen=True)
class VisitTrees:
    """Small boosted trees over all features that begin at ``start``, averaged over seeds."""

    start: VisitLogistic
    trees: tuple[lgb.Booster, ...]

    def log_odds(self, design: DesignMatrix) -> np.ndarray:
        """Compute log-odds: float64 [rows]."""
        columns, threads = design.tree_columns, usable_threads()
        added = [
            np.asarray(tree.predict(columns, raw_score=True, num_threads=threads)) for tree in self.trees
        ]
        return self.start.log_odds(design) + np.mean(added, axis=0)


def fit_visit_trees(design: DesignMatrix, found: np.ndarray, weight: np.ndarray, needs: int) -> VisitTrees:
    """Fit trees with a fixed, small number of rounds: there are too few visits for early stopping.

    design: of the visits. found: float64 [visits], 0 or 1. weight: float64 [visits]. needs: number of needs.
    """
    start = fit_visit_logistic(design, found, weight, first_columns(needs), START_INVERSE_PENALTY)
    data = lgb.Dataset(
        design.tree_columns,
        found,
        weight=weight,
        init_score=start.log_odds(design),
        params={**TREES, "seed": 0},
        free_raw_data=False,
    )
    trees = [lgb.train({**TREES, "seed": seed}, data, num_boost_round=ROUNDS) for seed in range(SEEDS)]
    return VisitTrees(start, tuple(trees))
