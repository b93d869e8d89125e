"""Who left or died by a register's own columns: what they say becomes ``valid_until``.

``left`` and ``died`` of community.yaml name the column, its values and, where there is one, the column with the date.
Without them the columns that registers usually have for this are taken, and a line says so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb

from features.contract.community import Community, Departure
from features.store.sql import name, one_value, text

TABLES = ("households", "residents")
YES = ("1", "是", "有", "true", "yes", "y", "√", "已")
USUAL = {
    "left": (
        ("是否已迁出", "是否迁出", "已迁出", "是否已搬走", "是否搬走", "moved_out", "moved_away"),
        ("迁出日期", "迁出时间", "搬走日期", "搬离日期", "moved_out_on", "moved_away_on"),
    ),
    "died": (
        ("是否已死亡", "是否死亡", "已死亡", "是否已去世", "是否去世", "已去世", "deceased", "died"),
        ("死亡日期", "死亡时间", "去世日期", "去世时间", "deceased_on", "died_on"),
    ),
}
STATUS = ("status", "状态", "居住状态", "在住状态", "住户状态", "人员状态", "residence_status")
GONE = (
    *(
        "已迁出",
        "迁出",
        "已搬走",
        "搬走",
        "已搬离",
        "搬离",
        "已死亡",
        "死亡",
        "已去世",
        "去世",
        "已故",
        "moved out",
    ),
    *("moved away", "moved_out", "moved_away", "deceased", "died", "dead"),
)


@dataclass(frozen=True)
class Sign:
    """A column, the values by which it says that somebody is gone, and the column with the date, if any."""

    column: str
    values: tuple[str, ...]
    date: str = ""
    usual: bool = False  # taken without the settings naming it


@dataclass(frozen=True)
class Departed:
    """How many rows a sign tells of."""

    sign: Sign
    rows: int


def end_departed(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    holds: str,
    columns: Sequence[str],
    community: Community,
) -> list[Departed]:
    """Fill ``valid_until`` of the staged rows of those who left or died.

    Without a date a row of somebody who is gone holds for no day: since its ``valid_from`` they are not there.

    Args:
        connection: with the staged rows.
        table: the staged table.
        holds: SQL of whether a row can be used.
        columns: of the file.
        community: its settings may name the columns.

    Returns:
        What the columns that were found tell, also of no row; with any of them the table has ``valid_until``.
    """
    there = {column.lower(): column for column in columns}
    signs = [sign for sign in _signs(community, there) if sign.column in columns]
    if signs and "valid_until" not in columns:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN valid_until TIMESTAMP")
    found = []
    for sign in signs:
        values = ", ".join(text(value.strip().lower()) for value in sign.values) or "NULL"
        gone = f"lower({name(sign.column)}) IN ({values}) AND {holds}"
        day = f"read_time({name(there[sign.date.lower()])})" if sign.date.lower() in there else "NULL"
        connection.execute(
            f"UPDATE {table} SET valid_until = coalesce(valid_until, {day}, valid_from) WHERE {gone}"
        )
        found.append(Departed(sign, one_value(connection, f"SELECT count(*) FROM {table} WHERE {gone}")))
    return found


def _signs(community: Community, there: dict[str, str]) -> Iterable[Sign]:
    for one, (columns, dates) in USUAL.items():
        given: Departure | None = getattr(community, one)
        if given is not None:
            yield Sign(there.get(given.column.lower(), given.column), given.values, given.date)
            continue
        date = next((date for date in dates if date in there), "")
        yield from (Sign(there[column], YES, date, usual=True) for column in columns if column in there)
    if community.left is None and community.died is None:
        yield from (Sign(there[column], GONE, usual=True) for column in STATUS if column in there)
