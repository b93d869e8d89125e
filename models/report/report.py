"""Report of a retrain: tables, figures and a model card in Chinese and English."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from features.blocks.groups import membership
from features.ornament import ornament
from features.point_in_time.records import Known
from models.evaluation.evaluate import Evaluation
from models.report.card import against_baselines, model_card
from models.report.figures import (
    draw_group_audits,
    draw_tuning,
    draw_validation,
    drawn,
    evaluated,
    meaning_of_features,
)
from models.training.tune import TUNING

if TYPE_CHECKING:
    from models.training.retrain import Retrained

_TABLES = ("metrics", "reliability", "lift", "importance")
_TABLES_IF_THERE = ("demand", "groups", "verdicts", "found_by_visits")


def write_report(retrained: "Retrained", known: Known, has_champion: bool, directory: Path) -> list[str]:
    """Write tables as CSV, figures as PNG, ``model_card.zh.md`` and ``model_card.en.md`` into a directory.

    retrained: the new model with its validation.
    known: what it was trained on.
    has_champion: a champion was in force.
    directory: made if missing; ``needs/NEED/`` gets a need's part of the tables and its figure.

    Returns a line for each card or figure that could not be made.
    """
    lines: list[str] = []
    tables = {name: getattr(retrained, name) for name in _TABLES}
    meanings = meaning_of_features(retrained.model.schema)
    tables["importance"] = tables["importance"].assign(meaning=lambda rows: rows["feature"].map(meanings))
    directory.mkdir(parents=True, exist_ok=True)
    more = {"p_need": retrained.visits} | {name: getattr(retrained, name) for name in _TABLES_IF_THERE}
    made = {name: table for name, table in more.items() if table is not None}
    _write_tables({**tables, **made}, directory)
    ornament(
        ("模型卡", "the model card"),
        lambda: _write_cards(retrained, known, has_champion, directory),
        None,
        lines,
    )
    for need in evaluated(retrained.metrics, known):
        (directory / "needs" / need.id).mkdir(parents=True)
        tables_of = {name: table[table["need"] == need.id] for name, table in tables.items()}
        _write_tables(tables_of, directory / "needs" / need.id)
    if retrained.tuned is not None:
        (directory / TUNING).mkdir()
        trials = {"trials": retrained.tuned.trials, "importance": retrained.tuned.importance}
        _write_tables(trials, directory / TUNING)
    figures = _drawn(retrained, known, lines) if retrained.figures is None else retrained.figures
    for name, figure in {**figures, **_late(retrained, known, lines)}.items():
        (directory / name).write_bytes(figure)
    return lines


def _write_cards(retrained: "Retrained", known: Known, has_champion: bool, directory: Path) -> None:
    against = against_baselines(retrained, known)
    _write_tables({"against_baselines": against}, directory)
    for language in ("zh", "en"):
        card = model_card(retrained, known, against, has_champion, language)
        (directory / f"model_card.{language}.md").write_text(card, encoding="utf-8")


def _drawn(retrained: "Retrained", known: Known, lines: list[str]) -> dict[str, bytes]:
    evaluation = Evaluation(retrained.metrics, retrained.reliability, retrained.lift)
    schema = retrained.model.schema
    return draw_validation(known, schema, evaluation, retrained.importance, retrained.demand, lines)


def _late(retrained: "Retrained", known: Known, lines: list[str]) -> dict[str, bytes]:
    """Draw what is known only at the end: groups, as visits find them, and a search for parameters."""
    groups, tuned = retrained.groups, retrained.tuned
    wanted: dict[str, Callable[[], bytes]] = {}
    if groups is not None and len(groups):
        wanted["groups.png"] = lambda: draw_group_audits(groups, membership(known))
    if tuned is not None:
        wanted[f"{TUNING}/tuning.png"] = lambda: draw_tuning(tuned)
    return drawn(wanted, lines)


def _write_tables(tables: Mapping[str, pd.DataFrame], directory: Path) -> None:
    for name, table in tables.items():
        table.to_csv(directory / f"{name}.csv", index=False, encoding="utf-8-sig")  # opens as UTF-8 in Excel
