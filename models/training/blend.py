"""Weights of the ensemble's members for each need, chosen on out-of-time rows."""

from itertools import product

import numpy as np

from models.estimators.train import MEMBERS, SHARED_ROWS

STEP = 0.25  # of the grid of weights


def choose_weights(parts: np.ndarray, label: np.ndarray, need: np.ndarray, needs: int) -> np.ndarray:
    """Choose each need's weights of least log loss: float64 [needs, members]; those of a need sum to 1.

    parts: float64 [rows, members], out-of-time log-odds.
    label: int8 [rows]. need: int [rows], position below ``needs``.

    A need's own loss is joined by that over all needs, so that a need with few requests follows what is best for all.
    """
    grid = _grid()
    loss = np.zeros((needs, len(grid)))
    positive = np.bincount(need, label, needs)
    for index, weights in enumerate(grid):
        score = parts @ weights
        loss[:, index] = np.bincount(need, np.logaddexp(0, score) - label * score, needs)
    per_positive = loss.sum(0) / max(positive.sum(), 1)
    together = loss + SHARED_ROWS * per_positive
    return grid[together.argmin(axis=1)]


def _grid() -> np.ndarray:
    """Return every combination of weights in steps that sum to 1; the first of equals is the simplest."""
    count = round(1 / STEP)
    some = range(count + 1)
    combinations = [
        (count - pooled - plain, pooled, plain)
        for plain, pooled in product(some, some)
        if pooled + plain <= count
    ]
    grid = np.array(combinations, dtype=np.float64) / count
    assert grid.shape[1] == len(MEMBERS)
    return grid
