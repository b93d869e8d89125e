"""Store what a client sent: once, however often it is sent."""

from collections.abc import Iterable
from typing import TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.web.audit.log import enter
from service.web.base.problems import Problem
from service.web.database.engine import Database
from service.web.database.tables import NewRequest, Outcome, Remark

Sent = TypeVar("Sent", Outcome, NewRequest, Remark)


def store_once(
    database: Database,
    row: Sent,
    same: ColumnElement[bool],
    alike: Iterable[str],
    entry: tuple[str, str, str],
) -> Sent:
    """Store a row with its audit entry; return the row stored before where its sender sent it already.

    row: to store.
    same: tells which row of the sender's is this one.
    alike: columns in which the row stored before must be as this one.
    entry: of the audit log: its action, purpose and detail.

    Raises a problem where the row stored before was about something else.
    """
    table = type(row)

    def held(session: Session) -> Sent | None:
        return session.scalar(select(table).where(table.by == row.by, same))

    action, purpose, detail = entry
    try:
        with database.writing() as session:
            stored = held(session)
            if stored is None:
                session.add(row)
                session.flush()
                enter(session, row.by, action, row.household_id, purpose, detail)
                return row
    except IntegrityError:  # it arrived twice at once
        with database.reading() as session:
            stored = held(session)
            if stored is None:
                raise
    if any(getattr(stored, name) != getattr(row, name) for name in alike):
        raise Problem(
            409,
            "key-used",
            "这个 Idempotency-Key 已用于别的内容",
            "this Idempotency-Key was used for something else",
        )
    return stored
