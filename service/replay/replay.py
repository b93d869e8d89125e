"""Make a past week again from what the workspace keeps, and say whether it is the same, bit for bit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from features.atomic import scratch_directory
from features.language import UserError, language, say, say_line, set_language
from features.point_in_time.records import day_of
from models.demand.candidates import AskPartition, town_demand
from models.registry.champion import file_digest
from models.scoring.executors import Each, local
from service.console.terminal import Stage
from service.replay.sources import Sources, sources_of
from service.web.published.provenance import FILES, read_made
from service.weekly.demand_week import demand_table
from service.weekly.list_tasks import WritePartition
from service.weekly.list_week import (
    GROUPS,
    group_table,
    joined_visits,
    list_inputs,
    write_list_tables,
)
from service.weekly.plan_town import plan_town
from service.weekly.score_cache import WeekScores, computed_scores
from service.weekly.week_directory import (
    DEMAND,
    DROPPED,
    OUTREACH,
    RISK,
    SCORES,
    WEEKS,
    read_table,
    week_directory,
)

TABLES = (SCORES, RISK, OUTREACH, DROPPED, GROUPS, DEMAND)
KEYS = {
    SCORES: ["household_id", "need"],
    RISK: ["household_id"],
    OUTREACH: ["outreach_id"],
    DROPPED: ["household_id", "arm"],
    GROUPS: ["group"],
    DEMAND: ["need", "grid_id", "span"],
}


def replay(
    workspace: Path, as_of: date, output: Path | None, stage: Stage, each: Each = local
) -> tuple[list[str], bool]:
    """Make the tables of a past week again and compare them with the week's own; nothing in the workspace changes.

    ``output``: a directory that keeps the tables made, by default none. ``stage`` shows each step; ``each`` calls a
    task for every partition. Returns lines, and whether every table is the same in every value. Raises UserError for a
    week of which there are no scores.
    """
    home = week_directory(workspace, as_of)
    if not (home / SCORES).is_file():
        weeks = sorted(path.parent.name for path in (workspace / WEEKS).glob(f"*/{SCORES}"))
        listed = "、".join(weeks) or "—"
        raise UserError(
            f"没有 {as_of} 这一周的评分，只有 {listed}",
            f"there are no scores of {as_of}; there are those of {listed}",
        )
    sources = sources_of(workspace, as_of, stage)
    set_language(sources.town.community.community.language)
    with scratch_directory(workspace) as place:
        made = output or place
        made.mkdir(parents=True, exist_ok=True)
        wanted = [name for name in TABLES if (home / name).is_file()]
        _make_again(sources, as_of, made, wanted, stage, each)
        lines, same = _compared(home, made, wanted)
    return [*sources.lines, *lines], same


def _make_again(
    sources: Sources, as_of: date, made: Path, wanted: Sequence[str], stage: Stage, each: Each
) -> None:
    """Write the tables ``wanted`` into the directory ``made``."""
    town, model = sources.town, sources.model
    with stage(say("评分", "score")):
        scores, _ = computed_scores(town, as_of, model, made, each)
    if OUTREACH in wanted:
        with stage(say("名单", "lists")):
            _lists_again(sources, as_of, scores, made, stage, each)
    if DEMAND in wanted:
        with stage(say("测算", "demand")):
            ask = AskPartition(town, day_of(as_of), sources.history)
            demand, _, _ = town_demand(ask, scores.pieces, model.model.spread, each, model.model.lent_season)
            (made / DEMAND).write_bytes(demand_table(demand))


def _lists_again(
    sources: Sources, as_of: date, scores: WeekScores, made: Path, stage: Stage, each: Each
) -> None:
    week = list_inputs(
        *(
            sources.town,
            sources.model,
            as_of,
            scores,
            sources.history,
            sources.before,
            stage,
            sources.warnings,
        )
    )
    week, plans, shares = plan_town(week, each)
    grids = {str(grid): str(grid) for plan in plans for grid in plan.visits["grid_id"].unique()}
    task = WritePartition(week, grids, ())
    written = list(each(task, list(zip(range(len(plans)), plans, shares, strict=True))))
    write_list_tables(made, joined_visits([part.visits[language()] for part in written]), plans)
    group_table(made, written)


def _compared(home: Path, made: Path, wanted: Sequence[str]) -> tuple[list[str], bool]:
    """Compare the tables of two directories; return a line for each, and whether all values are the same."""
    noted, lines, same = read_made(home).get(FILES, {}), [], True
    for name in wanted:
        differences = difference(home / name, made / name, noted.get(name, ""))
        lines += [f"{name}：{line}" for line in differences.lines]
        same &= differences.same
    return [
        *lines,
        say("这一周可以原样重现", "this week can be made again as it was")
        if same
        else say("这一周不能原样重现", "this week cannot be made again as it was"),
    ], same


@dataclass(frozen=True)
class Difference:
    """Lines on one table, and whether all its values are the same."""

    lines: list[str]
    same: bool


def difference(kept: Path, made: Path, noted: str) -> Difference:
    """Compare a kept table with the one that was made again.

    ``noted``: digest of the kept table when it was written, "" where none was noted.
    """
    lines = []
    if noted and file_digest(kept) != noted:
        lines += say_line(
            "保存的这张表在写出以后改动过（删除住户、重做名单或损坏）",
            "the kept table was changed after it was written (a household deleted, lists made anew, or damage)",
        )
    if file_digest(kept) == file_digest(made):
        return Difference([*lines, say("逐字节相同", "the same, byte for byte")], True)
    rows = _differing(_read(kept), _read(made), KEYS[kept.name])
    if not rows:
        return Difference(
            [*lines, say("每个值都相同，文件字节不同", "every value is the same, the file's bytes are not")],
            True,
        )
    return Difference([*lines, *rows], False)


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return read_table(path)
    return pd.read_csv(path, encoding="utf-8-sig", dtype=str, na_filter=False)


def _differing(kept: pd.DataFrame, made: pd.DataFrame, keys: list[str]) -> list[str]:
    """Write a line on rows that only one table has, and on each column with other values; none where all are equal."""
    kept, made = kept.set_index(keys).sort_index(), made.set_index(keys).sort_index()
    lines = []
    gone, new = kept.index.difference(made.index), made.index.difference(kept.index)
    for rows, zh, en in (
        (gone, "只在保存的表里", "only in the kept table"),
        (new, "只在重做的表里", "only in the table made again"),
    ):
        if len(rows):
            lines += say_line(
                f"{len(rows)} 行{zh}，如 {_named(rows[0])}",
                f"{len(rows)} rows {en}, such as {_named(rows[0])}",
            )
    both = kept.index.intersection(made.index)
    kept, made = kept.loc[both], made.loc[both]
    for column in kept.columns:
        if column not in made:
            lines.append(say(f"重做的表没有 {column} 列", f"the table made again has no column {column}"))
            continue
        differs = _unequal(kept[column], made[column])
        if differs.any():
            first = int(np.flatnonzero(differs)[0])
            lines += say_line(
                f"{column} 有 {differs.sum()} 行不同，如 {_named(both[first])}："
                f"{kept[column].iloc[first]} → {made[column].iloc[first]}",
                f"{column} differs in {differs.sum()} rows, such as {_named(both[first])}: "
                f"{kept[column].iloc[first]} → {made[column].iloc[first]}",
            )
    return lines


def _unequal(left: pd.Series, right: pd.Series) -> np.ndarray:
    """Tell in which rows two columns differ, missing values being equal: bool [rows]."""
    both_missing = (left.isna() & right.isna()).to_numpy()
    return np.asarray(left.to_numpy() != right.to_numpy(), dtype=bool) & ~both_missing


def _named(key: object) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
