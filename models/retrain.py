"""From records to a validated, calibrated model and everything that a report says about it."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit
from tqdm import tqdm

from features.build import build, catalogue
from features.cohort import cohort
from features.groups import membership
from features.labels import label_begin, label_end
from features.language import say
from features.records import Known, Records, date_of, known_before
from features.schema import Schema, fit_schema
from features.town import asked, days_observed
from features.values import Texts
from models.baselines import LOGISTIC, MODEL, PROBABILITIES
from models.calibrate import fit_calibration, no_calibration
from models.capacity import capacity_of_need
from models.challenge import compare_with_champion
from models.demand_backtest import backtest_demand
from models.evaluate import Validation, evaluate
from models.group_audit import audit_requests, audit_visits
from models.group_lines import group_lines
from models.level import asking_per_request
from models.model import LEAST, MOST, NeedModel, combined_risk
from models.need import fit_need, with_visits
from models.out_of_time import OutOfTime, stable_hash
from models.sample import MOST_ROWS, Source, Table, training_table
from models.split import Split, complete, split
from models.train import SEEDS, THREADS, Parts, Rounds, Trainer, trees_with
from models.training_lines import training_lines
from models.tune import Tuned, Tuning, settle
from models.validate import Predicted, backtest, finish, out_of_time
from models.verdict import verdicts
from models.verdict_lines import verdict_lines
from models.visit_verdict import found_at_the_top, found_lines

LEVEL_WEIGHT = 0.8
FEWEST_POSITIVES = 50  # rows over all needs from which anything is fitted
ROWS_EXPLAINED = 150  # of each need, for the importance of features
SEVERE = 3


@dataclass(frozen=True)
class Retrained:
    """A new model with its validation.

    metrics, reliability, lift: see ``models.evaluate``. importance: need, feature, gain (mean absolute
    contribution in log-odds). comparison: see ``models.compare``, None without a champion. notes: lines to show.
    visits: estimators of p_need on held-out random visits, see ``models.need``; empty without them.
    demand: whether intervals of demand held, see ``models.demand_backtest``.
    groups: shares of groups, see ``models.group_audit``. verdicts: whether a model is needed, ``models.verdict``.
    found_by_visits: the same by needs that random visits found, ``models.visit_verdict``; None without them.
    tuned: the search for parameters of the trees, None where none was made.
    """

    model: NeedModel
    metrics: pd.DataFrame
    reliability: pd.DataFrame
    lift: pd.DataFrame
    importance: pd.DataFrame
    comparison: pd.DataFrame | None
    parameters: dict[str, Any]
    notes: list[str]
    fingerprint: str
    seconds: dict[str, float]
    tuned: Tuned | None = None
    validation: Validation | None = None
    visits: pd.DataFrame | None = None
    demand: pd.DataFrame | None = None
    groups: pd.DataFrame | None = None
    verdicts: pd.DataFrame | None = None
    found_by_visits: pd.DataFrame | None = None


@dataclass
class _Stages:
    """Seconds of each stage, in order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 2)


def retrain(
    records: Records,
    as_of: int,
    champion: NeedModel | None = None,
    seed: int = 0,
    step_weeks: int = 4,
    most_rows: int = MOST_ROWS,
    threads: int = THREADS,
    tuning: Tuning | None = None,
    source: Source | None = None,
    each: Callable = map,
) -> Retrained:
    """Train on everything known before day ``as_of``, validate over time, compare with the champion.

    ``source`` and ``each``: where else the same records can be read, and the training sample be drawn
    (``models.engine``). ``tuning``: a search for better parameters of the trees; without it the champion's are kept.

    Never fails for want of data: needs without requests, and all needs where the history is too short to
    validate, are scored by their smoothed rates, with a line in ``notes`` that says so.
    """
    stages = _Stages()
    known = known_before(records, as_of)
    with stages.stage("features"):
        schema = fit_schema(known)
        plan = split(known, step_weeks)
        days = plan.dates if plan.folds else ()
        shown = _progress(say("训练数据", "training data"))
        here = source or (lambda: (records, known))
        table = training_table(here, schema, days, seed, most_rows, shown, each)
    base = _untrained(known, schema, as_of)
    if table.label.sum() < FEWEST_POSITIVES:
        return _only_rates(base, known, plan, stages)
    trainer, digest = Trainer(table, len(schema.needs), seed, threads), fingerprint(known)
    with stages.stage("tune"):
        before = champion.metadata.get("tuned") if champion else None
        show_trials = _progress(say("调参", "tuning"))
        settled = settle(trainer, known, plan, tuning, before, digest, show_trials)
        trainer.trees = trees_with(settled.parameters)
        base = replace(base, metadata=base.metadata | {"tuned": settled.metadata})
    with stages.stage("validate"):
        predicted, rounds = backtest(
            records, known, schema, trainer, plan, _progress(say("分段验证", "validation folds"))
        )
    with stages.stage("train"):
        rows = np.arange(len(table))
        parts, rounds = trainer.fit(rows, rounds, rows[:0], SEEDS)
    with stages.stage("evaluate"):
        model, validation = _finished(base, known, table, parts, predicted, plan)
        found = evaluate(validation, schema.needs, capacity_of_need(known), PROBABILITIES, MODEL, seed=seed)
        model, importance = _explained(model, known, seed)
    with stages.stage("demand"):
        spread, demand = backtest_demand(records, known, validation)
        told = {"demand": demand.to_dict("records")}
        model = replace(model, spread=spread, metadata=model.metadata | told)
    with stages.stage("visits"):
        visited = fit_need(records, known, model, table, seed, _progress(say("随机走访", "random visits")))
        model = with_visits(model, visited)
    with stages.stage("groups"):
        groups = audit_requests(records, known, validation, seed)
        judged, found_by_visits = verdicts(validation, known, seed), None
        if visited.held_out is not None:
            groups = pd.concat([groups, audit_visits(records, known, visited.held_out, seed)])
            found_by_visits = found_at_the_top(visited.held_out, seed)
    comparison = None
    if champion is not None:
        with stages.stage("compare"):
            comparison = compare_with_champion(records, known, champion, validation)
    return Retrained(
        model=model,
        metrics=found.metrics,
        reliability=found.reliability,
        lift=found.lift,
        importance=importance,
        comparison=comparison,
        parameters=_parameters(trainer, plan, rounds, step_weeks),
        notes=[
            *training_lines(model, known, table, plan, found),
            *settled.lines,
            model.silence(),
            *visited.notes,
            *found_lines(found_by_visits),
            *verdict_lines(judged, known),
            *group_lines(groups, membership(known)),
        ],
        fingerprint=digest,
        seconds=stages.seconds,
        tuned=settled.tuned,
        validation=validation,
        visits=visited.comparison,
        demand=demand,
        groups=groups,
        verdicts=judged,
        found_by_visits=found_by_visits,
    )


def _progress(title: str) -> Callable[[Iterable], Iterable]:
    return lambda items: tqdm(items, desc=title, delay=2, leave=False)


def fingerprint(known: Known) -> str:
    """SHA-256 of the settings and of everything known: the same data give the same, whatever comes later."""
    digest = hashlib.sha256(known.community.model_dump_json().encode())
    ids = {"household": known.records.household_ids, "grid": known.records.grid_ids}
    ids["microgrid"] = known.records.microgrid_ids
    for name in ("households", "residents", "requests", "outreach", "opt_outs"):
        for column, values in vars(getattr(known, name)).items():
            digest.update(f"{name}.{column}".encode())
            if column == "visible_to":
                continue  # when a row was superseded is told by later rows
            if column in ids:
                values = stable_hash(ids[column])[values]  # positions change as others arrive
            elif column == "resident":
                values = np.unique(values, return_inverse=True)[1]
            for one in values.items() if isinstance(values, dict) else [("", values)]:
                digest.update(one[0].encode() + _plain(one[1]).tobytes())
    return digest.hexdigest()


def _plain(values: np.ndarray | Texts) -> np.ndarray:
    """Values whose bytes tell what they are, whatever other texts there are."""
    if isinstance(values, Texts):
        return np.append(stable_hash(values.distinct), np.uint64(0))[values.codes]
    if values.dtype.kind in "OT":
        return pd.util.hash_array(values.astype(object))
    return np.ascontiguousarray(values)


def _untrained(known: Known, schema: Schema, as_of: int) -> NeedModel:
    """A model that scores every need by its smoothed rate."""
    needs = len(schema.needs)
    return NeedModel(
        schema=schema,
        feature_names=[one.name for one in catalogue(schema)],
        parts=None,
        weights=np.tile([1.0, 0.0, 0.0], (needs, 1)),
        calibration=no_calibration(needs),
        modelled=np.zeros(needs, dtype=bool),
        rates=smoothed_rates(known),
        per_request=np.ones(needs),
        level_weight=0.0,
        usual_shift=np.zeros(needs),
        risk_calibration=(1.0, 0.0),
        metadata={
            "as_of": str(date_of(as_of)),
            "fingerprint": fingerprint(known),
            "community": known.community.community.name,
            "needs": {one.id: one.name.model_dump() for one in known.community.needs},
        },
    )


def smoothed_rates(known: Known) -> np.ndarray:
    """float64 [needs]: chance that a household that can have the need asks in its window, at the rate so far."""
    rows = cohort(known)
    needs = len(known.community.needs)
    exposure = np.bincount(rows.need, days_observed(known)[rows.household], needs)
    length = label_end(known.community, 0) - label_begin(known.community, 0)
    count = np.bincount(asked(known).need, minlength=needs)
    return -np.expm1(-(count + 0.5) * length / (exposure + length))


def _finished(
    base: NeedModel, known: Known, table: Table, parts: Parts, predicted: Predicted, plan: Split
) -> tuple[NeedModel, Validation]:
    """The model with weights, calibration and level from all folds, and the validation rows, whose
    probabilities come from older folds only."""
    horizon = label_end(known.community, 0) - label_begin(known.community, 0)
    done = complete(known, table.days, known.as_of)
    asking = np.where(done, table.pairs[:, 1], np.nan)
    per_request = asking_per_request(known, table.days, asking)
    modelled = np.nansum(asking, axis=0) > 0
    whole = finish(predicted, np.ones(len(predicted), dtype=bool), horizon)
    ours, logistic = out_of_time(predicted, plan.folds, horizon, per_request, LEVEL_WEIGHT)
    validation = Validation(
        predicted.household,
        predicted.need,
        predicted.as_of,
        predicted.fold,
        predicted.label,
        {
            MODEL: ours.astype(np.float32),
            **predicted.baselines,
            LOGISTIC: logistic.astype(np.float32),
        },
        tuple(one.name for one in plan.folds),
    )
    model = replace(
        base,
        parts=parts,
        weights=whole.weights,
        calibration=whole.calibration,
        modelled=modelled,
        per_request=per_request,
        level_weight=LEVEL_WEIGHT,
        risk_calibration=_risk_calibration(known, predicted, ours),
        out_of_time=_newest(known, validation),
    )
    return model, validation


def _newest(known: Known, validation: Validation) -> OutOfTime:
    """The model's probabilities of the newest fold, to carry with it."""
    rows = validation.take(validation.fold == len(validation.folds) - 1)
    keys = stable_hash(known.records.household_ids)
    return OutOfTime(keys[rows.household], rows.need, rows.as_of, rows.scores[MODEL])


def _risk_calibration(known: Known, predicted: Predicted, p: np.ndarray) -> tuple[float, float]:
    """Slope and intercept for the chance of at least one severe request, from out-of-time rows."""
    severe = np.array([one.severity >= SEVERE for one in known.community.needs])
    scores, labels, days = [], [], []
    for day in predicted.expected:
        on = (predicted.as_of == day) & severe[predicted.need]
        household = predicted.household[on]
        risk = combined_risk(p[on], household, np.ones(on.sum(), dtype=bool), known.household_count)
        happened = np.bincount(household, predicted.label[on], known.household_count) > 0
        scores.append(logit(np.clip(risk[risk > 0], LEAST, MOST)))
        labels.append(happened[risk > 0])
        days.append(np.full((risk > 0).sum(), day))
    score, label = np.concatenate(scores), np.concatenate(labels).astype(np.int8)
    found = fit_calibration(
        score, label, np.zeros(len(score), dtype=int), np.concatenate(days), 1, repeats=2.0
    )
    return float(found.slope[0]), float(found.intercept[0])


def _explained(model: NeedModel, known: Known, seed: int) -> tuple[NeedModel, pd.DataFrame]:
    """The model with its shift of the day of training, and the importance of features for each need."""
    features = build(known, cohort(known), model.schema)
    need = features.rows.need
    shift = model.shift(known, model.log_odds(features), need)
    draw = np.random.default_rng(seed)
    chosen = [
        draw.permutation(np.flatnonzero(need == one))[:ROWS_EXPLAINED]
        for one in np.flatnonzero(model.modelled)
    ]
    positions = np.concatenate(chosen) if chosen else np.empty(0, dtype=int)
    size = np.abs(model.contributions(features, positions))
    rows = []
    for one in np.flatnonzero(model.modelled):
        mine = need[positions] == one
        gain = size[mine].mean(axis=0) if mine.any() else np.zeros(len(features.names))
        rows += [
            (model.schema.needs[one], name, float(value))
            for name, value in zip(features.names, gain, strict=True)
        ]
    return replace(model, usual_shift=shift), pd.DataFrame(rows, columns=["need", "feature", "gain"])


def _only_rates(base: NeedModel, known: Known, plan: Split, stages: _Stages) -> Retrained:
    line = (
        say(
            "历史太短，无法分段验证：各项按平滑后的平均比例打分",
            "too short a history to validate on: every need is scored by its smoothed rate",
        )
        if not plan.folds
        else say(
            "申请太少，不足以训练模型：各项按平滑后的平均比例打分",
            "too few requests to train on: every need is scored by its smoothed rate",
        )
    )
    none = np.empty(0, dtype=np.int32)
    rows = Validation(none, none, none, none, none, {}, ())
    nothing = evaluate(rows, base.schema.needs, 1, (), MODEL)
    return Retrained(
        base,
        nothing.metrics,
        nothing.reliability,
        nothing.lift,
        pd.DataFrame({"need": [], "feature": [], "gain": np.empty(0)}),
        None,
        {},
        [line, base.silence()],
        fingerprint(known),
        stages.seconds,
    )


def _parameters(trainer: Trainer, plan: Split, rounds: Rounds, step_weeks: int) -> dict[str, Any]:
    table, trees = trainer.table, trainer.trees
    return {
        "rows": len(table),
        "features": len(table.names),
        "training_days": len(plan.dates),
        "first_day": str(date_of(plan.dates[0])),
        "last_day": str(date_of(plan.dates[-1])),
        "step_weeks": step_weeks,
        "folds": len(plan.folds),
        "seed": trainer.seed,
        "pooled_rounds": rounds.pooled,
        "own_rounds": list(rounds.own),
        "pooled_seeds": SEEDS,
        "level_weight": LEVEL_WEIGHT,
        **{f"pooled_{name}": value for name, value in trees.pooled.items()},
        **{f"own_{name}": value for name, value in trees.own.items() if trees.pooled[name] != value},
    }
