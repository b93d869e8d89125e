"""Retraining: from records to a validated, calibrated model and everything that a report says about it."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from features.blocks.build import Features
from features.blocks.groups import membership
from features.exports.coverage import coverage_lines, fallen_line
from features.language import say
from features.point_in_time.records import Known, Records, date_of, known_before
from models.dataset.sample import Table
from models.dataset.split import Split, split
from models.demand.intervals import Spread
from models.estimators.calibrate import at_bound
from models.estimators.train import POOLED, SEEDS, Members, Rounds, Trainer
from models.evaluation.baselines import MODEL
from models.evaluation.evaluate import Evaluation, Validation, evaluate
from models.evaluation.soundness import bound_lines, soundness_lines, told_with_model
from models.evaluation.verdict import verdict_lines
from models.fairness.audit import audit_visits
from models.fairness.lines import group_lines
from models.scoring.model import FEWEST_REQUESTS, NeedModel
from models.scoring.untrained import untrained
from models.training.leaks import Leak, find_leaks, leak_lines, without_leaks
from models.training.learn_p_need import NeedFit, fit_need, gather_visits, with_visits
from models.training.retraining import USUAL, Retraining, drawn_table, progress, trainer_of
from models.training.steps import SECOND_THREAD, Step, run_steps
from models.training.training_lines import training_lines, worst_lines
from models.training.tune import Settled, Tuned, settle
from models.training.validate import backtest, validated_features
from models.training.validation_report import Calibrated, ValidationReport, calibrate, report_on
from models.training.young import young_model
from models.underreporting.verdict import found_at_the_top, found_lines

FEWEST_POSITIVES = 50  # rows over all needs from which anything is fitted
ROWS_EXPLAINED = 100  # of each need, for the importance of features


@dataclass(frozen=True)
class Retrained:
    """A new model with its validation.

    metrics, reliability, lift: see ``models.evaluation.evaluate``.
    importance: need, feature, gain (mean absolute contribution in log-odds).
    comparison: see ``models.evaluation.compare``; None without a champion.
    notes: all lines, for the report.
    worst: the lines to act on, the worst first.
    seconds: by stage.
    tuned: the search for parameters of the trees; None if none was made.
    visits: estimators of p_need on held-out random visits, see ``models.training.learn_p_need``; empty without them.
    demand: how many intervals of demand held, see ``models.demand.backtest``.
    groups: shares of groups, see ``models.fairness.audit``.
    verdicts: whether a model is needed, see ``models.evaluation.verdict``.
    soundness: whether levels and orders hold, see ``models.evaluation.soundness``.
    found_by_visits: whether a model is needed, by needs that random visits found, see
        ``models.underreporting.verdict``; None without them.
    figures: what ``draw`` returned.
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
    soundness: pd.DataFrame | None = None
    found_by_visits: pd.DataFrame | None = None
    figures: Mapping[str, bytes] | None = None
    worst: Sequence[str] = ()


def retrain(
    records: Records, as_of: int, champion: NeedModel | None = None, how: Retraining = USUAL
) -> Retrained:
    """Train on everything known before day ``as_of``, validate over time, and compare with the champion.

    champion: the model in force; None without one. how: settings.

    Never fails for want of data: if the history is too short to validate, households are scored by the requests expected
    of them, and needs without requests by their smoothed rates, with a line in ``notes`` that says so.
    """
    seconds: dict[str, float] = {}
    given = {
        "records": records,
        "known": known_before(records, as_of),
        "champion": champion,
        "how": how,
        "seed": how.seed,
    }
    drawn = run_steps(SAMPLE, given, seconds)
    if drawn["table"].label.sum() < FEWEST_POSITIVES:
        gaps, leaks = coverage_lines(drawn["known"]), leak_lines(drawn["leaks"])
        return _without_training(drawn["untrained"], drawn["plan"], gaps, leaks, seconds)
    learned = run_steps(LEARN, drawn, seconds)
    return Retrained(
        model=learned["model"],
        parameters=_parameters(learned["trainer"], learned["plan"], learned["rounds"], how.step_weeks),
        notes=_notes(learned),
        worst=_worst(learned),
        seconds=seconds,
        fingerprint=learned["model"].metadata["fingerprint"],
        importance=learned["importance"],
        tuned=learned["settled"].tuned,
        validation=learned["calibrated"].validation,
        visits=learned["p_need"].comparison,
        groups=learned["groups"],
        found_by_visits=learned["found_by_visits"],
        figures=learned["figures"][0],
        **learned["report"].tables(),
    )


def _sample(
    known: Known, records: Records, champion: NeedModel | None, how: Retraining
) -> tuple[Split, NeedModel, Table, tuple[Leak, ...]]:
    """Choose the dates, and draw the training table without leaking attributes.

    Returns the dates and folds, the model before any training, the table, and the leaks.
    """
    leaks = find_leaks(known)
    schema = without_leaks(known, leaks)
    plan = split(known, how.step_weeks)
    table = drawn_table(records, known, schema, plan.dates if plan.folds else (), how)
    base = untrained(known, schema, known.as_of)
    left_out = {"left_out": [leak.attribute for leak in leaks]}
    base = replace(base, metadata=base.metadata | left_out, lent_season=_lent_season(champion, base))
    return plan, base, table, tuple(leaks)


def _lent_season(champion: NeedModel | None, base: NeedModel) -> np.ndarray | None:
    """Return the neighbours' season that the champion holds, which serves until the town's own records show one."""
    return champion.lent_season if champion and champion.schema.needs == base.schema.needs else None


def _settle(
    known: Known, untrained: NeedModel, table: Table, plan: Split, champion: NeedModel | None, how: Retraining
) -> tuple[Trainer, Settled, NeedModel]:
    """Cut the table into bins, settle the parameters of the trees, and note their origin in the model's metadata."""
    trainer = trainer_of(table, untrained.schema, how)
    before = champion.metadata.get("tuned") if champion else None
    shown = progress(say("调参", "tuning"))
    settled = settle(trainer, known, plan, how.tuning, before, untrained.metadata["fingerprint"], shown)
    trainer.pooled = {**POOLED, **settled.parameters}
    base = replace(untrained, metadata=untrained.metadata | {"tuned": settled.metadata})
    return trainer, settled, base


def _backtest(
    records: Records, known: Known, base: NeedModel, trainer: Trainer, plan: Split, second: Executor
) -> tuple[Future, Rounds | None]:
    shown = progress(say("分段验证", "validation folds"))
    return backtest(records, known, base.schema, trainer, plan, shown, second, lent_season=base.lent_season)


def _final_members(trainer: Trainer, rounds: Rounds | None, calibrated: Calibrated) -> tuple[Members, Rounds]:
    """Fit to all rows what the blend uses; also return the rounds that were chosen, of what it does not use, too."""
    members, grown = trainer.fit_whole(rounds, calibrated.model.weights != 0)
    return members, rounds or grown


def _explain(
    known: Known, calibrated: Calibrated, members: Members, today: tuple[Features, np.ndarray], seed: int
) -> tuple[NeedModel, pd.DataFrame]:
    """Add its members and the shift of the day of training to the model, and compute the importance of features.

    today: what ``validated_features`` returns. The table has the columns need, feature, gain.
    """
    model, (features, share) = replace(calibrated.model, members=members), today
    need = features.rows.need
    shift = model.shift(known, model.log_odds(features), need, share)
    draw = np.random.default_rng(seed)
    modelled = np.flatnonzero(model.modelled)
    chosen = [draw.permutation(np.flatnonzero(need == index))[:ROWS_EXPLAINED] for index in modelled]
    positions = np.concatenate(chosen) if chosen else np.empty(0, dtype=int)
    size = np.abs(model.contributions(features, positions))
    gains = []
    for index in modelled:
        of_need = need[positions] == index
        gain = size[of_need].mean(axis=0) if of_need.any() else np.zeros(len(features.names))
        pairs = zip(features.names, gain, strict=True)
        gains += [(model.schema.needs[index], name, float(value)) for name, value in pairs]
    return replace(model, usual_shift=shift), pd.DataFrame(gains, columns=["need", "feature", "gain"])


def _figures(
    how: Retraining, known: Known, base: NeedModel, report: ValidationReport, importance: pd.DataFrame
) -> tuple[Mapping[str, bytes] | None, list[str]]:
    """Draw the figures if that is asked for; also return lines on those that could not be drawn."""
    lines: list[str] = []
    if how.draw is None:
        return None, lines
    return how.draw(known, base.schema, report.found, importance, report.demand, lines), lines


def _audit_visits(records: Records, known: Known, p_need: NeedFit, seed: int) -> pd.DataFrame | None:
    held_out = p_need.held_out
    return None if held_out is None else audit_visits(records, known, held_out, seed)


def _found_by_visits(p_need: NeedFit, seed: int) -> pd.DataFrame | None:
    return None if p_need.held_out is None else found_at_the_top(p_need.held_out, seed)


def _finish(
    known: Known,
    explained: NeedModel,
    p_need: NeedFit,
    report: ValidationReport,
    of_visits: pd.DataFrame | None,
    young: NeedModel | None,
) -> tuple[NeedModel, pd.DataFrame]:
    """Give the model its p_need and its spread of demand; join the audits of groups."""
    model = with_visits(explained, p_need)
    unsound = told_with_model(report.soundness, known.community)
    metadata = {"demand": report.demand.to_dict("records"), "unsound": unsound}
    spread: Spread = report.spread
    model = replace(model, spread=spread, metadata=model.metadata | metadata, young=young)
    return model, report.groups if of_visits is None else pd.concat([report.groups, of_visits])


SAMPLE = (
    Step(
        ("plan", "untrained", "table", "leaks"), _sample, ("known", "records", "champion", "how"), "features"
    ),
)

# A step without a stage runs on the second thread: trees grow without Python's lock, so the two overlap.
LEARN = (
    Step(
        ("trainer", "settled", "base"),
        _settle,
        ("known", "untrained", "table", "plan", "champion", "how"),
        "tune",
    ),
    Step("prepared", lambda how: how.prepare(), ("how",)),
    Step(
        "gathered",
        lambda records, known, base, table, seed: gather_visits(records, known, base.schema, table, seed),
        ("records", "known", "base", "table", "seed"),
    ),
    Step(
        ("predicted", "early_rounds"),
        _backtest,
        ("records", "known", "base", "trainer", "plan", SECOND_THREAD),
        "validate",
    ),
    Step("calibrated", calibrate, ("known", "base", "table", "plan", "predicted")),
    Step(
        "today",
        lambda records, known, base: validated_features(records, known, base.schema),
        ("records", "known", "base"),
    ),
    Step("report", report_on, ("records", "known", "calibrated", "champion", "seed")),
    Step(("members", "rounds"), _final_members, ("trainer", "early_rounds", "calibrated"), "train"),
    Step(
        ("explained", "importance"), _explain, ("known", "calibrated", "members", "today", "seed"), "explain"
    ),
    Step("figures", _figures, ("how", "known", "base", "report", "importance")),
    Step(
        "young",
        young_model,
        ("records", "known", "calibrated", "trainer", "plan", "how", SECOND_THREAD),
        "lend",
    ),
    Step("p_need", fit_need, ("gathered", "known", "explained", "seed"), "visits"),
    Step("of_visits", _audit_visits, ("records", "known", "p_need", "seed")),
    Step("found_by_visits", _found_by_visits, ("p_need", "seed"), "visits"),
    Step(
        ("model", "groups"),
        _finish,
        ("known", "explained", "p_need", "report", "of_visits", "young"),
        "evaluate",
    ),
)


def _notes(learned: Mapping[str, Any]) -> list[str]:
    """Collect the lines on what was learned, in the language in force. ``learned``: the results of LEARN by name."""
    model, known, report = learned["model"], learned["known"], learned["report"]
    validation = learned["calibrated"].validation
    return [
        *_warnings(learned),
        *leak_lines(learned["leaks"]),
        *training_lines(model, known, learned["table"], learned["plan"], validation, report.found),
        *learned["settled"].lines,
        model.silence(),
        *learned["p_need"].notes,
        *found_lines(learned["found_by_visits"]),
        *verdict_lines(report.verdicts, known),
        *group_lines(learned["groups"], membership(known)),
        *learned["figures"][1],
    ]


def _worst(learned: Mapping[str, Any]) -> list[str]:
    """Collect the lines that somebody should act on, the worst first. ``learned``: the results of LEARN by name."""
    model, known, report = learned["model"], learned["known"], learned["report"]
    leaks = leak_lines(learned["leaks"])
    return worst_lines(
        _warnings(learned), leaks, model, known, report.verdicts, report.found, learned["groups"]
    )


def _warnings(learned: Mapping[str, Any]) -> list[str]:
    """Collect the lines on records and levels that do not hold. ``learned``: the results of LEARN by name."""
    model, known = learned["model"], learned["known"]
    return [
        *fallen_line(known),
        *soundness_lines(learned["report"].soundness, known.community),
        *bound_lines(at_bound(model.usual_shift), known.community),
    ]


def _without_training(
    base: NeedModel, plan: Split, gaps: list[str], leaks: list[str], seconds: dict[str, float]
) -> Retrained:
    scored = (
        (
            "暂时按本户、邻居和同类家庭以往的诉求排先后",
            "households are scored by their own, their neighbours' and similar households' past requests",
        )
        if base.tells_apart
        else (
            f"诉求不到 {FEWEST_REQUESTS} 条，分不出先后，名单先轮流走访",
            f"with fewer than {FEWEST_REQUESTS} requests, visits go round in turn",
        )
    )
    reason = (
        ("记录有缺（见上）", "the records have gaps (see above)")
        if gaps
        else ("诉求太少", "too few requests")
        if plan.folds
        else ("历史太短", "too short a history")
    )
    line = say(
        f"{reason[0]}，训练不出模型：{scored[0]}", f"{reason[1]} to train and validate on: {scored[1]}"
    )
    retrained = unvalidated(base, [*gaps, line, *leaks, base.silence()], seconds)
    return replace(retrained, worst=[*gaps, line, *leaks])


def unvalidated(model: NeedModel, notes: list[str], seconds: dict[str, float]) -> Retrained:
    """Wrap a model for which there is nothing to validate on.

    notes: lines to show. seconds: by stage.
    """
    none = np.empty(0, dtype=np.int32)
    rows = Validation(none, none, none, none, none, {}, ())
    nothing: Evaluation = evaluate(rows, model.schema.needs, 1, (), MODEL)
    return Retrained(
        model,
        nothing.metrics,
        nothing.reliability,
        nothing.lift,
        pd.DataFrame({"need": [], "feature": [], "gain": np.empty(0)}),
        None,
        {},
        notes,
        model.metadata["fingerprint"],
        seconds,
    )


def _parameters(trainer: Trainer, plan: Split, rounds: Rounds, step_weeks: int) -> dict[str, Any]:
    table = trainer.table
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
        "plain_rounds": list(rounds.plain),
        "pooled_seeds": SEEDS,
        **{f"pooled_{name}": value for name, value in trainer.pooled.items()},
    }
