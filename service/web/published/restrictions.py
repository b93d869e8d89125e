"""Households that refuse automated listing or are being deleted, and so are out of the service's sight at once."""

import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path

from sqlalchemy import select

from service.web.database.engine import Database
from service.web.database.tables import ENDS_RECORDED, Deletion, Refusal
from service.web.published.refusals import refusing_on


class Restrictions:
    """The households that refuse or are being deleted, as of the last ``refresh``.

    The process that changes them refreshes at once. ``today`` returns the date in the community.
    """

    def __init__(self, workspace: Path, database: Database, today: Callable[[], date]) -> None:
        self._workspace = workspace
        self._database = database
        self._today = today
        self.refusing: frozenset[str] = frozenset()
        self.deleted: frozenset[str] = frozenset()
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
            found = frozenset(
                household
                for household, begins, until in rows
                if begins <= today and (until is None or until > today)
            ) | (recorded - set(session.scalars(ended_here)))
            named = session.scalars(select(Deletion.household_id).where(Deletion.household_id.is_not(None)))
            deleted = frozenset(refusal for refusal in named if refusal)
        if (found, deleted) != (self.refusing, self.deleted):
            self.refusing, self.deleted, self.version = found, deleted, self.version + 1

    def listed(self, household_id: str) -> bool:
        """Tell whether a household may stand on a list."""
        return household_id not in self.refusing and household_id not in self.deleted
