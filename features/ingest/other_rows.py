"""Rows of a file that are none of its table: examples of the form, workers who left, and another table below the first
one (a header that comes again with other columns, or the title of a list of refusals), of which the file is not read.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.contract.refusing_words import still_refuses, withdrawn
from features.contract.spoken_values import is_example
from features.contract.table_names import REFUSALS, contract_names, header_words, names_refusal
from features.contract.tables import TABLES
from features.findings import EXAMPLES, Finding, Weight
from features.ingest.checks import no_example
from features.ingest.csv_reader import LINE, BadRow, TextRows
from features.ingest.identifiers import PERSONAL, of_kind
from features.ingest.workbook import HEADING, LINES, SHEET_SHIFT
from features.language import UserError, say
from features.store.quarantine import Quarantined

TITLES = "拒|谢绝|勿扰|勿访|打扰|不再|不要|不愿|不接受|停止|禁止"  # with which a title of refusals may begin
RETIRED = (  # what is said of a worker who has left
    r"^\s*已?(?:经|于)?[\d年月日./-]*(?:离职|离岗|辞职|退休|调离|调走|停职|停用)(?:人员|了)?[\s\d年月日./（()）-]*$"
)
OF_A_HEADER = 2  # required cells of a row that hold names of columns, from which on it is a header


def refuse_second_tables(path: Path, table: str, names: list[str], read: TextRows) -> None:
    """Raise UserError where a second table begins below the first one.

    path: the file, for the message.
    table: of the contract.
    names: the columns under the contract's names.
    read: the rows as they came.
    """
    for row in _titles(table, names, read.rows):
        raise UserError(
            f"{_place(path, read, row)} 像是谢绝走访的名单，没有读；请另存为 谢绝.xlsx 或 谢绝.csv，不是的请删除这一行",
            f"{_place(path, read, row)} looks like a list of refusals and is not read; save it as opt_outs.xlsx or .csv,"
            " or delete the row",
        )
    for row in _headers(table, names, read.rows):
        cells = [str(read.rows.column(at)[row].as_py() or "").strip() for at in range(len(names))]
        meant = contract_names(table, cells)
        if all(
            not cell or meant.get(cell, cell).lower() == name.lower()
            for cell, name in zip(cells, names, strict=True)
        ):
            continue  # the same header once more, which is set aside
        raise UserError(
            f"{_place(path, read, row)} 又是一个表头，列与前面的不同；请把下面的行另存为一个文件或工作表",
            f"{_place(path, read, row)} is another header with other columns; put the rows below it into a"
            " file or sheet of their own",
        )


def _titles(table: str, names: list[str], rows: pa.Table) -> list[int]:
    """Rows whose number is the title of a list of refusals."""
    key = TABLES[table].key[0]
    if table == REFUSALS or key not in names:
        return []
    column = rows.column(names.index(key))
    perhaps = np.flatnonzero(pc.fill_null(pc.match_substring_regex(column, TITLES), False).to_numpy())
    return [
        int(row)
        for row in perhaps
        if len(text := column[int(row)].as_py()) <= HEADING and names_refusal(text)
    ]


def _headers(table: str, names: list[str], rows: pa.Table) -> list[int]:
    """Rows of which cells that every row must fill hold names of columns."""
    needed = [name for name in TABLES[table].needed if name in names]
    words, found = pa.array(sorted(header_words())), np.zeros(len(rows), dtype=np.int64)
    for name in needed:
        column = pc.utf8_lower(pc.utf8_trim_whitespace(rows.column(names.index(name))))
        found += pc.is_in(column, value_set=words).to_numpy()
    return [int(row) for row in np.flatnonzero(found >= min(OF_A_HEADER, len(needed)))]


def _place(path: Path, read: TextRows, row: int) -> str:
    number = read.rows[LINE][row].as_py()
    sheet, line = number >> SHEET_SHIFT, number & LINES
    of_sheet = say(f"工作表 {read.sheets[sheet]} ", f"sheet {read.sheets[sheet]}, ") if read.sheets else ""
    return say(f"{path}：{of_sheet}第 {line} 行", f"{path}: {of_sheet}line {line}")


def has_left() -> str:
    """Return the problem of a worker who is said to have left."""
    return say("写明已离职或离岗，不排走访", "is said to have left and gets no visits")


def without_retired(rows: pa.Table, unread: list[str], bad: list[BadRow]) -> tuple[pa.Table, list[BadRow]]:
    """Set the workers aside of whom a column that nothing reads, such as 状态, says that they have left."""
    left = np.zeros(len(rows), dtype=bool)
    for name in dict.fromkeys(unread):
        left |= pc.fill_null(pc.match_substring_regex(rows[name], RETIRED), False).to_numpy()
    return _with_bad(rows, left, has_left(), bad)


def without_examples(table: str, rows: pa.Table, bad: list[BadRow]) -> tuple[pa.Table, list[BadRow]]:
    """Set the rows aside in which a cell says that they are an example; a refusal only where it names no household."""
    key, contract = TABLES[table].key[0], TABLES[table].columns
    found = np.zeros(len(rows), dtype=bool)
    for name in (key,) if table == REFUSALS else rows.column_names[:-1]:
        names = name.endswith("_id") or (
            name not in contract and any(of_kind(name, kind) for kind in PERSONAL)
        )
        column = pc.filter(rows[name], pc.match_substring_regex(rows[name], "例|示范"))
        examples = [cell for cell in column.unique().to_pylist() if is_example(cell, names)]
        if examples:
            found |= pc.is_in(rows[name], value_set=pa.array(examples)).to_numpy()
    return _with_bad(rows, found, no_example(), bad)


def still_refusing(file: str, rows: pa.Table) -> list[Finding]:
    """A finding on refusals of which a column that nothing reads (状态, 备注) says that they hold no more."""
    told: dict[int, str] = {}
    for name in (name for name in rows.column_names[:-1] if name not in TABLES[REFUSALS].columns):
        over = [cell for cell in rows[name].unique().to_pylist() if cell and withdrawn(cell)]
        if over:
            found = rows.filter(pc.is_in(rows[name], value_set=pa.array(over)))
            cells = zip(found[LINE].to_pylist(), found[name].to_pylist(), strict=True)
            told |= {line & LINES: cell.strip() for line, cell in cells}
    if not told:
        return []
    shown = tuple(
        say(f"{told[line]}（第 {line} 行）", f"{told[line]} (line {line})") for line in sorted(told)
    )
    todo = say("要恢复走访的，请填 until", "give until where visits are welcome again")
    return [Finding(Weight.LOOK, file, still_refuses(), todo, len(told), shown[:EXAMPLES])]


def _with_bad(
    rows: pa.Table, found: np.ndarray, problem: str, bad: list[BadRow]
) -> tuple[pa.Table, list[BadRow]]:
    """Set rows aside for a problem: the others, and the rows that are set aside."""
    aside = rows.filter(pa.array(found)).to_pylist()
    bad = [*bad, *(BadRow(row.pop(LINE), problem, Quarantined.content(row)) for row in aside)]
    return rows.filter(pa.array(~found)), bad
