"""Put together what a coordinator looks at on Monday: what changed, who did not visit, which needs grow, the month.

Everything is a number or a name of the office's own, so that a page can say it in the language of whoever reads.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from features.atomic import read_json, write_atomically
from features.contract.community import Community
from models.monitoring.week_counts import MONTH, SPANS, WeekCounts

Row = dict[str, Any]
Brief = dict[str, Any]
LISTED = ("outreach_id", "worker_id", "grid_id", "microgrid_id")  # columns of every pair ever listed
EMPTY: Brief = {  # of a week from before there were briefs
    **{name: [] for name in ("changed", "needs", "unvisited", "grids", "workers")},
    "targets": {"visits_per_worker": None, "never_visited": None, "promises_kept": None},
}
BRIEF, PROJECTS = "brief.json", "projects.json"  # files of a week
SAME = ("week", "week_before", "week_last_year")


def brief_of(
    counts: WeekCounts,
    before: pd.DataFrame | None,
    listed: pd.DataFrame,
    workers: pd.DataFrame,
    as_of: int,
    community: Community,
) -> Brief:
    """Put the brief of a week together.

    counts: of the whole town, up to the as-of day.
    before: the list before, with the columns of ``LISTED`` and household_id; None where there is none.
    listed: columns LISTED of every pair ever listed.
    workers: columns worker_id and name.
    as_of: days since 1970.
    community: settings, of which the targets are shown.

    Returns changed, needs, unvisited, grids, workers: lists of rows of numbers; targets: what the office set.
    """
    names = dict(zip(workers["worker_id"], workers["name"], strict=True))
    place = listed.drop_duplicates("outreach_id").set_index("outreach_id")
    month = _of_workers(counts.visits[counts.visits["day"] >= as_of - MONTH], place, names)
    promised = _of_workers(counts.promised, place, names)
    return {
        "changed": _changed(counts, as_of),
        "needs": counts.requests[["need", "month", "month_before", "month_last_year"]].to_dict("records"),
        "unvisited": _unvisited(counts, before, names),
        "grids": [
            {**row, **_month_of(row["grid_id"], "grid_id", month, promised, as_of)}
            for row in _plain(counts.grids)
        ],
        "workers": [
            {"name": name, **_month_of(name, "name", month, promised, as_of)}
            for name in sorted({*month["name"], *promised["name"]} - {""})
        ],
        "targets": community.targets.model_dump(),
    }


def _plain(frame: pd.DataFrame) -> list[Row]:
    """Turn a table into rows; what is not known becomes None."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _changed(counts: WeekCounts, as_of: int) -> list[Row]:
    """Count requests, visited households and needs found in the last week, the week before, and a year ago."""
    rows: list[Row] = [{"what": "requests", **{span: int(counts.requests[span].sum()) for span in SAME}}]
    spans = {span: _within(counts.visits, as_of, span) for span in SAME}
    return [
        *rows,
        {"what": "visits", **{span: _homes(visits) for span, visits in spans.items()}},
        {"what": "found", **{span: int(visits["found"].sum()) for span, visits in spans.items()}},
    ]


def _within(visits: pd.DataFrame, as_of: int, span: str) -> pd.DataFrame:
    begin, end = SPANS[span]
    return visits[(visits["day"] >= as_of - begin) & (visits["day"] < as_of - end)]


def _homes(visits: pd.DataFrame) -> int:
    """Count visits: a household that was asked about several needs on a day was visited once."""
    return len(visits.drop_duplicates(["household_id", "day"]))


def _of_workers(rows: pd.DataFrame, place: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Add the worker's name to rows with an outreach_id: the micro-grid's where there is no table of workers."""
    home = place.reindex(rows["outreach_id"])
    worker = home["worker_id"].fillna("").astype(str).to_numpy()
    beside = (home["grid_id"].fillna("") + " " + home["microgrid_id"].fillna("")).str.strip().to_numpy()
    name = [names.get(worker_id) or worker_id or area for worker_id, area in zip(worker, beside, strict=True)]
    return rows.assign(name=pd.Series(name, index=rows.index, dtype=object))


def _unvisited(counts: WeekCounts, before: pd.DataFrame | None, names: dict[str, str]) -> list[Row]:
    """Count, by worker, the households of the list before and those of them that have an outcome, paper included."""
    if before is None or before.empty:
        return []
    rows = _of_workers(before, before.drop_duplicates("outreach_id").set_index("outreach_id"), names)
    rows = rows.assign(done=rows["outreach_id"].isin(counts.visits["outreach_id"]))
    homes = rows.groupby(["grid_id", "name", "household_id"], sort=True)["done"].any().reset_index()
    table = (
        homes.groupby(["grid_id", "name"], sort=True)["done"].agg(listed="size", visited="sum").reset_index()
    )
    return _plain(table)


def _month_of(value: str, column: str, visits: pd.DataFrame, promised: pd.DataFrame, as_of: int) -> Row:
    """Sum up the month of one grid or worker, whose rows have this value."""
    return _month_row(visits[visits[column] == value], promised[promised[column] == value], as_of)


def _month_row(visits: pd.DataFrame, promised: pd.DataFrame, as_of: int) -> Row:
    """Sum up the visits and promises of one grid or worker in the month before the as-of day."""
    made = _homes(visits)
    met = _homes(visits[visits["found"]])
    return {
        "visits": made,
        "met": _homes(visits[visits["met"]]),
        "found": met,
        "found_per_100": round(100 * met / made) if made else None,
        "last": int(as_of - visits["day"].max()) if made else None,
        "promised": len(promised),
        "kept": int(promised["kept"].sum()),
    }


def of_grids(brief: Brief, grids: Sequence[str]) -> Brief:
    """Return the part of a brief about some grids; what is about the whole town is left out."""
    return {
        **{name: [] for name in ("changed", "needs", "workers")},
        "unvisited": [row for row in brief["unvisited"] if row["grid_id"] in grids],
        "grids": [row for row in brief["grids"] if row["grid_id"] in grids],
        "targets": brief["targets"],
    }


def keep_brief(home: Path, brief: Brief) -> None:
    """Write a week's brief into its directory ``home``."""
    write_atomically(home / BRIEF, orjson.dumps(brief, option=orjson.OPT_SERIALIZE_NUMPY))


def keep_projects(home: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a week's proposed projects (``decisions.project_rows``) into its directory ``home``."""
    write_atomically(home / PROJECTS, orjson.dumps(list(rows), option=orjson.OPT_SERIALIZE_NUMPY))


def read_brief(home: Path) -> Brief | None:
    """Read a week's brief; None where none was made."""
    return read_json(home / BRIEF)


def read_projects(home: Path) -> list[dict[str, Any]]:
    """Read a week's proposed projects; none where its demand was not computed."""
    return read_json(home / PROJECTS, [])
