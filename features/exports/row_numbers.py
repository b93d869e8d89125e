"""Numbers that do not identify what they number: numbers that begin again, and known rows under new numbers.

A request whose number stands for another household and date than before is another request: it is kept under the number
with its date and household appended; where most numbers do so, another date is enough. A request that equals one already
held in household, time and need, whose number is gone, is the same request. So are a visit and a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from features.contract.tables import TABLES
from features.store.database import attribute_columns, has_tables
from features.store.sql import held, name, one_value, text

BEHIND = "~@"  # stands between a number and what tells apart the requests that have it
MOST = 0.5  # of the numbers that stand for another household or date, beyond which numbers begin anew
REST = name("row:rest")  # what tells apart persons of whom no birth is known
ALIKE = {  # columns in which the same row is equal under another number, beside the household
    "residents": ("valid_from", "birth_year", "birth_date"),
    "outreach": ("contacted_at", "need", "arm"),
}


@dataclass(frozen=True)
class Staged:
    """A table's staged rows: their table, SQL of a row's line, and SQL that is true for a usable row."""

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
    both = f"{rows.usable} new JOIN held_requests held ON new.request_id = held.request_id"
    anew = begin_anew(connection, both, "new", "held")
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE unmatched AS
        SELECT {rows.line} AS line, new.request_id, new.household_id, new.requested_at, {what} AS what,
            held.request_id IS NOT NULL AS anew
        FROM {rows.usable} new LEFT JOIN held_requests held ON new.request_id = held.request_id
        WHERE held.request_id IS NULL OR ({apart("new", "held", anew)})""")
    same = sum(_same_under_new_numbers(connection, rows, precise) for precise in (True, False))
    begun = _begun_anew(connection, rows, anew)
    connection.execute("DROP TABLE held_requests")
    connection.execute("DROP TABLE unmatched")
    return Matched(same, begun)


def count_equal(
    connection: duckdb.DuckDBPyConnection, rows: Staged, columns: Sequence[str]
) -> tuple[int, int]:
    """Count the staged requests that equal another one in household, time and need but not in number.

    Returns how many there are, and how many of them tell a time of day and are not held yet. Parameters are those of
    ``match_requests``.
    """
    what = f"coalesce({', '.join(column for column in ('need', 'text') if column in columns)})"
    before = held("requests") if has_tables(connection) else "(SELECT '' AS request_id)"
    every, new = connection.execute(f"""
        SELECT count(*), count(*) FILTER (before.request_id IS NULL AND NOT ({_only_day("equal")})) FROM (
            FROM {rows.usable} QUALIFY row_number() OVER (
                PARTITION BY household_id, requested_at, {what} ORDER BY {rows.line}) > 1
        ) equal LEFT JOIN {before} before USING (request_id)""").fetchall()[0]
    return every, new


def match_rows(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Staged, columns: Sequence[str]
) -> int:
    """Give staged persons or visits the numbers under which equal ones are held that this export has not; count them.

    ``table``: residents or outreach. ``rows``: its staged rows. ``columns``: all columns that the file has. Persons
    without a birth must be equal in all attributes too.
    """
    if not has_tables(connection) or not one_value(connection, f"SELECT count(*) FROM {table}"):
        return 0
    number = TABLES[table].key[0]
    alike = [column for column in ALIKE[table] if column in columns]
    equal = " AND ".join(f"fresh.{name(column)} IS NOT DISTINCT FROM free.{name(column)}" for column in alike)
    rest = _rest_of_unborn(connection, columns) if table == "residents" else "NULL"
    same = ", ".join([*map(name, ["household_id", *alike]), rest])
    nth = f"row_number() OVER (PARTITION BY {same} ORDER BY {number}) AS nth"
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE renumbered AS
        WITH fresh AS (SELECT *, {rest} AS {REST}, {nth} FROM {rows.usable} ANTI JOIN {held(table)} USING ({number})),
        free AS (SELECT *, {rest} AS {REST}, {nth} FROM {held(table)} ANTI JOIN {rows.usable} USING ({number}))
        SELECT fresh.{rows.line} AS line, free.{number} AS number FROM fresh JOIN free
            ON fresh.household_id = free.household_id AND {equal} AND fresh.{REST} IS NOT DISTINCT FROM free.{REST}
            AND fresh.nth = free.nth""")
    connection.execute(
        f"UPDATE {rows.table} SET {number} = number FROM renumbered WHERE {rows.line} = renumbered.line"
    )
    return one_value(connection, "SELECT count(*) FROM renumbered")


def _rest_of_unborn(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> str:
    """Return SQL of the attributes of a person of whom no birth is known; of anybody else it is NULL."""
    births = [f"{name(column)} IS NULL" for column in ("birth_year", "birth_date") if column in columns]
    rest = [name(column) for column in attribute_columns(connection, "residents") if column in columns]
    return f"CASE WHEN {' AND '.join(births) or 'true'} THEN [{', '.join(rest)}]::VARCHAR END"


def _same_under_new_numbers(connection: duckdb.DuckDBPyConnection, rows: Staged, precise: bool) -> int:
    """Match requests to equal ones held under a number that this export no longer uses for them; return how many.

    ``precise``: to the second; otherwise to the day where one of the two tells no more.
    """
    when = "requested_at" if precise else "requested_at::DATE"
    plain = "" if precise else f"AND ({_only_day('fresh')} OR {_only_day('free')})"
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE renumbered AS
        WITH fresh AS (
            SELECT *, row_number() OVER (PARTITION BY household_id, {when}, what ORDER BY line) AS nth
            FROM unmatched),
        free AS (
            SELECT *, row_number() OVER (PARTITION BY household_id, {when}, what ORDER BY request_id) AS nth
            FROM held_requests ANTI JOIN (
                SELECT request_id FROM {rows.usable} ANTI JOIN unmatched USING (request_id)
            ) USING (request_id))
        SELECT fresh.line, free.request_id AS number FROM fresh JOIN free
            USING (household_id, what, nth)
        WHERE what IS NOT NULL AND fresh.{when} = free.{when} {plain}""")
    table = rows.table
    connection.execute(
        f"UPDATE {table} SET request_id = number FROM renumbered WHERE {rows.line} = renumbered.line"
    )
    connection.execute("DELETE FROM unmatched USING renumbered WHERE unmatched.line = renumbered.line")
    return one_value(
        connection, f"SELECT count(*) FROM renumbered WHERE NOT contains(number, {text(BEHIND)})"
    )


def _only_day(row: str) -> str:
    return f"{row}.requested_at = date_trunc('day', {row}.requested_at)"


def _begun_anew(connection: duckdb.DuckDBPyConnection, rows: Staged, anew: bool) -> int:
    """Renumber the requests whose number is held for another request; return how many were not held before.

    ``anew``: whether most numbers have begun again.
    """
    table = rows.table
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE numbered AS
        SELECT unmatched.line, coalesce(
            min_by(held.request_id, (held.requested_at::DATE <> unmatched.requested_at::DATE)::INTEGER),
            any_value({number_behind("unmatched")})) AS number, count(held.request_id) = 0 AS new
        FROM unmatched LEFT JOIN (
            SELECT *, split_part(request_id, {text(BEHIND)}, 1) AS number FROM held_requests
            WHERE contains(request_id, {text(BEHIND)})
        ) held ON held.number = unmatched.request_id AND NOT ({apart("unmatched", "held", anew)})
        WHERE unmatched.anew GROUP BY unmatched.line""")
    connection.execute(
        f"UPDATE {table} SET request_id = number FROM numbered WHERE {rows.line} = numbered.line"
    )
    return one_value(connection, "SELECT count(*) FROM numbered WHERE new")


def apart(left: str, other: str, anew: bool) -> str:
    """Return SQL that is true for two rows of one number with another household and another date.

    ``anew``: whether most numbers have begun again: then another date is enough.
    """
    day = f"{left}.requested_at::DATE <> {other}.requested_at::DATE"
    return day if anew else f"{_another_household(left, other)} AND {day}"


def _another_household(left: str, other: str) -> str:
    return f"{left}.household_id <> {other}.household_id"


def begin_anew(connection: duckdb.DuckDBPyConnection, both: str, left: str, other: str) -> bool:
    """Whether most numbers that stand for another household or date stand for another household and date.

    ``both``: SQL of the rows side by side, named ``left`` and ``other``.
    """
    strictly, changed = connection.execute(f"""
        SELECT count(*) FILTER ({apart(left, other, anew=False)}), count(*) FILTER (
            {_another_household(left, other)} OR {apart(left, other, anew=True)})
        FROM {both}""").fetchall()[0]
    return strictly > MOST * changed


def tell_apart(connection: duckdb.DuckDBPyConnection, rows: Staged) -> int:
    """Renumber requests of one file that share a number but neither household nor date; return how many."""
    table, line = rows.table, rows.line
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE first_with_number AS
        SELECT request_id, min_by(household_id, {line}) AS household_id,
            min_by(requested_at, {line}) AS requested_at
        FROM {rows.usable} GROUP BY request_id HAVING count(*) > 1""")
    if not one_value(connection, "SELECT count(*) FROM first_with_number"):
        return 0
    both = f"{rows.usable} new JOIN first_with_number first USING (request_id)"
    other = apart(table, "first", begin_anew(connection, both, "new", "first"))
    changed = connection.execute(f"""
        UPDATE {table} SET request_id = {number_behind(table)} FROM first_with_number first
        WHERE {table}.request_id = first.request_id AND {rows.holds} AND {other}""")
    return int(changed.fetchall()[0][0])


def number_behind(table: str) -> str:
    """Return SQL of a number followed by the date and household that tell its request apart."""
    return (
        f"{table}.request_id || {text(BEHIND)} || ({table}.requested_at::DATE)::VARCHAR || {text(BEHIND)}"
        f" || {table}.household_id"
    )
