"""What residents and workers say of a list comes back from the workbook, is kept, and acts at once."""

import io
from contextlib import nullcontext
from datetime import date, datetime
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from make_records import make_community, make_records, records_of
from openpyxl.worksheet.worksheet import Worksheet
from tiny_town import TinyTown
from week_lists import AS_OF, change, columns_of, fill, make_known, make_visits, write_lists

from features.contract.tables import FEEDBACK
from features.ingest.erasure import erase_household
from features.ingest.ingest import ingest
from features.point_in_time.feedback import suppressed
from features.point_in_time.records import Known, day_of, known_before
from models.monitoring.reason_quality import reason_quality, returned
from service.lists.feedback_week import feedback_week
from service.lists.visit_rows import describe
from service.lists.workbook import workbook
from service.planning.planner import COLUMNS, plan
from service.returns.feedback_lines import feedback_lines
from service.returns.read_outcomes import Outcomes, read_outcomes
from service.weekly.list_files import write_lists as hand_out
from service.weekly.record_week import record_files
from service.weekly.week_directory import keep_listed

NOW = datetime(2025, 9, 5, 10, 30)
DAY = day_of(AS_OF)


def said(kind: str, need: str | None = "meals", days: float = 3, **row: object) -> dict:
    """Feedback of household h00, so many days after the as-of day."""
    return {"household_id": "h00", "need": need, "kind": kind, "recorded_at": DAY + days, **row}


def left_out(
    *feedback: dict, as_of: int = DAY + 7, households: tuple = (), residents: tuple = ()
) -> set[str]:
    """Needs of h00 that are not to be listed as of a day."""
    records = make_records(
        [{"household_id": "h00"}, {"household_id": "h01"}, *households],
        residents=residents,
        feedback=feedback,
        community=make_community(),
    )
    known = known_before(records, as_of)
    found = suppressed(known)
    assert not found[1].any()
    return {need.id for need, out in zip(known.community.needs, found[0], strict=True) if out}


def test_a_refusal_counts_for_the_household_and_for_good() -> None:
    assert left_out(said("do_not_contact")) == {"childcare", "meals"}
    assert left_out(said("do_not_contact"), as_of=DAY + 3000) == {"childcare", "meals"}
    # at once: the list of the same Monday made again leaves it out too
    assert left_out(said("do_not_contact"), as_of=DAY) == {"childcare", "meals"}
    taken_back = said("do_not_contact", visible_to=DAY + 5.0)
    assert left_out(taken_back, said("satisfied", days=5)) == set()


def test_the_wrong_person_rests_for_half_a_year_or_until_the_data_change() -> None:
    assert left_out(said("wrong_person")) == {"meals"}
    assert left_out(said("wrong_person", need=None)) == {"childcare", "meals"}
    assert left_out(said("wrong_person"), as_of=DAY + 3 + 26 * 7) == set()
    moved = {"household_id": "h00", "valid_from": DAY + 5.0}
    assert left_out(said("wrong_person"), as_of=DAY + 14, households=(moved,)) == set()
    assert left_out(said("wrong_person", days=6), as_of=DAY + 14, households=(moved,)) == {"meals"}
    born = {"resident_id": "p1", **moved}
    assert left_out(said("wrong_person"), as_of=DAY + 14, residents=(born,)) == set()
    assert left_out(said("wrong_person", days=6), as_of=DAY + 14, residents=(born,)) == {"meals"}
    beside = born | {"household_id": "h01"}
    assert left_out(said("wrong_person"), as_of=DAY + 14, residents=(beside,)) == {"meals"}


def test_who_is_helped_already_rests_for_the_horizon_of_the_need() -> None:
    assert left_out(said("already_helped")) == {"meals"}  # four weeks
    assert left_out(said("already_helped"), as_of=DAY + 3 + 28) == set()
    assert left_out(said("already_helped", need=None)) == {"childcare", "meals"}
    assert left_out(said("already_helped", need=None), as_of=DAY + 3 + 28) == {"childcare"}
    assert left_out(said("already_helped", need="childcare"), as_of=DAY + 3 + 28) == {"childcare"}


def test_a_wrong_reason_or_praise_leaves_nobody_out() -> None:
    assert left_out(said("reason_wrong"), said("satisfied")) == set()


def test_the_same_mondays_list_made_again_leaves_a_refusal_out() -> None:
    known = make_known()
    visits = make_visits(known)
    home = visits["household_id"].iloc[0]
    after = make_known(feedback=({**said("do_not_contact"), "household_id": home},))
    scores = pd.DataFrame(
        [(one, need.id) for one in known.household_ids for need in known.community.needs],
        columns=["household_id", "need"],
    ).assign(p_need=0.5, model_version="3")
    assert home in set(plan(scores, known).visits["household_id"])
    assert home not in set(plan(scores, after).visits["household_id"])


@pytest.fixture
def known() -> Known:
    return make_known()


@pytest.fixture
def visits(known: Known) -> pd.DataFrame:
    return make_visits(known)


@pytest.fixture
def book(known: Known, visits: pd.DataFrame, tmp_path: Path) -> Path:
    return write_lists(known, visits, tmp_path / "grid-g1.xlsx")


def answer(book: Path, row: int = 1, **cells: object) -> Path:
    """Fill in cells of a row of the first sheet, by title."""

    def write(sheet: Worksheet) -> None:
        header, columns = columns_of(sheet)
        for title, value in cells.items():
            sheet.cell(header + row, columns[title], value)

    return change(book, write)


def read(book: Path, visits: pd.DataFrame, known: Known) -> Outcomes:
    return read_outcomes([book], visits, records_of(known), NOW)


def test_feedback_comes_back_with_what_it_is_about(book: Path, visits: pd.DataFrame, known: Known) -> None:
    answer(book, 反馈="理由②不对", 满意度="2分", 下次走访="9月15日", 备注="孩子已上初中")
    found = read(book, visits, known)
    first = visits.iloc[0]
    assert (found.rows, found.refused) == ([], [])
    assert found.feedback == [
        {
            "feedback_id": first["outreach_id"],
            "outreach_id": first["outreach_id"],
            "household_id": first["household_id"],
            "need": first["need"],
            "recorded_at": NOW,
            "kind": "reason_wrong",
            "satisfaction": 2,
            "reason_kind": "history",
            "note": "孩子已上初中",
            "next_visit": date(2025, 9, 15),
        }
    ]


@pytest.mark.parametrize(
    ("text", "kind", "reason_kind"),
    [
        ("满意", "satisfied", None),
        ("人不对", "wrong_person", None),
        ("已有帮扶", "already_helped", None),
        ("理由不对", "reason_wrong", "residents,history"),
        ("理由1不对", "reason_wrong", "residents"),
        (" 不要再来 ", "do_not_contact", None),
        ("do not contact", "do_not_contact", None),
    ],
)
def test_every_choice_is_read(
    text: str, kind: str, reason_kind: str | None, book: Path, visits: pd.DataFrame, known: Known
) -> None:
    (row,) = read(answer(book, 反馈=text), visits, known).feedback
    assert (row["kind"], row["reason_kind"]) == (kind, reason_kind)


def test_an_unreadable_cell_loses_nothing_beside_it(book: Path, visits: pd.DataFrame, known: Known) -> None:
    answer(book, 结果="也许", 反馈="不要再来", 满意度=9, 下次走访="改天")
    found = read(book, visits, known)
    assert [row["kind"] for row in found.feedback] == ["do_not_contact"]
    assert found.feedback[0]["satisfaction"] is None
    header, columns = columns_of_book(book)
    for title, value in (("结果", "“也许”"), ("满意度", "“9”"), ("下次走访", "“改天”")):
        (line,) = [one for one in found.refused if value in one]
        assert f"{columns[title]}{header + 1}" in line and "grid-g1.xlsx [m0]" in line


def columns_of_book(book: Path) -> tuple[int, dict[str, str]]:
    import openpyxl
    from openpyxl.utils import get_column_letter

    header, columns = columns_of(openpyxl.load_workbook(book).worksheets[0])
    return header, {title: get_column_letter(column) for title, column in columns.items()}


def test_a_reason_that_is_not_there_is_refused(book: Path, visits: pd.DataFrame, known: Known) -> None:
    found = read(answer(book, 反馈="理由3不对"), visits, known)
    assert not found.feedback and "理由3不对" in found.refused[0]


def test_feedback_is_not_applied_twice_and_can_be_taken_back(
    book: Path, visits: pd.DataFrame, known: Known
) -> None:
    answer(book, 反馈="不要再来", 满意度=1)
    (row,) = read(book, visits, known).feedback
    after = make_known(feedback=({**row, "recorded_at": DAY + 4.5},))
    assert read(book, visits, after).feedback == []
    answer(book, 反馈="满意")
    (changed,) = read(book, visits, after).feedback
    assert changed["kind"] == "satisfied" and changed["feedback_id"] == row["feedback_id"]


def test_two_copies_that_disagree_are_told(book: Path, visits: pd.DataFrame, known: Known) -> None:
    other = book.with_name("copy.xlsx")
    other.write_bytes(book.read_bytes())
    answer(book, 反馈="人不对")
    answer(other, 反馈="已有帮扶", 备注="另有备注")
    found = read_outcomes([book, other], visits, records_of(known), NOW)
    assert [(row["kind"], row["note"]) for row in found.feedback] == [("wrong_person", "另有备注")]
    assert "copy.xlsx" in found.refused[0]


@pytest.mark.parametrize("refusing", [0, 1])
def test_a_refusal_counts_in_whichever_copy_it_stands(
    book: Path, visits: pd.DataFrame, known: Known, refusing: int
) -> None:
    other = book.with_name("copy.xlsx")
    other.write_bytes(book.read_bytes())
    for at, one in enumerate((book, other)):
        answer(one, 反馈="不要再来" if at == refusing else "人不对")
    found = read_outcomes([book, other], visits, records_of(known), NOW)
    assert [row["kind"] for row in found.feedback] == ["do_not_contact"]
    assert "copy.xlsx" in found.refused[0]


def test_a_workbook_with_nothing_but_feedback_is_kept(
    book: Path, visits: pd.DataFrame, known: Known, tmp_path: Path
) -> None:
    content = book.read_bytes()
    answer(book, 备注="下周再约")
    (line,) = hand_out(tmp_path, {book.name: content})
    assert "filled-1-grid-g1.xlsx" in line


ROWS = [
    {
        "feedback_id": "F1",
        "outreach_id": "O1",
        "household_id": "H03",
        "need": "childcare",
        "recorded_at": "2024-05-14 09:00",
        "kind": "reason_wrong",
        "satisfaction": 2,
        "reason_kind": "neighbours",
        "note": "孩子已上初中",
        "next_visit": "2024-06-20",
    },
    {
        "feedback_id": "F2",
        "household_id": "H05",
        "recorded_at": "2024-05-15",
        "kind": "do_not_contact",
    },
]


def test_a_feedback_table_is_kept_with_its_versions(tiny_town: TinyTown) -> None:
    tiny_town.write("feedback", ROWS)
    tiny_town.ingest()
    rows = tiny_town.records().feedback
    assert rows.feedback_id.tolist() == ["F1", "F2"]
    assert rows.need.tolist() == [0, -1]
    assert [FEEDBACK[kind] for kind in rows.kind] == ["reason_wrong", "do_not_contact"]
    assert rows.satisfaction[0] == 2 and np.isnan(rows.satisfaction[1])
    assert rows.note.tolist() == ["孩子已上初中", None]
    assert rows.next_visit[0] == day_of(date(2024, 6, 20))
    assert suppressed(known_before(tiny_town.records(), day_of(date(2024, 6, 10))))[4].all()
    tiny_town.write("feedback", [{**ROWS[1], "kind": "satisfied", "recorded_at": "2024-06-01"}])
    tiny_town.ingest()
    again = tiny_town.records()
    assert not suppressed(known_before(again, day_of(date(2024, 6, 10)))).any()


def test_a_refusal_without_a_number_is_kept_and_other_feedback_is_set_aside(tiny_town: TinyTown) -> None:
    tiny_town.write("feedback", [{**row, "feedback_id": ""} for row in ROWS])
    report = tiny_town.ingest()
    assert report.quarantine is not None
    rows = tiny_town.records().feedback
    assert [FEEDBACK[kind] for kind in rows.kind] == ["do_not_contact"]
    assert suppressed(known_before(tiny_town.records(), day_of(date(2024, 6, 10))))[4].all()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "", "satisfaction": "", "note": "", "next_visit": ""}, "没有反馈内容"),
        ({"household_id": "H99"}, "没有这一户：H99"),
        ({"need": "gold"}, "community.yaml 里没有这个需求：gold"),
    ],
)
def test_unusable_feedback_is_set_aside(tiny_town: TinyTown, change: dict, reason: str) -> None:
    tiny_town.write("feedback", [ROWS[0] | change, ROWS[1]])
    report = tiny_town.ingest()
    assert report.quarantine is not None
    assert reason in report.quarantine.read_text("utf-8-sig")
    assert len(tiny_town.records().feedback) == 1


def test_a_workspace_from_before_feedback_opens_as_before(tiny_town: TinyTown) -> None:
    import duckdb

    tiny_town.ingest()
    with duckdb.connect(str(tiny_town.workspace / "records.duckdb")) as connection:
        connection.execute("DROP TABLE feedback")
    assert len(tiny_town.records().feedback) == 0
    part = TinyTown(tiny_town.directory.parent / "part", tiny_town.workspace)
    part.directory.mkdir()
    part.write("feedback", ROWS)
    ingest(part.directory, part.workspace, everything=False)
    assert len(tiny_town.records().feedback) == 2


def test_the_coordinator_sees_what_was_said_and_how_good_reasons_are() -> None:
    known = make_known()
    listed = make_visits(known)  # every targeted pair for two reasons: residents, history
    first, second, third = (row for _, row in listed.iloc[2:5].iterrows())
    contacts = tuple(
        {**row[["outreach_id", "household_id", "need"]], "contacted_at": DAY - 3.0, "outcome": "needed"}
        for row in (first, second)
    )

    def about(row: pd.Series, days: float, **said: object) -> dict:
        names = ["outreach_id", "household_id", "need"]
        return {**row[names], "feedback_id": row["outreach_id"], "recorded_at": DAY + days, **said}

    feedback = (
        about(first, -2, kind="reason_wrong", reason_kind="history", satisfaction=2, note="已上初中"),
        about(third, -30, kind="wrong_person", satisfaction=5, next_visit=DAY + 2.0),
    )
    after = make_known(contacts=contacts, feedback=feedback)
    quality = reason_quality(listed, [returned(records_of(after))]).set_index("kind")
    assert quality.loc["history", ["listed", "wrong"]].tolist() == [3, 1]
    assert quality.loc["residents", ["listed", "wrong"]].tolist() == [3, 0]
    # Wilson's interval of one in three, by hand
    assert quality.loc["history", "low_95"] == pytest.approx(0.0615, abs=5e-4)
    assert quality.loc["history", "high_95"] == pytest.approx(0.7923, abs=5e-4)
    week = feedback_week(after, listed, returned(records_of(after)))
    assert [row["note"] for row in week.said] == ["已上初中"]  # the other is older than a week
    assert [(row["household_id"], str(row["when"])) for row in week.agreed] == [
        (third["household_id"], "2025-09-03")
    ]
    refusing = {**about(third, 1, kind="do_not_contact"), "feedback_id": "F9"}
    refused = make_known(feedback=(*feedback, refusing))
    assert feedback_week(refused, listed, returned(records_of(refused))).agreed == []
    lines = "\n".join(feedback_lines(week))
    assert "理由不对 1/1" in lines and "人不对 0/1" in lines and "2.0（1 份）/3.5（2 份）" in lines
    assert "理由“本户申请过本项”：交回 3 条，1 条说不对（33.3%" in lines
    book = openpyxl.load_workbook(io.BytesIO(workbook("西山社区", "", listed[:0], AS_OF, week)))
    cells = {str(cell.value) for row in book["居民反馈"].iter_rows() for cell in row if cell.value}
    assert {"已上初中", "记入“理由准不准”", "理由不对", str(third["household_id"]), "33.3%"} <= cells


def test_without_feedback_nothing_is_shown_but_that(tmp_path: Path) -> None:
    known = make_known()
    week = feedback_week(known, make_visits(known), returned(records_of(known)))
    assert not week and feedback_lines(week) == ["还没有收到反馈"]


def test_the_coordinators_sheet_of_feedback_is_no_list(tmp_path: Path) -> None:
    known = make_known(feedback=(said("wrong_person"),))
    visits = make_visits(known)
    week = feedback_week(known, visits, returned(records_of(known)))
    path = tmp_path / "coordinators.xlsx"
    path.write_bytes(workbook("西山社区", "", visits[:0], AS_OF, week))
    assert "没有走访名单" in read(path, visits, known).refused[0]
    assert hand_out(tmp_path, {path.name: b"new"}) == []  # made anew, nothing to keep


def test_record_says_when_a_household_was_deleted_meanwhile(tiny_town: TinyTown) -> None:
    tiny_town.ingest()
    records = tiny_town.records()
    known = known_before(records, day_of(date(2024, 6, 10)))
    pairs = [(home, need.id) for home in records.household_ids for need in records.community.needs]
    scores = pd.DataFrame(pairs, columns=["household_id", "need"]).assign(p_need=0.5, model_version="1")
    visits = describe(plan(scores, known).visits.assign(paper="", reason_kinds="history"), known)
    keep_listed(tiny_town.workspace / "weeks" / "2024-06-10", visits[[*COLUMNS, "reason_kinds"]])
    path = tiny_town.workspace / "list.xlsx"
    path.write_bytes(workbook("西山社区", "", visits, date(2024, 6, 10)))
    change(path, lambda sheet: fill(sheet, ["需要", "需要"], "6月11日"))
    erase_household(tiny_town.workspace, visits["household_id"].iloc[0])
    told, refused = record_files(tiny_town.workspace, [path], lambda _: nullcontext())
    gone = int((visits["household_id"].iloc[:2] == visits["household_id"].iloc[0]).sum())
    assert refused == []
    assert any(f"{gone} 行没有存进去" in line for line in told)
