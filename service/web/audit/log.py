"""The audit log: who saw or changed what, why and when; append-only, each entry chained to the one before."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson
from sqlalchemy import ColumnElement, or_, select, text
from sqlalchemy.orm import Session

from features.language import UserError
from service.web.audit.anchor import lost_heads
from service.web.audit.journal import BEGINNING
from service.web.database.engine import Database
from service.web.database.tables import Entry

COLUMNS = ("id", "at", "who", "action", "subject", "purpose", "detail")
CHAIN_LOCK = 7263


def entry_hash(number: int, previous: str, values: Sequence[str]) -> str:
    """Compute the SHA-256 of an entry, chained to the hash of the one before.

    ``values``: those of ``COLUMNS``.
    """
    return hashlib.sha256(orjson.dumps((number, previous, *values))).hexdigest()


def append(session: Session, lines: Sequence[Sequence[str]]) -> int:
    """Add journal lines to the chain in this transaction, and return how many; lines already there are left out.

    One statement stores them all: between the rows of several the processor would go to and fro with requests.
    """
    connection, mark = session.connection(), "?"
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": CHAIN_LOCK})
        mark = "%s"
    marks = ", ".join([mark] * len(lines))
    found = connection.exec_driver_sql(
        f"SELECT id FROM audit WHERE id IN ({marks})", tuple(line[0] for line in lines)
    )
    stored = {identity for (identity,) in found}
    last = session.execute(select(Entry.number, Entry.hash).order_by(Entry.number.desc()).limit(1)).first()
    number, previous = (last.number, last.hash) if last else (0, BEGINNING)
    values: list[str | int] = []
    rows = 0
    for line in lines:
        if line[0] in stored:
            continue
        rows += 1
        digest = entry_hash(number + rows, previous, line)
        values += number + rows, *line, previous, digest
        previous = digest
    if rows:
        row = f"({', '.join([mark] * (len(values) // rows))})"
        connection.exec_driver_sql(
            f"INSERT INTO audit (number, {', '.join(COLUMNS)}, previous, hash) VALUES {', '.join([row] * rows)}",
            tuple(values),
        )
    return rows


def enter(session: Session, who: str, action: str, subject: str, purpose: str = "", detail: str = "") -> None:
    """Add an audit entry to ``session``, so that it commits or rolls back with the change it records.

    ``who``: such as user:LOGIN. ``action``: such as resident.refuse. ``subject``: the household or other thing, "" for
    none.
    """
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    append(session, [(uuid4().hex, at, who, action, subject, purpose, detail)])


@dataclass(frozen=True)
class Verified:
    """The result of checking the whole chain: number of entries, last hash, and number of the first broken entry.

    ``lost``: the largest number of entries among the heads stored elsewhere that the log no longer has.
    """

    entries: int
    head: str
    broken: int | None
    lost: int | None = None


def verify(database: Database, workspace: Path | None = None) -> Verified:
    """Compute every hash again, and compare the log with the heads stored in a workspace."""
    lost = (
        max((head.entries for head in lost_heads(database, workspace)), default=None) if workspace else None
    )
    number, previous = 0, BEGINNING
    for entry in _entries(database):
        number += 1
        values = [getattr(entry, column) for column in COLUMNS]
        if (
            entry.number != number
            or entry.previous != previous
            or entry.hash != entry_hash(number, previous, values)
        ):
            return Verified(number, previous, number, lost)
        previous = entry.hash
    return Verified(number, previous, None, lost)


def _entries(database: Database) -> Iterator[Entry]:
    last = 0
    while True:
        with database.reading() as session:
            batch = list(
                session.scalars(select(Entry).where(Entry.number > last).order_by(Entry.number).limit(5000))
            )
        yield from batch
        if not batch:
            return
        last = batch[-1].number


def about(household_id: str) -> ColumnElement[bool]:
    """Return the condition of entries on a household, alone or among others."""
    among = Entry.subject.contains(f"\n{household_id}\n", autoescape=True)
    return or_(Entry.subject == household_id, among)


def newest_entries(
    database: Database, household_id: str | None, who: str | None, before: int | None, limit: int
) -> list[Entry]:
    """Return at most ``limit`` entries, the newest first.

    ``household_id``, ``who``: only entries about this household, or by this person or key. ``before``: only entries
    with a smaller number.
    """
    query = select(Entry).order_by(Entry.number.desc()).limit(limit)
    if household_id is not None:
        query = query.where(about(household_id))
    if who is not None:
        query = query.where(Entry.who == who)
    if before is not None:
        query = query.where(Entry.number < before)
    with database.reading() as session:
        return list(session.scalars(query))


def check_head(database: Database, head: str) -> None:
    """Compare the log with a COUNT:HASH noted earlier. Raises UserError when that entry has changed or is missing."""
    count, _, digest = head.partition(":")
    with database.reading() as session:
        entry = session.get(Entry, int(count)) if count.isdecimal() else None
    if entry is None or entry.hash != digest.strip():
        raise UserError(
            f"与记下的第 {count} 条不符：日志被改动或截断过",
            f"entry {count} is not the one that was noted: the log was changed or cut off",
        )
