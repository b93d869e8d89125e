"""The estimators of p_need: the one place where an estimator is added.

An estimator is a frozen dataclass of arrays with ``log_odds``, and a function that fits it to a sample of visits. Those
in ESTIMATORS are compared on held-out visits; the best is kept with the model, by the names and values of its fields.
"""

from collections.abc import Callable
from dataclasses import dataclass
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
    """What every estimator gives."""

    def log_odds(self, design: DesignMatrix) -> np.ndarray:
        """float64 per row: that a visit finds the need, were the pair silent."""
        ...


@dataclass(frozen=True)
class VisitSample:
    """Visits with what they found; ``request`` is the request model's log-odds."""

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
        """bool per row: by lot."""
        return ~self.design.targeted

    def take(self, keep: np.ndarray) -> "VisitSample":
        """The visits at positions (or a mask) ``keep``."""
        return VisitSample(
            self.design.take(keep),
            self.found[keep],
            self.weight[keep],
            self.as_of[keep],
            self.request[keep],
            self.needs,
        )


@dataclass(frozen=True)
class EstimatorKind:
    """What there is to know of an estimator: its name in Chinese and English, how to fit it, what it becomes."""

    title: tuple[str, str]
    fit: Callable[[VisitSample], Estimator]
    made: Callable[..., Any]  # from its fields by name, as they were saved


def _of(sample: VisitSample, keep: np.ndarray) -> tuple[DesignMatrix, np.ndarray, np.ndarray]:
    """Design matrix, what was found and weights of some visits."""
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
