"""Refusals of households that the register does not know yet: kept until it does, so that no later export loses them."""

import duckdb

TABLE = "waiting_refusals"
COLUMNS = {"household_id": "VARCHAR", "from": "VARCHAR", "until": "VARCHAR"}


def waiting_of_known() -> str:
    """Return SQL of the waiting refusals whose household is among ``known_households``, in the order of ``COLUMNS``."""
    return f"FROM {TABLE} SEMI JOIN known_households USING (household_id)"


def keep_waiting(connection: duckdb.DuckDBPyConnection, refusals: str) -> None:
    """Keep refusals until their household is known, and let go of those whose household is.

    connection: in a transaction, with ``known_households``.
    refusals: SQL of those set aside because nobody knows their household, with ``COLUMNS`` but perhaps ``until``.
    """
    columns = connection.execute(f"SELECT * FROM {refusals} LIMIT 0").description or []
    until = '"until"' if "until" in {column[0] for column in columns} else "NULL"
    told = f'SELECT household_id, "from"::VARCHAR, {until}::VARCHAR FROM {refusals} WHERE household_id IS NOT NULL'
    connection.execute(f"INSERT INTO {TABLE} ({told} EXCEPT FROM {TABLE})")
    connection.execute(
        f"DELETE FROM {TABLE} WHERE household_id IN (SELECT household_id FROM known_households)"
    )
