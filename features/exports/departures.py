"""Turn a register's own columns on who left or died into ``valid_until``.

``left`` and ``died`` of community.yaml name the column, its values and, if there is one, the column with the date.
Without these settings the columns that registers usually have for this are taken, and a line says so.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from features.contract.community import Community, Departure
from features.contract.spoken_values import (
    FALSE,
    NOTHING,
    UNKNOWN,
    plain,
    read_birth,
    read_moment,
    read_truth,
)
from features.exports.comparison import many_at_once
from features.findings import EXAMPLES, Finding, Weight
from features.language import say
from features.store.sql import held, name, one_value, text

FEWEST_EMPTY = 2  # areas that lose all their workers at once, from which on a list seems to be a part of one
USUAL = {
    "left": (
        ("是否已迁出", "是否迁出", "已迁出", "是否已搬走", "是否搬走", "是否注销", "moved_out", "moved_away"),
        (
            "迁出日期",
            "迁出时间",
            "搬走日期",
            "搬离日期",
            "注销日期",
            "注销时间",
            "moved_out_on",
            "moved_away_on",
        ),
    ),
    "died": (
        ("是否已死亡", "是否死亡", "已死亡", "是否已去世", "是否去世", "已去世", "deceased", "died"),
        ("死亡日期", "死亡时间", "去世日期", "去世时间", "deceased_on", "died_on"),
    ),
}
STATUS = re.compile(
    r"^(?:状态|status|residence_status|(?:居住|在住|常住|住户|人员|人口|人户|户籍|户口)(?:状态|情况)"
    r"|(?:注销|离开|迁出|减员|变动|销户)原因|备注)$"
)
GONE = re.compile(
    r"迁出|迁走|迁往|外迁|搬走|搬离|搬出|搬迁|注销|销户|死亡|去世|过世|病故|已故|亡故|身故|逝世"
    r"|\b(?:moved[ _](?:out|away)|deceased|died|dead)\b"
)
# a remark that says no more than that its own person is gone, and when; 老伴去世 says it of another one
REMARK_OF_GONE = re.compile(
    rf"(?:[\d年月日号.\-/\s()于]|本人|全家|户[籍口]|因病|已(?!故))*(?:{GONE.pattern})[了\d年月日号.\-/\s()]*"
)
STILL_THERE = re.compile(r"未|没|不|非|否|无|拟|计划|准备|\bnot\b")
THERE = re.compile(r"在|常住|居住|自住|租住|入住|正常|\b(?:active|present|living|resident)\b")
MOST_VALUES = 1000  # of a column, the most frequent ones


@dataclass(frozen=True)
class Sign:
    """A column, its values that say that somebody is gone, and the column with the date, if there is one."""

    column: str
    values: tuple[str, ...] | None  # None: those that usually mean it
    date: str = ""
    usual: bool = False  # taken without the settings naming it
    flag: bool = True  # yes and no, beside a status or a date


@dataclass(frozen=True)
class Departed:
    """How many rows a sign tells of, by which values, and values that were not understood."""

    sign: Sign
    rows: int
    values: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    # values that the settings name and no row has, where ``unclear`` may be meant
    absent: tuple[str, ...] = ()
    unclear_rows: int = 0


def end_departed(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    holds: str,
    columns: Sequence[str],
    community: Community,
) -> list[Departed]:
    """Fill ``valid_until`` of the staged rows of those who left or died.

    Without a date, a row of somebody who is gone ends at its own ``valid_from`` and so holds for no day.

    connection: with the staged rows.
    table: the staged table.
    holds: SQL that is true for a usable row.
    columns: of the file.
    community: its settings may name the columns.

    Returns each sign whose column is there, with the number of rows it marks, perhaps 0; with any, the table has
    ``valid_until``.
    """
    there = {column.lower(): column for column in columns}
    signs = [sign for sign in _signs(community, there) if sign.column in columns]
    if signs and "valid_until" not in columns:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN valid_until TIMESTAMP")
    zone = community.community.timezone
    named = [(sign.column, plain(value)) for sign in signs for value in sign.values or ()]
    return [
        _end(
            connection,
            table,
            holds,
            sign,
            there,
            zone,
            {value for column, value in named if column == sign.column},
        )
        for sign in signs
    ]


def _end(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    holds: str,
    sign: Sign,
    there: dict[str, str],
    zone: str,
    named: set[str],
) -> Departed:
    """Fill ``valid_until`` of the rows of one sign; ``there``: the file's columns by their names in small letters;
    ``named``: values of the column that the settings name."""
    column = name(sign.column)
    counted = connection.execute(
        f"SELECT {column}, count(*) FROM {table} WHERE {column} IS NOT NULL AND {holds}"
        f" GROUP BY ALL ORDER BY 2 DESC, 1 {'' if sign.date == sign.column else f'LIMIT {MOST_VALUES}'}"
    ).fetchall()
    readings = {value: _tells(value, table.removeprefix("staged_"), sign, zone) for value, _ in counted}
    gone = [value for value, _ in counted if readings[value]]
    unclear = tuple(value for value, _ in counted if readings[value] is None)
    absent: tuple[str, ...] = ()
    if sign.values is not None:
        held = {plain(value) for value in readings}
        absent = tuple(value for value in sign.values if plain(value) not in held)
        unclear = tuple(
            value for value in readings if absent and _perhaps_gone(plain(value), named, bool(gone))
        )
        absent = absent if unclear else ()
    unclear_rows = sum(count for value, count in counted if value in unclear)
    if not gone:
        return Departed(sign, 0, (), unclear, absent, unclear_rows)
    connection.register("gone", pa.table({"said": pa.array(gone, type=pa.string())}))
    rows = f"{column} IN (SELECT said FROM gone) AND {holds}"
    dates = there.get(sign.date.lower())
    day = day_in(connection, table, dates, zone) if dates else "NULL"
    connection.execute(
        f"UPDATE {table} SET valid_until = coalesce(valid_until, {day}, valid_from) WHERE {rows}"
    )
    count = one_value(connection, f"SELECT count(*) FROM {table} WHERE {rows}")
    connection.unregister("gone")
    return Departed(
        sign, count, () if sign.date == sign.column else tuple(gone), unclear, absent, unclear_rows
    )


def day_in(connection: duckdb.DuckDBPyConnection, table: str, column: str, zone: str) -> str:
    """SQL of the time in a column of texts, also as people write dates."""
    quoted = name(column)
    texts = connection.execute(
        f"SELECT DISTINCT {quoted} FROM {table} WHERE {quoted} IS NOT NULL AND read_time({quoted}) IS NULL"
    ).fetchall()
    days = {text_read: day for (text_read,) in texts if (day := _moment(text_read, zone))}
    spoken = "".join(f" WHEN {text(text_read)} THEN TIMESTAMP {text(day)}" for text_read, day in days.items())
    return f"coalesce(read_time({quoted}), CASE {quoted}{spoken} END)" if spoken else f"read_time({quoted})"


def _moment(value: str, zone: str) -> str | None:
    moment = read_moment(value, zone) or read_birth(value)
    return None if moment is None else moment.isoformat()[:19]


def _tells(value: str, table: str, sign: Sign, zone: str) -> bool | None:
    """Whether a value says that somebody is gone; None where nobody can tell."""
    word = plain(value)
    if sign.values is not None:
        return word in {plain(value) for value in sign.values}
    if sign.date == sign.column:
        return True if _moment(value, zone) else None
    if word in NOTHING or word in UNKNOWN:
        return False
    if sign.column == "备注":
        own = REMARK_OF_GONE.fullmatch(word) is not None
        return own and (table != "households" or not re.search("[死世故]", word))
    if "户主" in word and table == "households":
        return None  # others may live there
    if not sign.flag:
        return bool(GONE.search(word)) and not STILL_THERE.search(word)
    truth = read_truth(value) if word not in ("0", "1") else word == "1"
    if truth is not None:
        return truth
    if STILL_THERE.search(word) or word in FALSE:
        return False
    return True if GONE.search(word) or word[0] in "是已" else None


def _perhaps_gone(word: str, named: set[str], some: bool) -> bool:
    """Whether a value may be what a mistyped one in the settings means; ``some``: others there were found."""
    if word in named or word in FALSE or word in NOTHING or word in UNKNOWN or word == "0":
        return False
    if STILL_THERE.search(word):
        return False
    return bool(GONE.search(word)) or not (some or THERE.search(word))


def _signs(community: Community, there: dict[str, str]) -> Iterable[Sign]:
    for table_key, (columns, dates) in USUAL.items():
        given: Departure | None = getattr(community, table_key)
        if given is not None:
            yield Sign(there.get(given.column.lower(), given.column), given.values, given.date)
            continue
        date = next((date for date in dates if date in there), "")
        flags = [column for column in columns if column in there]
        yield from (Sign(there[column], None, date, usual=True) for column in flags)
        if date and not flags:
            yield Sign(there[date], None, there[date], usual=True)
    if community.left is None and community.died is None:
        yield from (
            Sign(written, None, usual=True, flag=False) for low, written in there.items() if STATUS.match(low)
        )


def release_workers(
    connection: duckdb.DuckDBPyConnection, named: str, unread: str
) -> tuple[list[str], list[str]]:
    """Let go of the workers whom a list of workers does not name any more.

    named: the table with the rows of the list, usable or not; where none can be read nobody is let go.
    unread: the rows that broke apart; a worker whose id stands in them stays.

    Returns their ids, and a line where so many areas lose all their workers that the list seems to be a part of one.
    """
    area = "coalesce(microgrid_id, grid_id)"
    there = f"(SELECT DISTINCT {area} AS area FROM {held('workers')} WHERE {area} IS NOT NULL)"
    every = one_value(connection, f"SELECT count(*) FROM {there}")
    gone = connection.execute(
        f"""UPDATE workers SET superseded_at = current_localtimestamp() WHERE superseded_at IS NULL
        AND worker_id NOT IN (SELECT worker_id FROM {named} WHERE worker_id IS NOT NULL)
        AND (SELECT count(worker_id) FROM {named}) > 0 AND NOT contains(?, worker_id)
        RETURNING worker_id, {area}""",
        [unread],
    ).fetchall()
    left = {place for (place,) in connection.execute(f"FROM {there}").fetchall()}
    empty = sorted({place for _, place in gone if place} - left)
    ids = sorted(worker for worker, _ in gone)
    if not many_at_once(len(empty), every, FEWEST_EMPTY):
        return ids, []
    shown = "、".join(empty[:EXAMPLES])
    return ids, [
        say(
            f"workers：{every} 个网格、微网格里有 {len(empty)} 个（{shown} 等）原有的人都不在这份名单里，像是"
            "只交了一部分，那里会没有人走访；请交整份名单",
            f"workers: {len(empty)} of {every} grids and micro-grids ({shown}) lose all their workers: the list seems to"
            " be a part of one, and nobody visits there; hand in the whole list",
        )
    ]


def empty_homes(connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    """A finding on households that count although everybody registered there has left or died; none without any."""
    homes = connection.execute("""
        SELECT household_id FROM (
            SELECT household_id, valid_until FROM residents WHERE superseded_at IS NULL
            QUALIFY row_number() OVER (PARTITION BY resident_id ORDER BY valid_from DESC) = 1)
        GROUP BY household_id HAVING bool_and(coalesce(valid_until <= current_date, false))
        INTERSECT SELECT household_id FROM (
            SELECT household_id, valid_until FROM households WHERE superseded_at IS NULL
            QUALIFY row_number() OVER (PARTITION BY household_id ORDER BY valid_from DESC) = 1)
        WHERE valid_until IS NULL ORDER BY 1""").fetchall()
    words = say(
        "登记的人都已迁出或去世，这一户照样当作还在",
        "count although everybody registered there has left or died",
    )
    todo = say("搬空的请在住户表填 valid_until", "give valid_until to those that are empty")
    names = tuple(home for (home,) in homes[:EXAMPLES])
    return [Finding(Weight.NOTE, "households", words, todo, len(homes), names)] if homes else []
