"""Read a workbook: every sheet that has the table's header, merged cells, headers of two rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from features.contract.refusing_words import may_refuse_visits
from features.contract.table_names import (
    FILES,
    REFUSALS,
    column_name,
    contract_names,
    is_header,
    names_in,
    names_refusal,
    table_named,
)
from features.contract.tables import TABLES
from features.contract.workbook_cells import SheetCells, days_since_1900, read_sheets
from features.findings import EXAMPLES, Finding, Weight, line_words
from features.ingest.csv_reader import HEADER_WITHIN, LINE, TextRows
from features.language import UserError, joined_names, say

HEADING = 20  # letters that a heading may have: a longer cell is a remark
MOST_MERGED = 5_000_000  # rows under merged cells
DAYS = ("_date", "_on", "_at", "日期", "时间")  # with which the names of columns end that tell a day
SHEET_SHIFT = 32  # a row's number is its sheet's number, shifted by so many bits, and its line
LINES = (1 << SHEET_SHIFT) - 1  # of a row's number: its line within its sheet


@dataclass
class Sheet:
    """One sheet with a header: its names, its rows of cells, and the line of the first row."""

    name: str
    names: list[str]
    body: list[list[Any]]
    first_line: int
    findings: list[Finding] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)  # what the header calls columns of the contract


def read_workbook(path: Path, table: str, whole: Iterable[SheetCells] | None = None) -> TextRows:
    """Read every sheet that has the table's header, hidden ones first, so that visible ones take precedence.

    whole: the file's sheets, where they have been read.

    Raises UserError when the file is damaged, has no such header at all, or has a sheet of another table.
    """
    sheets, findings, first = [], [], None
    whole = read_sheets(path) if whole is None else whole
    for cells in sorted(whole, key=lambda sheet: sheet.visible):
        read = _read_sheet(cells, table, path)
        if isinstance(read, Sheet):
            sheets.append(read)
            findings += read.findings + ([] if cells.visible else [_hidden(path, cells.name)])
            findings += [_struck(path, cells)] if cells.struck else []
            findings += [*_hidden_parts(path, cells, read), *_comments(path, cells)]
        elif read:
            findings.append(read)
        if first is None or cells.name.strip().lower() == table:
            first = _first_rows(cells) or first
    if not sheets and first is None:
        raise UserError(f"{path}：工作表是空的", f"{path}: the sheet is empty")
    if not sheets and first is not None:
        sheets = [first]
    return _joined(path, sheets, findings)


def first_words(sheets: Iterable[SheetCells]) -> set[str]:
    """The names of a workbook's sheets, and the words in the rows of each among which its header may stand."""
    words = set()
    for sheet in sheets:
        cells = {str(value).strip().lower() for row in sheet.rows[:HEADER_WITHIN] for value in row}
        words |= {sheet.name, *(cell for cell in cells if len(cell) <= HEADING)}
    return words


def _hidden(path: Path, name: str) -> Finding:
    words = say(f"工作表 {name} 是隐藏的，也读了", f"sheet {name} is hidden and was read as well")
    return Finding(
        Weight.LOOK, path.name, words, say("不要的请删除", "delete it where it should not be read")
    )


def _struck(path: Path, sheet: SheetCells) -> Finding:
    lines = line_words([row + 1 for row in sorted(sheet.struck)])
    words = say(
        f"工作表 {sheet.name} {lines}有划掉的格，也读了",
        f"sheet {sheet.name} {lines}: a cell is struck through and was read as well",
    )
    todo = say("不要的请删除该行", "delete the row where it should not be read")
    return Finding(Weight.LOOK, path.name, words, todo, len(sheet.struck))


def _hidden_parts(path: Path, sheet: SheetCells, read: Sheet) -> list[Finding]:
    """A finding on rows and columns that are hidden, as by a filter that was left on, and hold something."""
    rows = [
        row
        for row in sorted(sheet.hidden_rows)
        if read.first_line - 1 <= row < len(sheet.rows) and any(cell != "" for cell in sheet.rows[row])
    ]
    columns = [
        name for at, name in enumerate(read.names) if name and at in sheet.hidden_columns and sheet.visible
    ]
    zh, en = [], []
    if rows:
        zh.append(f" {len(rows)} 行（第 {rows[0] + 1} 行起）")
        en.append(f" {len(rows)} rows (from line {rows[0] + 1} on)")
    if columns:
        zh.append(f"列 {'、'.join(columns)}")
        en.append(f" {', '.join(columns)}")
    if not zh:
        return []
    words = say(
        f"工作表 {sheet.name} 隐藏了{'和'.join(zh)}，也读了",
        f"sheet {sheet.name} hides{' and'.join(en)}; they were read as well",
    )
    todo = say(
        "筛选没有取消的不要紧；不要的请删除",
        "a filter that was left on is fine; delete what should not be read",
    )
    return [Finding(Weight.LOOK, path.name, words, todo)]


def _comments(path: Path, sheet: SheetCells) -> list[Finding]:
    """Findings on comments, which nothing reads, and on those of them that may refuse visits."""
    refusing = [row + 1 for row, said in sheet.comments if may_refuse_visits(said, request=False)]
    findings = []
    if sheet.comments:
        words = say(f"工作表 {sheet.name} 的批注没有读", f"comments in sheet {sheet.name} are not read")
        shown = tuple(said.strip() for _, said in sheet.comments[:EXAMPLES])
        findings.append(Finding(Weight.NOTE, path.name, words, "", len(sheet.comments), shown))
    if refusing:
        where = line_words(refusing)
        words = say(
            f"工作表 {sheet.name} {where}的批注像是谢绝走访，没有读",
            f"sheet {sheet.name} {where}: a comment that may refuse visits is not read",
        )
        todo = say("请写进谢绝表，再删去批注", "put it into opt_outs, and delete the comment")
        findings.append(Finding(Weight.PROTECT, path.name, words, todo, len(refusing)))
    return findings


def _read_sheet(sheet: SheetCells, table: str, path: Path) -> Sheet | Finding | None:
    """Read a sheet with its header; return a finding on one that is left out, None for one without content."""
    cells = sheet.rows
    rows = range(min(HEADER_WITHIN, len(cells)))
    header = next((row for row in rows if is_header(table, [*map(str, cells[row])])), None)
    if header is None:
        return _without_header(path, sheet, table)
    findings = _fill_merged(sheet, cells, header, path)
    names = [_cell_text(value) or "" for value in cells[header]]
    aliases = contract_names(table, names)
    if aliases:
        findings.append(_aliased(path, sheet.name, aliases))
        names = [aliases.get(name, name) for name in names]
    first = header + 1
    if first < len(cells) and _is_second_header(names, cells[first], TABLES[table].needed):
        names = _two_rows(names, [_cell_text(below) or "" for below in cells[first]])
        first += 1
    if sheet.since_1904:
        days_since_1900(cells[first:], [at for at, name in enumerate(names) if _tells_day(name, table)])
    return Sheet(sheet.name, names, cells[first:], first + 1, findings, aliases)


def _tells_day(name: str, table: str) -> bool:
    """Whether a column of a table tells a day, by its kind or its name."""
    plain, contract = name.strip().lower(), TABLES[table].columns
    return contract[plain].kind in ("time", "day") if plain in contract else plain.endswith(DAYS)


def _aliased(path: Path, sheet: str, aliases: Mapping[str, str]) -> Finding:
    pairs = joined_names(f"{name}={column}" for name, column in aliases.items())
    words = say(f"工作表 {sheet} 的列名按这样理解：{pairs}", f"sheet {sheet}: columns are read as {pairs}")
    return Finding(Weight.NOTE, path.name, words)


def _refuse_other_table(path: Path, name: str, table: str, rows: list[set[str]]) -> None:
    """Raise UserError for a sheet that is called like another table, or that speaks of refusals: it is not passed over.

    ``rows``: the words of its first rows.
    """
    refusals = any(names_refusal(word) for row in rows for word in row if len(word) <= HEADING)
    other = REFUSALS if refusals else table_named(name)
    if other is None or (other == table and not refusals):
        return
    zh = FILES[other][0]
    words = say(f"像是{zh}表，但没有读", f"looks like the table {other} and is not read")
    if other == table:
        needed = joined_names(column_name(table, name) for name in TABLES[table].needed)
        todo = say(f"请补上表头：{needed}", f"give it the header ({needed})")
    else:
        todo = say(f"请另存为 {zh}.xlsx（或 {other}.xlsx）", f"save it as {other}.xlsx")
    more = say("，不要的请删除该表", ", or delete the sheet")
    raise UserError(f"{path}{say('：工作表', ': sheet')} {name} {words}{say('；', '; ')}{todo}{more}")


def _without_header(path: Path, sheet: SheetCells, table: str) -> Finding | None:
    """Return what is said of a sheet without the header, or None. Raises UserError where it may not be passed over."""
    name, widths = sheet.name, [sum(value != "" for value in row) for row in sheet.rows]
    filled, widest = sum(map(bool, widths)), max(widths, default=0)
    if not filled:
        return None
    rows = [names_in(table, [*map(str, row)]) for row in sheet.rows[:HEADER_WITHIN]]
    _refuse_other_table(path, name, table, rows)
    # what cells of other sheets are chosen from
    if not sheet.visible and widest == 1 and table != REFUSALS:
        return None
    needed = TABLES[table].needed
    nearly = max((row & {*needed} for row in rows), key=len, default=set())
    if nearly:
        missing = joined_names(column_name(table, name) for name in needed if name not in nearly)
        words = say(
            f"工作表 {name} 缺少列 {missing}，没有读", f"sheet {name} lacks {missing} and was not read"
        )
        todo = say("补上这些列，或删除该表", "add the columns, or delete the sheet")
        return Finding(Weight.LOST, path.name, words, todo, filled)
    words = say(f"工作表 {name} 没有表头，没有读", f"sheet {name} has no header and was not read")
    if table == REFUSALS:
        todo = say(
            "里面若有谢绝走访的，请补上表头，否则删除该表",
            "give it a header if it holds refusals, or delete it",
        )
        return Finding(Weight.PROTECT, path.name, words, todo, filled)
    if widest >= len(needed):  # perhaps it goes on with the sheet before
        todo = say("是数据的，请补上表头", "give it the header where it holds rows")
        return Finding(Weight.LOST, path.name, words, todo, filled)
    return Finding(Weight.NOTE, path.name, words)


def _two_rows(above: list[str], below: list[str]) -> list[str]:
    """The names of a header of two rows: those of the lower one, with the heading above where they come again.

    >>> _two_rows(["户号", "孩子", "", "老人", ""], ["", "人数", "最小", "人数", "最大"])
    ['户号', '孩子人数', '最小', '老人人数', '最大']
    """
    headings = [next((name for name in reversed(above[: at + 1]) if name), "") for at in range(len(above))]
    return [
        f"{heading}{name}" if name and below.count(name) > 1 else name or own
        for heading, own, name in zip(headings, above, below, strict=True)
    ]


def _is_second_header(names: list[str], below: list[Any], needed: Sequence[str]) -> bool:
    """Tell whether the row below a header names the columns without a heading.

    It does if it has texts only, fills such a column, and is empty or the same in the columns that every row must fill.
    """
    filled = [place for place, value in enumerate(below) if value != ""]
    plain = [name.strip().lower() for name in names]
    filled_here = [
        place
        for place in filled
        if plain[place] in needed and str(below[place]).strip().lower() != plain[place]
    ]
    texts = all(isinstance(below[place], str) for place in filled)
    return texts and not filled_here and any(not plain[place] for place in filled)


def _fill_merged(sheet: SheetCells, cells: list[list[Any]], header: int, path: Path) -> list[Finding]:
    """Write the value of cells that are merged downwards, below the header, into each of their rows.

    What is merged to the right stays in its first column. A finding on each of the two.
    """
    below = [area for area in sheet.merged if area[1][0] > header and area[0][0] < len(cells)]
    if sum(min(bottom, len(cells)) - top + 1 for (top, _), (bottom, _) in below) > MOST_MERGED:
        words = say(
            f"工作表 {sheet.name} 的合并单元格太多，请取消合并",
            f"sheet {sheet.name} has too many merged cells",
        )
        raise UserError(f"{path}{say('：', ': ')}{words}")
    down = sideways = 0
    for (top, left), (bottom, right) in below:
        first, value = max(top, header + 1), cells[top][left] if left < len(cells[top]) else ""
        for row in range(first, min(bottom, len(cells) - 1) + 1) if bottom > top else ():
            if left < len(cells[row]):
                cells[row][left] = value if top > header else cells[row][left]
        down += bottom > top > header
        sideways += right > left and top > header
    warnings = []
    check = say("请核对", "check that this is meant")
    if down:
        words = say(
            f"工作表 {sheet.name} 有合并单元格，已按同一值填到每一行",
            f"sheet {sheet.name} has merged cells: each of their rows has the value",
        )
        warnings.append(Finding(Weight.LOOK, path.name, words, check, down))
    if sideways:
        words = say(
            f"工作表 {sheet.name} 有横向合并的单元格，只有第一列有值",
            f"sheet {sheet.name} has cells that are merged to the right: only the first column has the value",
        )
        warnings.append(Finding(Weight.LOOK, path.name, words, check, sideways))
    return warnings


def _first_rows(sheet: SheetCells) -> Sheet | None:
    """Return the sheet from its first row with content on, whose columns are reported where no sheet has the header."""
    header = next(
        (row for row, values in enumerate(sheet.rows) if any(value != "" for value in values)), None
    )
    if header is None:
        return None
    names = [_cell_text(row) or "" for row in sheet.rows[header]]
    return Sheet(sheet.name, names, sheet.rows[header + 1 :], header + 2)


def _joined(path: Path, sheets: list[Sheet], findings: list[Finding]) -> TextRows:
    """Join the rows of all sheets under the names of all headers; of several sheets unnamed columns are left out."""
    if len(sheets) == 1:
        (sheet,) = sheets
        columns = [_column(sheet.body, place) for place in range(len(sheet.names))]
        lines = pa.array(np.arange(sheet.first_line, sheet.first_line + len(sheet.body)), type=pa.int64())
        return TextRows(
            sheet.names,
            pa.table([*columns, lines], names=[*sheet.names, LINE]),
            [],
            findings,
            [sheet.name],
            sheet.aliases,
        )
    spelled = {name.strip().lower(): name.strip() for sheet in sheets for name in sheet.names if name.strip()}
    names, tables = list(spelled.values()), []
    for number, sheet in enumerate(sheets):
        at = _places(path, sheet)
        empty = pa.nulls(len(sheet.body), pa.string())
        columns = [_column(sheet.body, at[name]) if name in at else empty for name in spelled]
        first = (number << SHEET_SHIFT) + sheet.first_line
        tables.append(pa.table([*columns, np.arange(first, first + len(sheet.body))], names=[*names, LINE]))
        findings += _unnamed(sheet)
    aliases = {name: column for sheet in sheets for name, column in sheet.aliases.items()}
    return TextRows(names, pa.concat_tables(tables), [], findings, [sheet.name for sheet in sheets], aliases)


def _places(path: Path, sheet: Sheet) -> dict[str, int]:
    """Where the columns of a sheet stand, by name in small letters. Raises UserError for a name that stands twice."""
    at: dict[str, int] = {}
    for place, name in enumerate(sheet.names):
        if name.strip() and at.setdefault(name.strip().lower(), place) != place:
            raise UserError(
                f"{path}：工作表 {sheet.name} 的列 {name.strip()} 出现了两次",
                f"{path}: column {name.strip()} stands twice in sheet {sheet.name}",
            )
    return at


def _unnamed(sheet: Sheet) -> list[Finding]:
    """Report columns without a name that hold a value, in one of several sheets."""
    unnamed = []
    for place, name in enumerate(sheet.names):
        values = [] if name.strip() else [text for row in sheet.body if (text := _cell_text(row[place]))]
        if values:
            words = say(
                f"工作表 {sheet.name} 第 {place + 1} 列没有列名，没有读",
                f"sheet {sheet.name}: column {place + 1} has no name and was not read",
            )
            todo = say("请补上列名", "give it a name")
            unnamed.append(
                Finding(Weight.LOST, sheet.name, words, todo, len(values), tuple(values[:EXAMPLES]))
            )
    return unnamed


def _column(body: list[list[Any]], place: int) -> pa.Array:
    return pa.array([_cell_text(row[place]) for row in body], type=pa.string())


def _cell_text(value: Any) -> str | None:
    """Return what a cell shows, in the form that a CSV would have; None for an empty cell."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        seconds = value.replace(microsecond=0) + timedelta(seconds=value.microsecond >= 500_000)
        return str(seconds.date() if seconds.time() == time() else seconds)
    return value.isoformat() if isinstance(value, date) else str(value)
