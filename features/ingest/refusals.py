"""What can be saved of a refusal that is damaged: anything readable of a refusal refuses."""

import csv
import io
from pathlib import Path

import duckdb
import pyarrow as pa

from features.ingest.csv_reader import LINE, BadRow
from features.ingest.findings import Finding, Weight
from features.language import say
from features.store.sql import text

PLACE = "household_id"


def save_refusals(
    path: Path, columns: list[str], names: list[str], rows: pa.Table, bad: list[BadRow]
) -> tuple[list[str], pa.Table, list[BadRow], list[Finding]]:
    """Take the household of rows that broke apart, and refusals without a column ``from``.

    Args:
        path: the file, for findings.
        columns: the contract's columns that the file has.
        names: its columns in order.
        rows: its rows as texts, with ``LINE``.
        bad: its rows that broke apart.

    Returns:
        Columns and rows with those added, the rows of which not even a household is left, and what was found.
    """
    if "from" not in columns:
        columns = [*columns, "from"]
        rows = rows.add_column(0, "from", pa.nulls(len(rows), pa.string()))
    saved, lost = [], []
    place = names.index(PLACE)
    for row in bad:
        fields = next(csv.reader(io.StringIO(row.content.replace('"', ""))), [])
        household = fields[place].strip() if place < len(fields) else ""
        if household and "�" not in household:
            saved.append({PLACE: household, LINE: row.line})
        else:
            lost.append(row)
    if saved:
        rows = pa.concat_tables([rows, pa.Table.from_pylist(saved, rows.schema)])
    findings = []
    if saved:
        words = say(
            "拒访行不完整，只读到住户", "rows of refusals that broke apart: only the household was read"
        )
        todo = say("按一直拒访处理；请更正", "they hold until further notice; correct them")
        findings.append(Finding(Weight.LOOK, path.name, words, todo, len(saved)))
    return columns, rows, lost, findings


def match_loosely(
    connection: duckdb.DuckDBPyConnection, staged: str, problem: str, unknown: str
) -> list[Finding]:
    """Give refusals of unknown households to the one household whose id differs by leading zeros, capitals or blanks.

    Args:
        connection: with ``staged`` and ``known_households``.
        staged: the staged table of refusals.
        problem: its column with what is wrong (SQL).
        unknown: the problem of a row whose household is unknown.
    """
    found = connection.execute(f"""
        WITH known AS (SELECT DISTINCT household_id FROM known_households),
        refused AS (SELECT DISTINCT household_id FROM {staged} WHERE {problem} = {text(unknown)})
        SELECT refused.household_id, min(known.household_id)
        FROM refused JOIN known ON {_loose("refused")} = {_loose("known")} AND {_loose("refused")} <> ''
        GROUP BY ALL HAVING count(*) = 1""").fetchall()
    for written, household in found:
        connection.execute(
            f"""UPDATE {staged} SET household_id = ?, {problem} = NULL
            WHERE household_id = ? AND {problem} = {text(unknown)}""",
            [household, written],
        )
    if not found:
        return []
    words = say(
        "拒访的户号写法不同，按相近的户处理",
        "refusals whose household is written differently count for the nearest",
    )
    shown = tuple(f"{written} = {household}" for written, household in found[:3])
    todo = say("请把户号写成与 households 一致", "write the ids as in households")
    return [Finding(Weight.LOOK, "opt_outs", words, todo, len(found), shown)]


def _loose(table: str) -> str:
    narrow = f"translate({table}.household_id, '０１２３４５６７８９', '0123456789')"
    return f"ltrim(upper(regexp_replace({narrow}, '[\\s_-]', '', 'g')), '0')"
