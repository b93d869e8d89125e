"""The files that are handed out for a week: a workbook and a page for each grid, and the overview."""

import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from tqdm import tqdm

from features.atomic import write_atomically
from features.language import UserError, say
from features.records import Known
from models.demand import expected_demand
from models.programmes import against_seats
from service.feedback_week import FeedbackWeek
from service.filled import NoList, filled_rows
from service.lists import script
from service.pages import grid_page, overview_page
from service.workbook import workbook

if TYPE_CHECKING:
    from models.model import NeedModel

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
    key = visits["grid_id"].where(~visits["coordinator"], COORDINATORS)
    names = file_names([one for one in key.unique() if one != COORDINATORS])
    community, words = known.community, script(known.community)
    files: dict[str, bytes] = {}
    links: dict[str, dict[str, str]] = {}
    silent = "" if model and model.visited else say(" · 未纠正“不开口”的家庭", " · silence is not corrected")
    for grid, rows in tqdm(visits.groupby(key, sort=False), desc=say("名单", "lists"), delay=2, leave=False):
        name = names.get(str(grid), COORDINATORS_FILE)
        which = say(f"网格 {grid}", f"grid {grid}") if grid else say("社区统筹", "coordinators")
        title = f"{community.community.name} · {which}{silent}"
        told = feedback if name == COORDINATORS_FILE else None
        files[f"{name}.xlsx"] = workbook(title, words, rows, as_of, told)
        files[f"{name}.html"] = grid_page(title, words, rows, as_of).encode()
        links[str(grid)] = {"workbook": f"{name}.xlsx", "page": f"{name}.html"}
    if feedback and f"{COORDINATORS_FILE}.xlsx" not in files:
        title = f"{community.community.name} · " + say("社区统筹", "coordinators")
        files[f"{COORDINATORS_FILE}.xlsx"] = workbook(title, words, visits[:0], as_of, feedback)
        links[COORDINATORS] = {"workbook": f"{COORDINATORS_FILE}.xlsx"}
    demand = expected_demand(scores, known, model.spread if model else None)
    seats = against_seats(demand, community, known.as_of)
    tiers = risk_tiers(risk, known)
    overview = overview_page(community, visits, tiers, demand, seats, links, lines, as_of, feedback)
    return {**files, "overview.html": overview.encode()}


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
    household = pd.Index(known.records.household_ids).get_indexer(pd.Index(risk["household_id"]))
    risk, household = risk[household >= 0], household[household >= 0]
    grid = known.records.grid_ids[known.grid[household]]
    return pd.DataFrame({"grid_id": grid, "tier": risk["tier"].astype(str).to_numpy()})


def write_handout(directory: Path, files: dict[str, bytes]) -> list[str]:
    """Write the files, each whole or not at all; lines on older ones that were in the way.

    A workbook that somebody has filled in where it lay is never overwritten: it keeps its content under
    another name. Lists of grids that are no longer visited are removed.
    """
    lines = []
    directory.mkdir(parents=True, exist_ok=True)
    old = {path.name: path for path in directory.iterdir() if OURS.fullmatch(path.name)}
    for name, path in sorted(old.items()):
        if path.read_bytes() == files.get(name):
            continue
        if path.suffix == ".xlsx" and _is_filled(path):
            kept = _spare_name(path)
            path.rename(kept)
            lines.append(
                say(
                    f"{path} 已有填写内容，改名保留为 {kept.name}",
                    f"{path} holds outcomes; kept as {kept.name}",
                )
            )
        elif name not in files:
            path.unlink()
    for name, content in files.items():
        path = directory / name
        if not path.is_file() or path.read_bytes() != content:
            write_atomically(path, content)
    return lines


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
