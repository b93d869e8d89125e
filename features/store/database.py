"""The DuckDB file with all records: the rows that hold now, those that held before, and since when."""

import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from features.contract.tables import TABLES
from features.language import UserError, say
from features.store import register_changes, waiting_refusals
from features.store.sql import TYPES, held, name, text

STORE = "records.duckdb"
MEMORY = "2GB"  # for DuckDB; what it needs beyond goes to a directory beside the records
SPILLED = ".tmp"  # ending of that directory
PATIENCE = 2.0  # seconds to wait for another program that has the records open
LATE = name("row:late")  # new, but of a time that an earlier export already covered
BEFORE = name("row:before")  # since when the version counts that a row corrects; NULL for a new record
OWN_TIME = {  # greatest() leaves out what is missing
    "households": "greatest(valid_from, recorded_at)",
    "requests": "greatest(requested_at, recorded_at)",
    "residents": "greatest(valid_from, recorded_at)",
    "outreach": "greatest(contacted_at, recorded_at)",
    "opt_outs": 'greatest("from", recorded_at)',
    "workers": "TIMESTAMP '1970-01-01'",
    "programme_history": "greatest(opened_at, recorded_at)",
    "feedback": "recorded_at",
}
VERSIONED = {"known_from": "TIMESTAMP", "superseded_at": "TIMESTAMP"}
EXPORTS = {  # what each export held, for the next one to be dated by and compared with
    "exports": {"content": "VARCHAR", "number": "INTEGER", "ends": "TIMESTAMP"},
    "export_tables": {"number": "INTEGER", "table_name": "VARCHAR", "rows": "BIGINT", "gone": "DOUBLE"},
    "newest_export": {"table_name": "VARCHAR", "rows": "BIGINT", "set_aside": "BIGINT", "read_on": "DATE"},
    "unknown_needs": {  # what requests asked for that the settings do not have
        "need": "VARCHAR",
        "households": "BIGINT",  # of the newest export
        "first_number": "INTEGER",  # of the export that had it first
        "first_read": "DATE",
    },
    "export_columns": {
        "number": "INTEGER",
        "table_name": "VARCHAR",
        "column_name": "VARCHAR",
        "value": "VARCHAR",  # NULL: any
        "rows": "BIGINT",
    },
}
LINK_DECISIONS = {  # what people decided about records without a household, the later row of a record counts
    "number": "INTEGER",
    "address": "VARCHAR",
    "person": "VARCHAR",
    "phone": "VARCHAR",
    "household_id": "VARCHAR",  # '': nobody of the register
}
OWN_TABLES = EXPORTS | {
    register_changes.TABLE: register_changes.COLUMNS,
    "link_decisions": LINK_DECISIONS,
    waiting_refusals.TABLE: waiting_refusals.COLUMNS,
}
COMPLETES = {  # an empty value never erases one of these
    "outreach": ("outcome", "propensity", "worker_id"),
    "feedback": ("kind", "satisfaction", "reason_kind", "note", "next_visit"),
}


COVERED = ("households", "requests", "residents", "outreach", "opt_outs", "programme_history")
DATED_BY_RECORDING = ("requests", "feedback")  # a change of when it was recorded is a correction


@dataclass(frozen=True)
class Since:
    """The times from which the rows of an export count, as SQL.

    ``corrections``: for rows that changed; None where nothing is to be taken back. ``covered``: the end of the earlier
    exports; a new row about an earlier time that does not say when it was recorded counts from the day after.
    """

    corrections: str | None
    covered: str | None = None


@dataclass(frozen=True)
class Upserted:
    """Numbers of rows that were new, rows that were corrected, and new rows that came late."""

    new: int
    corrected: int
    late: int


_of_main_thread: list[duckdb.DuckDBPyConnection] = []
_listing = threading.Lock()


@contextmanager
def open_store(
    workspace: Path, read_only: bool = False, migrate: bool = True
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the workspace's records; ``migrate``: those of an earlier version are brought up to this one.

    Raises UserError when another command is at work on them, or the file is damaged or only to be read.
    """
    path = workspace / STORE
    try:
        connection = _connect(path, read_only)
        connection = _migrate(connection, path, read_only) if migrate else connection
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        if _in_use(error):
            raise UserError(
                f"{path}：另一个命令正在使用，请等它结束后再试",
                f"{path}: another command is using it; try again when it has finished",
            ) from error
        if not read_only and path.is_file() and not os.access(path, os.W_OK):
            raise UserError(f"{path}：只能读，不能写", f"{path}: can only be read, not written") from error
        raise UserError(
            f"{path}：打不开，文件可能已损坏；有备份的运行 xianying restore，没有的把它移走，再运行 xianying ingest"
            f"（{first}）",
            f"{path}: cannot be opened, perhaps damaged; run xianying restore with a backup, or move it away and ingest"
            f" again ({first})",
        ) from error
    try:
        connection.execute(f"SET memory_limit = {text(MEMORY)}")
        with suppress(duckdb.InvalidInputException):  # a notebook may have nothing to show it with
            connection.execute("SET enable_progress_bar = false")
        if not read_only:  # nobody else has it open: what lies there was left by a command that was killed
            shutil.rmtree(path.with_name(STORE + SPILLED), ignore_errors=True)
        with _interruptible(connection):
            yield connection
    finally:
        connection.close()


@contextmanager
def read_store(workspace: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection to read the workspace's records with: to empty tables before the first ingest.

    Raises UserError as ``open_store`` does.
    """
    if (workspace / STORE).is_file():
        with open_store(workspace, read_only=True) as connection:
            if has_tables(connection):
                yield connection
                return
    with duckdb.connect() as nothing:
        add_tables(nothing)
        yield nothing


@contextmanager
def _interruptible(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _listing:
        _of_main_thread.append(connection)
    try:
        yield
    finally:
        with _listing:
            _of_main_thread.remove(connection)


def interrupt_queries() -> None:
    """End the queries of the main thread from another thread: they raise there."""
    with _listing:
        for connection in _of_main_thread:
            connection.interrupt()


def _connect(path: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Connect, waiting for moments while the service reads."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only)
        except duckdb.Error as error:
            if not _in_use(error) or time.monotonic() >= end:
                raise
            time.sleep(0.05)


def _in_use(error: duckdb.Error) -> bool:
    first = str(error).splitlines()[0]
    # a damaged file is told by the number of a "block"
    return bool(re.search(r"\block\b", first.lower())) or "different configuration" in first


def copy_store(workspace: Path, target: Path) -> None:
    """Copy the records as they are at this moment into a new file.

    A command that wants to write has to wait meanwhile, or ends with a message.
    """
    with open_store(workspace, read_only=True), duckdb.connect() as connection:
        connection.execute(f"ATTACH {text(str(workspace / STORE))} AS held (READ_ONLY)")
        connection.execute(f"ATTACH {text(str(target))} AS copied")
        connection.execute("COPY FROM DATABASE held TO copied")


@contextmanager
def open_in_memory(workspace: Path, spilled: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to a copy of the workspace's records in memory, empty where there are none: nothing is written there.

    ``spilled``: a directory for what does not fit. Raises UserError as ``open_store`` does.
    """
    with duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(spilled)}) as connection:
        if (workspace / STORE).is_file():
            with open_store(workspace, read_only=True, migrate=False):
                connection.execute(f"ATTACH {text(str(workspace / STORE))} AS held (READ_ONLY)")
                connection.execute("COPY FROM DATABASE held TO memory")
                connection.execute("DETACH held")
        with _interruptible(connection):
            yield connection


def add_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create missing tables and columns: the contract's, and those with the times from which rows count."""
    for statement in pending(connection):
        connection.execute(statement)


def begin(connection: duckdb.DuckDBPyConnection) -> None:
    """Begin a transaction in which the tables are brought up to this version first."""
    statements = pending(connection)  # to ask for a table that is not there would end the transaction
    connection.execute("BEGIN")
    for statement in statements:
        connection.execute(statement)


def pending(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """List the SQL statements that bring the tables up to this version; none where they are. Outside a transaction."""
    wanted = {
        table: {label: TYPES[column.kind] for label, column in contract.columns.items()} | VERSIONED
        for table, contract in TABLES.items()
    } | OWN_TABLES
    statements = []
    for table, columns in wanted.items():
        existing = _columns(connection, table)
        if not existing:
            named = ", ".join(f"{name(column)} {kind}" for column, kind in columns.items())
            statements.append(f"CREATE TABLE {table} ({named})")
            continue
        for label, kind in columns.items():
            if label not in existing:
                statements.append(f"ALTER TABLE {table} ADD COLUMN {name(label)} {kind}")
            elif existing[label] != kind:  # was an attribute before the contract had it
                cast = f"try_cast({name(label)} AS {kind})"
                statements.append(f"ALTER TABLE {table} ALTER {name(label)} TYPE {kind} USING {cast}")
    return statements


def _migrate(connection: duckdb.DuckDBPyConnection, path: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    """Bring the records of an earlier version up to this one, in one transaction, and say so in one line."""
    if not has_tables(connection) or not pending(connection):
        return connection
    connection.close()
    with _connect(path, read_only=False) as writing:
        begin(writing)
        writing.execute("COMMIT")
    logging.getLogger("xianying").warning(
        say(f"{path}：已升级到本版本的格式", f"{path}: brought up to this version's form")
    )
    return _connect(path, read_only)


def add_moves(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the temporary table ``resident_moves`` of residents whom a later row has in another household.

    It gives for each earlier row when that became known (``left_at``), which a household's own rows do not say.
    """
    connection.execute("""
        CREATE TEMP TABLE resident_moves AS
        WITH moved AS (
            SELECT resident_id FROM residents GROUP BY resident_id HAVING min(household_id) <> max(household_id)),
        own AS (
            SELECT household_id, resident_id, valid_from, known_from FROM residents SEMI JOIN moved USING (resident_id))
        SELECT own.*, min(later.known_from) AS left_at
        FROM own JOIN own later ON own.resident_id = later.resident_id AND own.household_id <> later.household_id
            AND (later.valid_from, later.known_from) > (own.valid_from, own.known_from)
        GROUP BY ALL""")


def has_tables(connection: duckdb.DuckDBPyConnection) -> bool:
    """Tell whether an ingest has ever been finished; outside a transaction, unless the tables are there."""
    return bool(_columns(connection, "households"))


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Return the columns of a table, in small letters, with their types; none where there is no such table.

    Every command asks for them, and the catalog of all tables takes longer to ask.
    """
    try:
        held = connection.execute(f"SELECT name, type FROM pragma_table_info({text(table)})").fetchall()
    except duckdb.CatalogException:
        return {}
    return {column.lower(): kind for column, kind in held}


def attribute_columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """List the names of a table's attributes, in the order in which they first came."""
    columns = connection.execute(f"SELECT * FROM {table} LIMIT 0").description or []
    fixed = {*TABLES[table].columns, "known_from", "superseded_at"}
    return [column[0] for column in columns if column[0] not in fixed]


def upsert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    source: str,
    columns: list[str],
    attributes: list[str],
    since: Since,
) -> Upserted:
    """Add the rows that are new and the new versions of rows that changed, and count them.

    Only ``columns`` and ``attributes`` are compared; all others keep their value. A corrected row counts until its
    correction does: from ``since.corrections`` or its own time, whichever is later.

    ``table``: of the contract. ``source``: SQL of the rows. ``columns``, ``attributes``: those that the file has.
    """
    every = _add_attributes(connection, table, attributes)
    given = {column.lower() for column in (*columns, *attributes)}
    _find_taken(connection, table, source, every, given, since)
    same = " AND ".join(f"held.{name(key)} = taken.{name(key)}" for key in TABLES[table].key)
    connection.execute(f"""
        UPDATE {table} held SET superseded_at = taken.known_from FROM taken
        WHERE held.superseded_at IS NULL AND taken.{BEFORE} IS NOT NULL AND {same}""")
    names = ", ".join([*(name(column) for column in every), "known_from"])
    connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM taken")
    counts = connection.execute(
        f"SELECT count(*) - count({BEFORE}), count({BEFORE}), count(*) FILTER ({LATE}) FROM taken"
    ).fetchall()[0]
    connection.execute("DROP TABLE taken")
    return Upserted(*counts)


def _add_attributes(connection: duckdb.DuckDBPyConnection, table: str, attributes: list[str]) -> list[str]:
    """Add columns for attributes that are new, and return all columns; upper and lower case are alike."""
    existing = {column.lower() for column in attribute_columns(connection, table)}
    for attribute in attributes:
        if attribute.lower() not in existing:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN {name(attribute)} VARCHAR")
    return [*TABLES[table].columns, *attribute_columns(connection, table)]


def _find_taken(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    source: str,
    every: list[str],
    given: set[str],
    since: Since,
) -> None:
    """Make the temporary table ``taken``: rows of ``source`` that are new or changed, and from when on they count.

    Columns that are not ``given`` (in lower case) have the value held.
    """
    keys = TABLES[table].key

    def value(column: str) -> str:
        if column in keys:
            return f"new.{name(column)}"
        if column.lower() not in given:
            return f"held.{name(column)}"
        if column in COMPLETES.get(table, ()):
            return f"coalesce(new.{name(column)}, held.{name(column)})"
        return f"new.{name(column)}"

    untold = {*keys, *(() if table in DATED_BY_RECORDING else ("recorded_at",))}
    compared = [column for column in every if column.lower() in given and column not in untold]
    changed = (
        " OR ".join(f"{value(column)} IS DISTINCT FROM held.{name(column)}" for column in compared) or "false"
    )
    same = " AND ".join(f"new.{name(key)} = held.{name(key)}" for key in keys)
    own_time = OWN_TIME[table]
    if since.covered is None or table not in COVERED:
        late = "false"
    else:
        late = f"{BEFORE} IS NULL AND recorded_at IS NULL AND {own_time} <= {since.covered}"
    changed = "false" if since.corrections is None else changed
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE taken AS
        SELECT *, CASE WHEN {LATE} THEN date_trunc('day', {since.covered or "NULL::TIMESTAMP"}) + INTERVAL 1 DAY
            WHEN {BEFORE} IS NULL THEN {own_time}
            ELSE greatest({own_time}, {BEFORE}, {since.corrections or "NULL::TIMESTAMP"}) END AS known_from
        FROM (SELECT *, {late} AS {LATE} FROM (
            SELECT {", ".join(f"{value(column)} AS {name(column)}" for column in every)}, held.known_from AS {BEFORE}
            FROM {source} new LEFT JOIN {held(table)} held ON {same}
            WHERE held.known_from IS NULL OR {changed}))""")
