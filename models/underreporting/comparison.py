"""Comparison of the estimators of p_need on visits that they were not fitted to: other households, and later weeks."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd
from scipy.special import expit

from models.estimators.threads import working_beside
from models.evaluation.evaluate import Validation, interval, resampled, values_of
from models.underreporting.estimators import ESTIMATORS, TREES, VISITS, Estimator, VisitSample

FOLDS = 4
LATER = 26 * 7  # days of the newest visits that the later weeks hold out
FEWEST_LATER = 10  # needs found in silent pairs in the later weeks, from which they say anything
REQUEST = "p_request"
HOUSEHOLDS, WEEKS = "other_households", "later_weeks"
METRICS = ("log_loss", "average_precision", "area_under_curve", "predicted_over_observed")


def fit_estimators(sample: VisitSample, names: Iterable[str] | None = None) -> dict[str, Estimator]:
    """Fit the estimators of these ``names``, by default all of ESTIMATORS, to these visits."""
    wanted = list(ESTIMATORS) if names is None else list(names)
    with working_beside() as beside:  # while trees grow
        simple = {name: beside.submit(ESTIMATORS[name].fit, sample) for name in wanted if name != TREES}
        trees = {name: ESTIMATORS[name].fit(sample) for name in wanted if name == TREES}
        return {name: trees[name] if name in trees else simple[name].result() for name in wanted}


def held_out(
    sample: VisitSample, fold: np.ndarray, fit: Callable[[VisitSample], Mapping[str, Estimator]]
) -> dict[str, np.ndarray]:
    """Predict every visit by estimators fitted without its fold: float64 log-odds [visits] by the estimator's name.

    fold: int [visits]. fit: fits estimators to a sample.
    """
    result: dict[str, np.ndarray] = {}
    for number in np.unique(fold):
        apart = sample.take(fold == number)
        for name, estimator in fit(sample.take(fold != number)).items():
            result.setdefault(name, np.empty(len(sample)))[fold == number] = estimator.log_odds(apart.design)
    return result


def household_folds(household: np.ndarray, seed: int = 0) -> np.ndarray:
    """Draw a fold for each row's household: int8 [rows]."""
    drawn = np.random.default_rng(seed).permutation(int(household.max()) + 1) % FOLDS
    return drawn[household].astype(np.int8)


def log_loss(log_odds: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Compute the log loss: float64 [rows]."""
    return np.logaddexp(0, log_odds) - found * log_odds


def later_weeks(sample: VisitSample) -> np.ndarray:
    """Tell which visits are in the newest weeks: bool [visits]; none if too few needs were found in them, or before."""
    later = sample.as_of > sample.as_of.max() - LATER
    silent = sample.found * sample.design.silent * sample.drawn
    enough = min(silent[later].sum(), silent[~later].sum()) >= FEWEST_LATER
    return later if enough else np.zeros(len(sample), dtype=bool)


def choose(losses: Mapping[str, np.ndarray]) -> str:
    """Choose VISITS, unless the best of the others loses less by more than a standard error of the difference.

    ``losses``: float64 [visits] by the estimator's name.
    """
    best = min(losses, key=lambda name: losses[name].sum())
    gain = losses[VISITS] - losses[best]
    return best if gain.sum() > gain.std() * np.sqrt(len(gain)) else VISITS


def measures(
    sample: VisitSample, odds: Mapping[str, np.ndarray], validation: str, seed: int = 0
) -> pd.DataFrame:
    """Compute metrics of estimators, and of p_request, on silent pairs.

    sample: visits. odds: float64 log-odds [visits] by the estimator's name.
    validation: name of what was held out. seed: of the resampling.

    Returns estimator, validation, metric, value, low, high; 95% intervals resample households.
    """
    draws = resampled(int(sample.design.household.max()) + 1, seed=seed)
    keep = np.flatnonzero(sample.design.silent)
    sample = sample.take(keep)
    design = sample.design
    count = np.bincount(design.household, minlength=len(draws)) @ draws
    nothing = np.zeros(len(sample), dtype=np.int8)
    rows = Validation(design.household, design.need, nothing, nothing, sample.found, {}, (validation,))
    table = []
    for name, odds_of in {
        REQUEST: sample.request,
        **{name: value[keep] for name, value in odds.items()},
    }.items():
        loss = log_loss(odds_of, sample.found)
        values = values_of(rows, expit(odds_of), 1, True, draws)
        value = {**values.value, "log_loss": float(loss.mean())}
        by_household = np.bincount(design.household, loss, len(draws))
        again = {**values.replicates, "log_loss": by_household @ draws / count}
        table += [(name, validation, metric, value[metric], *interval(again[metric])) for metric in METRICS]
    return pd.DataFrame(table, columns=["estimator", "validation", "metric", "value", "low", "high"])
