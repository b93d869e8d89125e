"""Lists through LibreOffice, as an office without Excel uses them: filled in, saved, handed in, printed."""

import random
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from make_records import records_of
from openpyxl.worksheet.worksheet import Worksheet
from week_lists import change, columns_of, make_known, make_visits, write_lists

from features.point_in_time.records import Known
from service.returns.read_outcomes import Outcomes, read_outcomes

SOFFICE = shutil.which("soffice")
pytestmark = pytest.mark.skipif(
    SOFFICE is None,
    reason="lists are not tried: soffice is not on PATH (Debian, Ubuntu: apt install libreoffice-calc-nogui)",
)
NOW = datetime(2025, 9, 5, 10)
OUTCOMES = ("需要", "不需要", "婉拒", "未遇见")


@pytest.fixture(scope="module")
def known() -> Known:
    return make_known()


@pytest.fixture(scope="module")
def visits(known: Known) -> pd.DataFrame:
    return make_visits(known)


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A LibreOffice profile of its own, so that an open LibreOffice is not in the way."""
    return (tmp_path_factory.mktemp("profile") / "office").as_uri()


def saved(book: Path, kind: str, profile: str) -> Path:
    """The file as LibreOffice saves it."""
    out = book.parent / "saved"
    subprocess.run(
        [
            str(SOFFICE),
            f"-env:UserInstallation={profile}",
            "--headless",
            "--convert-to",
            kind,
            "--outdir",
            str(out),
            str(book),
        ],
        check=True,
        capture_output=True,
        timeout=600,
    )
    return out / f"{book.stem}.{kind}"


def used(sheet: Worksheet) -> dict[str, str]:
    """Fill in every row, sort by outcome, widen columns, delete two rows, leave a gap; outcome by id."""
    header, columns = columns_of(sheet)
    lines = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=header + 1) if row[0].value]
    for line in lines:
        line[columns["结果"] - 1] = random.Random(str(line)).choice(OUTCOMES)
        line[columns["走访日期"] - 1] = datetime(2025, 9, 3)
        line[columns["满意度"] - 1] = 4
    lines.sort(key=lambda line: str(line[columns["结果"] - 1]))
    sheet.delete_rows(header + 1, len(lines))
    for letter in ("B", "F", "M"):
        sheet.column_dimensions[letter].width = 60
    for line in lines[2:]:
        sheet.append(line)
        sheet.append([None])
    return {line[columns["outreach_id"] - 1]: line[columns["结果"] - 1] for line in lines[2:]}


def read(path: Path, visits: pd.DataFrame, known: Known, now: datetime = NOW) -> Outcomes:
    return read_outcomes([path], visits, records_of(known), now)


@pytest.mark.parametrize("kind", ["xlsx", "ods", "xls"])
def test_a_list_survives_being_used_and_saved(
    kind: str, visits: pd.DataFrame, known: Known, profile: str, tmp_path: Path
) -> None:
    book = write_lists(known, visits, tmp_path / "grid-g1.xlsx")
    answers: dict[str, str] = {}
    longest = int(visits["worker"].value_counts().idxmax())
    change(book, lambda sheet: answers.update(used(sheet)), sheet=longest)
    assert len(answers) > 2
    path = saved(book, kind, profile)
    found = read(path, visits, known)
    assert found.refused == []
    names = dict(zip(("needed", "not_needed", "declined", "not_reached"), OUTCOMES, strict=True))
    assert {row["outreach_id"]: names[row["outcome"]] for row in found.rows} == answers
    assert {str(row["contacted_at"]) for row in found.rows} == {"2025-09-03"}
    assert {row["outreach_id"] for row in found.feedback} == set(answers)
    assert {row["satisfaction"] for row in found.feedback} == {4}


def test_an_untouched_list_keeps_its_choices_and_its_page(
    visits: pd.DataFrame, known: Known, profile: str, tmp_path: Path
) -> None:
    book = write_lists(known, visits, tmp_path / "grid-g1.xlsx")
    path = saved(book, "xlsx", profile)
    assert read(path, visits, known).rows == []
    for sheet in openpyxl.load_workbook(path).worksheets:
        header, columns = columns_of(sheet)
        choices = {str(rule.formula1) for rule in sheet.data_validations.dataValidation}
        assert '"需要,不需要,婉拒,未遇见,已搬走,已去世"' in choices and len(choices) == 3
        letter = sheet.cell(header, columns["outreach_id"]).column_letter
        assert sheet.column_dimensions[letter].hidden
        assert sheet.print_title_rows == f"${header}:${header}"
        assert sheet.page_setup.orientation == "landscape"


def test_a_saved_list_of_an_older_week_counts_in_that_week(
    visits: pd.DataFrame, known: Known, profile: str, tmp_path: Path
) -> None:
    book = write_lists(known, visits, tmp_path / "grid-g1.xlsx")

    def answer(sheet: Worksheet) -> None:
        header, columns = columns_of(sheet)
        sheet.cell(header + 1, columns["结果"], "需要")
        sheet.cell(header + 2, columns["反馈"], "不要再来")

    path = saved(change(book, answer), "xlsx", profile)
    late = datetime(2025, 12, 1, 9)
    found = read(path, visits, known, late)
    assert [str(row["contacted_at"]) for row in found.rows] == ["2025-09-07"]
    assert [(row["kind"], row["recorded_at"]) for row in found.feedback] == [("do_not_contact", late)]
    stored = {**found.rows[0], "contacted_at": "2025-09-07"}
    after = make_known(contacts=(stored,), feedback=tuple(found.feedback), as_of=late.date())
    again = read(path, visits, after, late)
    assert (again.rows, again.feedback, again.known) == ([], [], 1)


def test_pages_end_where_the_list_says_after_libreoffice_has_saved_it(
    visits: pd.DataFrame, known: Known, profile: str, tmp_path: Path
) -> None:
    book = write_lists(known, visits.assign(paper="去年申请过暑期托管；" * 40), tmp_path / "grid-g1.xlsx")
    path = saved(book, "xlsx", profile)
    before, after = (openpyxl.load_workbook(one).worksheets for one in (book, path))
    ends = [[one.id for one in sheet.row_breaks.brk] for sheet in before]
    assert any(ends)
    assert [[one.id for one in sheet.row_breaks.brk] for sheet in after] == ends
    assert all(sheet.sheet_properties.pageSetUpPr.fitToPage for sheet in after)
