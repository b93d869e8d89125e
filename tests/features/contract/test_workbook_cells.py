"""Workbooks are read with their cells' types, and a hostile one ends in one line."""

from datetime import date, datetime, time, timedelta
from pathlib import Path

import openpyxl
import pytest
from hostile_workbooks import far_cell, far_without_places, packed_zeros
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from features.contract.workbook_cells import read_sheets
from features.language import UserError


def test_cells_keep_their_types_and_places(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    for place, value in {
        "C4": '网格员 "甲"\n二行',
        "D5": datetime(2024, 3, 5, 1, 2),
        "E6": time(3, 4),
        "D7": timedelta(days=2, hours=1),
        "C8": date(2024, 1, 1),
        "C9": True,
        "D9": 1.5,
    }.items():
        sheet[place] = value
    sheet.merge_cells("C10:C11")
    workbook.create_sheet("hidden").sheet_state = "hidden"
    workbook.save(tmp_path / "book.xlsx")
    first, second = read_sheets(tmp_path / "book.xlsx")
    assert [row[2:] for row in first.rows[3:9]] == [
        ['网格员 "甲"\n二行', "", ""],
        ["", datetime(2024, 3, 5, 1, 2), ""],
        ["", "", time(3, 4)],
        ["", timedelta(days=2, hours=1), ""],
        [date(2024, 1, 1), "", ""],
        [True, 1.5, ""],
    ]
    assert first.rows[0] == ["", "", "", "", ""] and first.merged == [((9, 2), (10, 2))]
    assert (second.name, second.visible, second.rows) == ("hidden", False, [])


@pytest.mark.parametrize("said", ["A1:XFD1048576", "A1:B2"])
def test_a_value_in_the_last_cell_is_told_in_one_line(tmp_path: Path, said: str) -> None:
    path = far_cell(tmp_path / "book.xlsx", said)
    with pytest.raises(UserError, match=r"太大.*Ctrl\+End") as caught:
        list(read_sheets(path))
    assert path.stat().st_size < 2000
    assert ("XFD1048576" in str(caught.value)) == (said != "A1:B2")


def test_cells_without_places_cannot_make_a_sheet_huge(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="太大"):
        list(read_sheets(far_without_places(tmp_path / "book.xlsx")))


def test_a_part_that_unpacks_to_a_thousand_times_its_size_is_not_unpacked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="太大"):
        list(read_sheets(packed_zeros(tmp_path / "book.xlsx", 80 << 20)))


def test_whole_columns_that_are_only_formatted_are_read(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    workbook = openpyxl.Workbook()
    workbook.active["A1"] = "x"
    workbook.active["XFD3000"].font = openpyxl.styles.Font(bold=True)
    workbook.save(path)
    assert [sheet.rows for sheet in read_sheets(path)] == [[["x"]]]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"household_id,grid_id\n"])
def test_what_is_no_workbook_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "book.xlsx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"book\.xlsx：不是完整的 Excel 工作簿"):
        list(read_sheets(path))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="没有这个文件"):
        list(read_sheets(tmp_path / "book.xlsx"))


def test_hidden_rows_and_columns_and_the_first_year_are_told(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    workbook.epoch = CALENDAR_MAC_1904
    workbook.active.append(["a", "b", "c"])
    other = workbook.create_sheet("甲&乙")
    for row in range(5):
        other.append([row, row, row])
    other.row_dimensions[2].hidden = other.row_dimensions[4].hidden = True
    other.column_dimensions.group("B", "C", hidden=True)
    workbook.save(tmp_path / "book.xlsx")
    first, second = read_sheets(tmp_path / "book.xlsx")
    assert (first.hidden_rows, first.hidden_columns, first.since_1904) == (frozenset(), frozenset(), True)
    assert (second.name, second.hidden_rows, second.hidden_columns) == ("甲&乙", {1, 3}, {1, 2})
