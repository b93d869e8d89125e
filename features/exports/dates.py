"""Find the time that earlier exports reach, and the time from which this export's corrections count."""

import duckdb

from features.contract.tables import TABLES
from features.store.export_history import TIMES, earlier_end, reach
from features.store.sql import text

FROM_EXPORTS = ("households", "requests", "residents")  # of a store that does not know its exports yet


def sql_time(iso: str) -> str:
    """Return SQL of a time given as an ISO text."""
    return f"TIMESTAMP {text(iso)}"


def is_older(ends: str | None, covered: str | None) -> bool:
    """Whether an export ends before an earlier one. Of one whose last row tells only a day, the whole day counts.

    ends, covered: until when it and earlier ones reach, as ISO texts.

    >>> is_older("2024-03-05 00:00:00", "2024-03-05 10:00:00"), is_older("2024-03-05 09:00:00", "2024-03-05 10:00:00")
    (False, True)
    """
    if not ends or not covered:
        return False
    return ends[:10] < covered[:10] if ends.endswith("00:00:00") else ends < covered


def covered_until(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Return the time that earlier exports reach, as an ISO text; None before the first.

    Where a store has noted no export yet, it is the time that its records reach.
    """
    noted = earlier_end(connection)
    if noted:
        return noted
    return reach(connection, {table: (table, list(TABLES[table].columns)) for table in FROM_EXPORTS}).ends


def corrections_from(connection: duckdb.DuckDBPyConnection, ends: str | None) -> str:
    """Return SQL of the time from which corrections count: this export's end, if it is late enough.

    It is never before the Monday that follows the records held before.
    """
    held = reach(connection, {table: (table, list(TABLES[table].columns)) for table in TIMES}).ends
    monday = f"date_trunc('week', {sql_time(held)}) + INTERVAL 7 DAY" if held else "NULL::TIMESTAMP"
    return f"greatest({sql_time(ends) if ends else 'NULL::TIMESTAMP'}, {monday})"
