"""Compare an export with those before it: rows that are gone, columns that are gone or emptied, shares that jumped.

What is usual comes from the exports themselves: a change is reported when it is larger than three times the usual change
between earlier exports, larger than chance explains, and larger than a fixed least change.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from features.contract.attribute_values import MISSING
from features.contract.community import Community
from features.contract.table_names import FILES
from features.contract.tables import TABLES
from features.findings import EXAMPLES, Finding, Weight
from features.language import joined_names, say
from features.store.export_history import Profile, next_number, note_export, profiles, usual_gone
from features.store.sql import name, text

COMPARED = {"households": "household_id", "residents": "resident_id", "requests": "request_id"}
WHOLE = 0.5  # of an export's rows held before, from which on it repeats them and is no mere addition
GONE_SHARE, FEWEST_GONE = 0.1, 5
EMPTIED = 5  # rows with a value, from which on their loss is told
JUMP = 0.15  # of a share
DEVIATIONS = 5.0  # of a share by chance
TIMES_USUAL = 3.0
FEWEST_ROWS = 20
CATEGORIES = 12  # values of a column whose shares are followed, in its first rows
LOOKED_AT, MOST_VALUES = 10_000, 50  # rows that tell how many; values of all rows
COUNTED_AT_ONCE = 20  # columns: a histogram takes some megabytes however few rows there are
LATEST = 12  # exports that tell what is usual
SHOWN = 8  # lines of a table


@dataclass(frozen=True)
class Handed:
    """A table of an export: SQL of its rows, and their columns."""

    rows: str
    columns: Sequence[str]


def many_at_once(count: int, every: int, fewest: int = FEWEST_GONE) -> bool:
    """Whether so many of all differ by one export that it should be looked at."""
    return count >= fewest and count > GONE_SHARE * every


def compare_export(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, Handed],
    community: Community,
    ends: str | None,
    content: str,
) -> list[str]:
    """Compare an export with those before it, then note what it held; a line for each thing that differs much.

    connection: with the records as they were before this export.
    tables: what was handed in, by table.
    community: the settings that come into force.
    ends: until when the export reaches, as an ISO text.
    content: digest of its files: an export that is read again is noted once.
    """
    number, noted = next_number(connection, content)
    alarms: list[str] = []
    for table in (table for table in COMPARED if table in tables):
        gone, lines = _rows_gone(connection, table, tables[table].rows, number)
        now = _profile(connection, table, tables[table])
        lines += _changes(
            table, now, profiles(connection, table, number, LATEST), gone is not None, community
        )
        alarms += lines[:SHOWN]
        if not noted:
            note_export(connection, number, table, gone, now)
    if not noted:
        connection.execute("INSERT INTO exports VALUES (?, ?, ?)", [content, number, ends])
    return alarms


def tables_gone(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Handed]) -> list[Finding]:
    """A finding on tables that the export before had and this one has not; to be asked before that one is noted."""
    rows = connection.execute("SELECT table_name, rows FROM newest_export WHERE rows > 0").fetchall()
    gone = tuple(f"{table}（{count}）" for table, count in rows if table not in tables)
    if not gone or "households" not in tables:
        return []
    words = say(
        "上一批导出有这些表（行数），这批没有",
        "tables of the export before (rows) that this one has not",
    )
    todo = say(
        "已有的记录不变；改了文件名的请改回", "what is held stays; give a file that was renamed its name back"
    )
    return [Finding(Weight.LOOK, say("导出", "export"), words, todo, examples=gone)]


def few_gone(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Handed], content: str, older: bool
) -> list[Finding]:
    """Findings on households and persons held whom a whole export has no more; to be asked before it is noted.

    ``content``: digest of its files. ``older``: whether it ends before an earlier export. Where many
    are gone at once, ``compare_export`` has a line instead.
    """
    number, noted = next_number(connection, content)
    findings = []
    for table in (table for table in ("households", "residents") if table in tables):
        every, gone, rows, repeated = _gone(connection, table, tables[table].rows)
        usual = usual_gone(connection, table, number, LATEST)
        if older or not gone or repeated < WHOLE * rows or _many_gone(gone, every, usual):
            continue
        new = not noted and gone > (usual[0] if usual else 0) * every + 0.5
        words = say(
            f"{FILES[table][0]}表里以前有、这批没有的，照样当作还在",
            "were in earlier exports and are not in this one; they still count",
        )
        todo = say(
            "搬走、去世的请保留那一行并填 valid_until", "keep the rows of those who left, with valid_until"
        )
        key = COMPARED[table]
        shown = connection.execute(f"""
            SELECT DISTINCT {key} FROM {table} WHERE superseded_at IS NULL AND valid_until IS NULL
            AND {key} NOT IN (SELECT {key} FROM {tables[table].rows}) ORDER BY 1 LIMIT {EXAMPLES}""")
        names = tuple(str(found) for (found,) in shown.fetchall())
        findings.append(Finding(Weight.LOOK if new else Weight.NOTE, table, words, todo, gone, names))
    return findings


def _gone(connection: duckdb.DuckDBPyConnection, table: str, given: str) -> tuple[int, int, int, int]:
    """Count the records held, those of them that an export no longer has, its rows, and those of them held before."""
    key = COMPARED[table]
    every, gone, rows, repeated = connection.execute(f"""
        SELECT count(*) FILTER (held), count(*) FILTER (held AND here IS NULL), count(here), count(here) FILTER (
            held IS NOT NULL)
        FROM (
            SELECT {key}, bool_or(superseded_at IS NULL AND {_still_there(table, given)}) AS held FROM {table}
            GROUP BY {key}
        ) FULL JOIN (SELECT DISTINCT {key}, true AS here FROM {given}) USING ({key})""").fetchall()[0]
    return every, gone, rows, repeated


def _many_gone(gone: int, every: int, usual: Sequence[float]) -> bool:
    return gone >= FEWEST_GONE and gone / every > max(GONE_SHARE, TIMES_USUAL * lower_median(usual))


def _rows_gone(
    connection: duckdb.DuckDBPyConnection, table: str, given: str, number: int
) -> tuple[float | None, list[str]]:
    """Return the share of the records held that an export no longer has (None where it only adds), and lines on it."""
    every, gone, rows, repeated = _gone(connection, table, given)
    if not every or not rows or repeated < WHOLE * rows:
        return None, []
    share = gone / every
    if not _many_gone(gone, every, usual_gone(connection, table, number, LATEST)):
        return share, []
    zh = {"households": "户", "residents": "人", "requests": "条诉求"}[table]
    line = say(
        f"{table}：{every} {zh}中有 {gone} {zh}不在这批导出里；请核对导出是否完整，搬走的请填 valid_until",
        f"{gone} of {every} {table} are no longer in the export; see whether it is whole, and give valid_until to those"
        " who left",
    )
    return share, [line]


def _still_there(table: str, given: str) -> str:
    """Return SQL of the rows held that a whole export would repeat: those not ended, or requests within its own time."""
    if table == "requests":
        return (
            f"requested_at BETWEEN (SELECT min(requested_at) FROM {given})"
            f" AND (SELECT max(requested_at) FROM {given})"
        )
    return "valid_until IS NULL"


def _profile(connection: duckdb.DuckDBPyConnection, table: str, handed: Handed) -> Profile:
    """Count, by column, how many of a table's newest rows have a value, and how many have each of few values."""
    key = COMPARED[table]
    fixed = {*TABLES[table].needed} | {"valid_until"}
    columns = [column for column in handed.columns if column not in fixed]
    newest = handed.rows
    if "valid_from" in handed.columns:
        last = f"SELECT {key}, max(valid_from) AS valid_from FROM {newest} GROUP BY {key}"
        newest = f"(SELECT * FROM {newest} SEMI JOIN ({last}) USING ({key}, valid_from))"
    nothing = ", ".join(map(text, sorted(MISSING)))
    counted = "".join(
        f", count({name(column)})"
        if column in TABLES[table].columns
        else f", count(*) FILTER (lower({name(column)}) NOT IN ({nothing}))"
        for column in columns
    )
    rows, *counts = connection.execute(f"SELECT count(*){counted} FROM {newest}").fetchall()[0]
    profile: Profile = {("", None): rows}
    profile |= {(column, None): count for column, count in zip(columns, counts, strict=True)}
    some = "".join(f", approx_count_distinct({name(column)})" for column in columns)
    _, *distinct = connection.execute(
        f"SELECT count(*){some} FROM (SELECT * FROM {newest} LIMIT {LOOKED_AT})"
    ).fetchall()[0]
    few = [column for column, values in zip(columns, distinct, strict=True) if values <= CATEGORIES]
    if few and table != "requests":  # what is asked for changes with the season
        for first in range(0, len(few), COUNTED_AT_ONCE):
            some_few = few[first : first + COUNTED_AT_ONCE]
            each = ", ".join(f"histogram({name(column)}::VARCHAR)" for column in some_few)
            counted_values = connection.execute(f"SELECT {each} FROM {newest}").fetchall()[0]
            for label, shares in zip(some_few, counted_values, strict=True):
                if len(shares or {}) <= MOST_VALUES:
                    profile |= {(label, value): count for value, count in (shares or {}).items()}
    return profile


def _changes(
    table: str, now: Profile, before: Sequence[Profile], whole: bool, community: Community
) -> list[str]:
    """Write lines on columns and shares that changed more than usual; the newest profile of ``before`` comes last."""
    if not before or before[-1]["", None] < EMPTIED:
        return []
    last, rows = before[-1], now["", None]
    lines = [
        _emptied_line(table, column, count, (column, None) in now, community)
        for (column, value), count in last.items()
        if column and value is None and count >= EMPTIED and not now.get((column, None))
    ]
    if whole and min(rows, last["", None]) >= FEWEST_ROWS:
        lines += _jumps(table, now, before)
    return lines


def _jumps(table: str, now: Profile, before: Sequence[Profile]) -> Iterator[str]:
    last = before[-1]
    sizes = now["", None], last["", None]
    for column, value in sorted(now.keys() | last.keys(), key=str):
        if not column or not now.get((column, None)) or not last.get((column, None)):
            continue
        share, was = (
            share.get((column, value), 0) / size for share, size in zip((now, last), sizes, strict=True)
        )
        pooled = (share * sizes[0] + was * sizes[1]) / sum(sizes)
        chance = DEVIATIONS * (pooled * (1 - pooled) * (1 / sizes[0] + 1 / sizes[1])) ** 0.5
        if abs(share - was) > max(JUMP, chance, TIMES_USUAL * usual_change(before, (column, value))):
            what = column if value is None else f"{column} = {value}"
            yield say(
                f"{table}：{what} 的比例由 {was:.0%} 变为 {share:.0%}，请核对导出",
                f"{table}: the share of {what} went from {was:.0%} to {share:.0%}; check the export",
            )


def refused_line(alarms: Sequence[str], refusals: Sequence[str] = ()) -> str:
    """Why an export is not taken: it differs much from earlier ones, or has refusals that cannot be read."""
    lines = [*refusals, *alarms]
    if refusals:
        lines.append(
            say(
                "有拒访没有读到，没有读入：这些户会上名单；改好再运行；核对过没错的，加 --accept",
                "refusals were not read, and nothing was taken: their households would be listed; mend them, or run again"
                " with --accept",
            )
        )
    if alarms:
        lines.append(
            say(
                "这批导出跟以往差别很大，没有读入；核对过没错的，加 --accept 再运行",
                "this export differs much from those before and was not taken; if it is right, run again with --accept",
            )
        )
    return "\n".join(lines)


def usual_change(before: Sequence[Profile], key: tuple[str, str | None]) -> float:
    """Compute how much a share usually changed between earlier exports: the lower median, with two zeros added."""
    shares = [export.get(key, 0) / max(export["", None], 1) for export in before]
    changes = [abs(share - other) for share, other in zip(shares[1:], shares[:-1], strict=True)]
    return lower_median(changes)


def lower_median(values: Sequence[float]) -> float:
    """Return the lower median of the values and two zeros, so that one odd export does not make the next one usual."""
    ordered = sorted([0.0, 0.0, *values])
    return ordered[(len(ordered) - 1) // 2]


def _emptied_line(table: str, column: str, count: int, there: bool, community: Community) -> str:
    asking = [
        need.id for need in community.needs if re.search(rf"(?<!\w){re.escape(column)}(?!\w)", need.who)
    ]
    needs = ""
    if asking and there:
        names = joined_names(asking)
        needs = say(f"；{names} 将没有住户", f"; {names}: 0 households")
    what = {"households": say("户", "households"), "residents": say("人", "residents")}.get(
        table, say("条", "requests")
    )
    if there:
        return say(
            f"{table}：{column} 原来有 {count} {what}填写，现在全空{needs}",
            f"{table}: {column} was filled for {count} {what} and is empty now{needs}",
        )
    return say(
        f"{table}：列 {column} 原来有 {count} {what}填写，这批导出没有这一列；已有的值不变",
        f"{table}: column {column} was filled for {count} {what} and is no longer in the export; values held stay",
    )
