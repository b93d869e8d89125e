"""Fill in the office's own form, in its columns, order, sheets and styles: one row a household."""

import copy
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from features.contract.workbook_cells import SheetCells, read_sheets
from features.contract.workbook_process import PIECE
from features.language import UserError, joined_names, say
from features.mapping.field_names import field_named
from features.mapping.ledger_sheets import LedgerSheet, sheet_table
from features.mapping.mapping_file import mapping_for, mappings_of
from features.mapping.take_rows import TEXTS
from service.ledgers.form_formulas import follow_rows, without_outside
from service.ledgers.households_of_rows import SURE, Register, households_of

# what a column of a form asks for, by words in its name, before the fields of ledgers
ASKED = (
    ("offered", r"帮扶|救助|提供|政策|服务内容|服务措施|措施|安排"),
    ("done", r"^是否(?:办结|解决|完成|落实|销号)"),
    ("settled", r"办理|处理|解决|落实|处置|办结情况|答复|结果"),
    ("found", r"核查|发现|走访情况|走访内容|走访记录|反映|诉求|问题|困难|内容|情况"),
    ("need", r"需求"),
)
# column of ``period_rows`` by field of a ledger
OF_FIELD = {
    "household_id": "household_id",
    "householder": "householder",
    "person": "householder",
    "phone": "phone",
    "address": "address",
    "grid": "grid",
    "microgrid": "microgrid",
    "warned_of": "warned_of",
    "deadline": "deadline",
    "happened_at": "visited_on",
    "worker": "worker",
    "category": "need",
    "satisfaction": "satisfaction",
    "resolved_at": "resolved_on",
    "status": "done",
    "visited": "visited",
    "text": "found",
    "result": "settled",
}
SEQUENCE = "sequence"
REPORTS = "reports"  # of the workspace
LARGEST = 2_000_000  # elements of a form, which take up to a kilobyte each


@dataclass(frozen=True)
class Filled:
    """A form that was filled in: the workbook, and lines on what stands in it and what does not."""

    content: bytes
    lines: list[str]


def fill_form(template: Path, rows: pd.DataFrame, register: Register, workspace: Path) -> Filled:
    """Fill in a form.

    A sheet whose rows name households already, as a list from above does, gets the blank cells of these rows; an empty
    one gets a row for each household. What stands in a form is never changed.

    template: the office's workbook (.xlsx), with a header and whatever stands above and below it.
    rows: what happened (``period_rows``).
    register: by which the households of rows that stand there already are found.
    workspace: whose mappings tell of columns with other names.

    Raises UserError: the file is no such workbook, or none of its columns is known.
    """
    if template.suffix.lower() not in (".xlsx", ".xlsm"):
        raise UserError(f"{template}：请另存为 .xlsx", f"{template}: save it as .xlsx")
    given = mapping_for(template, mappings_of(template.parent, workspace))
    read = list(read_sheets(template))
    values = {cells.name: [list(row) for row in cells.rows] for cells in read}
    sheets = [(cells.name, table) for cells in read if (table := sheet_table(cells))]
    book = _open(template, read)
    lines = without_outside(book, values)
    if template.suffix.lower() == ".xlsm":
        lines.append(say("宏没有留在填好的表里", "the form's macros were left out"))
    known = False
    for name, sheet in sheets:
        layout = given.layout_of(sheet) if given else None
        columns = _columns(sheet, layout.columns if layout else {})
        if not set(columns.values()) - {SEQUENCE}:
            lines.append(
                say(f"工作表 {name} 的列都不认识，没有填", f"sheet {name}: no column is known; left as it is")
            )
            continue
        known = True
        records = [
            at
            for at in range(len(sheet.rows))
            if at not in sheet.notes and _names_somebody(sheet, at, columns)
        ]
        if records:
            lines += _complete(book[name], sheet, records, columns, rows, register)
        else:
            lines += _append(book[name], sheet, columns, rows)
    if not known:
        raise UserError(
            f"{template}：没有一张表有认识的列", f"{template}: no sheet has a column that is known"
        )
    content = io.BytesIO()
    book.save(content)
    return Filled(content.getvalue(), lines)


def _open(template: Path, read: Sequence[SheetCells]) -> Workbook:
    """Open a form to fill it in, in this process, unless it holds more than a form ever does.

    read: its sheets, of which each cell under a merged range takes as much as a filled one.
    """
    merged = sum(
        (bottom - top + 1) * (right - left + 1)
        for page in read
        for (top, left), (bottom, right) in page.merged
    )
    with zipfile.ZipFile(template) as archive:
        elements = merged + sum(_elements(archive, part) for part in archive.infolist())
    if elements > LARGEST:
        raise UserError(
            f"{template}：太大，不像一张表格；请只留要填的表，清除多余的行、列和合并",
            f"{template}: too large for a form; keep the sheets to fill in, and clear the rows, columns and merged cells"
            " that are not needed",
        )
    return openpyxl.load_workbook(template)


def _elements(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> int:
    """Count the elements of a part of a workbook: cells, rows, styles, whatever it consists of."""
    with archive.open(part) as content:
        return sum(piece.count(b"<") for piece in iter(lambda: content.read(PIECE), b"")) // 2


def form_name(template: Path, begin: date, end: date) -> str:
    """Return the name of a form that was filled in for a period."""
    return f"{template.stem}_{begin:%Y%m%d}-{end:%Y%m%d}.xlsx"


def _columns(sheet: LedgerSheet, given: dict[str, str]) -> dict[int, str]:
    """Return the column of ``period_rows`` (or ``sequence``) by the number of the form's column, from one on."""
    columns = {}
    for at, name in enumerate(sheet.names, start=1):
        if not name:
            continue
        lowest = name.split("/")[-1]
        asked = next((column for column, words in ASKED if re.search(words, lowest)), None)
        known = (given[name], True) if name in given else field_named(lowest)
        field = known[0] if known else ""
        if field == SEQUENCE:
            columns[at] = SEQUENCE
        elif field in OF_FIELD and (
            field not in ("text", "result", "status", "category", "title") or asked is None
        ):
            columns[at] = OF_FIELD[field]
        elif asked:
            columns[at] = asked
    return columns


def _names_somebody(sheet: LedgerSheet, at: int, columns: dict[int, str]) -> bool:
    row = sheet.rows[at]
    return any(
        row[column - 1] != ""
        for column, what in columns.items()
        if what in ("household_id", "householder", "address", "phone") and column <= len(row)
    )


def _append(page: Worksheet, sheet: LedgerSheet, columns: dict[int, str], rows: pd.DataFrame) -> list[str]:
    """Write a row for each household below the header; what stands below the form's blank rows moves down."""
    first = _first_row(page, sheet)
    below = [
        line
        for at, line in enumerate(sheet.lines)
        if line >= first and (at in sheet.notes or not _is_blank(page, sheet, at, columns))
    ]
    end = min(below) if below else page.max_row + 1
    room = max(end - first, 0) if below else len(rows)
    if len(rows) > room:
        _move_down(page, end, len(rows) - room)
    for number, row in enumerate(rows.to_dict("records")):
        line = first + number
        _copy_style(page, first, line, max(columns, default=1))
        for column, what in columns.items():
            _set(page, line, column, number + 1 if what == SEQUENCE else row.get(what, ""))
    return [
        say(
            f"工作表 {sheet.name}：填了 {len(rows)} 户",
            f"sheet {sheet.name}: {len(rows)} households filled in",
        )
    ]


def _is_blank(page: Worksheet, sheet: LedgerSheet, at: int, columns: dict[int, str]) -> bool:
    """Whether a row waits to be filled in: nothing but its number and formulas stands in it."""
    filled = [column for column, value in enumerate(sheet.rows[at], start=1) if value != ""]
    return all(
        columns.get(column) == SEQUENCE or page.cell(sheet.lines[at], column).data_type == "f"
        for column in filled
    )


def _complete(
    page: Worksheet,
    sheet: LedgerSheet,
    records: list[int],
    columns: dict[int, str],
    rows: pd.DataFrame,
    register: Register,
) -> list[str]:
    """Fill the blank cells of rows that name a household."""
    named = pd.DataFrame("", index=range(len(records)), columns=list(TEXTS))
    fields = {"householder": "person", "household_id": "household_id", "address": "address", "phone": "phone"}
    for column, what in columns.items():
        if what in fields:
            named[fields[what]] = [
                str(sheet.rows[at][column - 1]) if column <= len(sheet.rows[at]) else "" for at in records
            ]
    matched = households_of(named, register)
    of_household = {row["household_id"]: row for row in rows.to_dict("records")}
    filled, unsure = 0, []
    for place, at in enumerate(records):
        if matched["verdict"].iloc[place] not in SURE:
            unsure.append(sheet.lines[at])
            continue
        row = of_household.get(matched["household_id"].iloc[place])
        if row is None:
            continue
        filled += 1
        for column, what in columns.items():
            if what != SEQUENCE and page.cell(sheet.lines[at], column).value in (None, ""):
                _set(page, sheet.lines[at], column, row.get(what, ""))
    lines = [
        say(
            f"工作表 {sheet.name}：{len(records)} 户中填了 {filled} 户，其余本期没有走访",
            f"sheet {sheet.name}: {filled} of {len(records)} households filled in; the others were not visited",
        )
    ]
    if unsure:
        shown = joined_names(unsure[:8])
        lines.append(
            say(
                f"工作表 {sheet.name} 第 {shown} 行：是哪一户拿不准，没有填",
                f"sheet {sheet.name} lines {shown}: nobody is sure whose they are; left as they are",
            )
        )
    return lines


def _first_row(page: Worksheet, sheet: LedgerSheet) -> int:
    """Return the line below the header: cells merged downwards, and a second line of names, belong to the header."""
    merged = [
        area.max_row for area in page.merged_cells.ranges if area.min_row <= sheet.header_line <= area.max_row
    ]
    last = max([sheet.header_line, *merged])
    while (
        any(page.cell(last + 1, at).value for at in range(1, page.max_column + 1))
        and last + 1 not in sheet.lines
    ):
        last += 1
    return last + 1


def _move_down(page: Worksheet, line: int, count: int) -> None:
    """Move what stands from a line on down, with its merged cells and heights; formulas and links follow."""
    if line > page.max_row:
        return
    moved = [area for area in page.merged_cells.ranges if area.min_row >= line]
    for area in moved:
        page.merged_cells.remove(area)
    heights = {at: page.row_dimensions[at].height for at in range(line, page.max_row + 1)}
    page.move_range(f"A{line}:{page.cell(page.max_row, page.max_column).coordinate}", rows=count)
    for area in moved:
        area.shift(row_shift=count)
        page.merged_cells.add(area)
    for at, height in heights.items():
        page.row_dimensions[at + count].height = height
    for cell in page._cells.values():
        if cell.hyperlink:
            cell.hyperlink.ref = cell.coordinate
    follow_rows(page, line, count)


def _copy_style(page: Worksheet, source: int, target: int, columns: int) -> None:
    if source == target:
        return
    for column in range(1, columns + 1):
        page.cell(target, column)._style = copy.copy(page.cell(source, column)._style)
    page.row_dimensions[target].height = page.row_dimensions[source].height


def _set(page: Worksheet, line: int, column: int, value: Any) -> None:
    """Write a cell as text that no program takes for a formula."""
    if value == "" or value is None:
        return
    cell = page.cell(line, column)
    cell.value = value
    if isinstance(value, str):
        cell.data_type = "s"
