"""Refusals in the records, written beside the published weeks: what a file or workbook brought holds in the service.

Every command that changes records writes them anew; a running service looks for them as it does for a new week.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any

from features.atomic import write_atomically
from features.store.database import STORE, open_store
from features.store.register_changes import show_changes
from service.web.published.week_files import SERVED

REFUSALS = "refusals.json"
OPT_OUTS = """SELECT household_id, CAST("from" AS DATE), CAST(until AS DATE) FROM opt_outs WHERE superseded_at IS NULL"""
DO_NOT_CONTACT = """SELECT household_id, CAST(min(recorded_at) AS DATE), NULL FROM feedback
    WHERE superseded_at IS NULL AND kind = 'do_not_contact' GROUP BY household_id"""


def publish_refusals(workspace: Path) -> None:
    """Write ``served/refusals.json``: each refusal's household, first day, and the day from which it has ended."""
    if not (workspace / STORE).is_file():
        return
    rows: list[tuple[Any, ...]] = []
    with open_store(workspace, read_only=True) as connection:
        show_changes(connection)
        there = {row[0] for row in connection.execute("SHOW TABLES").fetchall()}
        for table, query in (("opt_outs", OPT_OUTS), ("feedback", DO_NOT_CONTACT)):
            rows += connection.execute(query).fetchall() if table in there else []
    plain = sorted((row[0], str(row[1] or date.min), str(row[2] or date.max)) for row in rows)
    write_atomically(workspace / SERVED / REFUSALS, json.dumps(plain, ensure_ascii=False).encode())


def refusing_on(workspace: Path, day: date) -> frozenset[str]:
    """Return the households that refuse on a day, as the records last said."""
    try:
        rows = json.loads((workspace / SERVED / REFUSALS).read_text("utf-8"))
    except FileNotFoundError:
        return frozenset()
    return frozenset(household for household, begins, until in rows if begins <= day.isoformat() < until)
