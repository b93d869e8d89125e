"""Weekly counts of what reaches the records: requests by need and channel, new households, changed attributes.

A row counts in the week in which it became known, so that late recording moves no count, and only once: a correction is
not a new request. All counts come from the store in one query each, for a town of any size.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.store.database import attribute_columns, open_store
from features.store.sql import held, name, text

WEEKS = 112  # of history: two years and what a comparison with last year's weeks needs
BIRTHS = ("birth_year", "birth_date")


@dataclass(frozen=True)
class Streams:
    """Counts by week. ``ago``: 0 for the seven days before the as-of day, 1 for the week before, and so on."""

    table: pd.DataFrame  # kind, subject, ago, count; weeks without a row had none
    begun: int  # weeks since the first row of the records
    households: int  # known by now
    moved: dict[str, float]  # by changed attribute: mean change of the newest two weeks, where it is a number

    def series(self) -> dict[tuple[str, str], np.ndarray]:
        """Return the counts of every stream, the newest week first: int64 [weeks], zeros included."""
        length = min(self.begun, WEEKS)
        series_of = {}
        for key, rows in self.table[self.table["ago"] < length].groupby(["kind", "subject"], sort=True):
            counts = np.zeros(length, dtype=np.int64)
            counts[rows["ago"].to_numpy()] = rows["count"].to_numpy()
            series_of[str(key[0]), str(key[1])] = counts
        return series_of


def streams(workspace: Path, as_of: int) -> Streams:
    """Count what reached the records in each week before a day."""
    with open_store(workspace, read_only=True) as connection:
        known = f"epoch_us(known_from) / 86400e6 < {as_of}"
        ago = f"floor(({as_of} - epoch_us(known_from) / 86400e6) / 7 - 1e-9)::INTEGER"
        first = f"""(SELECT * FROM requests WHERE {known}
            QUALIFY row_number() OVER (PARTITION BY request_id ORDER BY known_from) = 1)"""
        homes = f"""(SELECT * FROM households WHERE {known}
            QUALIFY row_number() OVER (PARTITION BY household_id ORDER BY known_from) = 1)"""
        wanted = [
            ("need", "coalesce(need, '')", f"{first} WHERE need IS NOT NULL"),
            ("channel", "channel", f"{first} WHERE channel IS NOT NULL"),
            ("requests", "''", first),
            ("late", "''", f"{first} WHERE known_from - requested_at > INTERVAL 28 DAY"),
            ("households", "''", homes),
        ]
        counts = [
            f"SELECT {text(kind)} AS kind, {subject} AS subject, {ago} AS ago, count(*) AS count"
            f" FROM {source} GROUP BY ALL"
            for kind, subject, source in wanted
        ]
        moved: dict[str, float] = {}
        for table, key in (("households", "household_id"), ("residents", "resident_id")):
            for column in [
                *attribute_columns(connection, table),
                *(BIRTHS if table == "residents" else ()),
            ]:
                changed = _changed(table, key, column, known)
                counts.append(
                    f"SELECT 'attribute' AS kind, {text(f'{table}.{column}')} AS subject, {ago} AS ago, count(*) AS count"
                    f" FROM {changed} GROUP BY ALL"
                )
                (mean,) = connection.execute(
                    f"SELECT avg(try_cast(value AS DOUBLE) - try_cast(before AS DOUBLE)) FROM {changed} WHERE {ago} < 2"
                ).fetchall()[0]
                if mean is not None:
                    moved[f"{table}.{column}"] = float(mean)
        counted = connection.execute(" UNION ALL ".join(counts)).df()
        begun, households = connection.execute(
            f"SELECT coalesce(max({ago}), -1) + 1, count(DISTINCT household_id) FROM households WHERE {known}"
        ).fetchall()[0]
    requests = counted.loc[counted["kind"] == "requests", "ago"].max() if len(counted) else 0
    begun = int(min(begun, (requests if requests == requests else -1) + 1))
    return Streams(counted[counted["ago"] >= 0], begun, int(households), moved)


def _changed(table: str, key: str, column: str, known: str) -> str:
    """Return SQL of the rows by which an attribute got another value than it had: known_from, before and value."""
    value, order = f"{name(column)}::VARCHAR", f"(PARTITION BY {key} ORDER BY known_from, valid_from)"
    return f"""(SELECT known_from, before, value FROM (
        SELECT known_from, {value} AS value, lag({value}) OVER {order} AS before, row_number() OVER {order} AS place
        FROM {table} WHERE {known}) WHERE place > 1 AND value IS DISTINCT FROM before)"""


def answered_visits(workspace: Path, as_of: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the day of each targeted visit that met somebody, and whether it found the need.

    float64 [visits] and bool [visits], as known before a day.
    """
    with open_store(workspace, read_only=True) as connection:
        visits = connection.execute(f"""
            SELECT epoch_us(contacted_at) / 86400e6 AS day, outcome = 'needed' AS needed
            FROM {held("outreach", as_of)} WHERE arm = 'targeted' AND outcome IN ('needed', 'not_needed')""").fetchnumpy()
    return np.asarray(visits["day"], dtype=np.float64), np.asarray(visits["needed"], dtype=bool)
