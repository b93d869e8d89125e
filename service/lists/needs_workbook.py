"""Write the month's lists of needs, projects and resources as a workbook, and candidates for the coordinators."""

import io
from collections.abc import Sequence
from datetime import date, datetime

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from service.lists.needs_tables import Sheet
from service.lists.sheet import SIDE, in_arial, line_height, set_footer
from service.lists.workbook import FORMATS, OPTIONS, sheet_name


def needs_workbook(title: str, sheets: Sequence[tuple[str, Sequence[Sheet]]], as_of: date) -> bytes:
    """Write a workbook with a worksheet for each of ``sheets``: its name, and the tables that stand on it.

    Returns the file's content; the same tables give the same bytes.
    """
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, OPTIONS) as book:
        book.set_properties({"title": title, "created": datetime(as_of.year, as_of.month, as_of.day)})
        formats = {name: book.add_format(FORMATS[name]) for name in ("title", "header", "next_text")}
        taken: set[str] = set()
        for name, tables in sheets:
            page = book.add_worksheet(sheet_name(name, taken))
            page.set_landscape()
            page.set_paper(9)
            page.set_margins(left=SIDE, right=SIDE)
            page.fit_to_pages(1, 0)
            set_footer(page)
            row = 0
            for table in tables:
                row = _write(page, table, row, formats) + 2
    return content.getvalue()


def _write(page: Worksheet, table: Sheet, row: int, formats: dict[str, Format]) -> int:
    """Write a table from a row on, and return the row after it; a page's first table sets the widths of its columns."""
    first = row == 0
    page.write(row, 0, table.title, formats["title"])
    page.set_row(row, 22)
    if table.note:
        row += 1
        page.write(row, 0, table.note)
    row += 1
    page.set_row(row, line_height([(name, width) for name, width in table.columns]) + 2)
    for column, (name, width) in enumerate(table.columns):
        page.write(row, column, name, formats["header"])
        if first:
            page.set_column(column, column, in_arial(width))
    for values in table.rows:
        row += 1
        widths = [width for _, width in table.columns]
        page.set_row(row, line_height(list(zip(map(str, values), widths, strict=True))))
        for column, value in enumerate(values):
            page.write(row, column, value, formats["next_text"])
    return row + 1
