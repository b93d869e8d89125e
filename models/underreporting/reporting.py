"""Estimators of p_need that correct the request model for how many needs are reported.

Needs that last some weeks and are reported with probability r leave, for each request, (1 - r) / r silent ones. Both
estimators multiply the requests expected of a pair by that ratio; they differ in how r is estimated.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from features.point_in_time.town_summary import prior_strength, shrunk
from models.underreporting.design import USUAL_SCORE, DesignMatrix

USUAL_REPORTING = 0.7
LEAST_SILENCE = 0.03  # floor of -log(reporting rate), softened over SOFTNESS
SOFTNESS = 0.125
GROUPS = 5  # of kinds of households, from those that ask least to those that ask most
PRIOR_FOUND = 20.0  # visits that found a need, as which the whole town's share counts in each group
LEAST, MOST = 1e-6, 1 - 1e-6


@dataclass(frozen=True)
class ReportingRate:
    """p_need in proportion to requests * (1 - r) / r, where log r is linear in the effects of ``ReportingEffects``."""

    intercept: np.ndarray  # float64 [needs]
    slope: np.ndarray  # float64 []: of the request model's score
    usual: np.ndarray  # float64 []: log r where all effects are 0
    share: np.ndarray  # float64 [3]: how much of an effect on requests is reporting; 0 none, 1 all

    def log_odds(self, design: DesignMatrix) -> np.ndarray:
        """Compute log-odds: float64 [rows]."""
        silence = _silence(self.usual + design.effects @ self.share)
        known = self.intercept[design.need] + self.slope * design.score
        return known + np.log(np.expm1(silence))


def _silence(log_reporting: np.ndarray) -> np.ndarray:
    """Compute -log(reporting rate), kept above LEAST_SILENCE: float64, shaped like ``log_reporting``."""
    return LEAST_SILENCE + SOFTNESS * np.logaddexp(0, -(log_reporting + LEAST_SILENCE) / SOFTNESS)


def fit_reporting_rate(
    design: DesignMatrix, found: np.ndarray, weight: np.ndarray, needs: int
) -> ReportingRate:
    """Fit the reporting rate by penalised likelihood to visits to silent pairs.

    design: of the visits. found: float64 [visits], 0 or 1. weight: float64 [visits]. needs: number of needs.

    Without evidence all effects are reporting, and r is 0.7 where they are 0.
    """
    start = float(logit(np.clip(np.average(found, weights=weight), LEAST, MOST)))
    center = np.concatenate([np.zeros(needs), [start, 1.0, np.log(USUAL_REPORTING)], np.ones(3)])
    spread = np.concatenate([np.full(needs, 0.7), [5.0, 0.3, 0.3], np.ones(3)])

    def made(value: np.ndarray) -> ReportingRate:
        shared, slope, usual = value[needs : needs + 3]
        return ReportingRate(value[:needs] + shared, np.array(slope), np.array(usual), value[needs + 3 :])

    def loss(value: np.ndarray) -> tuple[float, np.ndarray]:
        model = made(value)
        odds = model.log_odds(design)
        each = weight * (expit(odds) - found)
        log_reporting = model.usual + design.effects @ model.share
        silence = _silence(log_reporting)
        steep = -np.exp(silence) / np.expm1(silence) * expit(-(log_reporting + LEAST_SILENCE) / SOFTNESS)
        gradient = np.concatenate(
            [
                np.bincount(design.need, each, needs),
                [each.sum(), each @ design.score, each @ steep],
                (each * steep) @ design.effects,
            ]
        )
        away = (value - center) / spread**2
        total = weight @ (np.logaddexp(0, odds) - found * odds) + 0.5 * (value - center) @ away
        return float(total), gradient + away

    return made(minimize(loss, center, jac=True, method="L-BFGS-B", options={"maxiter": 300}).x)


@dataclass(frozen=True)
class PositiveUnlabelled:
    """Positive and unlabelled learning: a need without a request is not labelled (Elkan and Noto 2008).

    Of the needs that visits found in a group of households, the share whose household had asked lately is the
    probability r of a need to be labelled there; a silent pair has (1 - r) / r times the requests expected of it.
    """

    edges: np.ndarray  # float64 [GROUPS - 1]: of the summed effects of ``ReportingEffects``
    odds: np.ndarray  # float64 [GROUPS]: (1 - r) / r
    level: np.ndarray  # float64 [needs]: silent needs found, over requests expected a day times odds

    def log_odds(self, design: DesignMatrix) -> np.ndarray:
        """Compute log-odds: float64 [rows]."""
        expected = self._expected(design) * self.level[design.need]
        return logit(np.clip(-np.expm1(-expected), LEAST, MOST))

    def _expected(self, design: DesignMatrix) -> np.ndarray:
        group = np.searchsorted(self.edges, _kind(design))
        return np.exp(design.score + USUAL_SCORE) * self.odds[group]


def _kind(design: DesignMatrix) -> np.ndarray:
    return design.effects.sum(axis=1)


def fit_positive_unlabelled(
    design: DesignMatrix, found: np.ndarray, weight: np.ndarray, needs: int
) -> PositiveUnlabelled:
    """Count the shares in groups of equal size, each shrunk towards the whole town's.

    design: of random visits. found: float64 [visits], 0 or 1. weight: float64 [visits]. needs: number of needs.
    """
    kind, silent = _kind(design), design.silent
    edges = np.quantile(kind, np.arange(1, GROUPS) / GROUPS)
    group, positive = np.searchsorted(edges, kind), weight * found
    labelled = np.bincount(group, positive * design.lately, GROUPS)
    every = labelled + np.bincount(group, positive * silent, GROUPS)
    overall = (labelled.sum() + 1) / (every.sum() + 2)
    share = (labelled + PRIOR_FOUND * overall) / (every + PRIOR_FOUND)
    model = PositiveUnlabelled(edges, (1 - share) / share, np.ones(needs))
    expected = (weight * model._expected(design))[silent]
    count = np.bincount(design.need[silent], positive[silent], needs)
    usual = np.bincount(design.need[silent], expected, needs)
    usual *= (count.sum() + 1) / max(usual.sum(), 1e-9)
    town = (count.sum() + 1) / max(expected.sum(), 1e-9)
    return replace(model, level=town * shrunk(count, usual, prior_strength(count, usual)))
