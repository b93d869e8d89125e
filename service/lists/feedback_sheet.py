"""Write the coordinator's sheet of feedback: the quality of reasons, agreed visits, and what was said."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from features.language import say
from service.lists.sheet import in_arial, line_height, on_a4

if TYPE_CHECKING:
    from service.lists.feedback_week import FeedbackWeek

WIDTHS = (11, 10, 9, 13, 9, 10, 18, 7, 34, 24)  # of the sheet's columns, in characters


@dataclass(frozen=True)
class Column:
    """One column of a section: what it shows, its titles, and the sheet's columns that it takes."""

    name: str
    zh: str
    en: str
    first: int
    last: int

    @property
    def width(self) -> int:
        """Count the characters that fit into a line."""
        return sum(WIDTHS[self.first : self.last + 1])


QUALITY = (
    Column("name", "理由种类", "kind of reason", 0, 1),
    Column("listed", "交回条数", "came back", 2, 2),
    Column("wrong", "说不对", "said wrong", 3, 3),
    Column("share", "比例", "share", 4, 4),
    Column("interval", "95% 区间", "95% interval", 5, 6),
)
ABOUT = (
    Column("household_id", "户号", "household", 1, 1),
    Column("grid_id", "网格", "grid", 2, 2),
    Column("need", "需求", "need", 3, 3),
    Column("worker_id", "走访人", "worker", 4, 4),
)
AGREED = (Column("when", "约定日期", "agreed for", 0, 0), *ABOUT, Column("note", "备注", "notes", 5, 8))
SAID = (
    Column("recorded", "登记日期", "recorded", 0, 0),
    *ABOUT,
    Column("kind", "反馈", "feedback", 5, 5),
    Column("reasons", "不对的理由", "wrong reasons", 6, 6),
    Column("mark", "满意度", "mark", 7, 7),
    Column("note", "备注", "notes", 8, 8),
    Column("effect", "名单怎么办", "what the lists do", 9, 9),
)


def add_feedback_sheet(book: xlsxwriter.Workbook, week: "FeedbackWeek", formats: dict[str, Format]) -> None:
    """Add the sheet of feedback to a workbook.

    ``formats``: the workbook's formats by name, made from ``service.lists.workbook.FORMATS``.
    """
    sheet = book.add_worksheet(say("居民反馈", "feedback"))
    for position, width in enumerate(WIDTHS):
        sheet.set_column(position, position, in_arial(width))
    quality = [
        {
            **row,
            "share": f"{row['share']:.1%}",
            "interval": f"{row['low_95']:.1%}–{row['high_95']:.1%}",
        }
        for row in week.quality
    ]
    sections = (
        (
            say("各类理由有几成说不对", "How often each kind of reason was said to be wrong"),
            QUALITY,
            quality,
        ),
        (say("这周约好再去的", "Visits agreed for this week"), AGREED, week.agreed),
        (say("上周以来大家说的", "What was said since last week"), SAID, week.said),
    )
    line = 0
    for title, columns, rows in sections:
        line = _section(sheet, line, title, columns, rows, formats) + 1
    on_a4(sheet, len(WIDTHS) - 1, line)


def _section(
    sheet: Worksheet,
    line: int,
    title: str,
    columns: tuple[Column, ...],
    rows: list[dict[str, Any]],
    formats: dict[str, Format],
) -> int:
    """Write a title, a header and the rows from a line on; return the line after them."""
    sheet.write_string(line, 0, title, formats["title"])
    sheet.set_row(line, 24)
    if not rows:
        sheet.write_string(line + 1, 0, say("没有", "none"))
        return line + 2
    for column in columns:
        _write(sheet, line + 1, column, say(column.zh, column.en), formats["header"])
    for offset, row in enumerate(rows, start=line + 2):
        texts = [(str(row[column.name]), column.width) for column in columns]
        sheet.set_row(offset, line_height(texts))
        for column, (text, _) in zip(columns, texts, strict=True):
            _write(sheet, offset, column, text, formats["next_text"])
    return line + 2 + len(rows)


def _write(sheet: Worksheet, line: int, column: Column, text: str, style: Format) -> None:
    if column.first == column.last:
        sheet.write_string(line, column.first, text, style)
    else:
        sheet.merge_range(line, column.first, line, column.last, "", style)
        sheet.write_string(line, column.first, text, style)
