"""What changes the lists at once: households that refuse or are being deleted, and visits that were handed over."""

import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import select

from service.web.database.engine import Database
from service.web.database.tables import ENDS_RECORDED, Deletion, Reassignment, Refusal
from service.web.published.from_records import refusing_on

MOST_HANDED_OVER = 10_000  # the newest: lists of long ago are not served any more


class Restrictions:
    """The households that refuse or are being deleted, and who took over visits, as of the last ``refresh``.

    The process that changes them refreshes at once. ``today`` returns the date in the community.
    """

    def __init__(self, workspace: Path, database: Database, today: Callable[[], date]) -> None:
        self._workspace = workspace
        self._database = database
        self._today = today
        self.refusing: frozenset[str] = frozenset()
        self.deleted: frozenset[str] = frozenset()
        # by week and household: the worker's id, "" where the list's own worker has it again, and name, and by whom
        self.taken_over: dict[tuple[str, str], tuple[str, str, str]] = {}
        self.version = 0
        self._asking = threading.Lock()

    def refresh(self) -> None:
        """Read the database and the records again, one thread at a time: no older answer replaces a newer one."""
        with self._asking:
            self._refresh()

    def _refresh(self) -> None:
        today = self._today()
        with self._database.reading() as session:
            rows = session.execute(select(Refusal.household_id, Refusal.begins_on, Refusal.until)).all()
            ended_here = select(Refusal.household_id).where(ENDS_RECORDED, Refusal.drained_at.is_(None))
            recorded = refusing_on(self._workspace, today)
            refusing = frozenset(
                household
                for household, begins, until in rows
                if until is None or until > max(begins, today)  # noted is begun, wherever the clock stands
            ) | (recorded - set(session.scalars(ended_here)))
            named = session.scalars(select(Deletion.household_id).where(Deletion.household_id.is_not(None)))
            deleted = frozenset(refusal for refusal in named if refusal)
            newest = select(Reassignment).order_by(Reassignment.id.desc()).limit(MOST_HANDED_OVER)
            taken_over = {
                (row.as_of.isoformat(), row.household_id): (row.worker_id, row.worker_name, row.by)
                for row in reversed(session.scalars(newest).all())
            }
        if (refusing, deleted, taken_over) != (self.refusing, self.deleted, self.taken_over):
            self.refusing, self.deleted, self.taken_over = refusing, deleted, taken_over
            self.version += 1

    def listed(self, household_id: str) -> bool:
        """Tell whether a household may stand on a list."""
        return household_id not in self.refusing and household_id not in self.deleted

    def reassigned(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return a row of a list with the worker who took the visit over and whose it was, or the row itself.

        A visit that was taken back is its first worker's as before.
        """
        worker, name, by = self.taken_over.get((row["as_of"], row["household_id"]), ("", "", ""))
        if worker in ("", row["worker_id"]):
            return row
        whose = {"from_id": row["worker_id"], "from_name": row.get("worker_name") or row["worker_id"] or ""}
        return {**row, **whose, "given_by": by, "worker_id": worker, "worker_name": name}
