"""The coordinator's sheet of feedback: what was said since last week, agreed visits, the quality of reasons."""

from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from features.language import say
from service.feedback_week import FeedbackWeek
from service.sheet import line_height, on_a4

# column of a row, title in Chinese and English, width in characters
SAID = (
    ("recorded", "登记日期", "recorded", 11),
    ("household_id", "户号", "household", 10),
    ("grid_id", "网格", "grid", 9),
    ("need", "需求", "need", 11),
    ("worker_id", "走访人", "worker", 9),
    ("kind", "反馈", "feedback", 10),
    ("reasons", "不对的理由", "wrong reasons", 16),
    ("mark", "满意度", "mark", 7),
    ("note", "备注", "notes", 30),
    ("effect", "名单上的处理", "what the lists do", 24),
)
AGREED = (
    ("when", "约定日期", "agreed for", 11),
    ("household_id", "户号", "household", 10),
    ("grid_id", "网格", "grid", 9),
    ("need", "需求", "need", 11),
    ("worker_id", "走访人", "worker", 9),
    ("note", "备注", "notes", 30),
)
QUALITY = (
    ("name", "理由种类", "kind of reason", 11),
    ("listed", "交回条数", "came back", 10),
    ("wrong", "被指不对", "said wrong", 9),
    ("share", "比例", "share", 11),
    ("interval", "95% 区间", "95% interval", 9),
)
Columns = tuple[tuple[str, str, str, int], ...]


def add_feedback_sheet(book: xlsxwriter.Workbook, week: FeedbackWeek, formats: dict[str, Format]) -> None:
    """Add the sheet to a workbook whose ``formats`` are those of ``service.workbook``."""
    sheet = book.add_worksheet(say("居民反馈", "feedback"))
    for position, (_, _, _, width) in enumerate(SAID):
        sheet.set_column(position, position, width)
    quality = [
        {
            **row,
            "share": f"{row['share']:.1%}",
            "interval": f"{row['low_95']:.1%}–{row['high_95']:.1%}",
        }
        for row in week.quality
    ]
    sections: tuple[tuple[str, Columns, list[dict[str, Any]]], ...] = (
        (say("上周以来的反馈", "Feedback since last week"), SAID, week.said),
        (say("本周约定的再访", "Visits agreed for this week"), AGREED, week.agreed),
        (say("各类理由的质量", "Quality of each kind of reason"), QUALITY, quality),
    )
    line = 0
    for title, columns, rows in sections:
        line = _section(sheet, line, title, columns, rows, formats) + 1
    on_a4(sheet, len(SAID) - 1, line)


def _section(
    sheet: Worksheet,
    line: int,
    title: str,
    columns: Columns,
    rows: list[dict[str, Any]],
    formats: dict[str, Format],
) -> int:
    """A title, a header and the rows from a line on; the line after them."""
    sheet.write_string(line, 0, title, formats["title"])
    sheet.set_row(line, 24)
    if not rows:
        sheet.write_string(line + 1, 0, say("没有", "none"))
        return line + 2
    for position, (_, zh, en, _) in enumerate(columns):
        sheet.write_string(line + 1, position, say(zh, en), formats["header"])
    for offset, row in enumerate(rows, start=line + 2):
        sheet.set_row(offset, line_height([(str(row[name]), width) for name, _, _, width in columns]))
        for position, (name, _, _, _) in enumerate(columns):
            sheet.write_string(offset, position, str(row[name]), formats["next_text"])
    return line + 2 + len(rows)
