"""Residents of whom an age is told and the day on which it was taken: that makes a year of birth."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from features.contract.spoken_values import NOTHING, UNKNOWN, plain, read_number
from features.exports.departures import day_in
from features.store.sql import name, one_value

AGE = re.compile(r"^(?:age|年龄|周岁|岁数|实足年龄|实际年龄)$")
TAKEN = re.compile(
    r"^(?:age_on|age_at|age_date|age_taken_on|年龄日期|年龄统计日|(?:登记|采集|统计|填表|核实|截止)(?:日期|时间))$"
)
MONTHS = re.compile(r"^(\d+)个?月(?:龄)?$")
OLDEST = 125


@dataclass(frozen=True)
class Aged:
    """A column of ages: the column with the day, rows that got a year of birth, and rows that lack the day.

    ``odd``: texts that are no age, such as 200; ``odd_rows``: the rows that have one.
    """

    column: str
    taken: str
    told: int
    untold: int
    odd: tuple[str, ...] = ()
    odd_rows: int = 0


def births_from_ages(
    connection: duckdb.DuckDBPyConnection, table: str, holds: str, columns: Sequence[str], zone: str
) -> Aged | None:
    """Fill ``birth_year`` of staged residents without a birth by their age and the day on which it was taken.

    connection: with the staged rows.
    table: the staged table.
    holds: SQL of whether a row can be used.
    columns: of the file.
    zone: the community's timezone.

    Returns what was filled, None where no column has ages; otherwise the table has ``birth_year``.
    """
    ages = next((column for column in columns if AGE.match(column.strip().lower())), None)
    if ages is None:
        return None
    if "birth_year" not in columns:
        connection.execute(f"ALTER TABLE {table} ADD COLUMN birth_year DOUBLE")
    taken = next((column for column in columns if TAKEN.match(column.strip().lower())), "")
    texts = (
        f"SELECT {name(ages)}, count(*) FROM {table} WHERE {name(ages)} IS NOT NULL AND {holds} GROUP BY ALL"
    )
    said = dict(connection.execute(texts).fetchall())
    years = {text: years for text in said if (years := years_of_age(text)) is not None}
    read = pa.table(
        {"said": pa.array(years, type=pa.string()), "years": pa.array(years.values(), pa.float64())}
    )
    connection.register("ages", read)
    unborn = ["birth_year IS NULL", *(["birth_date IS NULL"] if "birth_date" in columns else [])]
    rows = f"{' AND '.join(unborn)} AND {holds} AND {name(ages)} IN (SELECT said FROM ages)"
    before = one_value(connection, f"SELECT count(*) FROM {table} WHERE {rows}")
    day = day_in(connection, table, taken, zone) if taken else "NULL::TIMESTAMP"
    connection.execute(f"""
        UPDATE {table} SET birth_year = year({day} - to_days(round((years + 0.5) * 365.25)::INTEGER))
        FROM ages WHERE {name(ages)} = said AND {rows}""")
    after = one_value(connection, f"SELECT count(*) FROM {table} WHERE {rows}")
    connection.unregister("ages")
    odd = sorted(
        text
        for text in said
        if text not in years and plain(text).strip("-—/ ") not in {"", *NOTHING, *UNKNOWN}
    )
    return Aged(ages, taken, before - after, after, tuple(odd), sum(said[text] for text in odd))


def years_of_age(text: str) -> float | None:
    """Read an age in years: 65, 65岁, 45周岁, 3个月; None where it is none.

    >>> years_of_age("65岁"), years_of_age("6个月"), years_of_age("200")
    (65.0, 0.5, None)
    """
    months = MONTHS.match(plain(text))
    years = int(months[1]) / 12 if months else read_number(text)
    return years if years is not None and 0 <= years <= OLDEST else None
