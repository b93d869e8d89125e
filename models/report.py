"""What a retrain leaves to read: tables, figures and a model card in Chinese and English."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from features.build import catalogue
from features.contract import Need
from features.groups import Groups, membership
from features.language import say
from features.records import Known
from models import group_shares, need_compare
from models.baselines import RANKERS
from models.card import MEASURE, against_baselines, model_card
from models.demand_backtest import as_metrics
from models.demand_plots import draw_coverage
from models.evaluate import ALL
from models.group_lines import FAIR, against
from models.plots import (
    chinese_text,
    draw_folds,
    draw_groups,
    draw_importance,
    draw_lift,
    draw_parameters,
    draw_reliability,
    draw_trials,
    panels,
    save,
)
from models.tune import TUNING, Tuned

if TYPE_CHECKING:
    from models.retrain import Retrained

_TABLES = ("metrics", "reliability", "lift", "importance")
_TABLES_IF_THERE = ("demand", "groups", "verdicts", "found_by_visits")


def write_report(retrained: "Retrained", known: Known, has_champion: bool, directory: Path) -> None:
    """Fill a directory: tables as CSV, figures as PNG, ``model_card.zh.md`` and ``model_card.en.md``.

    ``needs/NEED/`` has a need's part of the tables and its figure. ``known``: what the model was trained on.
    """
    tables = {name: getattr(retrained, name) for name in _TABLES}
    meanings = {one.name: say(one.zh, one.en) for one in catalogue(retrained.model.schema)}
    tables["importance"] = tables["importance"].assign(meaning=lambda rows: rows["feature"].map(meanings))
    against = against_baselines(retrained, known)
    directory.mkdir(parents=True, exist_ok=True)
    more = {"p_need": retrained.visits} | {name: getattr(retrained, name) for name in _TABLES_IF_THERE}
    there = {name: table for name, table in more.items() if table is not None}
    _write_tables({**tables, "against_baselines": against, **there}, directory)
    for language in ("zh", "en"):
        card = model_card(retrained, known, against, has_champion, language)
        (directory / f"model_card.{language}.md").write_text(card, encoding="utf-8")
    evaluated = [need for need in known.community.needs if (tables["metrics"]["need"] == need.id).any()]
    with chinese_text():
        _overview(tables, evaluated, directory)
        if retrained.tuned is not None:
            _tuning(retrained.tuned, directory / TUNING)
        if retrained.groups is not None and len(retrained.groups):
            _groups_figure(retrained.groups, membership(known), directory / "groups.png")
        if retrained.demand is not None and len(retrained.demand):
            _demand_figure(retrained.demand, known, directory / "demand.png")
        for need in evaluated:
            own = {name: table[table["need"] == need.id] for name, table in tables.items()}
            (directory / "needs" / need.id).mkdir(parents=True)
            _write_tables(own, directory / "needs" / need.id)
            _need_figure(own, need, directory / "needs" / need.id / "report.png")


def metrics_besides(retrained: "Retrained") -> list[pd.DataFrame]:
    """Further tables of the form of the metrics table: estimators of p_need, intervals of demand, groups."""
    tables = [need_compare.as_rankers(retrained.visits), as_metrics(retrained.demand, ALL)]
    return tables if retrained.groups is None else [*tables, group_shares.as_rankers(retrained.groups)]


def _write_tables(tables: Mapping[str, pd.DataFrame], directory: Path) -> None:
    for name, table in tables.items():
        table.to_csv(directory / f"{name}.csv", index=False, encoding="utf-8-sig")  # opens as UTF-8 in Excel


def _ranker_names() -> dict[str, str]:
    return {ranker: say(zh, en) for ranker, (zh, en) in RANKERS.items()}


def _measured(metrics: pd.DataFrame, metric: str) -> pd.DataFrame:
    return metrics[metrics["metric"] == metric].sort_values("fold")


def _need_figure(own: Mapping[str, pd.DataFrame], need: Need, path: Path) -> None:
    """The folds and what the model looks at; calibration and lift stand beside the other needs' in the overview."""
    figure, (folds, importance) = panels(2)
    figure.suptitle(need.name.here)
    title = say("名单命中率（按可走访户数）", "Hits on a list as long as can be visited")
    draw_folds(folds, _measured(own["metrics"], MEASURE), _ranker_names(), title)
    draw_importance(importance, own["importance"])
    save(figure, path)


def _groups_figure(table: pd.DataFrame, groups: Groups, path: Path) -> None:
    """Every group's share of the lists over its share of what they are for, and its calibration."""
    names = {one: name.here for one, name in zip(groups.ids, groups.names, strict=True)}
    audits = list(dict.fromkeys(table["audit"]))
    figure, axes = panels(2 * len(audits), width=6.0, height=max(3.0, 0.22 * len(names) + 1.2))
    figure.subplots_adjust(left=0.13, wspace=0.35)  # room for the groups' names
    for at, audit in enumerate(audits):
        rows = table[table["audit"] == audit]
        less, level = axes[2 * at], axes[2 * at + 1]
        draw_groups(less, rows, "list_over_need", names, against(audit), FAIR)
        title = say("预测与实际之比", "Predicted over observed")
        draw_groups(level, rows, "predicted_over_observed", names, title)
    save(figure, path)


def _demand_figure(demand: pd.DataFrame, known: Known, path: Path) -> None:
    names = {need.id: need.name.here for need in known.community.needs} | {ALL: say("全部", "all")}
    figure, (axes,) = panels(1, width=6.5, height=1.6 + 0.3 * len(names))
    draw_coverage(axes, demand, names)
    save(figure, path)


def _tuning(tuned: Tuned, directory: Path) -> None:
    """The trials as a table, their losses in order, and which parameters these depend on."""
    directory.mkdir()
    _write_tables({"trials": tuned.trials, "importance": tuned.importance}, directory)
    figure, (history, importance) = panels(2)
    draw_trials(history, tuned.trials)
    draw_parameters(importance, tuned.importance)
    save(figure, directory / "tuning.png")


def _overview(tables: Mapping[str, pd.DataFrame], needs: list[Need], directory: Path) -> None:
    """Every need's calibration and lift side by side, the folds over all needs, and overall importance."""
    for name in ("reliability", "lift"):
        figure, axes = panels(len(needs), columns=4, width=3.6, height=3.0)
        for one, need in zip(axes, needs, strict=True):
            rows = tables[name][tables[name]["need"] == need.id]
            if name == "lift":
                draw_lift(one, rows, _ranker_names(), legend=one is axes[0])
            else:
                draw_reliability(one, rows)
            figure.suptitle(one.get_title())
            one.set_title(need.name.here)
        save(figure, directory / f"{name}.png")
    figure, (folds, importance) = panels(2, width=6.0, height=4.0)
    overall = tables["metrics"][tables["metrics"]["need"] == ALL]
    title = say("名单命中率，各项平均", "Hits on the lists, mean over needs")
    draw_folds(folds, _measured(overall, MEASURE), _ranker_names(), title)
    draw_importance(importance, tables["importance"].groupby("meaning")["gain"].sum().reset_index())
    save(figure, directory / "overview.png")
