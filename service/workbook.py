"""The week's lists as Excel workbooks: one a grid, a sheet a worker, ready to print and to fill in."""

import io
import math
import re
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from features.language import say
from service.answers import MARKS, feedback_choices, feedback_names, outcome_names

HEADER_ROW = 3  # counted from zero: title, what to say and how to fill in stand above it
ID_HEADER = "outreach_id"
EXTRA_ROWS = 20  # rows below the list where the drop-down still works, for rows that were moved
LATIN_END = "\u0250"  # characters from here on are wide
LINE_HEIGHT = 14.0  # points, of text of size 10
HEADER_HEIGHT = 30.0
A4, A4_LONG, A4_SHORT = 9, 841.9, 595.3  # Excel's number for the paper size, and its sides in points
SIDE, ABOVE, BELOW = 0.4, 0.5, 0.6  # margins in inches
OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
FORBIDDEN = re.compile(r"[\[\]:*?/\\']")

Column = tuple[str, str, str, float]
# column of the list, title in Chinese and English, width in characters
VISIT_COLUMNS: tuple[Column, ...] = (
    ("visit_order", "序", "no.", 4),
    ("household_id", "户号", "household", 9),
    ("place", "微网格·地址", "place", 13),
    ("people", "重点成员·上次联系", "members, last contact", 16),
    ("need_name", "需求", "need", 9),
    ("why", "为什么上门〔依据〕", "why [rows behind it]", 42),
    ("offer", "问什么·可对接项目", "what to ask, programme", 27),
)
FILLED_COLUMNS: tuple[Column, ...] = (
    ("outcome", "结果", "outcome", 8),
    ("date", "走访日期", "date", 10),
    ("feedback", "反馈", "feedback", 10),
    ("satisfaction", "满意度", "mark 1-5", 6),
    ("next_visit", "下次走访", "next visit", 10),
    ("notes", "备注", "notes", 16),
)
COLUMNS = (*VISIT_COLUMNS, *FILLED_COLUMNS)
HOUSEHOLD = ("visit_order", "household_id", "place", "people")  # the same on each row of a household

_GREY, _INK_AGAIN = "#9AA0A6", "#7A828C"
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
    "next_again": {**_CELL, "font_color": _INK_AGAIN},
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
            table = _composed(rows)
            heights = [
                _height([(str(row[one]), width) for one, _, _, width in VISIT_COLUMNS]) for row in table
            ]
            top = _write_head(sheet, _sheet_title(title, name, as_of), script, formats)
            _lay_out(sheet, len(table))
            _offer_choices(sheet, len(table))
            _write_rows(sheet, table, heights, formats)
            sheet.set_h_pagebreaks(page_breaks([row["household_id"] for row in table], heights, top))
    return content.getvalue()


def _composed(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The cells of each row: what belongs together stands in one cell, a line each."""
    return [
        {
            **{
                name: row[name] for name in ("visit_order", "household_id", "need_name", "why", "outreach_id")
            },
            "place": _lines(row["microgrid_id"], row["contact"]),
            "people": _lines(row["members"], row["last_contact"]),
            "offer": _lines(row["ask"], row["programme"]),
        }
        for row in rows.to_dict("records")
    ]


def _lines(*texts: str) -> str:
    return "\n".join(text for text in texts if text)


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


def _lay_out(sheet: Worksheet, count: int) -> None:
    """Widths, frozen header, filter and the printed page (A4 landscape, one page wide)."""
    for position, (_, _, _, width) in enumerate(COLUMNS):
        sheet.set_column(position, position, width)
    sheet.set_column(len(COLUMNS), len(COLUMNS), 24, None, {"hidden": True})
    sheet.freeze_panes(HEADER_ROW + 1, 2)
    sheet.autofilter(HEADER_ROW, 0, HEADER_ROW + count, len(COLUMNS))
    sheet.set_landscape()
    sheet.set_paper(A4)
    sheet.set_margins(left=SIDE, right=SIDE, top=ABOVE, bottom=BELOW)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(HEADER_ROW)
    sheet.print_area(0, 0, HEADER_ROW + count, len(COLUMNS) - 1)
    sheet.set_footer(
        say("&L含个人信息，用后请妥善保管&R第 &P / &N 页", "&LPersonal data: keep safe&R&P / &N")
    )


def _offer_choices(sheet: Worksheet, count: int) -> None:
    """Drop-downs for what is chosen rather than written."""
    choices = {
        "outcome": list(outcome_names().values()),
        "feedback": feedback_choices(),
        "satisfaction": [str(mark) for mark in range(MARKS, 0, -1)],
    }
    for position, (column, zh, en, _) in enumerate(COLUMNS):
        if column in choices:
            rule = {
                "validate": "list",
                "source": choices[column],
                "error_title": say(zh, en),
                "error_message": say("请从下拉列表中选择", "please choose from the list"),
            }
            sheet.data_validation(HEADER_ROW + 1, position, HEADER_ROW + count + EXTRA_ROWS, position, rule)


def _write_head(sheet: Worksheet, title: str, script: str, formats: dict[str, Format]) -> float:
    """Title, what to say, how to fill in, and the header; returns their height in points."""
    outcomes, wrong = say("、", ", ").join(outcome_names().values()), feedback_names()
    how = say(
        f"填写：每行在“结果”里选 {outcomes}；走访日期不填则按交表日计；有意见在“反馈”里选（{wrong['do_not_contact']}"
        "＝立即不再列入名单），满意度 5 为最好。可以排序、删行，请不要改动户号和需求。",
        f"To fill in: choose {outcomes} on each row; without a date the day of return counts. Choose feedback"
        f" where there is any ({wrong['do_not_contact']}: on no list from now on); 5 is the best mark. Rows"
        " may be sorted or deleted; please leave household and need as they are.",
    )
    wide = sum(width for _, _, _, width in COLUMNS)
    texts = ((title, "title"), (say("开场白：", "Say: ") + script, "script"), (how, "script"))
    heights = [22.0, *(_height([(text, wide)]) + 3 for text, _ in texts[1:]), HEADER_HEIGHT]
    for row, (text, style) in enumerate(texts):
        sheet.merge_range(row, 0, row, len(COLUMNS) - 1, text, formats[style])
    for row, height in enumerate(heights):
        sheet.set_row(row, height)
    for position, title_of in enumerate([*(say(zh, en) for _, zh, en, _ in COLUMNS), ID_HEADER]):
        sheet.write_string(HEADER_ROW, position, title_of, formats["header"])
    return sum(heights)


def _write_rows(
    sheet: Worksheet, table: list[dict[str, Any]], heights: list[float], formats: dict[str, Format]
) -> None:
    before = None
    for line, (row, height) in enumerate(zip(table, heights, strict=True), start=HEADER_ROW + 1):
        again = row["household_id"] == before
        before, edge = row["household_id"], "next_" if again else "first_"
        sheet.set_row(line, height)
        for position, (column, _, _, _) in enumerate(COLUMNS):
            if column == "visit_order":
                sheet.write_number(line, position, row[column], formats[edge + "text"])
            elif column in row:
                style = "next_again" if again and column in HOUSEHOLD else edge + "text"
                sheet.write_string(line, position, row[column], formats[style])
            else:
                dated = column in ("date", "next_visit")
                sheet.write_blank(line, position, None, formats[edge + ("date" if dated else "fill")])
        sheet.write_string(line, len(COLUMNS), row["outreach_id"])


def _height(cells: list[tuple[str, float]]) -> float:
    """Height in points of a row whose cells have these texts and widths; a Chinese character takes two.

    Written out because not every program fits the height to wrapped text when it opens a file.
    """
    return LINE_HEIGHT * max([1, *(_line_count(text, width) for text, width in cells)]) + 3


def _line_count(text: str, width: float) -> int:
    """Lines that a text takes in a column so many characters wide; a wide character never splits."""
    lengths = [sum(1 if char < LATIN_END else 2 for char in line) for line in text.split("\n")]
    return sum(max(1, math.ceil(length / (width - 1))) for length in lengths)


def page_breaks(households: list[str], heights: list[float], top: float) -> list[int]:
    """Rows of the sheet above which a page ends, so that no household is torn apart.

    ``heights``: of the list's rows, ``top``: of everything above them, in points.
    """
    width = sum((7 * width + 5) * 0.75 for _, _, _, width in COLUMNS)  # pixels to points
    scale = min(1.0, (A4_LONG - 2 * SIDE * 72) / width)
    page = (A4_SHORT - (ABOVE + BELOW) * 72) / scale * 0.98  # programs round heights up
    breaks, used, row = [], top, 0
    while row < len(households):
        end = row
        while end < len(households) and households[end] == households[row]:
            end += 1
        height = sum(heights[row:end])
        if row and used + height > page:
            breaks.append(HEADER_ROW + 1 + row)
            used = HEADER_HEIGHT
        used += height
        row = end
    return breaks
