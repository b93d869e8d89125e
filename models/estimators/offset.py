"""Offset at which the trees begin: the requests expected of a household in the window, as log-odds.

The expectation is a feature (``features.blocks.expected``), a product of shrunk factors. Trees that begin there only
have to learn what it leaves; from a constant they would spend their splits on approximating products.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import logit

EXPECTED = "expected_in_window"
LEAST, MOST = 1e-6, 0.95  # probabilities are kept within


@dataclass(frozen=True)
class Offset:
    """Log-odds of at least one request, given the expected number, plus a shift of the need."""

    column: int  # of the expectation among the features
    shift: np.ndarray  # float64 [needs]
    usual: np.ndarray  # float64 [needs]: mean log-odds of the rows it was fitted on

    def log_odds(self, matrix: np.ndarray, need: np.ndarray) -> np.ndarray:
        """Compute the offset: float64 [rows]. ``matrix``: features [rows, features]."""
        return _of_at_least_one(matrix[:, self.column]) + self.shift[need]


def fit_offset(
    names: list[str],
    matrix: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    need: np.ndarray,
    needs: int,
) -> Offset:
    """Fit each need's shift so that the expected number of rows with a request becomes the observed one.

    names: of the features; EXPECTED must be among them.
    matrix: float32 [rows, features].
    label: int8 [rows]. weight: float [rows]. need: int [rows], position below ``needs``.
    """
    column = names.index(EXPECTED)
    p = 1 / (1 + np.exp(-_of_at_least_one(matrix[:, column])))
    observed = np.bincount(need, weight * label, needs)
    expected = np.bincount(need, weight * p, needs)
    offset = Offset(column, np.log((observed + 1.0) / (expected + 1.0)), np.zeros(needs))
    total = np.bincount(need, weight * offset.log_odds(matrix, need), needs)
    return replace(offset, usual=total / np.maximum(np.bincount(need, weight, needs), 1e-9))


def _of_at_least_one(expected: np.ndarray) -> np.ndarray:
    p = -np.expm1(-np.nan_to_num(expected.astype(np.float64), nan=0.0))
    return logit(np.clip(p, LEAST, MOST))
