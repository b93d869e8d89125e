"""Identifiers that a spreadsheet has damaged, or that differ only in how they are written."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable

import duckdb
import pyarrow as pa

from features.ingest.findings import EXAMPLES, Finding, Weight
from features.language import say
from features.store.sql import name, one_value

EXACT_DIGITS = 15  # that a spreadsheet keeps of a number
_BRACKETS = str.maketrans(
    {"【": "(", "】": ")", "[": "(", "]": ")", "〔": "(", "〕": ")", "{": "(", "}": ")"}
)


def damaged_id(value: str, cut: bool) -> str:
    """SQL: whether an id was a number of which a spreadsheet dropped digits (3.30481E+17).

    ``cut``: also one of more than fifteen digits that ends in zeros from the sixteenth on.
    """
    scientific = (
        f"(contains(upper({value}), 'E+') AND regexp_full_match({value}, '[+-]?\\d+(\\.\\d+)?[eE]\\+\\d+'))"
    )
    decimal = f"(length({value}) > {EXACT_DIGITS + 1} AND regexp_full_match({value}, '\\d{{16,}}\\.0+'))"
    parts = [scientific, decimal] + ([_ends_in_zeros(value)] if cut else [])
    return f"({' OR '.join(parts)})"


def _ends_in_zeros(value: str) -> str:
    return f"(length({value}) > {EXACT_DIGITS} AND regexp_full_match({value}, '\\d{{{EXACT_DIGITS}}}0+'))"


def cut_ids(connection: duckdb.DuckDBPyConnection, source: str, columns: Iterable[str]) -> set[str]:
    """The columns of ids of which most numbers with more than fifteen digits end in zeros."""
    ids = [name(column) for column in columns if column.endswith("_id")]
    if not ids:
        return set()
    counts = ", ".join(
        f"count(*) FILTER (length({identifier}) > {EXACT_DIGITS} AND regexp_full_match({identifier}, '\\d+')),"
        f" count(*) FILTER ({_ends_in_zeros(identifier)})"
        for identifier in ids
    )
    found = connection.execute(f"SELECT {counts} FROM {source}").fetchall()[0]
    pairs = zip(ids, found[::2], found[1::2], strict=True)
    return {one.strip('"') for one, long, zeros in pairs if zeros > 0.5 * long}


def alike_households(connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    """Households whose ids differ only by leading zeros or capital letters: 123 beside 00123."""
    loose = "ltrim(upper(household_id), '0')"
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE alike AS
        SELECT list(DISTINCT household_id ORDER BY household_id) AS ids
        FROM known_households WHERE {loose} <> '' GROUP BY {loose} HAVING count(DISTINCT household_id) > 1""")
    count = one_value(connection, "SELECT count(*) FROM alike")
    if not count:
        return []
    shown = connection.execute(f"SELECT ids FROM alike ORDER BY ids LIMIT {EXAMPLES}").fetchall()
    return [
        Finding(
            Weight.LOOK,
            "households",
            say(
                "编号只差前导零或大小写，按不同的户处理",
                "ids that differ by leading zeros or capitals only; kept apart",
            ),
            say("若是同一户，请统一编号", "write the id alike where it is one household"),
            count,
            tuple(" / ".join(ids) for (ids,) in shown),
        )
    ]


def normal_name(text: str) -> str:
    """The name of an area without blanks, in narrow digits and round brackets.

    >>> normal_name("第１ 网格（东）")
    '第1网格(东)'
    """
    return re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).translate(_BRACKETS)


def remember_areas(connection: duckdb.DuckDBPyConnection) -> None:
    """Put the names of grids and micro-grids that the records hold into ``area_names``."""
    for column in ("grid_id", "microgrid_id"):
        areas = connection.execute(f"SELECT DISTINCT {column} FROM households ORDER BY 1").fetchall()
        names = {normal_name(area): area for (area,) in reversed(areas)}
        _insert(
            connection,
            "INSERT INTO area_names SELECT * FROM names",
            [(column, normal, area) for normal, area in names.items()],
        )


def unify_areas(connection: duckdb.DuckDBPyConnection, staged: str, columns: Iterable[str]) -> list[Finding]:
    """Write grids and micro-grids that differ by blanks, brackets or the width of digits alike in a staged table.

    The name held in the table ``area_names`` (column_name, normal, area) counts, else the most frequent one.
    """
    findings = []
    for column in (column for column in ("grid_id", "microgrid_id") if column in columns):
        rows = connection.execute(
            f"SELECT {column}, count(*) FROM {staged} WHERE {column} IS NOT NULL GROUP BY ALL"
        ).fetchall()
        forms: dict[str, Counter[str]] = defaultdict(Counter)
        for area, count in rows:
            forms[normal_name(area)][area] += count
        known = dict(
            connection.execute(
                "SELECT normal, area FROM area_names WHERE column_name = ?", [column]
            ).fetchall()
        )
        chosen = {normal: min(own, key=lambda one: (-own[one], one)) for normal, own in forms.items()} | known
        renamed = [
            (area, chosen[normal]) for normal, own in forms.items() for area in own if area != chosen[normal]
        ]
        fresh = [(column, normal, chosen[normal]) for normal in forms if normal not in known]
        _insert(connection, "INSERT INTO area_names SELECT * FROM names", fresh)
        _insert(
            connection,
            f"UPDATE {staged} SET {column} = other FROM names WHERE {column} = area",
            [(column, *pair) for pair in renamed],
        )
        if renamed:
            words = say(f"{column} 写法不同，视为同一个", f"{column} written differently, taken as the same")
            shown = tuple(f"{area} = {other}" for area, other in renamed[:EXAMPLES])
            findings.append(
                Finding(Weight.NOTE, staged.removeprefix("staged_"), words, "", len(renamed), shown)
            )
    return findings


def _insert(connection: duckdb.DuckDBPyConnection, query: str, rows: list[tuple[str, str, str]]) -> None:
    """Run a query over rows of three texts under the name ``names`` (column_name, area, other)."""
    if rows:
        columns = [pa.array(column, type=pa.string()) for column in zip(*rows, strict=True)]
        connection.register("names", pa.table(columns, names=["column_name", "area", "other"]))
        connection.execute(query)
        connection.unregister("names")
