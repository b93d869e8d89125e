"""The week's lists as Excel workbooks: one a grid, a sheet a worker, ready to print and to fill in."""

import io
import math
import re
from datetime import date, datetime, timedelta

import pandas as pd
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from features.language import say
from service.lists import outcome_names

HEADER_ROW = 3  # counted from zero: title, what to say and how to fill in stand above it
ID_HEADER = "outreach_id"
EXTRA_ROWS = 20  # rows below the list where the drop-down still works, for rows that were moved
LATIN_END = "\u0250"  # characters from here on are wide
LINE_HEIGHT = 14.0  # points, of text of size 10
A4 = 9  # Excel's number for the paper size
OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
FORBIDDEN = re.compile(r"[\[\]:*?/\\']")

Column = tuple[str, str, str, float]
# column of the visits, title in Chinese and English, width in characters
VISIT_COLUMNS: tuple[Column, ...] = (
    ("visit_order", "序", "no.", 4),
    ("household_id", "户号", "household", 9),
    ("microgrid_id", "微网格", "micro-grid", 7),
    ("contact", "地址与联系", "address", 14),
    ("members", "重点成员", "members", 10),
    ("last_contact", "上次联系", "last contact", 10),
    ("need_name", "需求", "need", 9),
    ("reason", "为什么上门", "why", 38),
    ("programme", "可对接项目", "programme", 18),
    ("ask", "怎么问", "what to ask", 13),
)
FILLED_COLUMNS: tuple[Column, ...] = (
    ("outcome", "结果", "outcome", 8),
    ("date", "走访日期", "date", 10),
    ("notes", "备注", "notes", 14),
)

_GREY = "#9AA0A6"
_CELL = {
    "text_wrap": True,
    "valign": "top",
    "align": "left",
    "font_size": 10,
    "border": 1,
    "border_color": _GREY,
}
_FIRST = {**_CELL, "top": 2, "top_color": "#1D4F91"}  # a line above every household
_FILL = {"bg_color": "#FFF8DC"}
_DATE = {"num_format": "yyyy-mm-dd", **_FILL}
FORMATS: dict[str, dict] = {
    "title": {"bold": True, "font_size": 14, "valign": "vcenter"},
    "script": {"text_wrap": True, "valign": "vcenter", "font_size": 10, "bg_color": "#EEF3FA"},
    "header": {"bold": True, "text_wrap": True, "valign": "vcenter", "border": 1, "bg_color": "#DCE6F4"},
    "first_text": _FIRST,
    "first_fill": {**_FIRST, **_FILL},
    "first_date": {**_FIRST, **_DATE},
    "next_text": _CELL,
    "next_fill": {**_CELL, **_FILL},
    "next_date": {**_CELL, **_DATE},
}


def workbook(title: str, script: str, visits: pd.DataFrame, as_of: date) -> bytes:
    """One workbook: a sheet for each worker of ``visits``, in their order.

    ``visits``: described visits (``lists.describe``). The same visits give the same bytes.
    """
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, OPTIONS) as book:
        book.set_properties({"title": title, "created": datetime(as_of.year, as_of.month, as_of.day)})
        formats = {name: book.add_format(format) for name, format in FORMATS.items()}
        taken: set[str] = set()
        for _, rows in visits.groupby("worker", sort=False):
            name = str(rows["worker_name"].iloc[0])
            sheet = book.add_worksheet(_sheet_name(name, taken))
            columns = [one for one in VISIT_COLUMNS if (rows[one[0]] != "").any()]
            _lay_out(sheet, columns, len(rows), formats)
            _write_head(sheet, columns, _sheet_title(title, name, as_of), script, formats)
            _write_rows(sheet, columns, rows, formats)
    return content.getvalue()


def _sheet_title(title: str, name: str, as_of: date) -> str:
    until = as_of + timedelta(days=6)
    return say(
        f"{title} · {name} · {as_of} 至 {until} 走访名单", f"{title} · {name} · visits {as_of} to {until}"
    )


def _sheet_name(name: str, taken: set[str]) -> str:
    """A sheet name as Excel allows it, different from those ``taken``."""
    safe = FORBIDDEN.sub("_", name).strip()[:25] or "0"
    chosen, number = safe, 2
    while chosen.lower() in taken:
        chosen, number = f"{safe}-{number}", number + 1
    taken.add(chosen.lower())
    return chosen


def _lay_out(sheet: Worksheet, columns: list[Column], count: int, formats: dict[str, Format]) -> None:
    """Widths, frozen header, filter, drop-downs and the printed page (A4 landscape, one page wide)."""
    last = len(columns) + len(FILLED_COLUMNS)
    for position, (_, _, _, width) in enumerate([*columns, *FILLED_COLUMNS]):
        sheet.set_column(position, position, width)
    sheet.set_column(last, last, 24, None, {"hidden": True})
    sheet.freeze_panes(HEADER_ROW + 1, 2)
    sheet.autofilter(HEADER_ROW, 0, HEADER_ROW + count, last)
    bottom = HEADER_ROW + count + EXTRA_ROWS
    sheet.data_validation(
        HEADER_ROW + 1,
        len(columns),
        bottom,
        len(columns),
        {
            "validate": "list",
            "source": list(outcome_names().values()),
            "error_title": say("结果", "outcome"),
            "error_message": say("请从下拉列表中选择", "please choose from the list"),
        },
    )
    sheet.set_landscape()
    sheet.set_paper(A4)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(HEADER_ROW)
    sheet.print_area(0, 0, HEADER_ROW + count, last - 1)
    sheet.set_footer(
        say("&L含个人信息，用后请妥善保管&R第 &P / &N 页", "&LPersonal data: keep safe&R&P / &N")
    )


def _write_head(
    sheet: Worksheet, columns: list[Column], title: str, script: str, formats: dict[str, Format]
) -> None:
    last = len(columns) + len(FILLED_COLUMNS) - 1
    names = say("、", ", ").join(outcome_names().values())
    how = say(
        f"填写：每行在“结果”里选 {names}；走访日期不填则按交表日计。可以排序、删行，请不要改动户号和需求。",
        f"To fill in: choose {names} on each row; without a date the day of return counts. Rows may be sorted"
        " or deleted; please leave household and need as they are.",
    )
    for row, (text, style, height) in enumerate(
        [(title, "title", 22), (say("开场白：", "Say: ") + script, "script", 48), (how, "script", 18)]
    ):
        sheet.merge_range(row, 0, row, last, text, formats[style])
        sheet.set_row(row, height)
    titles = [say(zh, en) for _, zh, en, _ in [*columns, *FILLED_COLUMNS]]
    for position, text in enumerate([*titles, ID_HEADER]):
        sheet.write_string(HEADER_ROW, position, text, formats["header"])


def _write_rows(
    sheet: Worksheet, columns: list[Column], rows: pd.DataFrame, formats: dict[str, Format]
) -> None:
    first = ~rows.duplicated("household_id").to_numpy()
    for offset, (new_household, row) in enumerate(zip(first, rows.to_dict("records"), strict=True)):
        line = HEADER_ROW + 1 + offset
        edge = "first_" if new_household else "next_"
        sheet.set_row(line, _height([(str(row[column]), width) for column, _, _, width in columns]))
        for position, (column, _, _, _) in enumerate(columns):
            if column == "visit_order":
                sheet.write_number(line, position, row[column], formats[edge + "text"])
            else:
                sheet.write_string(line, position, str(row[column]), formats[edge + "text"])
        for position, (column, _, _, _) in enumerate(FILLED_COLUMNS, start=len(columns)):
            sheet.write_blank(line, position, None, formats[edge + ("date" if column == "date" else "fill")])
        sheet.write_string(line, len(columns) + len(FILLED_COLUMNS), row["outreach_id"])


def _height(cells: list[tuple[str, float]]) -> float:
    """Height in points of a row whose cells have these texts and widths; a Chinese character takes two.

    Written out because not every program fits the height to wrapped text when it opens a file.
    """
    lines = [math.ceil(sum(1 if char < LATIN_END else 2 for char in text) / width) for text, width in cells]
    return LINE_HEIGHT * max([1, *lines]) + 3
