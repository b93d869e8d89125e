"""Estimators of p_need: the one place where an estimator is added.

An estimator is a frozen dataclass of arrays with ``log_odds``, and a function that fits it to a sample of visits. Those
in ESTIMATORS are compared on held-out visits; the best is stored with the model, by the names and values of its fields.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from models.underreporting.design import DesignMatrix
from models.underreporting.reporting import (
    PositiveUnlabelled,
    ReportingRate,
    fit_positive_unlabelled,
    fit_reporting_rate,
)
from models.underreporting.visit_model import VisitLogistic, VisitTrees, fit_visit_logistic, fit_visit_trees

REPORTING, VISITS, TREES, UNLABELLED = "reporting_rate", "visits", "visit_trees", "positive_unlabelled"


class Estimator(Protocol):
    """Interface of every estimator."""

    def log_odds(self, design: DesignMatrix) -> np.ndarray:
        """Compute the log-odds that a visit finds the need, before calibration: float64 [rows]."""
        ...


@dataclass(frozen=True)
class VisitSample:
    """Visits with their outcomes; ``request`` is the request model's log-odds."""

    design: DesignMatrix
    found: np.ndarray  # float64
    weight: np.ndarray  # float64
    as_of: np.ndarray  # int32
    request: np.ndarray  # float64
    needs: int

    def __len__(self) -> int:
        return len(self.found)

    @property
    def drawn(self) -> np.ndarray:
        """Tell which visits are random ones: bool [visits]."""
        return ~self.design.targeted

    def take(self, keep: np.ndarray) -> "VisitSample":
        """Return the visits at some positions, or where a mask is True."""
        taken = {name: getattr(self, name)[keep] for name in ("found", "weight", "as_of", "request")}
        return replace(self, design=self.design.take(keep), **taken)


@dataclass(frozen=True)
class EstimatorKind:
    """An estimator's name in Chinese and English, how to fit it, and how to make it from its stored fields."""

    title: tuple[str, str]
    fit: Callable[[VisitSample], Estimator]
    made: Callable[..., Any]  # from its fields by name, as they were saved


def _of(sample: VisitSample, keep: np.ndarray) -> tuple[DesignMatrix, np.ndarray, np.ndarray]:
    """Return design matrix, outcomes and weights of some visits."""
    part = sample.take(keep)
    return part.design, part.found, part.weight


def _every(sample: VisitSample) -> tuple[DesignMatrix, np.ndarray, np.ndarray]:
    return sample.design, sample.found, sample.weight


# How much is reported is learned from visits by lot only, and where only silence tells it from silent pairs.
ESTIMATORS: dict[str, EstimatorKind] = {
    REPORTING: EstimatorKind(
        ("申报率修正", "reporting rate"),
        lambda sample: fit_reporting_rate(*_of(sample, sample.design.silent & sample.drawn), sample.needs),
        ReportingRate,
    ),
    VISITS: EstimatorKind(
        ("走访回归", "regression on visits"),
        lambda sample: fit_visit_logistic(*_every(sample)),
        VisitLogistic,
    ),
    TREES: EstimatorKind(
        ("走访提升树", "trees on visits"),
        lambda sample: fit_visit_trees(*_every(sample), sample.needs),
        VisitTrees,
    ),
    UNLABELLED: EstimatorKind(
        ("正例与未标记", "positive and unlabelled"),
        lambda sample: fit_positive_unlabelled(*_of(sample, sample.drawn), sample.needs),
        PositiveUnlabelled,
    ),
}
