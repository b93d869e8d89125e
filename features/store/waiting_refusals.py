"""Refusals of households that the register does not know yet: kept until it does, so that no later export loses them."""

import duckdb

from features.contract.tables import UNDATED
from features.store.sql import held

TABLE = "waiting_refusals"
COLUMNS = {"household_id": "VARCHAR", "from": "VARCHAR", "until": "VARCHAR"}


def remember_refusals(connection: duckdb.DuckDBPyConnection, ingested: bool) -> None:
    """Make the temporary table ``held_refusals`` (household_id, since) of those that count or wait before an ingest.

    ingested: whether there has been an ingest before.
    """
    connection.execute("CREATE TEMP TABLE held_refusals (household_id VARCHAR, since TIMESTAMP)")
    if ingested:
        connection.execute(f"""
            INSERT INTO held_refusals SELECT household_id, "from" FROM {held("opt_outs")}
            UNION SELECT household_id, coalesce(try_cast("from" AS TIMESTAMP), DATE '{UNDATED}') FROM {TABLE}""")


def keep_waiting(connection: duckdb.DuckDBPyConnection, refusals: str) -> None:
    """Keep refusals until their household is known, and let go of those whose household is.

    connection: in a transaction, with ``known_waiting``: those that waited and wait no longer.
    refusals: SQL of those set aside because nobody knows their household, with ``COLUMNS`` but perhaps ``until``.
    """
    columns = connection.execute(f"SELECT * FROM {refusals} LIMIT 0").description or []
    ends = "until" in {column[0] for column in columns}
    given = f"""(
        SELECT household_id, "from"::VARCHAR AS "from", {'"until"' if ends else "NULL"}::VARCHAR AS "until"
        FROM {refusals} WHERE household_id IS NOT NULL)"""
    before = f'(SELECT DISTINCT household_id, "from" FROM {TABLE})'
    if ends:  # the newest word on an end counts
        connection.execute(f"""DELETE FROM {TABLE} USING {given} told
            WHERE {TABLE}.household_id = told.household_id AND {TABLE}."from" = told."from" """)
    connection.execute(
        f'INSERT INTO {TABLE} SELECT DISTINCT * FROM {given} ANTI JOIN {before} USING (household_id, "from")'
    )
    connection.execute(
        f"DELETE FROM {TABLE} WHERE household_id IN (SELECT household_id FROM known_waiting WHERE whole)"
    )
