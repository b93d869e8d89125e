"""One table's file read, checked and cleared of repeated rows, in a temporary table of the store."""

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from features.contract.tables import TABLES, Column
from features.ingest.checks import FORGIVING, raw, rules
from features.ingest.csv_reader import LINE
from features.ingest.files import TableFile
from features.ingest.quarantine import Quarantined
from features.language import say
from features.store.sql import READ, name, one_value, text

ABSENT = ("", "NULL", "null", "NaN", "nan", "NaT", "None", r"\N", "#N/A", "N/A", "<NA>", "<null>")
NONE_YET = ("-", "--", "—", "/", "无", "暂无", "未知", "不详", "未评价", "未办结")
LINE_NUMBER, PROBLEM, DETAIL = name(LINE), name("row:problem"), name("row:detail")


def staged(table: str) -> str:
    """Name of the temporary table with a table's rows; what is wrong with a row stands in ``PROBLEM``."""
    return f"staged_{table}"


def good_rows(table: str) -> str:
    """SQL of the rows of a table that can be used."""
    return f"(SELECT * FROM {staged(table)} WHERE {PROBLEM} IS NULL)"


def stage(connection: duckdb.DuckDBPyConnection, file: TableFile, needs: list[str]) -> int:
    """Read and check a file's rows into ``staged(table)``; rows without any content are left out.

    Returns:
        Number of rows that stand in the file once more, with the same content, further down.
    """
    contract = TABLES[file.table].columns
    cleaned = [f"{_filled(name(column), contract[column])} AS {raw(column)}" for column in file.columns]
    cleaned += [f"plain_text({name(column)}) AS {name(column)}" for column in file.attributes]
    read = [f"{_read(raw(column), contract[column])} AS {name(column)}" for column in file.columns]
    filled = [raw(column) for column in file.columns] + [name(column) for column in file.attributes]
    done = [column for column in file.columns if column not in FORGIVING.get(file.table, ())]
    checks = rules(file.table, file.columns, needs)
    problem = "".join(f" WHEN {condition} THEN {text(words)}" for condition, words, _ in checks)
    detail = "".join(f" WHEN {condition} THEN {value}" for condition, _, value in checks)
    connection.register("incoming", _tidy(file.rows))
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE {staged(file.table)} AS
        WITH cleaned AS (SELECT {LINE_NUMBER}, {", ".join(cleaned)} FROM incoming),
        read AS (SELECT *, {", ".join(read)} FROM cleaned WHERE coalesce({", ".join(filled)}) IS NOT NULL),
        checked AS (SELECT *, CASE{problem} END AS {PROBLEM} FROM read)
        SELECT * EXCLUDE ({", ".join(raw(column) for column in done)}),
            CASE WHEN {PROBLEM} IS NOT NULL THEN CASE{detail} END END AS {DETAIL}
        FROM checked""")
    connection.unregister("incoming")
    return _set_repeated_aside(connection, file)


def _filled(value: str, column: Column) -> str:
    """SQL of a text; words for 'none yet' count as empty where a time or number may be left out."""
    if column.required or column.kind == "text":
        return value
    return f"CASE WHEN {value} IN ({', '.join(map(text, NONE_YET))}) THEN NULL ELSE {value} END"


def _read(value: str, column: Column) -> str:
    return f"lower({value})" if column.allowed else f"{READ[column.kind]}({value})"


def _tidy(rows: pa.Table) -> pa.Table:
    """Texts without spaces around them, and null where that leaves nothing or a word for nothing."""
    texts = [pc.utf8_trim_whitespace(column) for column in rows.columns[:-1]]
    absent = pa.array(ABSENT)
    tidy = [pc.if_else(pc.is_in(column, absent), None, column) for column in texts]
    return pa.table([*tidy, rows[LINE]], names=rows.column_names)


def _set_repeated_aside(connection: duckdb.DuckDBPyConnection, file: TableFile) -> int:
    """Of rows with the same key the last one counts; those that differ from it are set aside."""
    table = staged(file.table)
    keys = ", ".join(name(key) for key in TABLES[file.table].key)
    content = ", ".join(name(one) for one in (*file.columns, *file.attributes))
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE repeated AS
        SELECT {LINE_NUMBER} AS "row:first", max({LINE_NUMBER}) OVER same AS "row:last",
            content IS NOT DISTINCT FROM arg_max(content, {LINE_NUMBER}) OVER same AS "row:alike"
        FROM (
            SELECT {LINE_NUMBER}, {keys}, row({content}) AS content
            FROM {table} SEMI JOIN (
                SELECT {keys} FROM {table} WHERE {PROBLEM} IS NULL GROUP BY ALL HAVING count(*) > 1
            ) USING ({keys})
            WHERE {PROBLEM} IS NULL)
        WINDOW same AS (PARTITION BY {keys})""")
    connection.execute('DELETE FROM repeated WHERE "row:first" = "row:last"')
    connection.execute(
        f'DELETE FROM {table} USING repeated WHERE {LINE_NUMBER} = "row:first" AND "row:alike"'
    )
    problem = say(
        "同一条记录在后面又出现，以后者为准", "the same record comes again further down and counts there"
    )
    connection.execute(f"""
        UPDATE {table} SET {PROBLEM} = {text(problem)},
            {DETAIL} = {text(say("第", "line "))} || "row:last" || {text(say("行", ""))}
        FROM repeated WHERE {LINE_NUMBER} = "row:first" """)
    return one_value(connection, 'SELECT count(*) FROM repeated WHERE "row:alike"')


def forgive(connection: duckdb.DuckDBPyConnection, file: TableFile) -> int:
    """Empty the propensities that are no probability; returns how many there were."""
    if "propensity" not in file.columns:
        return 0
    table = staged(file.table)
    unusable = f"{raw('propensity')} IS NOT NULL AND (propensity > 0 AND propensity <= 1) IS NOT TRUE"
    count = one_value(connection, f"SELECT count(*) FROM {good_rows(file.table)} WHERE {unusable}")
    connection.execute(f"UPDATE {table} SET propensity = NULL WHERE {unusable}")
    return count


def set_aside(connection: duckdb.DuckDBPyConnection, file: TableFile) -> Iterator[tuple[str, Quarantined]]:
    """The rows of a file that cannot be used in order of their lines, each with its problem in short."""
    connection.register("incoming", file.rows)
    found = connection.execute(f"""
        SELECT {PROBLEM}, {DETAIL}, incoming.* FROM {staged(file.table)} bad
        JOIN incoming ON bad.{LINE_NUMBER} = incoming.{LINE_NUMBER} WHERE {PROBLEM} IS NOT NULL""")
    names = [column[0] for column in found.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    connection.unregister("incoming")
    taken = [(bad.line, bad.reason, "", bad.content) for bad in file.bad]
    for row in rows:
        line, problem, value = row.pop(LINE), row.pop("row:problem"), row.pop("row:detail")
        taken.append((line, problem, "" if value is None else str(value), Quarantined.content(row)))
    for line, problem, value, content in sorted(taken):
        reason = f"{problem}{say('：', ': ')}{value}" if value else problem
        yield problem, Quarantined(reason, file.path.name, line, file.table, content)
