"""Metrics of rankers on validation rows, at the capacity the community has, with intervals over households.

Ranking metrics compare the households of one as-of date with each other. Ties are broken at random: values are expected
ones, and precision at capacity also has a best and a worst case. Intervals are 95% percentile bootstrap intervals that
resample households, each with all its rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd

from models.evaluation.ties import coarser, extremes, hits_at, ratio, summed, tie_groups

REPLICATES = 200
AT_ONCE = 25  # replicates
SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)  # list lengths of the lift table
TOP = 0.02
BINS = 10
ALL = "all"  # the row over all needs: means over needs, and totals of counts
METRICS = tuple(
    """
    positives base_rate precision_at_capacity recall_at_capacity lift_at_capacity precision_at_2_percent
    recall_at_2_percent lift_at_2_percent average_precision area_under_curve brier calibration_error
    predicted_over_observed
    """.split()
)


@dataclass(frozen=True)
class Validation:
    """Validated rows, with labels and the scores of every ranker."""

    household: np.ndarray  # int32
    need: np.ndarray  # int16
    as_of: np.ndarray  # int32
    fold: np.ndarray  # int8: position in `folds`
    label: np.ndarray  # int8
    scores: Mapping[str, np.ndarray]  # float32 per row, by ranker
    folds: tuple[str, ...]
    share: float = 1.0  # of the town's households: these are visited in proportion

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: np.ndarray) -> "Validation":
        """Return the rows at some positions, or where a mask is True."""
        columns = ("household", "need", "as_of", "fold", "label")
        scores = {ranker: score[rows] for ranker, score in self.scores.items()}
        return replace(self, scores=scores, **{name: getattr(self, name)[rows] for name in columns})


@dataclass(frozen=True)
class Evaluation:
    """Tidy tables.

    metrics: need, ranker, fold, metric, value, low, high. reliability: need, bin, predicted, observed, count.
    lift: need, ranker, share, precision, recall, lift.
    """

    metrics: pd.DataFrame
    reliability: pd.DataFrame
    lift: pd.DataFrame


@lru_cache(maxsize=3)  # one retrain asks for the same draws again and again
def resampled(households: int, replicates: int = REPLICATES, seed: int = 0) -> np.ndarray:
    """Draw bootstrap samples of households: float32 [households, replicates], how often each was drawn; read-only.

    households: number of households, 0 or more. replicates: number of samples. seed: of the draw.
    """
    if not households:
        return np.zeros((0, replicates), dtype=np.float32)
    generator = np.random.default_rng(seed)
    chance = np.full(households, 1 / households)
    draws = np.empty((households, replicates), dtype=np.float32)
    for first in range(0, replicates, AT_ONCE):  # they are drawn as whole numbers of 8 bytes
        part = draws[:, first : first + AT_ONCE]
        part[:] = generator.multinomial(households, chance, size=part.shape[1]).T
    draws.flags.writeable = False
    return draws


def resampled_of(
    households: int, some: np.ndarray, replicates: int = REPLICATES, seed: int = 0
) -> np.ndarray:
    """Return the rows ``some`` of ``resampled``, in no more memory than these need: float32 [some, replicates].

    households: number of all households. some: int [some], positions of those wanted.
    """
    generator = np.random.default_rng(seed)
    chance, draws = np.full(households, 1 / households), np.empty((len(some), replicates), dtype=np.float32)
    for replicate in range(replicates):
        draws[:, replicate] = generator.multinomial(households, chance)[some]
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
    """Compute all metrics of all rankers, and lift curves and reliability.

    rows: validated rows.
    needs: ids, in the order of ``rows.need``.
    capacity: households that can be visited a week for one need.
    probabilities: rankers whose scores are probabilities; only these have a Brier score, a calibration error and a
        predicted count.
    main: the ranker whose reliability is computed.
    replicates, seed: of the bootstrap.

    Metrics are by need and fold; lift curves of all rankers, and reliability, by need on its newest fold. A need
    without a request in a fold has no row there.
    """
    names = list(needs)
    probable = set(probabilities)
    weights = resampled(int(rows.household.max()) + 1 if len(rows) else 0, replicates, seed)
    metrics: list[tuple] = []
    lift: list[tuple] = []
    reliability: list[tuple] = []
    for fold, title in enumerate(rows.folds):
        parts = {
            need: rows.take(np.flatnonzero((rows.fold == fold) & (rows.need == index)))
            for index, need in enumerate(names)
        }
        for ranker in rows.scores:
            values = {
                need: values_of(part, part.scores[ranker], capacity, ranker in probable, weights)
                for need, part in parts.items()
                if part.label.any()
            }
            metrics += _tidy(values, ranker, title)
    for index, need in enumerate(names):
        newest = newest_fold(rows, index)
        if len(newest) and newest.label.any():
            lift += _lift(newest, need)
            reliability += _reliability(newest, need, main)
    return Evaluation(
        pd.DataFrame(metrics, columns=["need", "ranker", "fold", "metric", "value", "low", "high"]),
        pd.DataFrame(reliability, columns=["need", "bin", "predicted", "observed", "count"]),
        pd.DataFrame(lift, columns=["need", "ranker", "share", "precision", "recall", "lift"]),
    )


def newest_fold(rows: Validation, need: int) -> Validation:
    """Return the rows of a need (position) in the newest fold that has any."""
    of_need = rows.take(np.flatnonzero(rows.need == need))
    return of_need.take(of_need.fold == of_need.fold.max(initial=0))


@dataclass(frozen=True)
class Values:
    """Metrics of one ranker for one need, and their values in each bootstrap replicate."""

    value: dict[str, float]
    replicates: dict[str, np.ndarray]


def values_of(
    rows: Validation, score: np.ndarray, capacity: int, probable: bool, weights: np.ndarray
) -> Values:
    """Compute the metrics of one ranker on one need's rows.

    score: float [rows].
    capacity: households that can be visited a week.
    probable: the scores are probabilities.
    weights: float32 [households, replicates], what ``resampled`` returns.
    """
    value, repeated, best, worst, taken = _Sums(1), _Sums(weights.shape[1]), 0.0, 0.0, 0.0
    for day in np.unique(rows.as_of):
        on = np.flatnonzero(rows.as_of == day)
        household, asked, visits = rows.household[on], rows.label[on] > 0, capacity * rows.share
        share = visits / len(on)
        group, count = tie_groups(score[on])
        total, positive = (summed(group[keep], count, household[keep], None) for keep in (slice(None), asked))
        value.add(total, positive, share)
        take = min(visits, len(on))
        lucky, unlucky = extremes(total[:, 0], positive[:, 0], take)
        best, worst, taken = best + lucky, worst + unlucky, taken + take
        group, count = coarser(group, count)
        repeated.add(
            summed(group, count, household, weights),
            summed(group[asked], count, household[asked], weights),
            share,
        )
    measured, again = value.measures(), repeated.measures()
    if probable:
        measured |= _calibration(rows, score, None)
        again |= _calibration(rows, score, weights)
    values = {name: float(value[0]) for name, value in measured.items()}
    values["precision_at_capacity_best"] = best / taken
    values["precision_at_capacity_worst"] = worst / taken
    return Values(values, again)


class _Sums:
    """Sums over as-of days from which ranking metrics are computed; one column a replicate."""

    def __init__(self, columns: int) -> None:
        names = ("all", "positive", "k", "hits", "k2", "hits2", "precision", "area")
        self.of = {name: np.zeros(columns) for name in names}

    def add(self, total: np.ndarray, positive: np.ndarray, share: float) -> None:
        """Add one day: its tie groups [groups, columns], and the share of its rows that can be visited."""
        everyone, asking = total.sum(0), positive.sum(0)
        for k, hits, part in (("k", "hits", share), ("k2", "hits2", TOP)):
            take = min(part, 1.0) * everyone
            self.of[k] += take
            self.of[hits] += hits_at(total, positive, take)
        self.of["all"] += everyone
        self.of["positive"] += asking
        self.of["precision"] += asking * _average_precision(total, positive)
        self.of["area"] += asking * _area(total, positive)

    def measures(self) -> dict[str, np.ndarray]:
        """Compute each metric: float64 [columns] by name."""
        of, base = self.of, ratio(self.of["positive"], self.of["all"])
        result = {"positives": of["positive"], "base_rate": base}
        for name, k, hits in (("capacity", "k", "hits"), ("2_percent", "k2", "hits2")):
            precision = ratio(of[hits], of[k])
            result[f"precision_at_{name}"] = precision
            result[f"recall_at_{name}"] = ratio(of[hits], of["positive"])
            result[f"lift_at_{name}"] = ratio(precision, base)
        result["average_precision"] = ratio(of["precision"], of["positive"])
        result["area_under_curve"] = ratio(of["area"], of["positive"])
        return result


def _average_precision(total: np.ndarray, positive: np.ndarray) -> np.ndarray:
    precision = ratio(np.cumsum(positive, axis=0), np.cumsum(total, axis=0))
    return np.nan_to_num(ratio(np.nansum(precision * positive, axis=0), positive.sum(0)))


def _area(total: np.ndarray, positive: np.ndarray) -> np.ndarray:
    negative = total - positive
    below = negative.sum(0) - np.cumsum(negative, axis=0) + negative / 2
    return np.nan_to_num(ratio((positive * below).sum(0), positive.sum(0) * negative.sum(0)))


def _calibration(rows: Validation, p: np.ndarray, weights: np.ndarray | None) -> dict[str, np.ndarray]:
    bins = equal_bins(p)
    away = np.zeros((len(bins), len(rows)))
    for inside, part in zip(away, bins, strict=True):
        inside[part] = p[part] - rows.label[part]
    of_rows = np.stack([np.ones(len(rows)), (p - rows.label) ** 2, p, rows.label, *away])
    if weights is None:
        sums = of_rows.sum(axis=1, keepdims=True)
    else:
        by_household = [np.bincount(rows.household, row, len(weights)) for row in of_rows]
        sums = np.stack(by_household) @ weights.astype(np.float64)
    everyone, squares, predicted, observed = sums[:4]
    return {
        "brier": ratio(squares, everyone),
        "calibration_error": ratio(np.abs(sums[4:]).sum(axis=0), everyone),
        "predicted_over_observed": ratio(predicted, observed),
    }


def equal_bins(p: np.ndarray) -> list[np.ndarray]:
    """Return the positions of up to BINS bins of equal size, in order of probability."""
    return [members for members in np.array_split(np.argsort(p, kind="stable"), BINS) if len(members)]


def _tidy(by_need: Mapping[str, Values], ranker: str, fold: str) -> list[tuple]:
    """Return rows of the metrics table, by need and over all needs."""
    if not by_need:
        return []
    metrics = by_need.values()
    overall = Values(_overall([of.value for of in metrics]), _overall([of.replicates for of in metrics]))
    rows = []
    for need, values in {**by_need, ALL: overall}.items():
        ends = intervals(values.replicates)
        for name, value in values.value.items():
            rows.append((need, ranker, fold, name, value, *ends.get(name, (np.nan, np.nan))))
    return rows


def _overall(of_needs: Sequence[dict]) -> dict:
    """Combine metrics over needs: sum positives, take predicted over observed of the totals, else the mean."""
    together = {name: np.mean([of[name] for of in of_needs], axis=0) for name in of_needs[0]}
    observed = together["positives"] = np.sum([of["positives"] for of in of_needs], axis=0)
    if "predicted_over_observed" in together:
        predicted = [of["predicted_over_observed"] * of["positives"] for of in of_needs]
        together["predicted_over_observed"] = np.nansum(predicted, axis=0) / observed
    return together


def intervals(replicates: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """Compute ``interval`` for each metric."""
    together = np.array(list(replicates.values()))
    if not np.isfinite(together).all():
        return {name: interval(draws) for name, draws in replicates.items()}
    low, high = np.percentile(together, [2.5, 97.5], axis=1).tolist()
    return dict(zip(replicates, zip(low, high, strict=True), strict=True))


def interval(replicates: np.ndarray) -> tuple[float, float]:
    """Compute the 95% percentile interval of replicates; NaN if none is finite."""
    finite = replicates[np.isfinite(replicates)]
    if not len(finite):
        return np.nan, np.nan
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def _lift(rows: Validation, need: str) -> list[tuple]:
    days = [np.flatnonzero(rows.as_of == day) for day in np.unique(rows.as_of)]
    shares, asking, result = np.array(SHARES), float(rows.label.sum()), []
    taken = shares * len(rows)
    for ranker, score in rows.scores.items():
        hits = np.zeros(len(shares))
        for on in days:
            group, count = tie_groups(score[on])
            asked = rows.label[on] > 0
            total, positive = (
                summed(group[selection], count, on[selection], None) for selection in (slice(None), asked)
            )
            hits += hits_at(total, positive, shares * len(on))
        for share, hit, length in zip(SHARES, hits.tolist(), taken.tolist(), strict=True):
            precision = hit / length
            gain = precision / (asking / len(rows))
            result.append((need, ranker, share, precision, hit / asking, gain))
    return result


def _reliability(rows: Validation, need: str, ranker: str) -> list[tuple]:
    p = rows.scores[ranker]
    return [
        (need, number, float(p[part].mean()), float(rows.label[part].mean()), len(part))
        for number, part in enumerate(equal_bins(p))
    ]
