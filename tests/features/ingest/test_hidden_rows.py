"""Hidden rows and columns are read and said, days that count from 1904 are those that were meant, TRUE is no id."""

from datetime import datetime

from openpyxl import Workbook, load_workbook
from openpyxl.comments import Comment
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from tiny_town import TinyTown, households, requests


def test_hidden_rows_and_columns_are_read_and_said_in_one_line(tiny_town: TinyTown) -> None:
    path = tiny_town.write("households", households(), "xlsx")
    book = load_workbook(path)
    for line in (3, 4, 900):
        book.active.row_dimensions[line].hidden = True
    for column in ("E", "Z"):
        book.active.column_dimensions[column].hidden = True
    book.save(path)
    report = tiny_town.ingest()
    assert report.tables["households"].new == len(households()) and report.exit_code() == 3
    said = [line for line in report.lines() if "隐藏" in line]
    assert len(said) == 1 and "2 行（第 3 行起）和列 children" in said[0]


def test_comments_are_counted_and_those_that_may_refuse_visits_are_told(tiny_town: TinyTown) -> None:
    path = tiny_town.write("households", households(), "xlsx")
    book = load_workbook(path)
    book.active["A1"].comment = Comment("必填", "社区")
    assert "批注" not in "\n".join(tiny_town.ingest().lines())
    book.save(path)
    report = tiny_town.ingest()
    assert "的批注没有读：必填，共 1 处" in "\n".join(report.lines()) and report.exit_code() == 0
    book.active["B3"].comment = Comment("已经说过不要再上门", "社区")
    book.save(path)
    report = tiny_town.ingest()
    (told,) = report.unread_refusals
    assert "第 3 行的批注像是谢绝走访，没有读，共 1 处；请写进谢绝表" in told and told in report.lines()


def test_bare_days_of_a_workbook_that_counts_from_1904_are_those_that_were_meant(tiny_town: TinyTown) -> None:
    book = Workbook()
    book.epoch = CALENDAR_MAC_1904
    book.active.append(["request_id", "household_id", "requested_at", "need"])
    book.active.append(["R1", "H01", datetime(2024, 3, 5), "meals"])
    book.active.append(["R2", "H02", 43894, "meals"])
    (tiny_town.directory / "requests.csv").unlink()
    book.save(tiny_town.directory / "requests.xlsx")
    tiny_town.ingest()
    asked = tiny_town.records().requests.requested
    assert len(asked) == 2 and len({*asked}) == 1


def test_true_is_no_id(tiny_town: TinyTown) -> None:
    rows = [{**requests()[0], "request_id": "R9", "household_id": True}, *requests()]
    tiny_town.write("requests", rows)
    report = tiny_town.ingest()
    assert report.tables["requests"].quarantined == 1
    assert "户号（household_id） 是 TRUE/FALSE，不是编号" in "\n".join(report.lines())
    tiny_town.write("households", [{**households()[0], "household_id": "TRUE"}, *households()])
    assert tiny_town.ingest().tables["households"].quarantined == 1
    assert "true" not in {str(one).lower() for one in tiny_town.records().household_ids}


def test_a_row_that_is_set_aside_is_told_with_its_sheet(tiny_town: TinyTown) -> None:
    path = tiny_town.write("households", households(), "xlsx")
    book = load_workbook(path)
    page = book.copy_worksheet(book.active)
    page.title = "二网格"
    names = [cell.value for cell in page[1]]
    for line, day in ((3, "5月7日"), (4, "上周三")):
        page.cell(line, names.index("valid_from") + 1, day)
        page.cell(line, names.index("household_id") + 1, f"H9{line}")
    book.save(path)
    assert (
        "households.xlsx: 起始日期（valid_from） 读不懂：5月7日（[二网格]第 3 行）、上周三（[二网格]第 4 行），共 2 处；"
        "这些行没读进；改好后再读一次" in tiny_town.ingest().lines()
    )
