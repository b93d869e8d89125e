"""Metrics of rankers on validation rows, at the capacity the community has, with intervals over households.

Ranking metrics compare the households of one as-of date with each other. Ties are broken at random: values are
expected ones; the best and the worst case are told beside the precision. Intervals are 95% percentile
bootstrap intervals that resample households, each with all its rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

REPLICATES = 200
SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)  # list lengths of the lift table
TOP = 0.02
BINS = 10
MOST_GROUPS = 400  # in replicates, ties are taken coarser than this far down a list
ALL = "all"  # the row over all needs: means over needs, and totals of counts
METRICS = (
    "positives",
    "base_rate",
    "precision_at_capacity",
    "recall_at_capacity",
    "lift_at_capacity",
    "precision_at_2_percent",
    "recall_at_2_percent",
    "lift_at_2_percent",
    "average_precision",
    "area_under_curve",
    "brier",
    "calibration_error",
    "predicted_over_observed",
)
OF_PROBABILITIES = METRICS[-3:]


@dataclass(frozen=True)
class Validation:
    """Rows that were validated: labels and the scores of every ranker."""

    household: np.ndarray  # int32
    need: np.ndarray  # int16
    as_of: np.ndarray  # int32
    fold: np.ndarray  # int8: position in `folds`
    label: np.ndarray  # int8
    scores: Mapping[str, np.ndarray]  # float32 per row, by ranker
    folds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: np.ndarray) -> "Validation":
        """The rows at positions (or a mask)."""
        return Validation(
            self.household[rows],
            self.need[rows],
            self.as_of[rows],
            self.fold[rows],
            self.label[rows],
            {ranker: score[rows] for ranker, score in self.scores.items()},
            self.folds,
        )


@dataclass(frozen=True)
class Evaluation:
    """Tidy tables.

    metrics: need, ranker, fold, metric, value, low, high. reliability: need, bin, predicted, observed, count.
    lift: need, ranker, share, precision, recall, lift.
    """

    metrics: pd.DataFrame
    reliability: pd.DataFrame
    lift: pd.DataFrame


@lru_cache(maxsize=2)  # one retrain asks for the same draws again and again
def resampled(households: int, replicates: int = REPLICATES, seed: int = 0) -> np.ndarray:
    """float32 [households, replicates]: how often each household was drawn. Not to be written to."""
    if not households:
        return np.zeros((0, replicates), dtype=np.float32)
    generator = np.random.default_rng(seed)
    chance = np.full(households, 1 / households)
    draws = generator.multinomial(households, chance, size=replicates).T.astype(np.float32)
    draws.flags.writeable = False
    return draws


def evaluate(
    rows: Validation,
    needs: Iterable[str],
    capacity: int,
    probabilities: Iterable[str],
    main: str,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Evaluation:
    """All metrics of all rankers, by need and fold, and of the newest fold of each need its lift curves and the
    reliability of the ranker ``main``.

    ``capacity``: households that can be visited a week for one need. ``probabilities``: rankers whose scores
    are probabilities; only these have a Brier score, a calibration error and a predicted count.
    """
    names = list(needs)
    probable = set(probabilities)
    weights = resampled(int(rows.household.max()) + 1 if len(rows) else 0, replicates, seed)
    metrics: list[dict[str, object]] = []
    lift: list[dict[str, object]] = []
    reliability: list[pd.DataFrame] = []
    for fold, title in enumerate(rows.folds):
        for ranker in rows.scores:
            found: dict[str, Values] = {}
            for index, need in enumerate(names):
                part = rows.take(np.flatnonzero((rows.fold == fold) & (rows.need == index)))
                if len(part) and part.label.any():
                    found[need] = values_of(part, part.scores[ranker], capacity, ranker in probable, weights)
            metrics += _tidy(found, ranker, title)
    for index, need in enumerate(names):
        newest = newest_fold(rows, index)
        if len(newest) and newest.label.any():
            lift += _lift(newest, need)
            reliability.append(_reliability(newest, need, main))
    return Evaluation(
        pd.DataFrame(metrics, columns=["need", "ranker", "fold", "metric", "value", "low", "high"]),
        pd.concat(reliability) if reliability else _reliability_table([]),
        pd.DataFrame(lift, columns=["need", "ranker", "share", "precision", "recall", "lift"]),
    )


def newest_fold(rows: Validation, need: int) -> Validation:
    """The rows of a need in the newest fold that has any."""
    mine = rows.take(np.flatnonzero(rows.need == need))
    return mine.take(mine.fold == mine.fold.max(initial=0))


@dataclass(frozen=True)
class Values:
    """Metrics of one ranker for one need: their values, and those in each bootstrap replicate."""

    value: dict[str, float]
    replicates: dict[str, np.ndarray]


def values_of(
    rows: Validation, score: np.ndarray, capacity: int, probable: bool, weights: np.ndarray
) -> Values:
    """Metrics of one need's rows. ``weights`` [households, replicates] as ``resampled`` gives them."""
    value = _measures(rows, score, capacity, probable, np.ones((len(weights), 1), dtype=np.float32), None)
    value |= _extremes(rows, score, capacity)
    repeated = _measures(rows, score, capacity, probable, weights, MOST_GROUPS)
    return Values({name: float(one[0]) for name, one in value.items()}, repeated)


def _measures(
    rows: Validation,
    score: np.ndarray,
    capacity: int,
    probable: bool,
    weights: np.ndarray,
    most_groups: int | None,
) -> dict[str, np.ndarray]:
    """Each metric as an array over the columns of ``weights``."""
    result = _ranking(rows, score, capacity, weights, most_groups)
    if probable:
        result |= _calibration(rows, score, weights)
    return result


def tie_groups(score: np.ndarray, most: int | None) -> tuple[np.ndarray, int]:
    """Number of the tie group of each row, the highest scores in group 0, and the number of groups."""
    _, inverse = np.unique(-score, return_inverse=True)
    count = int(inverse.max()) + 1
    if most and count > most:
        edge = np.unique(np.floor(np.geomspace(1, count + 1, most)).astype(int)) - 1
        inverse = np.searchsorted(edge, inverse, side="right") - 1
        count = len(edge)
    return inverse, count


def summed(groups: np.ndarray, count: int, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[groups, columns]: weights of the rows' households, summed by group."""
    ones = np.ones(len(rows), dtype=np.float32)
    return csr_matrix((ones, (groups, rows)), shape=(count, len(weights))) @ weights


def _ranking(
    rows: Validation, score: np.ndarray, capacity: int, weights: np.ndarray, most_groups: int | None
) -> dict[str, np.ndarray]:
    columns = weights.shape[1]
    sums = {
        name: np.zeros(columns)
        for name in ("all", "positive", "k", "hits", "k2", "hits2", "precision", "area")
    }
    for day in np.unique(rows.as_of):
        on = np.flatnonzero(rows.as_of == day)
        groups, count = tie_groups(score[on], most_groups)
        asked = rows.label[on] > 0
        total = summed(groups, count, rows.household[on], weights).astype(np.float64)
        positive = summed(groups[asked], count, rows.household[on][asked], weights).astype(np.float64)
        everyone, asking = total.sum(0), positive.sum(0)
        for k, hits, share in (("k", "hits", capacity / len(on)), ("k2", "hits2", TOP)):
            take = min(share, 1.0) * everyone
            sums[k] += take
            sums[hits] += hits_at(total, positive, take)
        sums["all"] += everyone
        sums["positive"] += asking
        sums["precision"] += asking * _average_precision(total, positive)
        sums["area"] += asking * _area(total, positive)
    base = _ratio(sums["positive"], sums["all"])
    result = {"positives": sums["positive"], "base_rate": base}
    for name, k, hits in (("capacity", "k", "hits"), ("2_percent", "k2", "hits2")):
        precision = _ratio(sums[hits], sums[k])
        result[f"precision_at_{name}"] = precision
        result[f"recall_at_{name}"] = _ratio(sums[hits], sums["positive"])
        result[f"lift_at_{name}"] = _ratio(precision, base)
    result["average_precision"] = _ratio(sums["precision"], sums["positive"])
    result["area_under_curve"] = _ratio(sums["area"], sums["positive"])
    return result


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def hits_at(total: np.ndarray, positive: np.ndarray, take: np.ndarray) -> np.ndarray:
    """Expected positives among the first ``take`` [columns] of tie groups [groups, columns], best group first."""
    before = np.cumsum(total, axis=0) - total
    part = np.clip(_ratio(take - before, total), 0, 1)
    return np.nansum(part * positive, axis=0)


def _average_precision(total: np.ndarray, positive: np.ndarray) -> np.ndarray:
    precision = _ratio(np.cumsum(positive, axis=0), np.cumsum(total, axis=0))
    return np.nan_to_num(_ratio(np.nansum(precision * positive, axis=0), positive.sum(0)))


def _area(total: np.ndarray, positive: np.ndarray) -> np.ndarray:
    negative = total - positive
    below = negative.sum(0) - np.cumsum(negative, axis=0) + negative / 2
    return np.nan_to_num(_ratio((positive * below).sum(0), positive.sum(0) * negative.sum(0)))


def _calibration(rows: Validation, p: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    count = len(weights)

    def by_household(values: np.ndarray) -> np.ndarray:
        return np.bincount(rows.household, values, count) @ weights.astype(np.float64)

    everyone = by_household(np.ones(len(rows)))
    away = np.zeros(weights.shape[1])
    for part in equal_bins(p):
        inside = np.zeros(len(rows))
        inside[part] = p[part] - rows.label[part]
        away += np.abs(by_household(inside))
    return {
        "brier": _ratio(by_household((p - rows.label) ** 2), everyone),
        "calibration_error": _ratio(away, everyone),
        "predicted_over_observed": _ratio(by_household(p), by_household(rows.label.astype(float))),
    }


def equal_bins(p: np.ndarray, bins: int = BINS) -> list[np.ndarray]:
    """Positions of ten bins of equal size, in order of probability."""
    return [one for one in np.array_split(np.argsort(p, kind="stable"), bins) if len(one)]


def _extremes(rows: Validation, score: np.ndarray, capacity: int) -> dict[str, np.ndarray]:
    """Precision at capacity if ties are broken as luckily, and as unluckily, as can be."""
    best = worst = taken = 0.0
    for day in np.unique(rows.as_of):
        on = rows.as_of == day
        take = min(capacity, int(on.sum()))
        for sign in (1, -1):
            order = np.lexsort((-sign * rows.label[on], -score[on]))
            hits = float(rows.label[on][order[:take]].sum())
            best, worst = (best + hits, worst) if sign > 0 else (best, worst + hits)
        taken += take
    found = {"precision_at_capacity_best": best, "precision_at_capacity_worst": worst}
    return {name: np.array([value / max(taken, 1)]) for name, value in found.items()}


def _tidy(found: Mapping[str, Values], ranker: str, fold: str) -> list[dict[str, object]]:
    """Rows of the metrics table, and those over all needs."""
    if not found:
        return []
    overall = Values(
        {
            name: _over([one.value for one in found.values()], name)
            for name in next(iter(found.values())).value
        },
        {
            name: _over([one.replicates for one in found.values()], name)
            for name in next(iter(found.values())).replicates
        },
    )
    result: list[dict[str, object]] = []
    for need, values in {**found, ALL: overall}.items():
        for name, value in values.value.items():
            low, high = interval(values.replicates[name]) if name in values.replicates else (np.nan, np.nan)
            result.append(
                {
                    "need": need,
                    "ranker": ranker,
                    "fold": fold,
                    "metric": name,
                    "value": value,
                    "low": low,
                    "high": high,
                }
            )
    return result


def _over(values: list[dict], name: str):
    """A metric over all needs: positives summed, predicted over observed of the totals, else the mean."""
    if name == "positives":
        return np.sum([one[name] for one in values], axis=0)
    if name == "predicted_over_observed":
        observed = [one["positives"] for one in values]
        predicted = [one[name] * one["positives"] for one in values]
        return np.nansum(predicted, axis=0) / np.sum(observed, axis=0)
    return np.mean([one[name] for one in values], axis=0)


def interval(replicates: np.ndarray) -> tuple[float, float]:
    """The 95% percentile interval; NaN where there is nothing to take it from."""
    there = replicates[np.isfinite(replicates)]
    if not len(there):
        return np.nan, np.nan
    low, high = np.percentile(there, [2.5, 97.5])
    return float(low), float(high)


def _lift(rows: Validation, need: str) -> list[dict[str, object]]:
    result = []
    one = np.ones((int(rows.household.max()) + 1, 1), dtype=np.float32)
    for ranker, score in rows.scores.items():
        for share in SHARES:
            hits = taken = 0.0
            for day in np.unique(rows.as_of):
                on = np.flatnonzero(rows.as_of == day)
                groups, count = tie_groups(score[on], None)
                asked = rows.label[on] > 0
                total = summed(groups, count, rows.household[on], one)
                positive = summed(groups[asked], count, rows.household[on][asked], one)
                take = np.array([share * len(on)])
                hits += float(hits_at(total, positive, take)[0])
                taken += float(take[0])
            precision = hits / taken
            asking = float(rows.label.sum())
            result.append(
                {"need": need, "ranker": ranker, "share": share, "precision": precision, "recall": hits / asking,
                     "lift": precision / (asking / len(rows))}
            )  # fmt: skip
    return result


def _reliability(rows: Validation, need: str, ranker: str) -> pd.DataFrame:
    p = rows.scores[ranker]
    return _reliability_table(
        [
            (need, number, float(p[part].mean()), float(rows.label[part].mean()), len(part))
            for number, part in enumerate(equal_bins(p))
        ]
    )


def _reliability_table(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["need", "bin", "predicted", "observed", "count"])
