"""Until when earlier exports reach, and from when the corrections of this one count."""

import duckdb

from features.contract.tables import TABLES
from features.store.export_history import TIMES, earlier_end, reach
from features.store.sql import text

FROM_EXPORTS = ("households", "requests", "residents")  # of a store that does not know its exports yet


def sql_time(iso: str) -> str:
    """SQL of a time from an ISO text."""
    return f"TIMESTAMP {text(iso)}"


def covered_until(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Until when earlier exports reach; of a store that has not noted any, until when what they held reaches."""
    noted = earlier_end(connection)
    if noted:
        return noted
    return reach(connection, {table: (table, list(TABLES[table].columns)) for table in FROM_EXPORTS}).ends


def corrections_from(connection: duckdb.DuckDBPyConnection, ends: str | None) -> str:
    """SQL of the time from which corrections count: this export's end, and not before the Monday that the data held
    before were good for."""
    held = reach(connection, {table: (table, list(TABLES[table].columns)) for table in TIMES}).ends
    monday = f"date_trunc('week', {sql_time(held)}) + INTERVAL 7 DAY" if held else "NULL::TIMESTAMP"
    return f"greatest({sql_time(ends) if ends else 'NULL::TIMESTAMP'}, {monday})"
