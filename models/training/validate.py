"""Backtest: each fold is trained as if the retrain had happened then, and later as-of days are predicted.

In a large town the trees learn from all households, but only a sample of them is predicted and validated: what is
fitted to these rows has few parameters, and intervals show how uncertain the metrics are.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from features.blocks.build import Features, catalogue, summarise
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Known, Records, Rows, known_before
from features.point_in_time.schema import Schema
from features.point_in_time.subset import recorded_since
from models.dataset.out_of_time import household_keys
from models.dataset.sample import Table, labelled, matrix_of
from models.dataset.split import STEP, Fold, Split, complete
from models.estimators.calibrate import (
    Calibration,
    at_observed_levels,
    fit_calibration,
    level_shift,
    no_calibration,
)
from models.estimators.level_weight import LevelDay, learnt_weight
from models.estimators.seasonal_level import Ahead, ahead
from models.estimators.train import MEMBERS, Members, Rounds, Trainer
from models.evaluation.baselines import baseline_scores
from models.training.blend import choose_weights

MOST_VALIDATED = 20_000  # households

Progress = Callable[[Iterable], Iterable]


@dataclass(frozen=True)
class Predicted:
    """Out-of-time log-odds of the ensemble's members, and the baselines' scores, for each pair of validation days."""

    household: np.ndarray  # int32
    need: np.ndarray  # int16
    as_of: np.ndarray  # int32
    fold: np.ndarray  # int8
    label: np.ndarray  # int8
    parts: np.ndarray  # float32 [rows, parts]
    baselines: dict[str, np.ndarray]  # float32 per row
    level: dict[int, Ahead]  # by as-of day: what these households are expected to ask in each need's window
    share: float  # of the town's households

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: np.ndarray) -> "Predicted":
        """Return the rows at some positions, or where a mask is True."""
        columns = ("household", "need", "as_of", "fold", "label", "parts")
        baselines = {name: values[rows] for name, values in self.baselines.items()}
        return replace(self, baselines=baselines, **{name: getattr(self, name)[rows] for name in columns})


@dataclass(frozen=True)
class Finish:
    """Weights and calibration that turn the members' log-odds into calibrated ones."""

    weights: np.ndarray  # [needs, parts]
    calibration: Calibration

    def log_odds(self, parts: np.ndarray, need: np.ndarray) -> np.ndarray:
        """Compute calibrated log-odds: float64 [rows]. ``parts``: float [rows, members]. ``need``: int [rows]."""
        return self.calibration.log_odds(np.einsum("ij,ij->i", parts, self.weights[need]), need)


def trained_by(table: Table, known_now: Known, by: float) -> np.ndarray:
    """Return the positions of the rows whose label was complete on day ``by``.

    table: to train on. known_now: what is known now.
    """
    done = complete(known_now, table.days, by)
    return np.flatnonzero(done[np.searchsorted(table.days, table.as_of), table.need])


def later_rows(table: Table, fold: Fold) -> np.ndarray:
    """Return the positions of the rows of a fold's validation days."""
    return np.flatnonzero((table.as_of >= fold.cut) & (table.as_of <= max(fold.days)))


def backtest(
    records: Records,
    known_now: Known,
    schema: Schema,
    trainer: Trainer,
    split: Split,
    progress: Progress,
    beside: Executor,
    memory: float = np.inf,
    lent_season: np.ndarray | None = None,
) -> tuple[Future, Rounds | None]:
    """Train each fold, and predict its later days in another thread while the next fold's trees grow.

    records: all records.
    known_now: what is known now.
    schema: of the features.
    trainer: of the training table.
    split: the folds.
    progress: passes the folds through, and may show how far the work is.
    beside: executor with one thread, which works on the predictions in turn.
    memory: days before each as-of day of which features see what was recorded.
    lent_season: of other towns, see ``models.estimators.seasonal_level.ahead``.

    Returns a future of ``Predicted``, with the rows of all folds, and the boosting rounds to use on all data; None
    without folds. Rounds are chosen by early stopping on each fold's later rows, except in the newest fold: that one
    uses the mean of the older folds', so that its metrics do not depend on its own rows.
    """
    table, validated = trainer.table, validated_households(records)
    predicting = Predicting(records, known_now, schema, table, validated, memory, lent_season)
    rounds_found: list[Rounds] = []
    waiting: list[Future] = []
    for number, fold in enumerate(progress(split.folds)):
        newest = number == len(split.folds) - 1
        given = _mean_rounds(rounds_found) if newest and rounds_found else None
        rows = trained_by(table, known_now, fold.cut)
        fitted, rounds = trainer.fit(rows, given, later_rows(table, fold))
        if given is None:
            rounds_found.append(rounds)
        waiting.append(beside.submit(predicting, fitted, fold, number))
    predicted = beside.submit(joined, waiting, float(validated.mean()))
    return predicted, _mean_rounds(rounds_found) if rounds_found else None


def validated_households(records: Records) -> np.ndarray:
    """Tell which households are predicted and validated: bool [households], all or MOST_VALIDATED of them.

    They are chosen by a hash of the id: the same ones from one retrain to the next, so that champion and challenger can
    be compared on them.
    """
    if len(records.household_ids) <= MOST_VALIDATED:
        return np.ones(len(records.household_ids), dtype=bool)
    place = household_keys(records)
    return place <= np.partition(place, MOST_VALIDATED - 1)[MOST_VALIDATED - 1]


def validated_features(records: Records, known: Known, schema: Schema) -> tuple[Features, np.ndarray]:
    """Build the features of the validated households at an as-of day.

    records: all records. known: what was known at the day. schema: of the features.

    Also returns their share of each need's cohort: float64 [needs].
    """
    everyone = cohort(known)
    rows = everyone.take(validated_households(records)[everyone.household])
    matrix = matrix_of(records, known, rows, schema, summarise(known, schema))
    names = [feature.name for feature in catalogue(schema)]
    return Features(matrix, names, rows, known.as_of), share_of_need(everyone, rows, len(schema.needs))


@dataclass(frozen=True)
class Predicting:
    """A task that predicts the validation days of a fold."""

    records: Records
    known_now: Known
    schema: Schema
    table: Table
    validated: np.ndarray  # bool [households]
    memory: float  # days
    lent_season: np.ndarray | None

    def __call__(self, fitted: Members, fold: Fold, number: int) -> list[tuple]:
        """Predict a fold's days: a tuple of columns for each, the last the level of the validated households."""
        days = []
        for day in fold.days:
            records = recorded_since(self.records, day - self.memory)
            known = known_before(records, day)
            everyone, label = labelled(known, self.known_now)
            chosen = self.validated[everyone.household]
            rows, label = everyone.take(chosen), label[chosen]
            town = self.table.towns.get(day) or summarise(known, self.schema)
            matrix = matrix_of(records, known, rows, self.schema, town)
            odds = fitted.log_odds(matrix, rows.need).astype(np.float32)
            simple = baseline_scores(Features(matrix, self.table.names, rows, day), known.microgrid)
            level = ahead(known, self.lent_season)
            share = share_of_need(everyone, rows, len(self.schema.needs))
            level = replace(level, requests=level.requests * share)
            days.append((rows.household, rows.need, day, number, label, odds, simple, level))
        return days


def share_of_need(everyone: Rows, rows: Rows, needs: int) -> np.ndarray:
    """Compute the share of each need's pairs that ``rows`` are: float64 [needs], 0 to 1.

    everyone: all pairs. rows: some of them. needs: number of needs.
    """
    all_pairs, these = (np.bincount(selection.need, minlength=needs) for selection in (everyone, rows))
    return these / np.maximum(all_pairs, 1)


def joined(folds: Iterable[Future], share: float) -> Predicted:
    """Join the rows of all folds, once they are predicted. ``share``: of the town's households."""
    days = [day for fold in folds for day in fold.result()]
    if not days:
        none = np.empty(0, dtype=np.int32)
        return Predicted(none, none, none, none, none, np.empty((0, len(MEMBERS))), {}, {}, share)
    household, need, day, fold, label, odds, baselines, level = zip(*days, strict=True)
    sizes = [len(fold) for fold in label]
    return Predicted(
        np.concatenate(household),
        np.concatenate(need),
        np.repeat(np.array(day, dtype=np.int32), sizes),
        np.repeat(np.array(fold, dtype=np.int8), sizes),
        np.concatenate(label),
        np.concatenate(odds),
        {name: np.concatenate([baseline[name] for baseline in baselines]) for name in baselines[0]},
        dict(zip(day, level, strict=True)),
        share,
    )


def _mean_rounds(rounds_of_folds: list[Rounds]) -> Rounds:
    """Average the rounds over the folds, those of a need over the folds in which it had trees."""
    plain = np.array([fold.plain for fold in rounds_of_folds])
    of_needs = plain.sum(axis=0) // np.maximum((plain > 0).sum(axis=0), 1)
    pooled = round(float(np.mean([fold.pooled for fold in rounds_of_folds])))
    return Rounds(pooled, tuple(of_needs.tolist()))


def finish(predicted: Predicted, rows: np.ndarray, horizon_days: np.ndarray) -> Finish:
    """Fit weights of the members and calibration to some out-of-time rows.

    rows: bool [rows of ``predicted``]. horizon_days: float64 [needs], length of the window.

    Without a request among the rows, the log-linear model and the pooled trees weigh one half each.
    """
    needs = len(horizon_days)
    if not predicted.label[rows].any():
        weights = np.tile([0.5, 0.5, 0.0], (needs, 1))
        return Finish(weights, no_calibration(needs))
    parts, label = predicted.parts[rows].astype(np.float64), predicted.label[rows]
    need, day = predicted.need[rows], predicted.as_of[rows]
    weights = choose_weights(at_observed_levels(parts, label, need, day, needs), label, need, needs)
    score = np.einsum("ij,ij->i", parts, weights[need])
    repeats = float(np.maximum(horizon_days / STEP, 1).mean())
    return Finish(weights, fit_calibration(score, label, need, day, needs, repeats))


def probabilities(
    predicted: Predicted, log_odds: np.ndarray, per_request: np.ndarray, level_weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Compute probabilities with each day's level set by the town's weekly counts: float64 [rows].

    log_odds: float64 [rows], calibrated.
    per_request: float64 [needs], see ``models.estimators.seasonal_level.asking_per_request``.
    level_weight: float64 [needs], 0 to 1.

    Also returns the shifts that set the level: float64 [days, needs].
    """
    p, shifts = np.empty(len(predicted)), []
    for day, level in predicted.level.items():
        on = predicted.as_of == day
        if on.any():
            need = predicted.need[on]
            shift = level_shift(level.requests * per_request, log_odds[on], need, level_weight, level.changed)
            p[on] = expit(log_odds[on] + shift[need])
            shifts.append(shift)
    return p, np.array(shifts).reshape(-1, len(per_request))


@dataclass(frozen=True)
class Honest:
    """Probabilities of the validation rows, each by weights, calibration and level of older folds only."""

    model: np.ndarray  # float64 per row
    logistic: np.ndarray  # by the log-linear part alone
    plain: np.ndarray  # by the plain trees alone
    shifts: np.ndarray  # float64 [days, needs] of the newest fold
    level_weight: np.ndarray  # float64 [needs], learnt from all folds


def out_of_time(
    predicted: Predicted, folds: tuple[Fold, ...], horizon_days: np.ndarray, per_request: list[np.ndarray]
) -> Honest:
    """Compute out-of-time probabilities of every row by the model, and by two of its members alone.

    predicted: the rows of all folds.
    folds: oldest first.
    horizon_days: float64 [needs], length of the window.
    per_request: float64 [needs] for each fold, from labels complete by its cut
        (``models.estimators.seasonal_level.asking_per_request``).

    Weights, calibration and level of a fold come from older folds only. The oldest has none, so its level is that of
    the weekly counts. Where it is the only one, each of its days has those of the other days.
    """
    apart = _by_day if len(folds) == 1 else _by_fold
    model, shifts, sums = apart(predicted, horizon_days, per_request)
    logistic, plain = (
        expit(predicted.parts[:, MEMBERS.index(baseline)].astype(float)) for baseline in ("logistic", "plain")
    )
    return Honest(model, logistic, plain, shifts, learnt_weight(sums, horizon_days))


def _by_fold(
    predicted: Predicted, horizon_days: np.ndarray, per_request: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, list[LevelDay]]:
    """Return each row's probability by older folds, the newest fold's shifts, and the sums of days with calibration."""
    model, shifts = np.empty(len(predicted)), np.zeros((0, len(horizon_days)))
    sums: list[LevelDay] = []
    for number, of_fold in enumerate(per_request):
        weight = learnt_weight(sums, horizon_days) if number else np.ones(len(horizon_days))
        on = predicted.fold == number
        rows, odds = _finished(predicted, on, predicted.fold < number, horizon_days)
        model[on], shifts = probabilities(rows, odds, of_fold, weight)
        if number:  # before any calibration a level is only a better intercept
            sums += level_days(rows, odds, of_fold)
    return model, shifts, sums


def _by_day(
    predicted: Predicted, horizon_days: np.ndarray, per_request: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, list[LevelDay]]:
    """Do the same as ``_by_fold`` for a single fold, each of its days by the other days."""
    days = list(predicted.level)
    alone = len(days) == 1
    model, shifts, sums = np.empty(len(predicted)), [], []
    for day in days:
        on = predicted.as_of == day
        rows, odds = _finished(predicted, on, ~on, horizon_days)
        weight = np.ones(len(horizon_days)) if alone else learnt_weight([], horizon_days)
        model[on], shift = probabilities(rows, odds, per_request[0], weight)
        shifts.append(shift)
        sums += [] if alone else level_days(rows, odds, per_request[0])
    return model, np.concatenate(shifts), sums


def _finished(
    predicted: Predicted, rows: np.ndarray, others: np.ndarray, horizon_days: np.ndarray
) -> tuple[Predicted, np.ndarray]:
    """Return some rows with their log-odds by weights and calibration of others; both are masks."""
    done, chosen = finish(predicted, others, horizon_days), predicted.take(rows)
    return chosen, done.log_odds(chosen.parts, chosen.need)


def level_days(predicted: Predicted, log_odds: np.ndarray, per_request: np.ndarray) -> list[LevelDay]:
    """Sum for each day what the probabilities and the town's weekly counts expected, and what was observed.

    log_odds: float64 [rows], calibrated. per_request: float64 [needs].
    """
    needs = len(per_request)
    days = []
    for day, level in predicted.level.items():
        on = predicted.as_of == day
        if on.any():
            need = predicted.need[on]
            expected = np.bincount(need, expit(log_odds[on]), needs)
            came = np.bincount(need, predicted.label[on], needs)
            days.append(LevelDay(expected, level.requests * per_request, came.astype(float)))
    return days
