"""Write SQL literals and names, and define macros that read whole columns of texts as times, numbers and plain texts."""

from typing import Any

import duckdb

from features.contract.tables import Kind

TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "time": "TIMESTAMP",
    "day": "DATE",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
}
READ: dict[Kind, str] = {
    "text": "plain_text",
    "time": "read_time",
    "day": "read_day",
    "number": "read_number",
    "boolean": "read_boolean",
}
_CLOCK = r"\d{1,2}:\d{1,2}(:\d{1,2}(\.\d+)?)?"
WHOLE_NUMBER = r"^-?\d{1,15}\.0+$"  # that a spreadsheet gave decimals
_ISO = rf"^\d{{4}}[-/]\d{{1,2}}[-/]\d{{1,2}}([ T]{_CLOCK})?$"
_SPAN = r"[^Tt:\d]\d{1,2}:\d{2}\s*-\s*\d{1,2}:\d{2}$"  # 09:00-10:00, a span of time
_OFFSET = r"([Zz]|[+-](0\d|1[0-4])(:?[0-5]\d)?)$"


def text(value: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def name(value: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + value.replace('"', '""') + '"'


def one_value(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
    """Return the only value of a query that gives one row of one column."""
    return connection.execute(query).fetchall()[0][0]


def add_macros(connection: duckdb.DuckDBPyConnection, timezone: str) -> None:
    """Define the macros in ``READ``; they give NULL where a text is unreadable.

    Times with an offset are moved to ``timezone``; all times are local and without a timezone. Besides ISO they read
    2024/7/1 8:30, 2024.7.1, 2024年7月1日 8时30分, 下午 3:20, 20240701, 20240701083000 and Excel's day number 45474.5.
    """
    macros = {
        "plain_text(x)": rf"""CASE
            WHEN contains(x, '.0') AND regexp_matches(x, '{WHOLE_NUMBER}')
            THEN regexp_replace(x, '\.0+$', '')
            WHEN contains(x, '00:00:00') AND regexp_matches(x, '^\d{{4}}-\d\d-\d\d[ T]00:00:00(\.0+)?$')
            THEN x[:10]
            WHEN x IN ('True', 'TRUE', 'False', 'FALSE') THEN lower(x)
            ELSE x END""",
        "local_time(x)": f"CASE WHEN regexp_matches(x, '{_ISO}') THEN try_cast(x AS TIMESTAMP) END",
        "at_offset(x, zone)": rf"""timezone({text(timezone)},
            (local_time(trim(regexp_replace(x, '{_OFFSET}', '')))
             - to_minutes(CASE WHEN zone IN ('Z', 'z') THEN 0
                ELSE (CASE WHEN zone[1] = '-' THEN -1 ELSE 1 END) * (60 * zone[2:3]::INTEGER
                   + coalesce(try_cast(right(replace(zone[4:], ':', ''), 2) AS INTEGER), 0)) END))
            AT TIME ZONE 'UTC')""",
        "half_day(x)": r"""local_time(trim(regexp_replace(x, '\s*(上午|下午|[AaPp][Mm])\s*', ' ')))
            + to_hours(CASE
                WHEN regexp_matches(x, '下午|[Pp][Mm]') AND regexp_matches(x, '[^\d](0?\d|1[01]):') THEN 12
                WHEN regexp_matches(x, '上午|[Aa][Mm]') AND regexp_matches(x, '[^\d]12:') THEN -12
                ELSE 0 END)""",
        "office_form(x)": r"""regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(x,
            '^(\d{4})\s*[年.]\s*(\d{1,2})\s*[月.]\s*(\d{1,2})\s*日?\s*', '\1-\2-\3 '),
            '^(\d{4})(\d{2})(\d{2})', '\1-\2-\3 '),
            '^(\S+)\s+(\d{2})(\d{2})(\d{2})?$', '\1 \2:\3:\4'),
            '(\d{1,2})\s*[时点：]\s*(\d{1,2})(?:\s*[分：]\s*)?', '\1:\2:'),
            '[:\s秒]+$', '')""",
        "day_number(x)": "TIMESTAMP '1899-12-30' + to_seconds(round(try_cast(x AS DOUBLE) * 86400)::BIGINT)",
        "any_form(x)": rf"""CASE
            WHEN regexp_matches(x, '^\d{{5}}(\.\d+)?$') THEN day_number(x)
            WHEN regexp_matches(x, '上午|下午|[AaPp][Mm]') THEN half_day(x)
            WHEN regexp_matches(x, '{_SPAN}') THEN NULL
            WHEN regexp_matches(x, ':\d+(\.\d+)?\s*{_OFFSET}')
            THEN at_offset(x, regexp_extract(x, '{_OFFSET}'))
            ELSE local_time(x) END""",
        "read_time(x)": f"CASE WHEN regexp_matches(x, '{_ISO}') THEN try_cast(x AS TIMESTAMP)"
        " WHEN x IS NOT NULL THEN list_transform([office_form(x)], lambda form: any_form(form))[1] END",
        "read_day(x)": "CAST(read_time(x) AS DATE)",
        "read_number(x)": "CASE WHEN isfinite(try_cast(replace(replace(x, ',', ''), '，', '') AS DOUBLE))"
        " THEN try_cast(replace(replace(x, ',', ''), '，', '') AS DOUBLE) END",
        "read_boolean(x)": "CASE WHEN lower(x) IN ('true', '1', 'yes', '是') THEN true"
        " WHEN lower(x) IN ('false', '0', 'no', '否') THEN false END",
    }
    for head, body in macros.items():
        connection.execute(f"CREATE OR REPLACE TEMP MACRO {head} AS {body}")


def held(table: str, as_of: int | None = None) -> str:
    """Return SQL of a table's rows that no later row has superseded; with ``as_of``, of those known before that day."""
    known = "" if as_of is None else f" AND epoch_us(known_from) / 86400e6 < {as_of}"
    return f"(SELECT * FROM {table} WHERE superseded_at IS NULL{known})"
