"""Write the week's lists as Excel workbooks: one a grid, a sheet a worker, ready to print and to fill in."""

import io
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from features.language import joined_names, say
from service.lists.answers import MARKS, feedback_choices, feedback_names, outcome_names
from service.lists.feedback_sheet import add_feedback_sheet
from service.lists.sheet import FONT, in_arial, line_height, on_a4, page_breaks
from service.lists.visit_rows import as_rows
from service.planning.stability import KEPT

if TYPE_CHECKING:
    from service.lists.feedback_week import FeedbackWeek

HEADER_ROW = 3  # counted from zero: title, what to say and how to fill in stand above it
ID_HEADER = "outreach_id"
EXTRA_ROWS = 20  # rows below the list where the drop-down still works, for rows that were moved
HEADER_HEIGHT = 30.0  # points
OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "default_format_properties": FONT,
}
FORBIDDEN = re.compile(r"[\[\]:*?/\\']")

Column = tuple[str, str, str, float]
# column of the list, title in Chinese and English, width in characters
VISIT_COLUMNS: tuple[Column, ...] = (
    ("visit_order", "序", "no.", 3),
    ("place", "微网格·地址", "place", 13),
    ("household_id", "户号", "household", 8.5),
    ("people", "成员·上次联系", "members, last contact", 13),
    ("need_name", "需求", "need", 8.6),
    ("paper", "为什么上门〔依据〕", "why [rows behind it]", 54),
    ("offer", "问什么·现有项目", "what to ask, programme", 24),
)
FILLED_COLUMNS: tuple[Column, ...] = (
    ("outcome", "结果", "outcome", 6.6),
    ("date", "走访日期", "date", 5.5),
    ("feedback", "反馈", "feedback", 6.6),
    ("satisfaction", "满意度", "mark 1-5", 6.6),
    ("next_visit", "下次走访", "next visit", 5.5),
    ("other_need", "别的需要", "another need", 8.8),
    ("notes", "备注", "notes", 7),
)
COLUMNS = (*VISIT_COLUMNS, *FILLED_COLUMNS)
WIDTHS = {name: width for name, _, _, width in COLUMNS}
SPARE = 6  # characters of the place's width that the reasons take where no address is given
HOUSEHOLD = ("visit_order", "household_id", "place", "people")  # the same on each row of a household
# columns of the described visits that a sheet is made of
SHOWN = tuple(
    """
    worker worker_name visit_order household_id microgrid_id contact members last_contact status need_name paper ask
    programme outreach_id
    """.split()
)

_GREY, _INK_AGAIN = "#9AA0A6", "#7A828C"
_CELL = {
    "text_wrap": True,
    "valign": "top",
    "align": "left",
    "font_size": 11,
    "border": 1,
    "border_color": _GREY,
}
_FIRST = {**_CELL, "top": 2, "top_color": "#1D4F91"}  # a line above every household
_FILL = {"bg_color": "#FFF8DC"}
_DATE = {"num_format": "mm-dd", **_FILL}
FORMATS: dict[str, dict] = {
    "title": {"bold": True, "font_size": 14, "valign": "vcenter"},
    "script": {"text_wrap": True, "valign": "vcenter", "font_size": 11, "bg_color": "#EEF3FA"},
    "header": {"bold": True, "text_wrap": True, "valign": "vcenter", "border": 1, "bg_color": "#DCE6F4"},
    "first_text": _FIRST,
    "first_fill": {**_FIRST, **_FILL},
    "first_date": {**_FIRST, **_DATE},
    "next_text": _CELL,
    "next_again": {**_CELL, "font_color": _INK_AGAIN, "text_wrap": False},
    "next_fill": {**_CELL, **_FILL},
    "next_date": {**_CELL, **_DATE},
}


def workbook(
    title: str,
    script: str,
    visits: pd.DataFrame,
    as_of: date,
    feedback: "FeedbackWeek | None" = None,
    notes: Sequence[str] = (),
) -> bytes:
    """Write one workbook: a sheet for each worker of ``visits``, in their order, and one for feedback.

    title, script: heading, and what to say at the door.
    visits: described visits (``visit_rows.describe``).
    as_of: first day of the week.
    feedback: the week's feedback; without it there is no such sheet.
    notes: what stands in the head of each sheet, before how to fill it in.

    Returns the file's content; the same visits give the same bytes.
    """
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, OPTIONS) as book:
        book.set_properties({"title": title, "created": datetime(as_of.year, as_of.month, as_of.day)})
        formats = {name: book.add_format(format) for name, format in FORMATS.items()}
        taken: set[str] = set()
        for rows in _by_worker(visits):
            name = str(rows[0]["worker_name"]) or say("社区统筹", "coordinators")
            sheet = book.add_worksheet(sheet_name(name, taken))
            table = _composed(rows)
            addressed = any(row["contact"] != "" for row in rows)
            widths = _widths(addressed)
            heights = _heights(table, widths)
            top = _write_head(sheet, _sheet_title(title, name, as_of), script, notes, addressed, formats)
            _lay_out(sheet, len(table), widths)
            _offer_choices(sheet, len(table))
            _write_rows(sheet, table, heights, formats)
            homes = [row["household_id"] for row in table]
            ends = page_breaks(homes, heights, list(widths.values()), top, HEADER_HEIGHT)
            sheet.set_h_pagebreaks([HEADER_ROW + 1 + row for row in ends])
        if feedback:
            add_feedback_sheet(book, feedback, formats)
    return content.getvalue()


def _widths(addressed: bool) -> dict[str, float]:
    """Give the widths of the columns in characters, with or without addresses."""
    if addressed:
        return WIDTHS
    return {**WIDTHS, "place": WIDTHS["place"] - SPARE, "paper": WIDTHS["paper"] + SPARE}


def _heights(table: list[dict[str, Any]], widths: dict[str, float]) -> list[float]:
    """Compute the height of each row; what its household's first row tells in full takes no room again."""
    return [
        line_height(
            [
                (str(row[name]), widths[name])
                for name, _, _, _ in VISIT_COLUMNS
                if not (again and name in HOUSEHOLD)
            ]
        )
        for row, again in zip(table, _repeated(table), strict=True)
    ]


def _by_worker(visits: pd.DataFrame) -> list[list[dict[str, Any]]]:
    """Group the rows by worker, in the order of the lists."""
    rows_of: dict[int, list[dict[str, Any]]] = {}
    for row in as_rows(visits, SHOWN):
        rows_of.setdefault(row["worker"], []).append(row)
    return list(rows_of.values())


def _composed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compose the cells of each row: what belongs together stands in one cell, a line each.

    The last contact stands once for each household.
    """
    return [
        {
            **row,
            "place": _lines(row["microgrid_id"], row["contact"]),
            "people": _lines(row["members"], "" if again else row["last_contact"], _kept(row)),
            "offer": _lines(row["ask"], row["programme"]),
        }
        for row, again in zip(rows, _repeated(rows), strict=True)
    ]


def _repeated(rows: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Tell which rows are of the household of the row before."""
    homes = [row["household_id"] for row in rows]
    return [before == home for before, home in zip([None, *homes], homes, strict=False)]


def _kept(row: dict[str, Any]) -> str:
    return say("上周未走访", "kept from last week") if row["status"] == KEPT else ""


def _lines(*texts: str) -> str:
    return "\n".join(text for text in texts if text)


def _sheet_title(title: str, name: str, as_of: date) -> str:
    until = as_of + timedelta(days=6)
    whose = title if name in title.split(" · ") else f"{title} · {name}"
    return say(f"{whose} · {as_of} 至 {until} 走访名单", f"{whose} · visits {as_of} to {until}")


def sheet_name(name: str, taken: set[str]) -> str:
    """Make a sheet name that Excel allows and that is not ``taken`` yet."""
    safe = FORBIDDEN.sub("_", name).strip()[:25] or "0"
    chosen, number = safe, 2
    while chosen.lower() in taken:
        chosen, number = f"{safe}-{number}", number + 1
    taken.add(chosen.lower())
    return chosen


def _lay_out(sheet: Worksheet, count: int, widths: dict[str, float]) -> None:
    """Set widths, frozen header, filter and the printed page (A4 landscape, one page wide)."""
    for position, width in enumerate(widths.values()):
        sheet.set_column(position, position, in_arial(width))
    sheet.set_column(len(COLUMNS), len(COLUMNS), 24, None, {"hidden": True})
    sheet.freeze_panes(HEADER_ROW + 1, 2)
    sheet.autofilter(HEADER_ROW, 0, HEADER_ROW + count, len(COLUMNS))
    sheet.repeat_rows(HEADER_ROW)
    on_a4(sheet, len(COLUMNS) - 1, HEADER_ROW + count)


def _offer_choices(sheet: Worksheet, count: int) -> None:
    """Add drop-downs for what is chosen rather than written."""
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
                "error_message": say("请从下拉里选", "please choose from the list"),
            }
            sheet.data_validation(HEADER_ROW + 1, position, HEADER_ROW + count + EXTRA_ROWS, position, rule)


def _write_head(
    sheet: Worksheet,
    title: str,
    script: str,
    notes: Sequence[str],
    addressed: bool,
    formats: dict[str, Format],
) -> float:
    """Write title, what to say, how to fill in, and the header; return their height in points."""
    outcomes, wrong = joined_names(outcome_names().values()), feedback_names()
    how = say(
        f"填写：每行在“结果”里选 {outcomes}；走访日期不填，就按交表那天算；有意见在“反馈”里选（{wrong['do_not_contact']}"
        "＝从此不上名单），满意度 5 为最好；居民提到别的事，写在“别的需要”里。可以排序、删行，请不要改动户号和需求。",
        f"To fill in: choose {outcomes} on each row; without a date the day of return counts. Choose feedback"
        f" where there is any ({wrong['do_not_contact']}: on no list from now on); 5 is the best mark; other needs"
        " go into “another need”. Rows"
        " may be sorted or deleted; please leave household and need as they are.",
    )
    wide = sum(WIDTHS.values())
    texts = (
        (title, "title"),
        (say("开场白：", "Say: ") + script, "script"),
        ("\n".join([*notes, how]), "script"),
    )
    heights = [22.0, *(line_height([(text, wide)]) + 3 for text, _ in texts[1:]), HEADER_HEIGHT]
    for row, (text, style) in enumerate(texts):
        sheet.merge_range(row, 0, row, len(COLUMNS) - 1, text, formats[style])
    for row, height in enumerate(heights):
        sheet.set_row(row, height)
    titles = {name: say(zh, en) for name, zh, en, _ in COLUMNS}
    if not addressed:
        titles["place"] = say("微网格", "micro-grid")
    for position, text in enumerate([*titles.values(), ID_HEADER]):
        sheet.write_string(HEADER_ROW, position, text, formats["header"])
    return sum(heights)


def _write_rows(
    sheet: Worksheet, table: list[dict[str, Any]], heights: list[float], formats: dict[str, Format]
) -> None:
    laid_out = zip(table, heights, _repeated(table), strict=True)
    for line, (row, height, again) in enumerate(laid_out, start=HEADER_ROW + 1):
        edge = "next_" if again else "first_"
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
