"""Make empty workbooks in which an office begins: households, requests, workers, with lists to choose from."""

import io
from collections.abc import Sequence

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

ROWS = 2000  # that have lists to choose from
DATE = "yyyy-mm-dd"
COLUMNS = {
    "住户.xlsx": (
        ("户号", 12),
        ("网格", 12),
        ("微网格", 12),
        ("登记日期", 13),
        ("地址", 26),
        ("姓氏", 8),
        ("电话", 15),
        ("孩子数", 10),
        ("老人数", 10),
    ),
    "诉求.xlsx": (
        ("诉求编号", 14),
        ("户号", 12),
        ("诉求时间", 14),
        ("需求", 18),
        ("诉求内容", 40),
        ("办结时间", 14),
    ),
    "工作人员.xlsx": (
        ("工号", 10),
        ("姓名", 12),
        ("角色", 12),
        ("网格", 12),
        ("微网格", 12),
        ("每周走访户数", 14),
    ),
}


def blank_tables(needs: Sequence[str], grids: Sequence[str]) -> dict[str, bytes]:
    """Return the workbooks by name of file.

    ``needs``: names to choose from in the table of requests. ``grids``: names to choose from; there is one line for a
    worker of each.
    """
    return {name: _book(name, needs, grids) for name in COLUMNS if name != "工作人员.xlsx" or grids}


def _book(name: str, needs: Sequence[str], grids: Sequence[str]) -> bytes:
    content, columns = io.BytesIO(), COLUMNS[name]
    book = xlsxwriter.Workbook(content, {"in_memory": True})
    sheet = book.add_worksheet(name.removesuffix(".xlsx"))
    header = book.add_format({"bold": True, "bg_color": "#eef3fa", "border": 1})
    dated, plain = book.add_format({"num_format": DATE}), book.add_format({"num_format": "@"})
    for position, (title, width) in enumerate(columns):
        sheet.write_string(0, position, title, header)
        sheet.set_column(position, position, width, dated if title.endswith(("日期", "时间")) else plain)
        choices = {"需求": needs, "网格": grids}.get(title)
        if choices:
            _choose(book, sheet, position, title, choices)
    if name == "工作人员.xlsx":
        for line, grid in enumerate(grids, start=1):
            for position, value in ((0, f"w{line:02}"), (2, "网格员"), (3, grid)):
                sheet.write_string(line, position, value)
    sheet.freeze_panes(1, 0)
    book.close()
    return content.getvalue()


def _choose(
    book: xlsxwriter.Workbook, sheet: Worksheet, position: int, title: str, choices: Sequence[str]
) -> None:
    """Let cells of a column be chosen from a list, which stands on a hidden sheet; other texts are allowed."""
    name = f"_{title}"
    hidden = book.add_worksheet(name)
    hidden.hide()
    hidden.write_column(0, 0, choices)
    source = {"validate": "list", "source": f"='{name}'!$A$1:$A${len(choices)}", "error_type": "information"}
    sheet.data_validation(1, position, ROWS, position, source)
