"""Validation report: everything that out-of-time predictions tell about a model.

Weights and calibration; then metrics beside simple baselines, how many intervals of demand held, shares of groups,
whether a model is needed, and whether it beats the champion. None of it needs the final trees: it is done while they
grow.
"""

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
from scipy.special import logit

from features.point_in_time.labels import window_days
from features.point_in_time.records import Known, Records, day_of, known_before
from models.dataset.out_of_time import OutOfTime, household_keys, stable_hash
from models.dataset.sample import Table
from models.dataset.split import Split, complete
from models.demand.backtest import backtest_demand, hard_to_foresee
from models.demand.intervals import Spread
from models.estimators.calibrate import at_bound, fit_calibration
from models.estimators.seasonal_level import asking_per_request, season_of
from models.evaluation.baselines import LOGISTIC, MODEL, PLAIN, PROBABILITIES
from models.evaluation.capacity import capacity_of_need
from models.evaluation.compare import compare
from models.evaluation.evaluate import Evaluation, Validation, evaluate
from models.evaluation.soundness import RANGE, soundness
from models.evaluation.verdict import verdicts
from models.fairness.audit import audit_requests
from models.scoring.model import LEAST, MOST, NeedModel, combined_risk
from models.scoring.ranking import severe_needs
from models.training.validate import Predicted, finish, out_of_time, validated_features

FARTHEST_OFF = 10.0  # predicted over observed beyond which an interval grows no wider


@dataclass(frozen=True)
class Calibrated:
    """A model without its trees, and the rows it was validated on.

    Probabilities of ``validation`` come from weights and calibration of older folds only.
    """

    model: NeedModel
    validation: Validation
    bounded: np.ndarray  # bool [needs]: the level stopped at its bound on most days of the newest fold


@dataclass(frozen=True)
class ValidationReport:
    """Spread of demand, and the tables that ``models.training.retrain.Retrained`` describes."""

    found: Evaluation
    spread: Spread
    demand: pd.DataFrame
    groups: pd.DataFrame
    verdicts: pd.DataFrame
    comparison: pd.DataFrame | None
    soundness: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame | None]:
        """Return the tables by their names in ``models.training.retrain.Retrained``, without the groups."""
        return {
            "metrics": self.found.metrics,
            "reliability": self.found.reliability,
            "lift": self.found.lift,
            "demand": self.demand,
            "verdicts": self.verdicts,
            "comparison": self.comparison,
            "soundness": self.soundness,
        }


def report_on(
    records: Records, known: Known, calibrated: Calibrated, champion: NeedModel | None, seed: int
) -> ValidationReport:
    """Compute every table from the validated rows.

    records: all records. known: what is known now. calibrated: the model and its validated rows.
    champion: the model in force; None without one. seed: of the resampling.
    """
    validation, needs = calibrated.validation, calibrated.model.schema.needs
    spread, demand = backtest_demand(records, known, validation)
    horizon = window_days(known.community)
    loose = hard_to_foresee(validation, spread)
    sound = soundness(validation, needs, horizon, calibrated.bounded, loose, seed)
    return ValidationReport(
        found=evaluate(validation, needs, capacity_of_need(known), PROBABILITIES, MODEL, seed=seed),
        spread=widened(spread, sound, needs),
        demand=demand,
        groups=audit_requests(records, known, validation, seed),
        verdicts=verdicts(validation, known, seed),
        comparison=compare_with_champion(records, known, champion, validation) if champion else None,
        soundness=sound,
    )


def widened(spread: Spread, sound: pd.DataFrame, needs: tuple[str, ...]) -> Spread:
    """Intervals of demand at least as wide as the level of a need was off, where it was beyond chance."""
    level = spread.level.copy()
    wrong = sound[~sound["use"].isin(["", RANGE])]  # past windows have widened those of RANGE already
    for need, ratio in zip(wrong["need"], wrong["ratio"].to_numpy(float), strict=True):
        off = abs(float(np.log(np.clip(ratio, 1 / FARTHEST_OFF, FARTHEST_OFF))))
        place = needs.index(need)
        level[place] = np.maximum(level[place], off)
    return replace(spread, level=level)


def calibrate(known: Known, base: NeedModel, table: Table, plan: Split, predicted: Predicted) -> Calibrated:
    """Fit weights, calibration and level to all folds.

    known: what is known now.
    base: the model before any training.
    table: the training table.
    plan: dates and folds.
    predicted: out-of-time log-odds.
    """
    horizon = window_days(known.community)

    def asking(by: float) -> np.ndarray:
        """Count households that asked, as known on day ``by``: float64 [days, needs]; NaN where incomplete."""
        return np.where(complete(known, table.days, by), table.pairs[:, 1], np.nan)

    asked = asking(known.as_of)
    per_request = asking_per_request(known, table.days, asked)
    modelled = np.nansum(asked, axis=0) > 0
    whole = finish(predicted, np.ones(len(predicted), dtype=bool), horizon)
    then = [asking_per_request(known, table.days, asking(fold.cut)) for fold in plan.folds]
    honest = out_of_time(predicted, plan.folds, horizon, then)
    validation = Validation(
        predicted.household,
        predicted.need,
        predicted.as_of,
        predicted.fold,
        predicted.label,
        {
            MODEL: honest.model.astype(np.float32),
            **predicted.baselines,
            LOGISTIC: honest.logistic.astype(np.float32),
            PLAIN: honest.plain.astype(np.float32),
        },
        tuple(fold.name for fold in plan.folds),
        predicted.share,
    )
    model = replace(
        base,
        weights=whole.weights,
        calibration=whole.calibration,
        modelled=modelled,
        per_request=per_request,
        level_weight=honest.level_weight,
        risk_calibration=_risk_calibration(known, predicted, honest.model),
        out_of_time=_newest(known, validation),
        season=season_of(known),
    )
    bounded = (
        at_bound(honest.shifts).mean(axis=0) >= 0.5 if len(honest.shifts) else np.zeros(len(horizon), bool)
    )
    return Calibrated(model, validation, bounded)


def _newest(known: Known, validation: Validation) -> OutOfTime:
    """Return the model's probabilities of the newest fold, to be stored with it."""
    rows = validation.take(validation.fold == len(validation.folds) - 1)
    homes, place = np.unique(rows.household, return_inverse=True)
    return OutOfTime(
        stable_hash(known.household_ids[homes])[place], rows.need, rows.as_of, rows.scores[MODEL]
    )


def _risk_calibration(known: Known, predicted: Predicted, p: np.ndarray) -> tuple[float, float]:
    """Fit slope and intercept for the probability of at least one severe request, on out-of-time rows."""
    severe = severe_needs(known.community)
    scores, labels, days = [], [], []
    for day in predicted.level:
        on = (predicted.as_of == day) & severe[predicted.need]
        household = predicted.household[on]
        risk = combined_risk(p[on], household, np.ones(on.sum(), dtype=bool), known.household_count)
        happened = np.bincount(household, predicted.label[on], known.household_count) > 0
        scores.append(logit(np.clip(risk[risk > 0], LEAST, MOST)))
        labels.append(happened[risk > 0])
        days.append(np.full((risk > 0).sum(), day))
    score, label = np.concatenate(scores), np.concatenate(labels).astype(np.int8)
    calibration = fit_calibration(
        score, label, np.zeros(len(score), dtype=int), np.concatenate(days), 1, repeats=2.0
    )
    return float(calibration.slope[0]), float(calibration.intercept[0])


def compare_with_champion(
    records: Records, known: Known, champion: NeedModel, validation: Validation
) -> pd.DataFrame:
    """Compare champion and challenger on the rows that neither was trained on.

    records: all records. known: what is known now. champion: the model in force.
    validation: the challenger's validated rows.

    Returns the table of ``models.evaluation.compare.compare``; empty if there are no such rows, or the champion's needs
    are others.
    """
    needs = [need.id for need in known.community.needs]
    if list(champion.schema.needs) != needs:
        validation = validation.take(np.empty(0, dtype=int))
    p = champion_probabilities(records, champion, validation)
    there = np.flatnonzero(np.isfinite(p))
    rows = validation.take(there)
    return compare(rows, p[there], rows.scores[MODEL], needs, capacity_of_need(known))


def champion_probabilities(records: Records, champion: NeedModel, rows: Validation) -> np.ndarray:
    """Return the champion's out-of-time probabilities: float64 [rows]; NaN where it was trained on the row.

    records: all records. champion: the model in force. rows: a challenger's validated rows.

    A row is predicted now if its label was not complete on the champion's day of training; else the probability comes
    from the champion's own validation.
    """
    keys = household_keys(records)
    p = np.full(len(rows), np.nan)
    if champion.out_of_time:
        p = champion.out_of_time.find(keys[rows.household], rows.need, rows.as_of)
    trained_on = day_of(date.fromisoformat(champion.metadata["as_of"]))
    known_then = known_before(records, trained_on)  # with the delay of recording that was usual then
    for day in np.unique(rows.as_of):
        seen = complete(known_then, np.array([day]), trained_on)[0]
        on = np.flatnonzero((rows.as_of == day) & ~seen[rows.need])
        if len(on):
            p[on] = _predicted(records, champion, int(day), rows.take(on))
    return p


def _predicted(records: Records, champion: NeedModel, day: int, rows: Validation) -> np.ndarray:
    """Compute the champion's probabilities for rows of one as-of day: float64 [rows]."""
    known = known_before(records, day)
    features, share = validated_features(records, known, champion.schema)
    shift = champion.shift(known, champion.log_odds(features), features.rows.need, share)
    whole = np.full((known.household_count, len(shift)), np.nan)
    whole[features.rows.household, features.rows.need] = champion.predict(features, shift)
    return whole[rows.household, rows.need]
