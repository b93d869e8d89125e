"""What each export held, for the next one to be compared with: the time that it reaches, its rows and its values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa

from features.data_end import RowsADay, table_ends
from features.store.sql import name, one_value

TIMES = {  # by which an export is dated; what lies ahead, such as an end, does not count
    "households": ("valid_from", "recorded_at"),
    "requests": ("requested_at", "recorded_at", "resolved_at"),
    "residents": ("valid_from", "recorded_at"),
    "outreach": ("contacted_at", "recorded_at"),
    "opt_outs": ("from", "recorded_at"),
}
NEW_DAYS = 21  # before an export's end, since which a need is new


@dataclass(frozen=True)
class Reach:
    """The time that rows reach, as an ISO text (None without rows), and the last day of each table."""

    ends: str | None
    days: dict[str, int]  # since 1970-01-01


def days_of(connection: duckdb.DuckDBPyConnection, source: str, time: str) -> RowsADay:
    """Count the rows of each day of a table or query, by an SQL time.

    ``source``: SQL of the rows. ``time``: SQL of their time. Returns days since 1970-01-01 and rows: int64 each.
    """
    counted = connection.execute(f"""
        SELECT date_diff('day', DATE '1970-01-01', ({time})::DATE) AS day, count(*) FROM {source}
        WHERE ({time}) IS NOT NULL GROUP BY day ORDER BY day""").fetchnumpy()
    days, rows = (np.asarray(column, dtype=np.int64) for column in counted.values())
    return days, rows


def latest(table: str, columns: Sequence[str] | None = None) -> str:
    """Return SQL of the latest time that a row of a table gives; only of ``columns`` where these are given."""
    times = [time for time in TIMES[table] if columns is None or time in columns]
    return f"greatest({', '.join(name(moment) for moment in times)})" if times else "NULL::TIMESTAMP"


def reach(connection: duckdb.DuckDBPyConnection, sources: Mapping[str, tuple[str, Sequence[str]]]) -> Reach:
    """Find the time that tables reach, stray times left out.

    sources: by table, SQL of its rows and the columns that they have.
    """
    times = {table: latest(table, columns) for table, (_, columns) in sources.items()}
    days = table_ends({table: days_of(connection, sources[table][0], times[table]) for table in sources})
    moments = [
        f"(SELECT max({times[table]}) FROM {sources[table][0]} WHERE ({times[table]})::DATE <= {_date(day)})"
        for table, day in days.items()
    ]
    if not moments:
        return Reach(None, days)
    latest_moment = connection.execute(f"SELECT greatest({', '.join(moments)})::VARCHAR").fetchall()
    return Reach(latest_moment[0][0], days)


def strays(
    connection: duckdb.DuckDBPyConnection, source: str, columns: Sequence[str], end: int, line: str
) -> list[tuple[int, str, str]]:
    """List line, column and day of each time beyond the last day of a table's rows, in order of lines.

    ``source``: SQL of the rows. ``columns``: those with times. ``end``: the last day, since 1970-01-01. ``line``: SQL
    of the line.
    """
    rows: list[tuple[int, str, str]] = []
    for column in columns:
        rows += connection.execute(f"""
            SELECT {line}, '{column}', ({name(column)}::DATE)::VARCHAR FROM {source}
            WHERE {name(column)}::DATE > {_date(end)}""").fetchall()
    return sorted(rows)


def earlier_end(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Return the time that the exports read so far reach, as an ISO text; None before the first."""
    return connection.execute("SELECT max(ends)::VARCHAR FROM exports").fetchall()[0][0]


def _date(day: int) -> str:
    return f"(DATE '1970-01-01' + {day})"


Profile = dict[tuple[str, str | None], int]  # by column and value (None: any): rows; ("", None): all rows


def next_number(connection: duckdb.DuckDBPyConnection, content: str) -> tuple[int, bool]:
    """Return the number of an export, and whether an export with this content was read before."""
    rows = connection.execute("SELECT number FROM exports WHERE content = ?", [content]).fetchall()
    if rows:
        return int(rows[0][0]), True
    return int(one_value(connection, "SELECT coalesce(max(number), 0) + 1 FROM exports")), False


def note_export(
    connection: duckdb.DuckDBPyConnection, number: int, table: str, gone: float | None, profile: Profile
) -> None:
    """Store what an export held of a table.

    ``gone``: the share of the records held that the export no longer had; None where it only added. ``profile``:
    numbers of rows by column and value.
    """
    connection.execute(
        "INSERT INTO export_tables VALUES (?, ?, ?, ?)", [number, table, profile["", None], gone]
    )
    columns, values = zip(*profile, strict=True)
    noted = pa.table(
        {"column": columns, "value": pa.array(values, pa.string()), "rows": list(profile.values())}
    )
    connection.register("noted", noted)
    connection.execute(
        'INSERT INTO export_columns SELECT ?, ?, "column", "value", "rows" FROM noted', [number, table]
    )
    connection.unregister("noted")


def note_set_aside(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, tuple[int, int]], read_on: date
) -> None:
    """Store how many rows the newest export had and how many of them were set aside, by table, and when it was read."""
    connection.execute("DELETE FROM newest_export")
    for table, (rows, aside) in tables.items():
        connection.execute("INSERT INTO newest_export VALUES (?, ?, ?, ?)", [table, rows, aside, read_on])


def new_needs(needs: Mapping[str, tuple[int, int]], export: Reach) -> dict[str, int]:
    """Select the needs that nobody of an export asked for before its last NEW_DAYS days: households by need.

    needs: by need, the households of the export that ask for it and the first day on which one did.
    """
    end = export.days.get("requests", 0)
    return {need: households for need, (households, first) in needs.items() if first > end - NEW_DAYS}


def note_unknown_needs(
    connection: duckdb.DuckDBPyConnection, needs: Mapping[str, int], number: int, read_on: date
) -> None:
    """Store needs that requests of the newest export begin to name and that the settings do not have.

    needs: what ``new_needs`` returns. number: of the export. read_on: when it was read.
    """
    connection.execute("UPDATE unknown_needs SET households = 0")
    for need, households in needs.items():
        known = connection.execute(
            "UPDATE unknown_needs SET households = ? WHERE need = ? RETURNING need", [households, need]
        ).fetchall()
        if not known:
            connection.execute(
                "INSERT INTO unknown_needs VALUES (?, ?, ?, ?)", [need, households, number, read_on]
            )


def new_unknown_needs(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, date]]:
    """Return needs that only the newest two exports name: households that ask for it, and when it was read first.

    What the first export of all named is of old.
    """
    rows = connection.execute(
        """SELECT need, households, first_read FROM unknown_needs WHERE households > 0 AND first_number > 1
        AND first_number >= (SELECT max(number) FROM exports) - 1 ORDER BY need"""
    )
    return {need: (households, first_read) for need, households, first_read in rows.fetchall()}


def rows_set_aside(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, int, date]]:
    """Return by table the rows of the newest export, how many of them were set aside, and when it was read.

    Only tables of which rows were set aside.
    """
    rows = connection.execute(
        "SELECT table_name, rows, set_aside, read_on FROM newest_export WHERE set_aside > 0"
    )
    return {table: (count, aside, read_on) for table, count, aside, read_on in rows.fetchall()}


def profiles(connection: duckdb.DuckDBPyConnection, table: str, before: int, count: int) -> list[Profile]:
    """Return what the last exports held of a table, oldest first; only of exports that repeated the records held.

    ``before``: only exports with a lower number. ``count``: at most so many.
    """
    profiles_found: dict[int, Profile] = {}
    for number, column, value, rows in connection.execute(
        """SELECT number, column_name, value, export_columns.rows FROM export_columns
        JOIN (SELECT number FROM export_tables WHERE table_name = $table AND number < $before
            AND (gone IS NOT NULL OR number = 1) ORDER BY number DESC LIMIT $count) USING (number)
        WHERE table_name = $table ORDER BY number""",
        {"table": table, "before": before, "count": count},
    ).fetchall():
        profiles_found.setdefault(number, {})[column, value] = rows
    return list(profiles_found.values())


def usual_gone(connection: duckdb.DuckDBPyConnection, table: str, before: int, count: int) -> list[float]:
    """Return the share of the records held that each of the last exports no longer had, the newest first.

    ``before``: only exports with a lower number. ``count``: at most so many.
    """
    rows = connection.execute(
        """SELECT gone FROM export_tables WHERE table_name = ? AND number < ? AND gone IS NOT NULL
        ORDER BY number DESC LIMIT ?""",
        [table, before, count],
    )
    return [row[0] for row in rows.fetchall()]
