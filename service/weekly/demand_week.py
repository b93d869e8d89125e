"""Make the week's demand on a workspace: numbers by need, grid and month, and three lists, as files and lines."""

from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from features.atomic import write_atomically
from features.contract.community import Community
from features.language import say, say_line
from features.point_in_time.records import day_of
from features.store.partitions import Partitions
from features.store.reader import read_programme_history
from models.demand.candidates import AskPartition, town_demand
from models.demand.expected import TOWN, WINDOWS
from models.demand.proposals import RUN, Proposals
from models.registry.registry import champion
from models.scoring.executors import Each, local
from service.brief.brief import keep_projects
from service.brief.decisions import project_rows
from service.console.terminal import Stage
from service.lists.needs_page import needs_page
from service.lists.needs_tables import (
    Column,
    Sheet,
    coverage_sheet,
    grids_sheet,
    needs_sheet,
    projects_sheet,
    range_words,
    resources_sheets,
    table_of,
    verdict,
)
from service.lists.needs_workbook import needs_workbook
from service.web.published.provenance import note_made
from service.web.published.publish import must_not_list
from service.weekly.model_lines import about
from service.weekly.score_cache import current_scores
from service.weekly.week_directory import DEMAND, week_directory

LIST_BOOK, LIST_PAGE = "needs-list.xlsx", "needs-list.html"
CANDIDATES = "project-candidates.xlsx"  # names households: for the coordinators


def demand_week(
    workspace: Path, town: Partitions, as_of: date, stage: Stage, each: Each = local
) -> list[str]:
    """Compute expected demand against seats, write it and the three lists to the week's directory, and return lines.

    Scores that are not fresh are made and published first. ``stage`` shows each step; ``each`` calls a task for every
    partition (``models.scoring.executors``).
    """
    with stage(say("读取模型", "load the champion")):
        model = champion(workspace, town.community)
    history, spread = read_programme_history(workspace, day_of(as_of)), model.model.spread
    scores = current_scores(workspace, town, as_of, model, stage, each)
    with stage(say("测算", "sum")):
        ask = AskPartition(town, day_of(as_of), history)
        demand, proposals, named = town_demand(ask, scores.pieces, spread, each, model.model.lent_season)
    named = named[~named["household_id"].isin(must_not_list(workspace, as_of))]  # who refused meanwhile
    home = week_directory(workspace, as_of)
    with stage(say("写清单", "write the lists")):
        backtest = model.model.metadata.get("demand", [])
        for name, content in _files(demand, proposals, named, backtest, town.community, as_of).items():
            write_atomically(home / name, content)
        note_made(home, model, town.community, (DEMAND,))
        keep_projects(home, project_rows(proposals))
    lines = demand_lines(demand, proposals, town.community)
    return [*lines, *about(model, town.community), *_where(home)]


def demand_table(demand: pd.DataFrame) -> bytes:
    """Write the table of ``town_demand`` as the content of demand.csv."""
    return demand.round(2).to_csv(index=False).encode("utf-8-sig")


def _where(home: Path) -> list[str]:
    return [
        say(f"需求清单在 {home / LIST_PAGE} 和 {LIST_BOOK}", f"lists: {home / LIST_PAGE} and {LIST_BOOK}"),
        say(
            f"候选家庭（只给社区统筹）在 {home / CANDIDATES}",
            f"candidates (for coordinators only): {home / CANDIDATES}",
        ),
        say(f"各网格、各月的数在 {home / DEMAND}", f"by grid and month: {home / DEMAND}"),
    ]


def demand_lines(demand: pd.DataFrame, proposals: Proposals, community: Community) -> list[str]:
    """Write a line for each need: expected households with the 90% interval, its window, and a verdict on seats.

    ``demand``: the table of ``town_demand``. ``proposals``: its proposals, whose number the last line gives.
    """
    needs = proposals.needs.set_index("need")
    town = demand[(demand["grid_id"] == TOWN) & (demand["span"] == WINDOWS)].set_index("need")
    lines = []
    for need in community.needs:
        if need.id in town.index:
            row = town.loc[need.id].to_dict()
            when, so = f"{row['begins']}～{row['ends'] - timedelta(days=1)}", needs.loc[need.id].to_dict()
            expected, likely = f"{row['expected']:.0f}", range_words(row)
            lines += say_line(
                f"{need.name.here}：{when} 预计 {expected} 户（{likely}）；{verdict(so, community)}",
                f"{need.name.here}: {expected} ({likely}) households, {when}; {verdict(so, community)}",
            )
    count = int((proposals.projects["kind"] != RUN).sum())
    return [*lines, say(f"建议开的项目：{count} 个", f"{count} projects proposed")]


def _files(
    demand: pd.DataFrame,
    proposals: Proposals,
    named: pd.DataFrame,
    backtest: list[dict],
    community: Community,
    as_of: date,
) -> dict[str, bytes]:
    needs, projects = needs_sheet(demand, proposals, community), projects_sheet(proposals, community)
    resources, coverage = resources_sheets(proposals, community), coverage_sheet(backtest, community)
    page = needs_page(demand, proposals, [needs, projects, *resources], coverage, community, as_of)
    book = [
        (say("需求清单", "needs"), [needs]),
        (say("项目清单", "projects"), [projects]),
        (say("资源清单", "resources"), resources),
        (say("分网格分月", "by grid and month"), [grids_sheet(demand, community)]),
        (say("范围准不准", "intervals"), [coverage]),
    ]
    return {
        DEMAND: demand_table(demand),
        LIST_PAGE: page.encode(),
        LIST_BOOK: needs_workbook(needs.title, book, as_of),
        CANDIDATES: needs_workbook(
            say("项目候选家庭", "candidates"), _candidate_sheets(named, proposals, community), as_of
        ),
    }


def _candidate_sheets(
    named: pd.DataFrame, proposals: Proposals, community: Community
) -> list[tuple[str, list[Sheet]]]:
    """Make a worksheet for each proposed project, or one that says that there is none."""
    note = say(
        "只给社区统筹看，不外传。越可能来申请的越靠前，一个名额列三户；谢绝走访的不列。只作参考，不算认定。",
        "For coordinators only. The likeliest to ask first, three for each seat; without households that refuse"
        " lists. A suggestion, not a finding.",
    )
    columns: list[Column] = [
        (say("户号", "household"), 14, "household_id"),
        (say("网格", "grid"), 10, "grid_id"),
        (say("微网格", "micro-grid"), 12, "microgrid_id"),
        (say("可能会申请", "chance"), 11, lambda row: f"{row['p_request']:.1%}"),
        (say("上次申请", "last asked"), 12, "last_asked"),
    ]
    needs = {need.id: need.name.here for need in community.needs}
    sheets: list[tuple[str, list[Sheet]]] = []
    projects = proposals.projects.to_dict("records")
    for place in sorted(set(named["project"])):
        project, rows = projects[place], named[named["project"] == place]
        name = needs[project["need"]]
        seats = say(f"{name}（{project['seats']} 个名额）", f"{name} ({project['seats']} seats)")
        table = table_of(seats, note, rows.to_dict("records"), columns)
        sheets.append((name, [table]))
    nothing = table_of(say("这次没有新项目", "no projects this time"), "", [], columns)
    return sheets or [(nothing.title, [nothing])]
