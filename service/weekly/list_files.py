"""The files that are handed out for a week: a workbook and a page for each grid, and the overview."""

import re
from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from tqdm import tqdm

from features.atomic import write_atomically
from features.contract.community import Community
from features.language import UserError, grid_words, say
from features.point_in_time.records import Known, positions_of
from models.demand.expected import expected_demand
from models.demand.programmes import against_seats
from service.lists.feedback_week import FeedbackWeek
from service.lists.pages import grid_page, overview_page
from service.lists.visit_rows import script
from service.lists.workbook import workbook
from service.returns.filled_rows import NoList, filled_rows

if TYPE_CHECKING:
    from models.scoring.model import NeedModel

COORDINATORS, COORDINATORS_FILE = "", "coordinators"  # key of their list beside the grids', and its file
OURS = re.compile(r"(grid-.*|coordinators)\.(xlsx|html)")


def handout(
    visits: pd.DataFrame,
    known: Known,
    scores: pd.DataFrame,
    risk: pd.DataFrame,
    lines: list[str],
    as_of: date,
    feedback: FeedbackWeek,
    model: "NeedModel | None" = None,
) -> dict[str, bytes]:
    """Content of every file of the week, by its name.

    ``visits``: described visits in the order of the lists; ``scores``, ``risk``: the contract's columns;
    ``feedback`` stands in the coordinators' workbook, its sums in the overview; ``model`` says how demand
    scatters, and whether the lists know of needs that nobody voices.
    """
    key = _list_of(visits)
    names = file_names([one for one in key.unique() if one != COORDINATORS])
    corrected = bool(model and model.visited)
    files, links = list_files(visits, names, known.community, as_of, corrected, feedback, shown=True)
    demand = expected_demand(scores, known, model.spread if model else None)
    seats = against_seats(demand, known.community, known.as_of)
    tiers = risk_tiers(risk, known)
    overview = overview_page(known.community, visits, tiers, demand, seats, links, lines, as_of, feedback)
    return {**files, "overview.html": overview.encode()}


def _list_of(visits: pd.DataFrame) -> pd.Series:
    """The grid on whose list each row stands; COORDINATORS for theirs."""
    return visits["grid_id"].where(~visits["coordinator"], COORDINATORS)


def list_files(
    visits: pd.DataFrame,
    names: Mapping[str, str],
    community: Community,
    as_of: date,
    corrected: bool,
    feedback: FeedbackWeek | None,
    shown: bool = False,
) -> tuple[dict[str, bytes], dict[str, dict[str, str]]]:
    """The workbooks and pages of these visits by their file names, and links to them by grid.

    ``names``: file name of each grid, without its ending. ``corrected``: whether the lists know of needs that nobody
    voices. ``shown``: with a bar of progress.
    """
    key, words = _list_of(visits), script(community)
    files: dict[str, bytes] = {}
    links: dict[str, dict[str, str]] = {}
    silent = "" if corrected else say(" · 未纠正“不开口”的家庭", " · silence is not corrected")
    for grid, rows in tqdm(
        visits.groupby(key, sort=False), desc=say("名单", "lists"), delay=2, leave=False, disable=not shown
    ):
        name = names.get(str(grid), COORDINATORS_FILE)
        which = grid_words(str(grid)) if grid else say("社区统筹", "coordinators")
        title = f"{community.community.name} · {which}{silent}"
        told = feedback if name == COORDINATORS_FILE else None
        files[f"{name}.xlsx"] = workbook(title, words, rows, as_of, told)
        files[f"{name}.html"] = grid_page(title, words, rows, as_of).encode()
        links[str(grid)] = {"workbook": f"{name}.xlsx", "page": f"{name}.html"}
    if feedback and f"{COORDINATORS_FILE}.xlsx" not in files:
        title = f"{community.community.name} · " + say("社区统筹", "coordinators")
        files[f"{COORDINATORS_FILE}.xlsx"] = workbook(title, words, visits[:0], as_of, feedback)
        links[COORDINATORS] = {"workbook": f"{COORDINATORS_FILE}.xlsx"}
    return files, links


def file_names(grids: list[str]) -> dict[str, str]:
    """A file name (without its ending) for each grid: safe on every system, and different from each other."""
    names: dict[str, str] = {}
    for grid in grids:
        safe = re.sub(r'[<>:"/\\|?*\x00-\x1f\s]+', "_", grid).strip("._")[:60] or "0"
        name, number = f"grid-{safe}", 2
        while name.lower() in {one.lower() for one in names.values()}:
            name, number = f"grid-{safe}-{number}", number + 1
        names[grid] = name
    return names


def risk_tiers(risk: pd.DataFrame, known: Known) -> pd.DataFrame:
    """Columns grid_id, tier: one row for each household of risk.parquet."""
    household = positions_of(risk["household_id"], known.household_ids)
    risk, household = risk[household >= 0], household[household >= 0]
    grid = known.grid_ids[known.grid[household]]
    return pd.DataFrame({"grid_id": grid, "tier": risk["tier"].astype(str).to_numpy()})


def write_handout(directory: Path, files: dict[str, bytes]) -> list[str]:
    """Write the files, each whole or not at all; lines on older ones that were in the way.

    A workbook that somebody has filled in where it lay is never overwritten: it keeps its content under
    another name. Lists of grids that are no longer visited are removed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lines = remove_others(directory, set(files))
    return [*lines, *write_lists(directory, files)]


def remove_others(directory: Path, names: Collection[str]) -> list[str]:
    """Remove lists of grids that are no longer visited, but for workbooks that were filled in; lines on those."""
    lines = []
    for path in sorted(directory.iterdir()):
        if OURS.fullmatch(path.name) and path.name not in names:
            lines += _out_of_the_way(path)
            path.unlink(missing_ok=True)
    return lines


def write_lists(directory: Path, files: Mapping[str, bytes]) -> list[str]:
    """Write files that have changed, each whole or not at all; lines on filled-in workbooks that were in the way."""
    lines = []
    for name, content in files.items():
        path = directory / name
        if path.is_file() and path.read_bytes() == content:
            continue
        lines += _out_of_the_way(path)
        write_atomically(path, content)
    return lines


def _out_of_the_way(path: Path) -> list[str]:
    """Give a workbook that somebody has filled in another name; a line where that was so."""
    if path.suffix != ".xlsx" or not path.is_file() or not _is_filled(path):
        return []
    kept = _spare_name(path)
    path.rename(kept)
    return [
        say(
            f"{path} 已有填写内容，改名保留为 {kept.name}",
            f"{path} holds outcomes; kept as {kept.name}",
        )
    ]


def _is_filled(path: Path) -> bool:
    try:
        return any(filled_rows(path))
    except NoList:
        return False
    except UserError:
        return True  # unreadable: not ours to throw away


def _spare_name(path: Path) -> Path:
    number = 1
    while (spare := path.with_name(f"filled-{number}-{path.name}")).exists():
        number += 1
    return spare
