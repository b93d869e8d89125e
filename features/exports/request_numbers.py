"""Numbers of requests that do not identify a request: numbers that begin again, and known requests under new numbers.

A request whose number stands for another household and date than before is another request: it is kept under the number
with its date and household appended. A request that equals one already held in household, time and need, whose number
is gone, is the same request.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from features.store.database import has_tables
from features.store.sql import one_value, text

BEHIND = "~@"  # stands between a number and what tells apart the requests that have it


@dataclass(frozen=True)
class Staged:
    """The staged requests: their table, SQL of a row's line, and SQL that is true for a usable row."""

    table: str
    line: str
    holds: str

    @property
    def usable(self) -> str:
        """Return SQL of the usable rows."""
        return f"(SELECT * FROM {self.table} WHERE {self.holds})"


@dataclass(frozen=True)
class Matched:
    """How many requests were held already under another number, and how many have a number that began again."""

    same: int
    anew: int


def match_requests(connection: duckdb.DuckDBPyConnection, rows: Staged, columns: Sequence[str]) -> Matched:
    """Give the staged requests the numbers under which they are held, and count them.

    ``rows``: the staged requests. ``columns``: the contract's columns that the file has.
    """
    if not has_tables(connection) or not one_value(connection, "SELECT count(*) FROM requests"):
        return Matched(0, 0)
    what = f"coalesce({', '.join(column for column in ('need', 'text') if column in columns)})"
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE held_requests AS
        SELECT request_id, household_id, requested_at, coalesce(need, text) AS what
        FROM requests WHERE superseded_at IS NULL""")
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE unmatched AS
        SELECT {rows.line} AS line, new.request_id, new.household_id, new.requested_at, {what} AS what,
            held.request_id IS NOT NULL AS anew
        FROM {rows.usable} new LEFT JOIN held_requests held ON new.request_id = held.request_id
        WHERE held.request_id IS NULL OR ({apart("new", "held")})""")
    same = _same_under_new_numbers(connection, rows)
    anew = _begun_anew(connection, rows)
    connection.execute("DROP TABLE held_requests")
    connection.execute("DROP TABLE unmatched")
    return Matched(same, anew)


def _same_under_new_numbers(connection: duckdb.DuckDBPyConnection, rows: Staged) -> int:
    """Match requests to equal ones held under a number that this export no longer uses for them; return how many."""
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE renumbered AS
        WITH fresh AS (
            SELECT *, row_number() OVER (PARTITION BY household_id, requested_at, what ORDER BY line) AS nth
            FROM unmatched),
        free AS (
            SELECT *, row_number() OVER (PARTITION BY household_id, requested_at, what ORDER BY request_id) AS nth
            FROM held_requests ANTI JOIN (
                SELECT request_id FROM {rows.usable} ANTI JOIN unmatched USING (request_id)
            ) USING (request_id))
        SELECT fresh.line, free.request_id AS number FROM fresh JOIN free
            USING (household_id, requested_at, what, nth) WHERE what IS NOT NULL""")
    table = rows.table
    connection.execute(
        f"UPDATE {table} SET request_id = number FROM renumbered WHERE {rows.line} = renumbered.line"
    )
    connection.execute("DELETE FROM unmatched USING renumbered WHERE unmatched.line = renumbered.line")
    return one_value(
        connection, f"SELECT count(*) FROM renumbered WHERE NOT contains(number, {text(BEHIND)})"
    )


def _begun_anew(connection: duckdb.DuckDBPyConnection, rows: Staged) -> int:
    """Renumber the requests whose number is held for another request; return how many were not held before."""
    table = rows.table
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE numbered AS
        SELECT unmatched.line, coalesce(
            min_by(held.request_id, (held.requested_at::DATE <> unmatched.requested_at::DATE)::INTEGER),
            any_value({number_behind("unmatched")})) AS number, count(held.request_id) = 0 AS new
        FROM unmatched LEFT JOIN (
            SELECT *, split_part(request_id, {text(BEHIND)}, 1) AS number FROM held_requests
            WHERE contains(request_id, {text(BEHIND)})
        ) held ON held.number = unmatched.request_id AND NOT ({apart("unmatched", "held")})
        WHERE unmatched.anew GROUP BY unmatched.line""")
    connection.execute(
        f"UPDATE {table} SET request_id = number FROM numbered WHERE {rows.line} = numbered.line"
    )
    return one_value(connection, "SELECT count(*) FROM numbered WHERE new")


def apart(left: str, other: str) -> str:
    """Return SQL that is true for two rows of one number with another household and another date."""
    return f"{left}.household_id <> {other}.household_id AND {left}.requested_at::DATE <> {other}.requested_at::DATE"


def tell_apart(connection: duckdb.DuckDBPyConnection, rows: Staged) -> int:
    """Renumber requests of one file that share a number but neither household nor date; return how many."""
    table, line = rows.table, rows.line
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE first_with_number AS
        SELECT request_id, min_by(household_id, {line}) AS household_id,
            min_by(requested_at, {line}) AS requested_at
        FROM {rows.usable} GROUP BY request_id HAVING count(DISTINCT household_id) > 1""")
    if not one_value(connection, "SELECT count(*) FROM first_with_number"):
        return 0
    changed = connection.execute(f"""
        UPDATE {table} SET request_id = {number_behind(table)} FROM first_with_number first
        WHERE {table}.request_id = first.request_id AND {rows.holds} AND {apart(table, "first")}""")
    return int(changed.fetchall()[0][0])


def number_behind(table: str) -> str:
    """Return SQL of a number followed by the date and household that tell its request apart."""
    return (
        f"{table}.request_id || {text(BEHIND)} || ({table}.requested_at::DATE)::VARCHAR || {text(BEHIND)}"
        f" || {table}.household_id"
    )
