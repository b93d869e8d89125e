"""What people write into a list is read as they mean it, and nothing beside it is lost."""

from datetime import date, datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from make_records import records_of
from openpyxl.worksheet.worksheet import Worksheet
from week_lists import change, columns_of, fill, make_known, make_visits, write_lists

from features.point_in_time.records import Known
from service.returns.read_outcomes import Outcomes, read_outcomes
from service.weekly.record_week import beside_service

NOW = datetime(2025, 9, 5, 10)


@pytest.fixture
def known() -> Known:
    return make_known()


@pytest.fixture
def visits(known: Known) -> pd.DataFrame:
    return make_visits(known)


@pytest.fixture
def book(known: Known, visits: pd.DataFrame, tmp_path: Path) -> Path:
    return write_lists(known, visits, tmp_path / "grid-g1.xlsx")


def read(book: Path, visits: pd.DataFrame, known: Known) -> Outcomes:
    return read_outcomes([book], visits, records_of(known), NOW)


@pytest.mark.parametrize(
    ("written", "outcome"),
    [
        *(("没人", "not_reached"), ("家里没人。", "not_reached"), ("不用了", "not_needed"), ("√", "needed")),
        *(("不需要。", "not_needed"), (" 需要！", "needed"), ("√ 需要", "needed"), ("×", "not_needed")),
    ],
)
def test_answers_in_the_words_of_a_worker(
    written: str, outcome: str, book: Path, visits: pd.DataFrame, known: Known
) -> None:
    def fill_in(sheet: Worksheet) -> None:
        fill(sheet, [written])
        sheet.cell(
            columns_of(sheet)[0], sheet.max_column + 2, "结果"
        )  # a column of the worker's own beside the list

    change(book, fill_in)
    found = read(book, visits, known)
    assert [row["outcome"] for row in found.rows] == [outcome] and not found.refused


def test_an_answer_that_is_not_understood_is_refused_with_every_answer_that_is(
    book: Path, visits: pd.DataFrame, known: Known
) -> None:
    change(book, lambda sheet: fill(sheet, ["回头再说"]))
    (refused,) = read(book, visits, known).refused
    assert "看不懂结果“回头再说”，请填 需要、不需要、婉拒、未遇见、已搬走、已去世" in refused


def test_a_date_that_nobody_can_read_does_not_lose_the_outcome(
    book: Path, visits: pd.DataFrame, known: Known
) -> None:
    change(book, lambda sheet: fill(sheet, ["需要"], "上礼拜吧"))
    found = read(book, visits, known)
    (row,) = found.rows
    assert (row["outcome"], row["contacted_at"]) == ("needed", NOW.date())
    assert "上礼拜吧" in found.refused[0] and "结果已收下" in found.refused[0]


def test_another_answer_without_a_date_keeps_the_day_of_the_first(
    book: Path, visits: pd.DataFrame, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(book, lambda sheet: fill(sheet, ["需要"]))
    first = read(book, visits, known).rows[0]["outreach_id"]
    before = {first: ("not_reached", date(2025, 9, 2))}
    monkeypatch.setattr("service.returns.read_outcomes._stored_outcomes", lambda records: before)
    assert [row["contacted_at"] for row in read(book, visits, known).rows] == [date(2025, 9, 2)]


def test_paper_of_an_earlier_day_that_says_the_same_leaves_the_later_day() -> None:
    row = {"outreach_id": "a", "household_id": "h01", "outcome": "needed", "contacted_at": date(2025, 9, 2)}
    beside = beside_service([row], {"a": ("needed", date(2025, 9, 4))}, {})
    assert [one["contacted_at"] for one in beside.rows] == [date(2025, 9, 4)]
    assert beside.earlier == [row] and not beside.lines


def test_an_answer_in_merged_cells_counts_for_each_of_their_rows(
    book: Path, visits: pd.DataFrame, known: Known
) -> None:
    def merge(sheet: Worksheet) -> None:
        header, columns = columns_of(sheet)
        fill(sheet, ["没人"])
        sheet.merge_cells(
            start_row=header + 1, end_row=header + 2, start_column=columns["结果"], end_column=columns["结果"]
        )

    change(book, merge)
    found = read(book, visits, known)
    assert [row["outcome"] for row in found.rows] == ["not_reached", "not_reached"] and not found.refused


def test_what_residents_mention_becomes_a_request_once(
    book: Path, visits: pd.DataFrame, known: Known
) -> None:
    def mention(sheet: Worksheet) -> None:
        header, columns = columns_of(sheet)
        sheet.cell(header + 1, columns["别的需要"], "楼道灯坏了")
        sheet.cell(header + 2, columns["别的需要"], "无")
        last = sheet.max_row + 1
        sheet.cell(last, columns["户号"], "h11")
        sheet.cell(last, columns["需求"], "老年助餐")
        sheet.cell(last, columns["走访日期"], "9月3日")
        sheet.cell(last + 1, columns["户号"], "h99")
        sheet.cell(last + 1, columns["需求"], "老年助餐")

    change(book, mention)
    if "h11" in {*visits.loc[visits["need"] == "meals", "household_id"]}:
        pytest.skip("h11 is listed for meals in this plan")
    found = read(book, visits, known)
    first = str(
        openpyxl.load_workbook(book).worksheets[0].cell(columns_row(book) + 1, column(book, "户号")).value
    )
    assert [(row["household_id"], row["need"], row["text"]) for row in found.requests] == [
        ("h11", "meals", None),
        (first, None, "楼道灯坏了"),
    ]
    assert found.requests[0]["requested_at"] == str(date(2025, 9, 3))
    assert not found.rows
    assert len(found.refused) == 1 and "h99" in found.refused[0]
    again = read(book, visits, known)
    assert [row["request_id"] for row in again.requests] == [row["request_id"] for row in found.requests]


def columns_row(book: Path) -> int:
    return columns_of(openpyxl.load_workbook(book).worksheets[0])[0]


def column(book: Path, title: str) -> int:
    return columns_of(openpyxl.load_workbook(book).worksheets[0])[1][title]
