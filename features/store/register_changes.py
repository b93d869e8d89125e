"""Households and people of the register that turned out to be the same, and people who moved: kept apart from the rows.

The rows stay as the exports gave them. A change counts from a time on and, once undone, until a time; views over the
tables show each row under the household that it counts for then, so a date before the change sees what it always saw.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import duckdb
import pyarrow as pa

from features.language import UserError
from features.store.sql import name

# ``distinct``: two households or people who are not the same, so that nobody is asked again
Kind = Literal["household", "person", "move", "distinct"]
TABLE = "register_changes"
COLUMNS = {
    "number": "INTEGER",
    "kind": "VARCHAR",
    "subject": "VARCHAR",  # the household or person that is another one, or the person who moved
    "target": "VARCHAR",  # the household or person that it is, or the household moved to
    "valid_from": "TIMESTAMP",  # of a move
    "since": "TIMESTAMP",  # from which the change is known
    "until": "TIMESTAMP",  # from which it is known to be undone
}
_EVER = datetime(1, 1, 1)
_SHOWN = "row:shown"


@dataclass(frozen=True)
class Change:
    """One change, as in ``COLUMNS``."""

    number: int
    kind: Kind
    subject: str
    target: str
    valid_from: datetime | None
    since: datetime
    until: datetime | None


def read_changes(connection: duckdb.DuckDBPyConnection) -> list[Change]:
    """Read all changes, the oldest first."""
    rows = connection.execute(
        f"SELECT {', '.join(map(name, COLUMNS))} FROM {TABLE} ORDER BY number"
    ).fetchall()
    return [Change(*row) for row in rows]


def add_change(
    connection: duckdb.DuckDBPyConnection,
    kind: Kind,
    subject: str,
    target: str,
    since: datetime,
    valid_from: datetime | None = None,
) -> Change:
    """Note a change, which counts from ``since``.

    connection: for writing.
    kind: ``household`` and ``person``: subject is the same as target; ``move``: the person moved to the household.
    subject, target: ids.
    since: local time from which it is known.
    valid_from: local time of a move.

    Raises UserError when an id isn't in the register, or the change would make a circle.
    """
    changes = read_changes(connection)
    if kind != "distinct":
        _require(connection, kind, subject, target)
    if kind in ("household", "person"):
        _refuse_circle(changes, kind, subject, target)
    change = Change(
        max((change.number for change in changes), default=0) + 1,
        kind,
        subject,
        target,
        valid_from,
        since,
        None,
    )
    connection.execute(f"INSERT INTO {TABLE} VALUES (?, ?, ?, ?, ?, ?, ?)", list(vars(change).values()))
    return change


def undo_change(connection: duckdb.DuckDBPyConnection, number: int, until: datetime) -> Change:
    """Note that a change is undone from ``until`` on, or its beginning where that is later.

    Raises UserError when there is no such change in force.
    """
    undone = [
        change for change in read_changes(connection) if change.number == number and change.until is None
    ]
    if not undone:
        raise UserError(f"没有可撤销的第 {number} 号变更", f"there is no change {number} to undo")
    end = max(until, undone[0].since)
    connection.execute(f"UPDATE {TABLE} SET until = ? WHERE number = ?", [end, number])
    return undone[0]


def _require(connection: duckdb.DuckDBPyConnection, kind: Kind, subject: str, target: str) -> None:
    """Raise UserError where the register doesn't have what a change names."""
    household, person = ("households", "household_id"), ("residents", "resident_id")
    for value, (table, column) in (
        (subject, household if kind == "household" else person),
        (target, person if kind == "person" else household),
    ):
        if not connection.execute(f"SELECT 1 FROM {table} WHERE {column} = ? LIMIT 1", [value]).fetchall():
            raise UserError(f"登记表里没有 {value}", f"{value} is not in the register")


def _refuse_circle(changes: list[Change], kind: Kind, subject: str, target: str) -> None:
    """Raise UserError where two are the same already, or the one to be merged is merged into another one."""
    active = [change for change in changes if change.kind == kind and change.until is None]
    if any(change.subject == subject for change in active):
        raise UserError(
            f"{subject} 已并入别处，请先撤销", f"{subject} is merged into another one; undo that first"
        )
    if target in same_as(changes, kind, subject):
        raise UserError(f"{subject} 和 {target} 已经是同一个", f"{subject} and {target} are the same already")
    if any(change.subject == target for change in active):
        raise UserError(
            f"{target} 自己已并入别处，请并入那一个", f"{target} is merged itself; merge into that one"
        )


def same_as(changes: Iterable[Change], kind: Kind, household: str) -> list[str]:
    """List the ids that count as ``household`` now, and ``household`` itself first."""
    households = [household]
    active = [change for change in changes if change.kind == kind and change.until is None]
    for held in households:
        households += [
            change.subject for change in active if change.target == held and change.subject not in households
        ]
    return households


def show_changes(connection: duckdb.DuckDBPyConnection) -> None:
    """Put temporary views over the tables that show every row where it counts; nothing where nothing was changed."""
    changes = read_changes(connection)
    if not changes:
        return
    database = connection.execute("SELECT current_database()").fetchall()[0][0]
    main = f"{name(database)}.main"
    for kind, table in (("household", "shown_households"), ("person", "shown_persons")):
        rows = list(_intervals([change for change in changes if change.kind == kind]))
        columns = {
            "held": pa.string(),
            _SHOWN: pa.string(),
            "row:since": pa.timestamp("us"),
            "row:until": pa.timestamp("us"),
        }
        arrow = pa.table(
            {
                column: pa.array([row[at] for row in rows], type=of)
                for at, (column, of) in enumerate(columns.items())
            }
        )
        connection.register("intervals", arrow)
        connection.execute(f"CREATE TEMP TABLE {table} AS SELECT * FROM intervals")
        connection.unregister("intervals")
    connection.execute(f"CREATE TEMP VIEW households AS {_households(main)}")
    connection.execute(f"CREATE TEMP VIEW opt_outs AS {_opt_outs(main)}")
    for table in ("requests", "outreach", "feedback"):
        connection.execute(f"CREATE TEMP VIEW {table} AS {_moved(f'{main}.{table}')}")
    persons = _ended(f"{main}.residents", "shown_persons", "resident_id")
    moved = _person_moves(f"{main}.residents")
    connection.execute(f"CREATE TEMP VIEW residents AS {_moved(f'({persons} UNION ALL BY NAME {moved})')}")


def _intervals(changes: list[Change]) -> Iterable[tuple[str, str, datetime, datetime | None]]:
    """Yield for each id that was ever another: the id, the one that it counts for, from when and until when."""
    times = sorted(
        {_EVER, *(change.since for change in changes), *(change.until for change in changes if change.until)}
    )
    for subject in dict.fromkeys(change.subject for change in changes):
        spans: list[tuple[str, datetime]] = []
        for time in times:
            into = {
                change.subject: change.target
                for change in changes
                if change.since <= time and (change.until is None or time < change.until)
            }
            shown, seen = subject, {subject}
            while into.get(shown, shown) not in seen:
                shown = into[shown]
                seen.add(shown)
            if not spans or spans[-1][0] != shown:
                spans.append((shown, time))
        ends = [*(time for _, time in spans[1:]), None]
        yield from ((subject, shown, time, end) for (shown, time), end in zip(spans, ends, strict=True))


_BEGINS = 'greatest(known_from, "row:since")'
_ENDS = 'least(superseded_at, "row:until")'  # least() leaves out what is missing
_THERE = f"{_BEGINS} < coalesce({_ENDS}, 'infinity'::TIMESTAMP)"
_OWN = '* EXCLUDE (held, "row:shown", "row:since", "row:until")'


def _pieces(rows: str, intervals: str, key: str, replaced: str, where: str) -> str:
    """SQL of the rows of changed ids, cut at the times of the changes; ``where`` chooses pieces."""
    return f"""SELECT {_OWN} REPLACE ({_BEGINS} AS known_from, {_ENDS} AS superseded_at{replaced})
        FROM {rows} own JOIN {intervals} changed ON own.{key} = changed.held WHERE {_THERE} AND {where}"""


def _unchanged(rows: str, intervals: str, key: str) -> str:
    return f"SELECT * FROM {rows} own WHERE own.{key} NOT IN (SELECT held FROM {intervals})"


def _moved(rows: str) -> str:
    """SQL of rows under the household that they count for."""
    pieces = _pieces(rows, "shown_households", "household_id", ', "row:shown" AS household_id', "true")
    return f"{_unchanged(rows, 'shown_households', 'household_id')} UNION ALL BY NAME {pieces}"


def _ended(rows: str, intervals: str, key: str) -> str:
    """SQL of rows that end where their id is another one's from then on."""
    end = """CASE WHEN held <> "row:shown" THEN least(valid_until, greatest("row:since", valid_from))
        ELSE valid_until END"""
    pieces = _pieces(rows, intervals, key, f", {end} AS valid_until", "true")
    return f"{_unchanged(rows, intervals, key)} UNION ALL BY NAME {pieces}"


def _households(main: str) -> str:
    """SQL of the households: one that is another ends there, and what is older becomes the other's past."""
    rows = f"{main}.households"
    earlier = f"""held <> "row:shown" AND own.valid_from < (
        SELECT min(valid_from) FROM {rows} kept WHERE kept.household_id = "row:shown")"""
    past = _pieces(rows, "shown_households", "household_id", ', "row:shown" AS household_id', earlier)
    return f"{_ended(rows, 'shown_households', 'household_id')} UNION ALL BY NAME {past}"


def _opt_outs(main: str) -> str:
    """SQL of the refusals: one of either household binds both, whenever it was known."""
    return f"""SELECT * FROM {main}.opt_outs UNION ALL BY NAME
        SELECT {_OWN} REPLACE ("row:shown" AS household_id, {_ENDS} AS superseded_at)
        FROM {main}.opt_outs own JOIN shown_households changed ON own.household_id = changed.held
        WHERE held <> "row:shown" """


def _person_moves(rows: str) -> str:
    """SQL of a row for each person who moved: the last one, with the new household."""
    return f"""SELECT last.* REPLACE (moved.target AS household_id, moved.valid_from AS valid_from, NULL AS valid_until,
            greatest(last.known_from, moved.since) AS known_from, moved.until AS superseded_at)
        FROM {TABLE} moved JOIN (
            SELECT * FROM {rows} WHERE superseded_at IS NULL
            QUALIFY row_number() OVER (PARTITION BY resident_id ORDER BY valid_from DESC) = 1) last
        ON moved.kind = 'move' AND moved.subject = last.resident_id
        WHERE moved.until IS NULL OR moved.until > greatest(last.known_from, moved.since)"""
