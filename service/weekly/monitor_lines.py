"""Write what monitoring found."""

from collections.abc import Hashable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from features.contract.community import Community
from features.contract.table_names import FILES
from features.contract.tables import OUTCOMES
from features.ingest.ingest_report import PAGE
from features.language import say, say_line
from features.point_in_time.records import date_of
from models.evaluation.share_intervals import wilson
from models.monitoring.alarms import MISCOUNT, STALE_DAYS
from service.lists.answers import outcome_names

FEWEST = 20  # requests from which such a ratio says anything


def freshness_lines(table: pd.DataFrame) -> list[str]:
    """Write a line for each table: its last row, and the rows of the newest four weeks beside the usual number."""
    lines = []
    for row in table.to_dict("records"):
        stale = row["table"] == "requests" and row["age"] > STALE_DAYS
        last, usual = date_of(row["last"]), f"{row['usual_rows']:.0f}"
        line = say(
            f"{FILES[row['table']][0]}：最后一行 {last}，近四周 {row['rows']} 行（平常 {usual}）",
            f"{row['table']}: last row {last}, {row['rows']} rows in four weeks (usually {usual})",
        )
        lines.append(line + (say("，太久没有新的了，请补交", ", stale: hand in newer data") if stale else ""))
    return lines


def set_aside_lines(workspace: Path, rows: Mapping[str, tuple[int, int, date]]) -> list[str]:
    """Write for each table how many rows of the newest export were set aside.

    ``rows``: what ``features.store.export_history.rows_set_aside`` returns.
    """
    if not rows:
        return [say("每一行都读进来了", "no rows were set aside")]
    lines = [
        say(
            f"{FILES[table][0]}：{aside} 行没读进（{aside / count:.1%}）",
            f"{table}: {aside} rows were set aside ({aside / count:.1%})",
        )
        for table, (count, aside, _) in rows.items()
    ]
    return [*lines, say(f"原因见 {workspace / PAGE}", f"reasons: {workspace / PAGE}")]


def outcome_lines(table: pd.DataFrame) -> list[str]:
    """Write a line for each arm with its outcomes so far."""
    arms = {"targeted": say("按名单走访", "targeted visits"), "random": say("抽签走访", "visits by lot")}
    names = outcome_names()
    lines = []
    for row in table.to_dict("records"):
        counts = say("，", ", ").join(f"{names[outcome]} {row[outcome]}" for outcome in OUTCOMES)
        share = _share(row["needed"], row["needed"] + row["not_needed"])
        lines += say_line(
            f"{arms[row['arm']]}：{counts}；见到的里面有需要的占 {share}",
            f"{arms[row['arm']]}: {counts}; needed among those met {share}",
        )
    return lines


def past_lines(past: pd.DataFrame, community: Community) -> list[str]:
    """Write a line for each need over all past weeks: predicted against observed, hits of the top 2% and of lists."""
    if not len(past):
        return say_line(
            "以前几周预测的时段还没过完，先不核对准不准",
            "no past week's windows have passed yet: nothing to check",
        )
    weeks, known = past["as_of"].nunique(), past.loc[past["hindsight"], "as_of"].nunique()
    total = past.drop(columns=["as_of", "hindsight"]).groupby("need").sum()
    lines = [say(f"核对前几周（{weeks} 周）：", f"{weeks} past weeks checked:")]
    if known:
        lines += say_line(
            f"  其中 {known} 周用的是后来训练的模型，它学过当时的结果，看上去会比真实的准",
            f"  {known} of them scored by a model trained later, which had learnt from what came: they look too good",
        )
    rows = {str(row["need"]): row for row in total.reset_index().to_dict("records")}
    return lines + [_need_line(need.name.here, rows[need.id]) for need in community.needs if need.id in rows]


def _need_line(name: str, row: dict[Hashable, Any]) -> str:
    predicted, observed = row["predicted"], row["observed"]
    off = observed >= FEWEST and not 1 / MISCOUNT <= predicted / observed <= MISCOUNT
    top = _with_interval(row["top_asked"], row["top"])
    listed = _with_interval(row["listed_asked"], row["listed"])
    base = _share(observed, row["households"])
    return say(
        f"  {name}：预计 {predicted:.0f} 户，实际 {observed:.0f} 户；"
        f"前2%命中 {top}，名单命中 {listed}，全体 {base}",
        f"  {name}: {predicted:.0f} predicted, {observed:.0f} observed; asked among the top 2% {top},"
        f" among those listed {listed}, among all {base}",
    ) + (say("，差得多，建议重新训练（retrain）", ", far off: retrain") if off else "")


def _with_interval(part: float, whole: float) -> str:
    """Format a share with its 95% interval."""
    if not whole:
        return "—"
    low, high = wilson(part, whole)
    return f"{part / whole:.1%} [{100 * low:.1f}, {100 * high:.1f}]"


def demand_lines(checked: pd.DataFrame) -> list[str]:
    """Write how often past weeks' demand lay within its 90% intervals.

    ``checked`` comes from ``models.monitoring.monitor.past_demand``.
    """
    if not len(checked):
        return []
    lines = []
    for whole, where in (
        (True, say("全社区", "the whole community")),
        (False, say("各网格", "grids")),
    ):
        rows = checked[(checked["grid_id"].fillna("") == "") == whole]
        inside = _with_interval(int(rows["within_90"].sum()), len(rows))
        lines += say_line(
            f"前几周的需求测算（{where}）：实际户数落在 90% 区间内 {inside}（{len(rows)} 个时段，互有重叠）",
            f"past demand ({where}): {inside} of counts within the 90% interval ({len(rows)} spans that overlap)",
        )
    return lines


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.1%}" if whole else "—"
