"""Write the files that are handed out for a week: a workbook and a page for each grid, and the overview."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from features.atomic import write_atomically
from features.contract.community import Community
from features.language import UserError, grid_words, say, say_line
from service.lists.feedback_week import FeedbackWeek
from service.lists.pages import grid_page
from service.lists.visit_rows import script
from service.lists.workbook import workbook
from service.returns.filled_rows import NoList, filled_rows

COORDINATORS, COORDINATORS_FILE = "", "coordinators"  # key of their list beside the grids', and its file
OURS = re.compile(r"(grid-.*|coordinators)\.(xlsx|html)")


def list_files(
    visits: pd.DataFrame,
    names: Mapping[str, str],
    community: Community,
    as_of: date,
    notes: Sequence[str],
    feedback: FeedbackWeek | None,
    shown: bool = False,
) -> tuple[dict[str, bytes], dict[str, dict[str, str]]]:
    """Make the workbooks and pages of the visits.

    ``visits``: described visits, in the order of the lists. ``names``: file name of each grid, without its ending.
    ``notes``: lines that stand below each title. ``feedback``: the week's feedback, for the coordinators' workbook.
    ``shown``: whether to show a progress bar.

    Returns the content of each file by its name, and by grid the names of its workbook and page.
    """
    key, words = visits["grid_id"].where(~visits["coordinator"], COORDINATORS), script(community)
    files: dict[str, bytes] = {}
    links: dict[str, dict[str, str]] = {}
    for grid, rows in tqdm(
        visits.groupby(key, sort=False), desc=say("名单", "lists"), delay=2, leave=False, disable=not shown
    ):
        name = names.get(str(grid), COORDINATORS_FILE)
        which = grid_words(str(grid)) if grid else say("社区统筹", "coordinators")
        title = f"{community.community.name} · {which}"
        of_week = feedback if name == COORDINATORS_FILE else None
        files[f"{name}.xlsx"] = workbook(title, words, rows, as_of, of_week, notes)
        files[f"{name}.html"] = grid_page(title, words, rows, as_of, notes).encode()
        links[str(grid)] = {"workbook": f"{name}.xlsx", "page": f"{name}.html"}
    if feedback and f"{COORDINATORS_FILE}.xlsx" not in files:
        title = f"{community.community.name} · " + say("社区统筹", "coordinators")
        files[f"{COORDINATORS_FILE}.xlsx"] = workbook(title, words, visits[:0], as_of, feedback)
        links[COORDINATORS] = {"workbook": f"{COORDINATORS_FILE}.xlsx"}
    return files, links


def file_names(grids: list[str]) -> dict[str, str]:
    """Return a file name for each grid, without its ending: safe on every system, and different from each other."""
    names: dict[str, str] = {}
    for grid in grids:
        safe = re.sub(r'[<>:"/\\|?*\x00-\x1f\s]+', "_", grid).strip("._")[:60] or "0"
        name, number = f"grid-{safe}", 2
        while name.lower() in {name.lower() for name in names.values()}:
            name, number = f"grid-{safe}-{number}", number + 1
        names[grid] = name
    return names


def remove_others(directory: Path, names: Collection[str]) -> list[str]:
    """Remove lists of grids that are no longer visited; rename filled-in workbooks, and return lines on these."""
    lines = []
    for path in sorted(directory.iterdir()):
        if OURS.fullmatch(path.name) and path.name not in names:
            lines += _out_of_the_way(path)
            path.unlink(missing_ok=True)
    return lines


def write_lists(directory: Path, files: Mapping[str, bytes]) -> list[str]:
    """Write the files that have changed, each whole or not at all.

    A workbook that somebody has filled in is renamed first; returns a line on each of these.
    """
    lines = []
    for name, content in files.items():
        path = directory / name
        if path.is_file() and path.read_bytes() == content:
            continue
        lines += _out_of_the_way(path)
        write_atomically(path, content)
    return lines


def _out_of_the_way(path: Path) -> list[str]:
    """Rename a workbook that somebody has filled in, and return a line on it; else do nothing."""
    if path.suffix != ".xlsx" or not path.is_file() or not _is_filled(path):
        return []
    kept = _spare_name(path)
    path.rename(kept)
    return say_line(
        f"{path} 有人填过，改名留着：{kept.name}",
        f"{path} holds outcomes; kept as {kept.name}",
    )


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
