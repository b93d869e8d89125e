"""Simple rankers that a model has to beat, each read from columns of the same features."""

from collections.abc import Mapping, Sequence

import numpy as np

from features.blocks.build import Features

SAME_SEASON, REQUEST_COUNT, REQUEST_COUNT_ALL = "same_season", "request_count", "request_count_all"
ELIGIBILITY, GRID_AVERAGE, LOGISTIC, MODEL = "eligibility", "grid_average", "logistic", "model"
PLAIN = "plain_trees"  # of each need, without a start: what an analyst would fit in an afternoon
RANKERS: Mapping[str, tuple[str, str]] = {
    MODEL: ("模型", "Model"),
    SAME_SEASON: ("去年同期申请过", "Same season last year"),
    REQUEST_COUNT: ("近一年申请次数", "Requests within a year"),
    REQUEST_COUNT_ALL: ("累计申请次数", "Requests so far"),
    ELIGIBILITY: ("符合条件即列入", "Eligibility rule"),
    GRID_AVERAGE: ("微网格平均", "Micro-grid average"),
    LOGISTIC: ("逻辑回归", "Logistic regression"),
    PLAIN: ("普通提升树", "Plain boosted trees"),
}
PROBABILITIES = (MODEL, LOGISTIC, PLAIN)  # rankers whose scores are probabilities
_COLUMNS = {
    SAME_SEASON: "requests_same_window_1_years_ago",
    REQUEST_COUNT: "requests_364_days",
    REQUEST_COUNT_ALL: "requests_all_time",
    GRID_AVERAGE: "microgrid_requests_all_time",
}


def baseline_scores(features: Features, microgrid: np.ndarray) -> dict[str, np.ndarray]:
    """Compute each simple ranker's scores: float32 [rows] by ranker; higher first, unknown last.

    The eligibility rule gives every row the same score: whoever can have the need is as good as another. The micro-grid
    average gives all of a micro-grid's rows the same: to visit by it is to go from door to door where most requests
    come from. ``microgrid``: int [households], position of the micro-grid, -1 without one.
    """
    everyone = np.ones(len(features.rows), dtype=np.float32)
    scores = {ELIGIBILITY: everyone, **counted(features.matrix, features.names)}
    scores[GRID_AVERAGE] = _alike(scores[GRID_AVERAGE], features, microgrid)
    return scores


def counted(matrix: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the scores of the rankers that are a column of the features: float32 [rows] by ranker; -1 where unknown.

    The column of the micro-grid leaves the row's own household out.
    """
    return {
        ranker: np.nan_to_num(matrix[:, names.index(column)], nan=-1.0) for ranker, column in _COLUMNS.items()
    }


def _alike(value: np.ndarray, features: Features, microgrid: np.ndarray) -> np.ndarray:
    """Average a value over the rows of each micro-grid and need: float32 [rows]; -1 for rows without a micro-grid."""
    where = microgrid[features.rows.household].astype(np.int64)
    needs = int(features.rows.need.max(initial=0)) + 1
    cell = (where + 1) * needs + features.rows.need
    mean = np.bincount(cell, value) / np.maximum(np.bincount(cell), 1)
    return np.where(where < 0, -1.0, mean[cell]).astype(np.float32)
