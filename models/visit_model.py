"""Estimators of p_need fitted to the visits themselves: a penalised logistic regression, and trees on top of it."""

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from sklearn.linear_model import LogisticRegression

from models.pairs import Pairs

PENALTIES = (0.03, 0.1, 0.3, 1.0)  # inverse strengths to choose from
ROUNDS = 60
TREES: dict[str, object] = {
    "objective": "binary",
    "learning_rate": 0.04,
    "num_leaves": 4,
    "min_data_in_leaf": 200,
    "min_sum_hessian_in_leaf": 5.0,
    "lambda_l2": 20.0,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "max_bin": 63,
    "boost_from_average": False,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "seed": 0,
    "verbosity": -1,
}


@dataclass(frozen=True)
class VisitLogistic:
    """Log-odds linear in ``Pairs.columns``, the request model's score among them."""

    intercept: np.ndarray  # float64 []
    coefficients: np.ndarray  # float64 [columns]

    def log_odds(self, pairs: Pairs) -> np.ndarray:
        """float64 per row."""
        return pairs.columns @ self.coefficients + self.intercept


def fit_visit_logistic(pairs: Pairs, found: np.ndarray, weight: np.ndarray, penalty: float) -> VisitLogistic:
    """Ridge-penalised; ``penalty`` is the inverse strength."""
    model = LogisticRegression(C=penalty, solver="newton-cholesky", max_iter=50)
    model.fit(pairs.columns, found, sample_weight=weight)
    return VisitLogistic(model.intercept_[0], model.coef_[0])


@dataclass(frozen=True)
class VisitTrees:
    """Small boosted trees that begin at a logistic regression's log-odds."""

    logistic: VisitLogistic
    trees: lgb.Booster

    def log_odds(self, pairs: Pairs) -> np.ndarray:
        """float64 per row."""
        added = self.trees.predict(_tree_columns(pairs), raw_score=True, num_threads=1)
        return self.logistic.log_odds(pairs) + np.asarray(added)


def _tree_columns(pairs: Pairs) -> np.ndarray:
    return np.column_stack([pairs.columns, pairs.need])


def fit_visit_trees(
    pairs: Pairs, found: np.ndarray, weight: np.ndarray, logistic: VisitLogistic
) -> VisitTrees:
    """A fixed, small number of rounds: there are too few visits to stop early on."""
    start = logistic.log_odds(pairs)
    data = lgb.Dataset(_tree_columns(pairs), found, weight=weight, init_score=start, params=TREES)
    return VisitTrees(logistic, lgb.train(TREES, data, num_boost_round=ROUNDS))
