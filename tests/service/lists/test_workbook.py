"""The workbook that goes out, and the same workbook coming back in every state."""

import getpass
import io
import random
import re
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from make_records import make_community, make_records, records_of
from openpyxl.worksheet.worksheet import Worksheet
from week_lists import AS_OF, change, columns_of, fill, make_known, make_visits, told_at_length, write_lists

from features.language import set_language
from features.point_in_time.records import Known, day_of, known_before
from models.monitoring.reason_quality import returned
from service.lists.feedback_week import feedback_week
from service.lists.needs_tables import Sheet
from service.lists.needs_workbook import needs_workbook
from service.lists.pages import grid_page
from service.lists.sheet import line_height
from service.lists.visit_rows import describe, script
from service.lists.workbook import workbook
from service.returns.read_outcomes import Outcomes, read_outcomes

NOW = datetime(2025, 9, 5, 10)
TODAY = NOW.date()


@pytest.fixture
def known() -> Known:
    return make_known()


@pytest.fixture
def visits(known: Known) -> pd.DataFrame:
    return make_visits(known)


@pytest.fixture
def book(known: Known, visits: pd.DataFrame, tmp_path: Path) -> Path:
    return write_lists(known, visits, tmp_path / "grid-g1.xlsx")


def read(files: list[Path], visits: pd.DataFrame, known: Known, now: datetime = NOW) -> Outcomes:
    return read_outcomes(files, visits, records_of(known), now)


def test_a_sheet_a_worker_ready_to_print_and_fill_in(book: Path, visits: pd.DataFrame) -> None:
    opened = openpyxl.load_workbook(book)
    assert len(opened.sheetnames) == visits["worker"].nunique()
    for sheet in opened.worksheets:
        header, columns = columns_of(sheet)
        assert sheet.freeze_panes == f"C{header + 1}"
        assert sheet.print_title_rows == f"${header}:${header}"
        assert sheet.page_setup.orientation == "landscape" and int(sheet.page_setup.paperSize) == 9
        assert sheet.sheet_properties.pageSetUpPr.fitToPage and sheet.page_setup.fitToHeight == 0
        rules = {str(rule.formula1): rule for rule in sheet.data_validations.dataValidation}
        assert set(rules) == {
            '"需要,不需要,婉拒,未遇见,已搬走,已去世"',
            '"满意,人不对,已有帮扶,理由不对,理由1不对,理由2不对,理由3不对,不要再来"',
            '"5,4,3,2,1"',
        }
        rule = rules['"需要,不需要,婉拒,未遇见,已搬走,已去世"']
        assert sheet.cell(header + 1, columns["结果"]).coordinate in rule.sqref
        letter = sheet.cell(header, columns["outreach_id"]).column_letter
        assert sheet.column_dimensions[letter].hidden
        assert "谢绝" in script_of(sheet) or "不再联系" in script_of(sheet)


def script_of(sheet: Worksheet) -> str:
    return " ".join(str(cell.value) for row in sheet.iter_rows(max_row=3) for cell in row if cell.value)


def test_pages_end_between_households_and_hold_their_rows(
    known: Known, visits: pd.DataFrame, tmp_path: Path
) -> None:
    path = write_lists(known, visits.assign(paper="去年申请过暑期托管；" * 22), tmp_path / "long.xlsx")
    sheets = openpyxl.load_workbook(path).worksheets
    assert any(sheet.row_breaks.brk for sheet in sheets)
    for sheet in sheets:
        header, titles = columns_of(sheet)
        home = titles["户号"]
        last = max(row for row in range(1, sheet.max_row + 1) if sheet.cell(row, home).value)
        ends = [one.id for one in sheet.row_breaks.brk]
        assert all(sheet.cell(row, home).value != sheet.cell(row + 1, home).value for row in ends)
        columns = [one for one in sheet.column_dimensions.values() if not one.hidden]
        # In points: a digit of Arial is 8 pixels wide. A4 has margins of 0.4 inches.
        width = sum(8 * one.width * (one.max - one.min + 1) for one in columns) * 0.75
        scale = min((841.9 - 2 * 0.4 * 72) / width, 1)
        for first, end in pairwise([0, *ends, last]):
            rows = [*([header] if first else []), *range(first + 1, end + 1)]
            assert sum(sheet.row_dimensions[row].height for row in rows) * scale <= 595.3 - 1.1 * 72
        smallest = min(sheet.cell(row, home).font.size for row in range(header + 1, last + 1))
        assert smallest * scale >= 9  # points, as printed


def test_a_page_carries_several_households_that_are_told_at_length(known: Known) -> None:
    content = workbook("a", script(known.community), told_at_length(known), AS_OF)
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    assert len(sheet.row_breaks.brk) <= 3, "six households on four pages"


@pytest.mark.parametrize(
    ("text", "lines"),  # counted on a page that LibreOffice printed: a column of 32, 15.76 points a line
    [
        ("①共申请过2次暑期托管，最近一次是去年8月6日〔诉求 2025.8.6 R0013372、2025.3.26 R0011368〕", 4),
        ("①共申请过2次课后兴趣班，最近一次是2月2日〔诉求 2026.2.2 R0015840、2025.5.14 R0011939〕", 4),
        ("②孩子11岁、14岁〔居民登记 4 人，2025.1.28〕", 2),
        ("③近一年申请过1次课后兴趣班〔诉求 2026.2.2 课后兴趣班 R0015840〕", 3),
        (
            "①近一年为别的事找过社区2次〔诉求 2026.2.2 课后兴趣班 R0015840、2025.8.6 暑期托管 R0013372〕",
            4,
        ),
    ],
)
def test_a_row_is_as_high_as_its_reasons_whose_dates_and_numbers_do_not_break(text: str, lines: int) -> None:
    assert line_height([(text, 32)]) >= lines * 15.76


def test_every_listed_pair_stands_on_one_sheet_with_what_a_worker_should_know(
    book: Path, visits: pd.DataFrame
) -> None:
    rows = []
    for sheet in openpyxl.load_workbook(book).worksheets:
        header, columns = columns_of(sheet)
        for line in sheet.iter_rows(min_row=header + 1, values_only=True):
            if line[columns["outreach_id"] - 1]:
                rows.append({title: line[place - 1] for title, place in columns.items()})
    table = pd.DataFrame(rows).set_index("outreach_id")
    expected = visits.set_index("outreach_id").loc[table.index]
    assert len(table) == len(visits)
    assert table["户号"].tolist() == expected["household_id"].tolist()
    places = (expected["microgrid_id"] + "\n" + expected["contact"]).tolist()
    assert table["微网格·地址"].tolist() == places
    assert table["为什么上门〔依据〕"].tolist() == expected["paper"].tolist()
    offers = table.set_index("需求")["问什么·现有项目"]
    assert set(offers.loc["老年助餐"]) == {
        "现在怎么吃饭？要送餐吗？\n幸福食堂（40 个名额，约剩 40，1月1日～12月31日）"
    }
    # over before the visits begin: not offered
    assert set(offers.loc[["暑期托管"]]) == {"近期需要吗？几个人、什么时候？"}


def test_members_and_the_last_contact_are_told(known: Known, visits: pd.DataFrame) -> None:
    home = visits["household_id"].iloc[0]
    contacts = (
        {"household_id": home, "need": "meals", "contacted_at": "2025-03-02", "outcome": "declined"},
        {
            "household_id": home,
            "need": "childcare",
            "contacted_at": "2025-06-03",
            "arm": "random",
            "outcome": "not_needed",
        },
        {"household_id": home, "need": "mediation", "contacted_at": "2025-07-01", "outcome": "needed"},
    )
    told = describe(visits, make_known(contacts=contacts)).set_index("household_id")
    assert set(told.loc[[home], "last_contact"]) == {"6月3日 抽签，暑期托管，不需要"}
    assert set(told.loc[["h00"], "members"]) == {"老人75岁"}


def test_households_kept_from_last_week_are_marked(
    known: Known, visits: pd.DataFrame, tmp_path: Path
) -> None:
    home = visits["household_id"].iloc[0]
    visits["status"] = visits["household_id"].map(lambda one: "kept" if one == home else "new")
    for sheet in openpyxl.load_workbook(write_lists(known, visits, tmp_path / "marked.xlsx")).worksheets:
        header, columns = columns_of(sheet)
        for row in range(header + 1, sheet.max_row + 1):
            household = sheet.cell(row, columns["户号"]).value
            if household:
                said = str(sheet.cell(row, columns["成员·上次联系"]).value)
                assert ("上周未走访" in said) == (household == home)


def test_without_residents_the_household_s_own_birth_years_tell_its_members() -> None:
    row = {"head_birth_year": "1944", "child_birth_date": "2016-09-02", "second_child_birth_year": "2020"}
    records = make_records([{"household_id": "h00", **row}, {"household_id": "h01", "head_birth_year": None}])
    visits = pd.DataFrame({"household_id": ["h00", "h01"], "need": "meals"})
    told = describe(visits, known_before(records, day_of(AS_OF)))
    assert told["members"].tolist() == ["孩子5、8岁，老人81岁", ""]


def test_the_script_names_the_number_to_check_with(known: Known) -> None:
    assert "先向社区核实" in script(known.community)
    community = make_community(community={"name": "西山社区", "phone": "12345"})
    named = known_before(make_records([{"household_id": "h"}], community=community), day_of(AS_OF))
    assert "12345" in script(named.community) and "不再联系" in script(named.community)


def test_the_same_visits_give_the_same_file(known: Known, visits: pd.DataFrame) -> None:
    first, second = (workbook("a", script(known.community), visits, AS_OF) for _ in range(2))
    assert first == second
    set_language("en")
    english = openpyxl.load_workbook(io.BytesIO(workbook("a", script(known.community), visits, AS_OF)))
    assert "household" in columns_of(english.worksheets[0])[1]


def test_every_sheet_and_page_says_who_made_it_and_when(
    known: Known, visits: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "li&wang")
    feedback = feedback_week(known, visits.assign(reason_kinds=None), returned(records_of(known)))
    book = workbook("a", script(known.community), visits, AS_OF, feedback)
    demand = needs_workbook("b", [("one", [Sheet("t", "", (("x", 9.0),), [[1]])])], AS_OF)
    for content in (book, demand):
        for sheet in openpyxl.load_workbook(io.BytesIO(content)).worksheets:
            left = sheet.oddFooter.left.text
            assert "li&&wang 于" in left and "command" not in left and str(date.today()) in left
    page = grid_page("a", script(known.community), visits, AS_OF)
    assert f"li&amp;wang 于 {date.today()} 生成" in page


def test_outcomes_come_back_with_what_the_list_knew(book: Path, visits: pd.DataFrame, known: Known) -> None:
    change(book, lambda sheet: fill(sheet, ["需要", "未遇见"], datetime(2025, 9, 3)))
    found = read([book], visits, known)
    assert not found.refused
    first, second = visits.iloc[0], visits.iloc[1]
    assert found.rows == [
        {
            "outreach_id": row["outreach_id"],
            "household_id": row["household_id"],
            "need": row["need"],
            "arm": row["arm"],
            "propensity": pytest.approx(row["propensity"], nan_ok=True),
            "worker_id": row["worker_id"],
            "contacted_at": date(2025, 9, 3),
            "outcome": outcome,
        }
        for row, outcome in ((first, "needed"), (second, "not_reached"))
    ]


def test_a_workbook_survives_sorting_deleting_moving_and_renaming(
    book: Path, visits: pd.DataFrame, known: Known
) -> None:
    names = ["需要", "不需要", "婉拒", "未遇见", "已搬走", "已去世"]

    def use(sheet: Worksheet) -> None:
        header, columns = columns_of(sheet)
        lines = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=header + 1) if row[0].value]
        for line in lines:
            line[columns["结果"] - 1] = random.Random(str(line)).choice(names)
        random.Random(1).shuffle(lines)
        sheet.delete_rows(header + 1, len(lines))
        for line in lines[2:]:
            sheet.append([None])
            sheet.append(line)
        sheet.delete_cols(columns["微网格·地址"])
        sheet.insert_cols(1, 2)
        sheet.insert_rows(1, 3)
        sheet.title = "已完成"

    longest = int(visits["worker"].value_counts().idxmax())
    plain = change(book, use, sheet=longest)
    found = read([plain], visits, known)
    assert not found.refused
    assert len(found.rows) == (visits["worker"] == longest).sum() - 2 > 2
    given = visits.set_index("outreach_id")
    assert all(given.at[row["outreach_id"], "need"] == row["need"] for row in found.rows)  # noqa: PD008


def test_no_row_is_applied_twice(book: Path, visits: pd.DataFrame, known: Known) -> None:
    change(book, lambda sheet: fill(sheet, ["需要"]))
    (row,) = read([book, book], visits, known).rows
    contact = {**row, "contacted_at": datetime.combine(row["contacted_at"], datetime.min.time())}
    late = datetime(2025, 12, 1)
    after = make_known(contacts=(contact,), as_of=late.date())
    again = read([book], visits, after, late)
    assert (again.rows, again.known, again.refused) == ([], 1, [])


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (None, TODAY),
        ("9月3日", date(2025, 9, 3)),
        ("2025/9/4", date(2025, 9, 4)),
        ("9.2", date(2025, 9, 2)),
        (45902, date(2025, 9, 2)),
    ],
)
def test_dates_are_read_as_people_write_them(
    when: object, expected: date, book: Path, visits: pd.DataFrame, known: Known
) -> None:
    change(book, lambda sheet: fill(sheet, ["不需要"], when))
    (row,) = read([book], visits, known).rows
    assert row["contacted_at"] == expected


def test_an_older_list_without_dates_counts_in_its_own_week(
    book: Path, visits: pd.DataFrame, known: Known
) -> None:
    change(book, lambda sheet: fill(sheet, ["需要"]))
    (row,) = read([book], visits, known, datetime(2025, 11, 20)).rows
    assert row["contacted_at"] == date(2025, 9, 7)


def refused(book: Path, visits: pd.DataFrame, known: Known) -> str:
    found = read([book], visits, known)
    assert len(found.refused) == 1 and "\n" not in found.refused[0]
    return found.refused[0]


def test_refusals_name_file_sheet_and_cell_and_leave_the_rest(
    book: Path, visits: pd.DataFrame, known: Known
) -> None:
    change(book, lambda sheet: fill(sheet, ["需要", "也许"]))
    header, columns = columns_of(openpyxl.load_workbook(book).worksheets[0])
    cell = openpyxl.load_workbook(book).worksheets[0].cell(header + 2, columns["结果"]).coordinate
    line = refused(book, visits, known)
    assert "grid-g1.xlsx" in line and "[m0]" in line and cell in line and "也许" in line
    assert len(read([book], visits, known).rows) == 1


def test_a_half_sorted_sheet_is_refused(book: Path, visits: pd.DataFrame, known: Known) -> None:
    def swap(sheet: Worksheet) -> None:
        fill(sheet, ["需要"])
        header, columns = columns_of(sheet)
        sheet.cell(header + 1, columns["户号"], "h99")

    assert "排序" in refused(change(book, swap), visits, known)


def test_rows_of_no_list_are_refused(book: Path, visits: pd.DataFrame, known: Known) -> None:
    def retype(sheet: Worksheet) -> None:
        fill(sheet, ["需要"])
        header, columns = columns_of(sheet)
        sheet.cell(header + 1, columns["outreach_id"], "20250901-0123456789ab")

    assert "20250901-0123456789ab" in refused(change(book, retype), visits, known)


@pytest.mark.parametrize("when", ["下周", datetime(2052, 9, 3), "2024-09-03", "2025-12-30"])
def test_impossible_dates_are_refused(when: object, book: Path, visits: pd.DataFrame, known: Known) -> None:
    change(book, lambda sheet: fill(sheet, ["需要"], when))
    assert "走访日期" in refused(book, visits, known)


def test_a_visit_of_a_day_that_is_yet_to_come_is_refused(
    book: Path, visits: pd.DataFrame, known: Known, tmp_path: Path
) -> None:
    change(book, lambda sheet: fill(sheet, ["需要"], "2025-10-08"))
    assert "走访日期 2025-10-08 还没有到" in refused(book, visits, known)
    (row,) = read([book], visits, known, datetime(2025, 10, 8, 9)).rows  # weeks late, and true by then
    assert row["contacted_at"] == date(2025, 10, 8)
    assert "没有这个文件" in "".join(read([tmp_path / "nothing.xlsx"], visits, known).refused)


def test_two_answers_to_one_row_are_refused(
    book: Path, visits: pd.DataFrame, known: Known, tmp_path: Path
) -> None:
    other = tmp_path / "copy.xlsx"
    other.write_bytes(book.read_bytes())
    change(book, lambda sheet: fill(sheet, ["需要"]))
    change(other, lambda sheet: fill(sheet, ["不需要"]))
    found = read([book, other], visits, known)
    assert len(found.rows) == 1
    assert "copy.xlsx" in found.refused[0] and "grid-g1.xlsx" in found.refused[0]


def test_a_sheet_without_its_ids_is_refused(book: Path, visits: pd.DataFrame, known: Known) -> None:
    def drop(sheet: Worksheet) -> None:
        fill(sheet, ["需要"])
        sheet.delete_cols(columns_of(sheet)[1]["outreach_id"])

    assert "outreach_id" in refused(change(book, drop), visits, known)


def test_rows_moved_to_another_sheet_need_a_header_and_lose_nothing_else(
    book: Path, visits: pd.DataFrame, known: Known
) -> None:
    def move(sheet: Worksheet, titled: bool) -> None:
        header, _ = columns_of(sheet)
        fill(sheet, ["需要"] * 5)
        lines = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=header)]
        other = sheet.parent.create_sheet("挪来")
        for line in [*([lines[0]] if titled else []), *lines[3:6]]:
            other.append(line)
        sheet.delete_rows(header + 3, 3)

    change(book, lambda sheet: move(sheet, titled=True), sheet=1)
    found = read([book], visits, known)
    assert (len(found.rows), found.refused) == (5, [])
    write_lists(known, visits, book)
    change(book, lambda sheet: move(sheet, titled=False), sheet=1)
    found = read([book], visits, known)
    assert len(found.rows) == 2
    assert "[挪来]" in found.refused[0] and "表头" in found.refused[0]


@pytest.mark.parametrize("content", [b"", b"no workbook", "户号,结果\n".encode()])
def test_other_files_are_refused(content: bytes, visits: pd.DataFrame, known: Known, tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    path.write_bytes(content)
    assert "list.xlsx" in refused(path, visits, known)
    path.unlink()
    assert "list.xlsx" in refused(path, visits, known)


def test_a_list_in_english_comes_back_too(visits: pd.DataFrame, known: Known, tmp_path: Path) -> None:
    set_language("en")
    book = write_lists(known, visits, tmp_path / "grid-g1.xlsx")

    def answer(sheet: Worksheet) -> None:
        header, columns = columns_of(sheet)
        sheet.cell(header + 1, columns["outcome"], "not needed")

    change(book, answer)
    set_language("zh")
    (row,) = read([book], visits, known).rows
    assert row["outcome"] == "not_needed"


def test_a_list_without_a_workers_name_is_the_coordinators(
    visits: pd.DataFrame, known: Known, tmp_path: Path
) -> None:
    path, nobody = tmp_path / "coordinators.xlsx", visits.assign(worker_name="")
    path.write_bytes(workbook("西山社区 · 社区统筹", script(known.community), nobody, AS_OF))
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert sheet.title == "社区统筹"
    assert sheet["A1"].value.startswith("西山社区 · 社区统筹 · 2025-09-01 至 2025-09-07")
    page = grid_page("西山社区 · 社区统筹", script(known.community), nobody, AS_OF)
    assert re.search(r"<h2>社区统筹 ", page)


def test_every_cell_has_the_font_that_the_widths_are_for(book: Path) -> None:
    cells = [cell for sheet in openpyxl.load_workbook(book).worksheets for row in sheet for cell in row]
    assert {(cell.font.name, cell.font.scheme) for cell in cells} == {("Arial", None)}


def test_sheets_of_candidates_are_called_by_their_need(tmp_path: Path) -> None:
    table = Sheet("暑期托管（20 个名额）", "", [("户号", 14)], [["H1"]])
    path = tmp_path / "candidates.xlsx"
    path.write_bytes(
        needs_workbook("候选家庭", [("暑期托管", [table])] * 2 + [("托管/托班", [table])], date(2025, 9, 1))
    )
    assert openpyxl.load_workbook(path).sheetnames == ["暑期托管", "暑期托管-2", "托管_托班"]
