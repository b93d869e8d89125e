"""Figures of a retrain's report, as PNG."""

from collections.abc import Callable, Mapping
from functools import partial

import pandas as pd

from features.blocks.build import catalogue
from features.blocks.groups import Groups
from features.contract.community import Need
from features.language import say
from features.ornament import ornament
from features.point_in_time.records import Known
from features.point_in_time.schema import Schema
from models.demand.plots import draw_coverage
from models.evaluation.baselines import RANKERS
from models.evaluation.evaluate import ALL, Evaluation
from models.evaluation.plots import (
    as_png,
    chinese_text,
    draw_folds,
    draw_groups,
    draw_importance,
    draw_lift,
    draw_parameters,
    draw_reliability,
    draw_trials,
    panels,
)
from models.fairness.lines import FAIR, against
from models.report.card import MEASURE
from models.training.tune import Tuned


def meaning_of_features(schema: Schema) -> dict[str, str]:
    """Return each feature's meaning by its name, in the language in force."""
    return {feature.name: say(feature.zh, feature.en) for feature in catalogue(schema)}


def evaluated(metrics: pd.DataFrame, known: Known) -> list[Need]:
    """List the needs that have metrics."""
    return [need for need in known.community.needs if (metrics["need"] == need.id).any()]


def draw_validation(
    known: Known,
    schema: Schema,
    evaluation: Evaluation,
    importance: pd.DataFrame,
    demand: pd.DataFrame | None,
    lines: list[str],
) -> dict[str, bytes]:
    """Draw what validation found and what the model looks at; return PNG by path in the report.

    known: what the model was trained on.
    evaluation, importance, demand: tables as in ``models.training.retrain.Retrained``.
    lines: gets a line for each figure that could not be drawn.
    """
    meanings = meaning_of_features(schema)
    importance = importance.assign(meaning=importance["feature"].map(meanings))
    needs = evaluated(evaluation.metrics, known)
    wanted: dict[str, Callable[[], bytes]] = {}
    if needs:
        wanted = {
            "reliability.png": lambda: _side_by_side("reliability", evaluation.reliability, needs),
            "lift.png": lambda: _side_by_side("lift", evaluation.lift, needs),
        }
    wanted["overview.png"] = lambda: _overview(evaluation.metrics, importance)
    if demand is not None and len(demand):
        wanted["demand.png"] = lambda: _demand_figure(demand, known)
    for need in needs:
        path = f"needs/{need.id}/report.png"
        wanted[path] = partial(_need_figure, evaluation.metrics, importance, need)
    with chinese_text():
        return drawn(wanted, lines)


def drawn(wanted: Mapping[str, Callable[[], bytes]], lines: list[str]) -> dict[str, bytes]:
    """Draw each figure; one that fails is left out with a line."""
    figures = {
        path: ornament((f"报告里的图 {path}", f"the report's figure {path}"), draw, b"", lines)
        for path, draw in wanted.items()
    }
    return {path: figure for path, figure in figures.items() if figure}


def _ranker_names() -> dict[str, str]:
    return {ranker: say(zh, en) for ranker, (zh, en) in RANKERS.items()}


def _measured(metrics: pd.DataFrame, metric: str) -> pd.DataFrame:
    return metrics[metrics["metric"] == metric].sort_values("fold")


def draw_group_audits(table: pd.DataFrame, groups: Groups) -> bytes:
    """Draw each group's share of the lists over its share of what they are for, and its calibration; return PNG."""
    names = {group: name.here for group, name in zip(groups.ids, groups.names, strict=True)}
    audits = list(dict.fromkeys(table["audit"]))
    with chinese_text():
        figure, axes = panels(2 * len(audits), width=6.0, height=max(3.0, 0.22 * len(names) + 1.2))
        figure.subplots_adjust(left=0.13, wspace=0.35)  # room for the groups' names
        for at, audit in enumerate(audits):
            rows = table[table["audit"] == audit]
            less, level = axes[2 * at], axes[2 * at + 1]
            draw_groups(less, rows, "list_over_need", names, against(audit), FAIR)
            title = say("预测与实际之比", "Predicted over observed")
            draw_groups(level, rows, "predicted_over_observed", names, title)
        return as_png(figure)


def draw_tuning(tuned: Tuned) -> bytes:
    """Draw the losses of the trials in order, and which parameters these depend on; return PNG."""
    with chinese_text():
        figure, (history, importance) = panels(2)
        draw_trials(history, tuned.trials)
        draw_parameters(importance, tuned.importance)
        return as_png(figure)


def _need_figure(metrics: pd.DataFrame, importance: pd.DataFrame, need: Need) -> bytes:
    """Draw a need's folds and what the model looks at; the overview has calibration and lift of all needs."""
    figure, (folds, looks) = panels(2)
    figure.suptitle(need.name.here)
    title = say("名单命中率（按可走访户数）", "Hits on a list as long as can be visited")
    draw_folds(folds, _measured(metrics[metrics["need"] == need.id], MEASURE), _ranker_names(), title)
    draw_importance(looks, importance[importance["need"] == need.id])
    return as_png(figure)


def _demand_figure(demand: pd.DataFrame, known: Known) -> bytes:
    names = {need.id: need.name.here for need in known.community.needs} | {ALL: say("全部", "all")}
    figure, (axes,) = panels(1, width=6.5, height=1.6 + 0.3 * len(names))
    draw_coverage(axes, demand, names)
    return as_png(figure)


def _side_by_side(name: str, table: pd.DataFrame, needs: list[Need]) -> bytes:
    """Draw every need's calibration (``reliability``) or lift in a panel of its own."""
    figure, axes = panels(len(needs), columns=4, width=3.6, height=3.0)
    for axis, need in zip(axes, needs, strict=True):
        rows = table[table["need"] == need.id]
        if name == "lift":
            draw_lift(axis, rows, _ranker_names(), legend=axis is axes[0])
        else:
            draw_reliability(axis, rows)
        figure.suptitle(axis.get_title())
        axis.set_title(need.name.here)
    return as_png(figure)


def _overview(metrics: pd.DataFrame, importance: pd.DataFrame) -> bytes:
    """Draw the folds over all needs, and overall importance."""
    figure, (folds, looks) = panels(2, width=6.0, height=4.0)
    overall = metrics[metrics["need"] == ALL]
    title = say("名单命中率，各项平均", "Hits on the lists, mean over needs")
    draw_folds(folds, _measured(overall, MEASURE), _ranker_names(), title)
    draw_importance(looks, importance.groupby("meaning")["gain"].sum().reset_index())
    return as_png(figure)
