"""Make a past week again from what the workspace keeps, and say whether it is the same, bit for bit."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from features.atomic import scratch_directory
from features.language import UserError, language, say, set_language
from features.point_in_time.records import day_of
from models.demand.town_demand import AskPartition, town_demand
from models.scoring.executors import Each, local
from service.console.stages import Stage
from service.replay.differences import difference
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
from service.weekly.week_directory import DEMAND, DROPPED, OUTREACH, RISK, SCORES, WEEKS, week_directory

TABLES = (SCORES, RISK, OUTREACH, DROPPED, GROUPS, DEMAND)


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
