"""An office's own form, filled in from a period's visits in its columns, order, sheets and styles."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from ledger_town import ledger_town, write_warnings
from openpyxl import Workbook, load_workbook
from openpyxl.styles import Font

from features.language import UserError
from service.ledgers.form import fill_form, form_name
from service.ledgers.households_of_rows import Register

TOWN = ledger_town(30, 1)
REGISTER = pd.DataFrame(
    [
        {"household_id": home.number, "address": home.door, "person": name, "phone": phone}
        for home in TOWN.homes
        for name, _, _, phone in home.people
    ]
)


def rows(count: int = 3) -> pd.DataFrame:
    """What happened at the first households."""
    return pd.DataFrame(
        [
            {
                "household_id": home.number,
                "grid": home.grid,
                "microgrid": "",
                "address": home.door,
                "householder": home.head[0],
                "phone": home.head[3],
                "warned_of": "医疗自付支出较大",
                "deadline": "2025-06-20",
                "visited_on": "2025-06-03",
                "visited": "是",
                "worker": "赵敏",
                "need": "老年助餐",
                "found": "老年助餐：需要",
                "offered": "老年助餐：幸福食堂",
                "settled": "=办理中",
                "resolved_on": "",
                "done": "否",
                "satisfaction": "5",
            }
            for home in TOWN.homes[:count]
        ]
    )


def register() -> Register:
    return Register(REGISTER, pd.DataFrame(columns=["address", "person", "phone", "household_id"]))


def form(path: Path, blank: int = 2) -> Path:
    """A form with a title, a header of two lines, blank rows, and a signature line below."""
    book = Workbook()
    page = book.active
    page.title = "一户一条"
    page.append(["走访帮扶情况汇总表"])
    page.merge_cells("A1:H1")
    page.append(["序号", "家庭情况", None, "预警类型", "核查情况", "帮扶措施", "办理结果", "走访人"])
    page.append([None, "户主姓名", "家庭住址"])
    page.merge_cells("B2:C2")
    for column in "ADEFGH":
        page.merge_cells(f"{column}2:{column}3")
    for line in range(4, 4 + blank):
        for column in "ABCDEFGH":
            page[f"{column}{line}"].font = Font(name="宋体", size=9)
    page[f"A{4 + blank}"] = "填表人："
    page.merge_cells(f"A{4 + blank}:H{4 + blank}")
    book.create_sheet("说明")["A1"] = "每户一条"
    book.save(path)
    return path


def test_a_form_is_filled_one_row_a_household_and_keeps_its_looks(tmp_path: Path) -> None:
    template = form(tmp_path / "汇总表.xlsx")
    filled = fill_form(template, rows(), register(), tmp_path)
    (tmp_path / "out.xlsx").write_bytes(filled.content)
    book = load_workbook(tmp_path / "out.xlsx")
    page = book["一户一条"]
    assert book.sheetnames == ["一户一条", "说明"] and page["A1"].value == "走访帮扶情况汇总表"
    told = [[cell.value for cell in line] for line in page.iter_rows(min_row=4, max_row=6)]
    first = TOWN.homes[0]
    assert told[0] == [
        1,
        first.head[0],
        first.door,
        "医疗自付支出较大",
        "老年助餐：需要",
        "老年助餐：幸福食堂",
        "=办理中",
        "赵敏",
    ]
    assert [line[0] for line in told] == [1, 2, 3]
    assert page["G4"].data_type == "s", "a text that looks like a formula stays a text"
    assert page["B6"].font.size == 9 and page["A7"].value == "填表人："
    assert "A7:H7" in {str(area) for area in page.merged_cells.ranges}
    assert any("填了 3 户" in line for line in filled.lines)


def test_a_list_from_above_gets_its_blank_cells_and_nothing_else(tmp_path: Path) -> None:
    template = tmp_path / "预警名单.xlsx"
    write_warnings(TOWN, template, homes=4)
    before = load_workbook(template).active
    filled = fill_form(template, rows(2), register(), tmp_path)
    (tmp_path / "out.xlsx").write_bytes(filled.content)
    page = load_workbook(tmp_path / "out.xlsx").active
    named = {cell.value: cell.column for cell in page[2]}
    told = [page.cell(line, named["核查情况"]).value for line in range(3, 7)]
    assert told == ["老年助餐：需要", "老年助餐：需要", None, None]
    assert page.cell(3, named["帮扶措施"]).value == "老年助餐：幸福食堂"
    for line in range(1, 7):
        for column in range(1, 8):
            assert page.cell(line, column).value == before.cell(line, column).value
    assert page.max_row == 6


def test_a_form_of_which_no_column_is_known_is_refused(tmp_path: Path) -> None:
    book = Workbook()
    for row in (["甲", "乙", "丙", "丁", "戊", "己"], [1, 2, 3, 4, 5, 6]):
        book.active.append(row)
    book.save(tmp_path / "表.xlsx")
    with pytest.raises(UserError, match="没有一张表有认识的列"):
        fill_form(tmp_path / "表.xlsx", rows(), register(), tmp_path)
    assert form_name(tmp_path / "表.xlsx", date(2025, 6, 1), date(2025, 6, 30)) == "表_20250601-20250630.xlsx"
