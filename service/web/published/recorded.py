"""Outcomes in the records, written beside the published weeks: what paper brought counts in the service.

Every command that changes records writes them anew; a running service sees that the file has changed.
"""

import json
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from features.atomic import write_atomically
from features.store.database import STORE, has_tables, open_store
from service.web.published.refusals import publish_refusals
from service.web.published.week_files import SERVED, read_pointer

RECORDED = "recorded.json"
OUTCOMES = """SELECT outreach_id, outcome, CAST(contacted_at AS DATE), superseded_at IS NULL FROM outreach
    WHERE outcome IS NOT NULL AND list_contains(?, substr(outreach_id, 1, 8)) ORDER BY outreach_id, known_from"""


class Recorded(NamedTuple):
    """An outcome that the records hold, or held until another one took its place."""

    outcome: str
    contacted_on: date
    current: bool


def publish_from_records(workspace: Path) -> None:
    """Write what the service needs of the records: refusals, and outcomes of the weeks that are served."""
    publish_refusals(workspace)
    if not (workspace / STORE).is_file():
        return
    weeks = [as_of.replace("-", "") for as_of in read_pointer(workspace)["weeks"]]
    with open_store(workspace, read_only=True) as connection:
        rows = connection.execute(OUTCOMES, [weeks]).fetchall() if has_tables(connection) else []
    found: dict[str, list[tuple[str, str, bool]]] = {}
    for outreach_id, outcome, contacted_on, current in rows:
        found.setdefault(outreach_id, []).append((outcome, contacted_on.isoformat(), current))
    write_atomically(workspace / SERVED / RECORDED, json.dumps(found).encode())


def recorded_outcomes(workspace: Path) -> Mapping[str, tuple[Recorded, ...]]:
    """Return the outcomes of each row of the served lists that the records hold or held, by outreach_id."""
    path = workspace / SERVED / RECORDED
    try:
        return _read(path, path.stat().st_mtime_ns)
    except FileNotFoundError:
        return {}


@lru_cache(maxsize=4)
def _read(path: Path, changed: int) -> Mapping[str, tuple[Recorded, ...]]:
    """Read the file once for each time that it ``changed``."""
    return {
        outreach_id: tuple(
            Recorded(outcome, date.fromisoformat(day), current) for outcome, day, current in rows
        )
        for outreach_id, rows in json.loads(path.read_text("utf-8")).items()
    }
