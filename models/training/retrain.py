"""From records to a validated, calibrated model and everything that a report says about it."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from features.blocks.build import Features
from features.blocks.groups import membership
from features.language import say
from features.point_in_time.records import Known, Records, date_of, known_before
from features.point_in_time.schema import fit_schema
from models.dataset.sample import MOST_ROWS, Source, Table, training_table
from models.dataset.split import Split, split
from models.estimators.threads import working_beside
from models.estimators.train import SEEDS, THREADS, Rounds, Trainer, trees_with
from models.evaluation.baselines import MODEL
from models.evaluation.evaluate import Validation, evaluate
from models.evaluation.verdict_lines import verdict_lines
from models.fairness.audit import audit_visits
from models.fairness.lines import group_lines
from models.scoring.model import NeedModel
from models.scoring.untrained import untrained
from models.training.learn_p_need import NeedFit, fit_need, gather_visits, with_visits
from models.training.training_lines import training_lines
from models.training.tune import Settled, Tuned, Tuning, settle
from models.training.validate import backtest, validated_features
from models.training.validation_report import LEVEL_WEIGHT, Judged, calibrate, judge
from models.underreporting.verdict import found_at_the_top, found_lines

FEWEST_POSITIVES = 50  # rows over all needs from which anything is fitted
ROWS_EXPLAINED = 100  # of each need, for the importance of features


@dataclass(frozen=True)
class Retrained:
    """A new model with its validation.

    metrics, reliability, lift: see ``models.evaluation.evaluate``. importance: need, feature, gain (mean absolute
    contribution in log-odds). comparison: see ``models.evaluation.compare``, None without a champion. notes: lines
    to show.
    visits: estimators of p_need on held-out random visits, see ``models.training.learn_p_need``; empty without them.
    demand: whether intervals of demand held, see ``models.demand.backtest``.
    groups: shares of groups, see ``models.fairness.audit``. verdicts: whether a model is needed,
    ``models.evaluation.verdict``.
    found_by_visits: the same by needs that random visits found, ``models.underreporting.verdict``; None without them.
    tuned: the search for parameters of the trees, None where none was made. figures: what ``draw`` gave.
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
    figures: Mapping[str, bytes] | None = None


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
    each: Callable | None = None,
    meanwhile: Callable[[], object] = int,
    draw: Callable[..., Mapping[str, bytes]] | None = None,
) -> Retrained:
    """Train on everything known before day ``as_of``, validate over time, compare with the champion.

    ``source`` and ``each``: where else the same records can be read, and the training sample be drawn
    (``models.scoring.executors``). ``tuning``: a search for better parameters of the trees; without it the
    champion's are kept.
    ``meanwhile``: what else to do while trees grow; what it raises ends the retrain. ``draw``: gives the report's
    figures while visits are learned from (``models.report.figures.draw_validation``).

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
        with working_beside(threads) as beside:
            table = training_table(here, schema, days, seed, most_rows, shown, each or beside.map)
    base = untrained(known, schema, as_of)
    if table.label.sum() < FEWEST_POSITIVES:
        return _only_rates(base, known, plan, stages)
    trainer, digest = Trainer(table, len(schema.needs), seed, threads), base.metadata["fingerprint"]
    with stages.stage("tune"):
        before = champion.metadata.get("tuned") if champion else None
        show_trials = _progress(say("调参", "tuning"))
        settled = settle(trainer, known, plan, tuning, before, digest, show_trials)
        trainer.trees = trees_with(settled.parameters)
        base = replace(base, metadata=base.metadata | {"tuned": settled.metadata})
    learned = _learn(records, known, base, trainer, plan, champion, meanwhile, draw, stages)
    parameters = _parameters(trainer, plan, learned.rounds, step_weeks)
    return _told(learned, known, table, plan, settled, parameters, stages)


@dataclass(frozen=True)
class _Learned:
    model: NeedModel
    rounds: Rounds
    importance: pd.DataFrame
    validation: Validation
    judged: Judged
    visited: NeedFit
    groups: pd.DataFrame
    found_by_visits: pd.DataFrame | None
    figures: Mapping[str, bytes] | None


def _learn(
    records: Records,
    known: Known,
    base: NeedModel,
    trainer: Trainer,
    plan: Split,
    champion: NeedModel | None,
    meanwhile: Callable[[], object],
    draw: Callable[..., Mapping[str, bytes]] | None,
    stages: _Stages,
) -> _Learned:
    """The trees of each fold and the final ones, then what asks for these; beside them all that does not."""
    table, schema, seed = trainer.table, base.schema, trainer.seed
    with working_beside() as beside:
        besides = beside.submit(meanwhile)
        gathering = beside.submit(gather_visits, records, known, schema, table, seed)
        with stages.stage("validate"):
            shown = _progress(say("分段验证", "validation folds"))
            predicted, rounds = backtest(records, known, schema, trainer, plan, shown, beside)
        besides.result()
        calibrating = beside.submit(lambda: calibrate(known, base, table, plan, predicted.result()))
        building = beside.submit(validated_features, records, known, schema)
        judging = beside.submit(lambda: judge(records, known, calibrating.result(), champion, seed))
        with stages.stage("train"):
            rows = np.arange(len(table))
            parts, rounds = trainer.fit(rows, rounds, rows[:0], SEEDS)
        with stages.stage("explain"):
            calibrated = calibrating.result()
            model = replace(calibrated.model, parts=parts)
            model, importance = _explained(known, model, *building.result(), seed)

        def figures() -> Mapping[str, bytes] | None:
            told = judging.result()
            return draw(known, schema, told.found, importance, told.demand) if draw else None

        drawing = beside.submit(copy_context().run, figures)  # in the language spoken here
        with stages.stage("visits"):
            visited = fit_need(gathering.result(), known, model, seed)
            model, audited, found = with_visits(model, visited), None, None
            if visited.held_out is not None:
                with working_beside() as another:
                    auditing = another.submit(audit_visits, records, known, visited.held_out, seed)
                    found = found_at_the_top(visited.held_out, seed)
                    audited = auditing.result()
        with stages.stage("evaluate"):
            judged, drawn = judging.result(), drawing.result()
    told = {"demand": judged.demand.to_dict("records")}
    model = replace(model, spread=judged.spread, metadata=model.metadata | told)
    groups = judged.groups if audited is None else pd.concat([judged.groups, audited])
    return _Learned(model, rounds, importance, calibrated.validation, judged, visited, groups, found, drawn)


def _told(
    learned: _Learned,
    known: Known,
    table: Table,
    plan: Split,
    settled: Settled,
    parameters: dict[str, Any],
    stages: _Stages,
) -> Retrained:
    """What was learned, with the lines that say it."""
    judged, visited, groups = learned.judged, learned.visited, learned.groups
    return Retrained(
        model=learned.model,
        metrics=judged.found.metrics,
        reliability=judged.found.reliability,
        lift=judged.found.lift,
        importance=learned.importance,
        comparison=judged.comparison,
        parameters=parameters,
        notes=[
            *training_lines(learned.model, known, table, plan, learned.validation, judged.found),
            *settled.lines,
            learned.model.silence(),
            *visited.notes,
            *found_lines(learned.found_by_visits),
            *verdict_lines(judged.verdicts, known),
            *group_lines(groups, membership(known)),
        ],
        fingerprint=learned.model.metadata["fingerprint"],
        seconds=stages.seconds,
        tuned=settled.tuned,
        validation=learned.validation,
        visits=visited.comparison,
        demand=judged.demand,
        groups=groups,
        verdicts=judged.verdicts,
        found_by_visits=learned.found_by_visits,
        figures=learned.figures,
    )


def _progress(title: str) -> Callable[[Iterable], Iterable]:
    return lambda items: tqdm(items, desc=title, delay=2, leave=False)


def _explained(
    known: Known, model: NeedModel, features: Features, share: np.ndarray, seed: int
) -> tuple[NeedModel, pd.DataFrame]:
    """The model with its shift of the day of training, and the importance of features for each need, from what
    ``validated_features`` gives."""
    need = features.rows.need
    shift = model.shift(known, model.log_odds(features), need, share)
    draw = np.random.default_rng(seed)
    chosen = [
        draw.permutation(np.flatnonzero(need == one))[:ROWS_EXPLAINED]
        for one in np.flatnonzero(model.modelled)
    ]
    positions = np.concatenate(chosen) if chosen else np.empty(0, dtype=int)
    size = np.abs(model.contributions(features, positions))
    gains = []
    for one in np.flatnonzero(model.modelled):
        mine = need[positions] == one
        gain = size[mine].mean(axis=0) if mine.any() else np.zeros(len(features.names))
        gains += [
            (model.schema.needs[one], name, float(value))
            for name, value in zip(features.names, gain, strict=True)
        ]
    return replace(model, usual_shift=shift), pd.DataFrame(gains, columns=["need", "feature", "gain"])


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
        base.metadata["fingerprint"],
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
