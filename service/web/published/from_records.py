"""What the service needs of the records, written beside the published weeks: refusals and outcomes.

Every command that changes records writes both anew; a running service looks for refusals as it does for a new week, and
sees at once that the file of outcomes has changed.
"""

import json
from collections.abc import Mapping
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from features.atomic import read_json, write_atomically
from features.store.database import STORE, read_store
from features.store.register_changes import show_changes
from features.store.sql import held
from service.web.published.week_files import SERVED, read_pointer

REFUSALS = "refusals.json"
OPT_OUTS = f'SELECT household_id, CAST("from" AS DATE), CAST(until AS DATE) FROM {held("opt_outs")}'
DO_NOT_CONTACT = f"""SELECT household_id, CAST(min(recorded_at) AS DATE), NULL FROM {held("feedback")}
    WHERE kind = 'do_not_contact' GROUP BY household_id"""
IN_WEEK = f"""SELECT household_id FROM {held("opt_outs")}
    WHERE coalesce("from", '-infinity'::TIMESTAMP) < ? AND coalesce(until, 'infinity'::TIMESTAMP) > ?
    UNION SELECT household_id FROM {held("feedback")} WHERE kind = 'do_not_contact'"""
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
    if not (workspace / STORE).is_file():
        return
    _publish_refusals(workspace)
    weeks = [as_of.replace("-", "") for as_of in read_pointer(workspace)["weeks"]]
    with read_store(workspace) as connection:
        rows = connection.execute(OUTCOMES, [weeks]).fetchall()
    outcomes: dict[str, list[tuple[str, str, bool]]] = {}
    for outreach_id, outcome, contacted_on, current in rows:
        outcomes.setdefault(outreach_id, []).append((outcome, contacted_on.isoformat(), current))
    write_atomically(workspace / SERVED / RECORDED, json.dumps(outcomes).encode())


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
        for outreach_id, rows in read_json(path).items()
    }


def _publish_refusals(workspace: Path) -> None:
    """Write ``served/refusals.json``: each refusal's household, first day, and the day from which it has ended."""
    with read_store(workspace) as connection:
        show_changes(connection)
        rows = connection.execute(f"{OPT_OUTS} UNION ALL {DO_NOT_CONTACT}").fetchall()
    plain = sorted((row[0], str(row[1] or date.min), str(row[2] or date.max)) for row in rows)
    write_atomically(workspace / SERVED / REFUSALS, json.dumps(plain, ensure_ascii=False).encode())


def refusing_in_week(workspace: Path, as_of: date) -> frozenset[str]:
    """Return the households that refuse lists of the week from a date, by the records as they are now."""
    if not (workspace / STORE).is_file():
        return frozenset()
    with read_store(workspace) as connection:
        show_changes(connection)
        rows = connection.execute(IN_WEEK, [as_of + timedelta(days=7), as_of]).fetchall()
    return frozenset(household for (household,) in rows)


def refusing_on(workspace: Path, day: date) -> frozenset[str]:
    """Return the households that refuse on a day, as the records last said."""
    rows = read_json(workspace / SERVED / REFUSALS, [])
    return frozenset(household for household, begins, until in rows if begins <= day.isoformat() < until)
