"""From an office's raw ledgers to records: every row is accounted for, nothing is guessed, and next month goes on."""

import csv
import json
import shutil
import signal
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_town import (
    Home,
    LedgerTown,
    ledger_town,
    write_days,
    write_register,
    write_requests,
    write_settings,
    write_visits,
    write_warnings,
)
from openpyxl import Workbook, load_workbook
from openpyxl.comments import Comment
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from ready_process import run_to_end

from features.alphabet import FORMULA
from features.atomic import PARTIAL
from features.language import UserError
from features.mapping.kept_rows import PENDING, WARNINGS, read_kept
from features.point_in_time.records import Records
from features.store.reader import read_records
from features.store.tombstones import leave_tombstone
from service.cli.commands import commands
from service.console.terminal import run
from service.ledgers import compose as compose_module
from service.ledgers.compose import Composed, _request, add_refusals
from service.ledgers.households_of_rows import Register, households_of
from service.ledgers.take_in import TakenIn, ingest_directory


def command(workspace: Path, *words: object) -> int:
    call = ["--workspace", str(workspace), *map(str, words)]
    return run(lambda: commands(call, standalone_mode=False))


def make_office(place: Path, town: LedgerTown) -> tuple[Path, Path]:
    """Three raw workbooks and community.yaml, and an empty workspace."""
    raw, workspace = place / "raw", place / "workspace"
    raw.mkdir(parents=True)
    write_settings(raw / "community.yaml")
    write_register(town, raw / "人口信息登记表.xlsx")
    write_requests(town, raw / "12345工单.csv")
    write_visits(town, raw / "走访台账.xlsx")
    return raw, workspace


def visits_of(path: Path, home: Home, *said: str, told_in: str = "走访情况") -> None:
    """A workbook of visits of one day to a home, a row for each thing that was said."""
    book = Workbook()
    book.active.append(["走访时间", "姓名", "住址", "电话", told_in])
    for words in said:
        book.active.append(["2025-04-02", home.head[0], home.door, home.head[3], words])
    book.save(path)


def map_all(raw: Path, workspace: Path) -> None:
    """Take the proposed mapping of every file."""
    for path in sorted(raw.glob("*.[xc]*")):
        assert command(workspace, "map", path, "--yes") == 0


def take_in(raw: Path, workspace: Path) -> tuple[TakenIn, pd.DataFrame]:
    taken = ingest_directory(raw, workspace)
    return taken, pd.read_csv(workspace / "ledgers" / "rows.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> tuple[LedgerTown, Path, Path, TakenIn, pd.DataFrame]:
    """A town of 80 households taken in from its raw workbooks; not to be changed."""
    town = ledger_town(homes=80, events=150)
    raw, workspace = make_office(tmp_path_factory.mktemp("office"), town)
    for path in (raw / "人口信息登记表.xlsx", raw / "12345工单.csv", raw / "走访台账.xlsx"):
        assert command(workspace, "map", path, "--yes") == 0
    return town, raw, workspace, *take_in(raw, workspace)


def doors(records: Records) -> list[str]:
    column = records.households.attributes["住址"]
    return [column.at(row) or "" for row in range(len(records.households))]


def test_every_record_is_loaded_to_review_or_set_aside(office) -> None:
    town, _, _, taken, rows = office
    people = sum(len(home.people) for home in town.homes)
    assert len(rows) == people + 1 + 150 + 150 + 2  # with the notes below the two tables
    assert set(rows["state"]) <= {"loaded", "review", "aside"}
    assert (rows["state"] == "aside").sum() == 3
    assert f"{len(rows)} 条" in taken.lines[0]
    assert taken.exit_code() == 3


def test_requests_and_visits_reach_the_household_that_made_them(office) -> None:
    town, _, workspace, _, rows = office
    records = read_records(workspace)
    door_of = dict(zip(records.households.household.tolist(), doors(records), strict=True))
    needs = [need.id for need in records.community.needs]
    asked = records.requests
    rows_of = zip(asked.household, asked.need, asked.requested, strict=True)
    found = sorted((door_of[home], needs[need], int(day)) for home, need, day in rows_of)
    told = [(event.home.door, event.need, event.day.toordinal() - 719163) for event in town.events]
    wrong = [one for one in found if one not in told]
    assert not wrong
    assert len(found) >= 0.98 * 2 * len(told)
    assert (rows["state"] == "review").sum() == 300 - len(found)


def test_reading_the_same_directory_twice_changes_nothing(office) -> None:
    _, raw, workspace, _, rows = office
    again, same = take_in(raw, workspace)
    assert same.equals(rows)
    assert all(counts.new == counts.corrected == 0 for counts in again.report.tables.values())
    assert not list(workspace.rglob(f".*{PARTIAL}")), "no raw rows are left behind"


KILLED = """
import os, signal, sys
from pathlib import Path
from service.ledgers import take_in_ledgers
from service.ledgers.take_in import ingest_directory
take_in_ledgers.ingest = lambda *given, **more: os.kill(os.getpid(), signal.SIGKILL)
ingest_directory(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_raw_rows_that_a_kill_left_go_with_a_deletion(office, tmp_path: Path) -> None:
    _, raw, taken_in, _, _ = office
    workspace = shutil.copytree(taken_in, tmp_path / "workspace")
    assert run_to_end(KILLED, raw, workspace)[0] == -signal.SIGKILL
    (left,) = workspace.rglob(f".*{PARTIAL}")
    assert "requests.parquet" in {path.name for path in left.iterdir()}
    household = read_records(workspace).household_ids[3]
    assert command(workspace, "resident", "delete", household, "--yes") == 0
    assert not left.exists()


def test_check_says_the_same_and_keeps_nothing(office, tmp_path: Path) -> None:
    _, raw, _, taken, _ = office
    checked = ingest_directory(raw, tmp_path / "other", dry=True)
    assert checked.lines[0] == taken.lines[0]
    assert not (tmp_path / "other" / "ledgers").exists()


def test_a_changed_layout_stops_before_anything_is_stored(tmp_path: Path) -> None:
    raw, workspace = make_office(tmp_path, ledger_town(12, 10))
    assert command(workspace, "map", raw / "走访台账.xlsx", "--yes") == 0
    book = load_workbook(raw / "走访台账.xlsx")
    book.active["F2"] = "走访情况及诉求"
    book.save(raw / "走访台账.xlsx")
    with pytest.raises(UserError, match=r"走访台账.xlsx .*少了 走访情况，多了 走访情况及诉求"):
        ingest_directory(raw, workspace)
    assert not (workspace / "records.duckdb").exists()


def test_rows_that_waited_are_loaded_once_people_have_decided(tmp_path: Path) -> None:
    from features.linking.decisions import keep_decisions

    town = ledger_town(30, 20)
    raw, workspace = make_office(tmp_path, town)
    book = Workbook()
    book.active.append(["时间", "诉求人", "地址", "诉求内容"])
    book.active.append(["2025-04-02", "某人", "大榕树旁边", "想订助餐"])
    book.save(raw / "诉求台账.xlsx")
    map_all(raw, workspace)
    _, rows = take_in(raw, workspace)
    assert rows.loc[rows["source_file"] == "诉求台账.xlsx", "state"].tolist() == ["review"]
    records = read_records(workspace)
    (raw / "诉求台账.xlsx").unlink()
    decided = {
        "address": "大榕树旁边",
        "person": "某人",
        "phone": "",
        "household_id": records.household_ids[3],
    }
    keep_decisions(workspace, pd.DataFrame([decided]))
    taken, _ = take_in(raw, workspace)
    assert any("现在读入 1 条" in line for line in taken.lines)
    assert len(read_records(workspace).requests) == len(records.requests) + 1
    assert "某人" not in "".join(read_kept(workspace, PENDING, ("person",))["person"])


def test_a_text_without_a_need_waits_until_somebody_has_decided(tmp_path: Path) -> None:
    town = ledger_town(30, 20)
    raw, workspace = make_office(tmp_path, town)
    home = town.homes[4]
    book = Workbook()
    book.active.append(["时间", "诉求人", "地址", "电话", "类别", "诉求内容"])
    unclear = "想问问那个事情现在能不能办"
    said = [("", unclear), ("老年助餐", "想问问那个事怎么办"), ("城管", "占道经营"), ("城管", unclear)]
    for category, words in said:
        book.active.append(["2025-04-02", home.head[0], home.door, home.head[3], category, words])
    book.save(raw / "诉求台账.xlsx")
    map_all(raw, workspace)
    table = (raw / "categories.yaml").read_text("utf-8")
    assert "城管: text" in table and "老年助餐: meals" in table, (
        "proposed from names when the ledger is mapped"
    )
    (raw / "categories.yaml").write_text(table.replace("城管: text", "城管: null"), "utf-8")
    _, rows = take_in(raw, workspace)
    assert rows.loc[rows["source_file"] == "诉求台账.xlsx", "state"].tolist() == [
        "review",
        "loaded",
        "aside",
        "aside",
    ]
    sheet = workspace / "review" / "needs.xlsx"
    page = (book := load_workbook(sheet)).active
    titles = {cell.value: cell.column for cell in page[1]}
    page.cell(2, titles["决定"], "暑期托管")
    book.save(sheet)
    assert command(workspace, "text", "review", "--read", sheet) == 0
    _, rows = take_in(raw, workspace)
    assert rows.loc[rows["source_file"] == "诉求台账.xlsx", "state"].tolist() == [
        "loaded",
        "loaded",
        "aside",
        "aside",
    ]


def test_a_ticket_that_stands_twice_is_one_and_a_refusal_in_a_row_set_aside_stops_the_week(
    tmp_path: Path,
) -> None:
    town = ledger_town(30, 5)
    raw, workspace = make_office(tmp_path, town)
    home = town.homes[2]
    who = [home.head[0], home.door, home.head[3]]
    book = Workbook()
    book.active.append(["工单编号", "来电时间", "诉求人", "地址", "电话", "诉求内容", "办理状态"])
    for state in ("办理中", "已办结"):
        book.active.append(["HS20250400017", "2025-04-02 10:00:00", *who, "想订助餐", state])
    book.save(raw / "热线2.xlsx")
    book = Workbook()
    book.active.append(["走访时间", "姓名", "住址", "电话", "走访情况"])
    book.active.append(["月初", *who, "不要再来"])
    book.save(raw / "走访2.xlsx")
    map_all(raw, workspace)
    taken, rows = take_in(raw, workspace)
    assert rows.loc[rows["source_file"] == "热线2.xlsx", "state"].tolist() == ["aside", "loaded"]
    (loaded,) = (
        duckdb.connect(str(workspace / "records.duckdb"), read_only=True)
        .sql("SELECT resolved_at IS NOT NULL FROM requests WHERE request_id = 'HS20250400017'")
        .fetchall()
    )
    assert loaded == (True,)
    assert any("走访2.xlsx [Sheet] 第 2 行写了谢绝走访，但这一行没有用" in line for line in taken.lines)
    assert taken.report.unread_refusals


@pytest.mark.parametrize(
    ("result", "settled"), [("已解决", "已解决"), ("待处理", "待处理"), ("已联系食堂，明天送", "")]
)
def test_a_result_that_only_says_settled_settles_the_request(result: str, settled: str) -> None:
    event = dict.fromkeys(("category", "channel", "resolved_at", "satisfaction", "status"), "")
    event |= {"event_id": "L1", "household_id": "a", "shape": "visits", "text": "漏水", "result": result}
    row = _request(0, event | {"happened_at": pd.Timestamp("2025-04-02")}, "repair", 0)
    assert row["resolved_at"] == settled


def test_a_visits_note_without_a_known_need_can_be_decided_also_when_its_file_is_gone(tmp_path: Path) -> None:
    town = ledger_town(30, 5)
    raw, workspace = make_office(tmp_path, town)
    home = town.homes[2]
    visits_of(raw / "走访2.xlsx", home, "想问问那个事", *["双职工，孩子放学没地方去"] * 2, "身体健康，无诉求")
    map_all(raw, workspace)
    taken, rows = take_in(raw, workspace)
    assert rows.loc[rows["source_file"] == "走访2.xlsx", "state"].tolist() == ["loaded"] * 4
    assert any("3 条的话里有没认出的需求" in line for line in taken.lines)
    before = len(read_records(workspace).requests.household)
    book = load_workbook(sheet := workspace / "review" / "needs.xlsx")
    page = book.active
    titles = {cell.value: cell.column for cell in page[1]}
    texts = [cell.value for cell in page[get_column_letter(titles["原话"])]]
    page.cell(texts.index("双职工，孩子放学没地方去") + 1, titles["决定"], "暑期托管")
    book.save(sheet)
    assert texts[1:] == ["双职工，孩子放学没地方去", "想问问那个事"], "the frequent ones first"
    assert command(workspace, "text", "review", "--read", sheet) == 0
    (raw / "走访2.xlsx").unlink()
    taken, _ = take_in(raw, workspace)
    assert len(read_records(workspace).requests.household) == before + 2
    assert any("1 条的话里有没认出的需求" in line for line in taken.lines)
    assert not any("以前待定" in line for line in taken.lines)


def test_a_copied_sheet_counts_once_and_equal_rows_of_one_sheet_stay_two(tmp_path: Path) -> None:
    town = ledger_town(30, 5)
    raw, workspace = make_office(tmp_path, town)
    visits_of(raw / "走访2.xlsx", town.homes[2], "水管漏水", "水管漏水", "想订助餐")
    book = load_workbook(raw / "走访2.xlsx")
    copy = book.copy_worksheet(book.active)
    copy.sheet_state = "hidden"
    copy.append(["2025-04-03", *[cell.value for cell in copy[2]][1:]])
    book.save(raw / "走访2.xlsx")
    map_all(raw, workspace)
    _, rows = take_in(raw, workspace)
    states = rows.loc[rows["source_file"] == "走访2.xlsx", "state"].tolist()
    assert states == ["loaded"] * 3 + ["aside"] * 3 + ["loaded"]


def test_a_register_that_tells_no_household_is_set_aside_and_the_rest_waits(tmp_path: Path) -> None:
    town = ledger_town(30, 60)
    raw, workspace = make_office(tmp_path, town)
    book = Workbook()
    book.active.append(["姓名", "住址", "联系电话", "网格", "出生日期"])
    for home in town.homes[:10]:
        book.active.append([home.people[0][0], home.door, "13900001111", "一网格", "1950-01-01"])
    book.save(raw / "人口信息登记表.xlsx")
    map_all(raw, workspace)
    _, rows = take_in(raw, workspace)
    states = rows.groupby("source_file")["state"].agg(set)
    assert states["人口信息登记表.xlsx"] == {"aside"} and "loaded" not in set(rows["state"])


def test_whose_a_row_is_does_not_change_when_the_register_is_read_again(tmp_path: Path) -> None:
    town = ledger_town(30, 60)
    raw, workspace = make_office(tmp_path, town)
    map_all(raw, workspace)
    asked: list[Register] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            compose_module, "households_of", lambda *told: asked.append(told[1]) or households_of(*told)
        )
        _, first = take_in(raw, workspace)
        _, second = take_in(raw, workspace)
    known = [register.rows.sort_values([*register.rows]).to_numpy().tolist() for register in asked]
    assert known[0] == known[1]
    assert first.equals(second)


def test_a_refusal_in_a_visits_text_binds(tmp_path: Path) -> None:
    town = ledger_town(30, 5)
    raw, workspace = make_office(tmp_path, town)
    home = town.homes[2]
    visits_of(raw / "走访2.xlsx", home, "家人表示拒绝走访，不要再来")
    other = town.homes[7]
    visits_of(raw / "走访3.xlsx", other, "漏水；谢绝走访", told_in="民情类别")
    both = town.homes[12:14]
    book = load_workbook(raw / "走访2.xlsx")
    book.active.append(["2025-04-02", "", f"{both[0].door}、{both[1].room}", "", "都谢绝走访"])
    book.save(raw / "走访2.xlsx")
    map_all(raw, workspace)
    take_in(raw, workspace)
    records = read_records(workspace)
    refusing = {doors(records)[at] for at in records.opt_outs.household}
    assert refusing == {home.door, other.door, *(one.door for one in both)}


@pytest.mark.parametrize(
    ("file", "heading", "words", "binds"),
    [
        ("走访2.xlsx", "走访情况", "老人说以后不要再上门走访了", True),
        ("走访2.xlsx", "走访情况", "不需要上门理发服务", False),
        ("来电登记.xlsx", "诉求内容", "要求社区不要再上门走访", True),
        ("来电登记.xlsx", "诉求内容", "物业拒绝上门维修，门铃响请勿扰民", False),
        ("走访2.xlsx", "是否拒访", "是", True),
        ("走访2.xlsx", "是否拒访", "否", False),
        ("走访2.xlsx", "是否愿意走访", "是", False),
        ("走访2.xlsx", "是否愿意走访", "否", True),
        ("走访2.xlsx", "是否愿意走访", "不限", False),
        ("走访2.xlsx", "是否拒访", "正常", False),
        ("走访2.xlsx", "走访情况", "孩子不想上门辅导", False),
        ("走访2.xlsx", "走访情况", "老人不愿意上门", True),
        ("走访2.xlsx", "走访情况", "今天不愿意开门", False),
        ("走访2.xlsx", "走访情况", "以后别上门了", True),
        ("走访2.xlsx", "走访情况", "分别上门慰问", False),
        ("走访2.xlsx", "走访情况", "不想被打扰", True),
    ],
)
def test_what_a_resident_says_against_visits_binds_and_what_others_refuse_does_not(
    tmp_path: Path, file: str, heading: str, words: str, binds: bool
) -> None:
    town = ledger_town(30, 5)
    raw, workspace = make_office(tmp_path, town)
    home = town.homes[2]
    book = Workbook()
    head = ["时间", "姓名", "住址", "电话", heading]
    row = ["2025-04-02", home.head[0], home.door, home.head[3], words]
    if heading.startswith("是否"):
        head, row = [*head, "走访情况"], [*row, "一切正常"]
    book.active.append(head)
    book.active.append(row)
    book.save(raw / file)
    map_all(raw, workspace)
    take_in(raw, workspace)
    records = read_records(workspace)
    assert {doors(records)[at] for at in records.opt_outs.household} == ({home.door} if binds else set())


def test_a_no_to_being_visited_in_a_register_of_persons_binds(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    write_settings(raw / "community.yaml")
    book = Workbook()
    book.active.append(["户号", "姓名", "与户主关系", "出生日期", "住址", "登记日期", "是否愿意走访"])
    for number, willing in enumerate(("愿意", "否", "不限"), 1):
        door = f"3幢2单元50{number}室"
        book.active.append([f"000{number}", f"王{number}", "户主", "1950-01-01", door, "2023-01-01", willing])
    book.save(raw / "人口信息登记表.xlsx")
    map_all(raw, tmp_path / "workspace")
    ingest_directory(raw, tmp_path / "workspace")
    records = read_records(tmp_path / "workspace")
    assert [records.household_ids[at] for at in records.opt_outs.household] == ["0002"]


@pytest.mark.parametrize(("chance", "bound"), [(0.995, ["a"]), (0.95, ["a", "b"])])
def test_a_refusal_binds_the_other_candidates_too_unless_its_household_is_certain(
    chance: float, bound: list[str]
) -> None:
    composed = Composed({"opt_outs": []}, pd.DataFrame(), pd.DataFrame())
    said = {
        "shape": "visits",
        "state": "loaded",
        "refusal": "拒访",
        "visited": "",
        "status": "",
        "result": "",
    }
    who = {"household_id": "a", "chance": chance, "candidates": ["a", "b"], "text": "", "happened_at": pd.NaT}
    who["category"] = ""
    add_refusals(composed, 0, said | who)
    assert [row["household_id"] for row in composed.tables["opt_outs"]] == bound


def test_a_list_from_above_becomes_warnings_with_their_deadline(tmp_path: Path) -> None:
    town = ledger_town(30, 5)
    raw, workspace = make_office(tmp_path, town)
    homes = write_warnings(town, raw / "预警名单.xlsx")
    map_all(raw, workspace)
    taken, _ = take_in(raw, workspace)
    warnings = read_kept(workspace, WARNINGS, ())
    assert len(warnings) == len(homes) and warnings["deadline"].notna().all()
    assert any(f"预警 {len(homes)} 条" in line for line in taken.lines)
    take_in(raw, workspace)
    assert len(read_kept(workspace, WARNINGS, ())) == len(homes), "the same list once more adds none"


def test_a_household_that_was_deleted_does_not_come_back_with_the_next_register(tmp_path: Path) -> None:
    town = ledger_town(30, 20)
    raw, workspace = make_office(tmp_path, town)
    map_all(raw, workspace)
    take_in(raw, workspace)
    home = town.events[0].home
    records = read_records(workspace)
    number = records.household_ids[records.households.household[doors(records).index(home.door)]]
    leave_tombstone(workspace, number)
    taken, rows = take_in(raw, workspace)
    mine = rows[rows["why"] == "已应要求删除的住户"]
    asked = sum(event.home is home for event in town.events)
    assert len(mine) >= len(home.people) + asked and set(mine["state"]) == {"aside"}
    assert taken.report.erased == 0, "its rows do not even reach the tables"


def test_a_ledger_and_a_table_of_the_contract_may_not_both_give_the_same_rows(tmp_path: Path) -> None:
    raw, workspace = make_office(tmp_path, ledger_town(12, 10))
    map_all(raw, workspace)
    (raw / "requests.csv").write_text("request_id,household_id,requested_at,need\n", "utf-8")
    with pytest.raises(UserError, match=r"requests\.csv：requests 表和台账里的是同样的记录"):
        ingest_directory(raw, workspace)


def test_days_of_a_diary_are_loaded_door_by_door(tmp_path: Path) -> None:
    town = ledger_town(30, 25)
    raw, workspace = make_office(tmp_path, town)
    (raw / "走访台账.xlsx").unlink()
    write_days(town, raw / "民情日记.xlsx")
    map_all(raw, workspace)
    _, rows = take_in(raw, workspace)
    diary = rows[(rows["source_file"] == "民情日记.xlsx") & (rows["state"] != "aside")]
    assert len(diary) == 25 and (diary["entry"] > 0).any()


@pytest.mark.parametrize("between", ["、", "，", "/"])
def test_a_list_of_rooms_in_a_diary_refuses_for_each_of_them(between: str, tmp_path: Path) -> None:
    town = ledger_town(30, 25)
    raw, workspace = make_office(tmp_path, town)
    (raw / "走访台账.xlsx").unlink()
    write_days(town, raw / "民情日记.xlsx")
    first, second = town.homes[12:14]
    book = load_workbook(raw / "民情日记.xlsx")
    page = book.worksheets[0]
    day = page.max_row
    page.cell(day - 1, 3).value = f"{first.door}{between}{second.room} 谢绝走访"
    book.save(raw / "民情日记.xlsx")
    map_all(raw, workspace)
    take_in(raw, workspace)
    records = read_records(workspace)
    assert {doors(records)[at] for at in records.opt_outs.household} == {first.door, second.door}


def test_map_shows_no_personal_data_and_asks_before_it_keeps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    town = ledger_town(12, 10)
    raw, workspace = make_office(tmp_path, town)
    path = raw / "人口信息登记表.xlsx"
    assert command(workspace, "map", path) == 0
    out = capsys.readouterr().out
    assert "没有保存" in out and not list(raw.glob("*.mapping.yaml"))
    assert not any(
        text in out
        for home in town.homes
        for person in home.people
        for text in (person[0], person[2], person[3])
    )
    assert command(workspace, "map", path, "--yes", "--column", "文化程度=ignored") == 0
    assert "文化程度: ignored" in next(raw.glob("*.mapping.yaml")).read_text("utf-8")
    assert command(workspace, "map", path, "--column", "文化程度=学历") == 1
    assert json.dumps(capsys.readouterr().err, ensure_ascii=False).count("--column")


@settings(max_examples=4)
@given(data=st.data())
def test_the_three_ends_sum_to_the_input_whatever_the_ledger_holds(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    town = ledger_town(12, 6)
    raw, workspace = make_office(tmp_path_factory.mktemp("any"), town)
    (raw / "走访台账.xlsx").unlink()
    cells = st.sampled_from(
        [
            "",
            "3幢2单元501",
            town.homes[0].door,
            town.homes[1].head[0],
            "想订助餐",
            "邻居太吵",
            "2025-04-02",
            "拒访",
            "合计",
        ]
    )
    rows = data.draw(st.lists(st.tuples(cells, cells, cells, cells), max_size=8))
    book = Workbook()
    book.active.append(["时间", "诉求人", "地址", "诉求内容"])
    for cell_row in rows:
        book.active.append([cell or None for cell in cell_row])
    book.save(raw / "诉求台账.xlsx")
    given_columns = [
        word
        for column, field in (
            ("时间", "happened_at"),
            ("地址", "address"),
            ("诉求人", "person"),
            ("诉求内容", "text"),
        )
        for word in ("--column", f"{column}={field}")
    ]
    assert command(workspace, "map", raw / "人口信息登记表.xlsx", "--yes") == 0
    assert command(workspace, "map", raw / "诉求台账.xlsx", "--yes", *given_columns) == 0
    _, found = take_in(raw, workspace)
    mine = found[found["source_file"] == "诉求台账.xlsx"]
    assert len(mine) == sum(any(cell_row) for cell_row in rows)
    assert set(mine["state"]) <= {"loaded", "review", "aside"}
    loaded = set(mine.loc[mine["state"] == "loaded", "source_row"])
    assert all(rows[line - 2][0] == "2025-04-02" for line in loaded)


def test_names_that_do_harm_are_told_and_no_cell_becomes_a_formula(tmp_path: Path) -> None:
    raw, workspace = make_office(tmp_path, town := ledger_town(10, 10))
    for name in ("走访\n台账.xlsx", "走访\x1b[31m台账.xlsx", "走访\u202e台账.xlsx"):
        shutil.copy(raw / "走访台账.xlsx", raw / name)
        assert command(workspace, "map", raw / name, "--yes") == 1
        (raw / name).unlink()
    assert not list(raw.glob("*.mapping.yaml"))
    visits_of(raw / "=走访台账.xlsx", town.homes[0], "想订助餐")
    book = load_workbook(raw / "=走访台账.xlsx")
    book.active.title = "@走访"
    book.active.append(['=HYPERLINK("http://example.org/")'])
    book.save(raw / "=走访台账.xlsx")
    map_all(raw, workspace)
    take_in(raw, workspace)
    with (workspace / "ledgers" / "rows.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert any(row[0] == "'=走访台账.xlsx" and row[1] == "'@走访" for row in rows)
    assert not [cell for row in rows for cell in row if cell.startswith(FORMULA)]


def test_rows_that_may_refuse_are_told_once_with_their_place_whatever_became_of_them(tmp_path: Path) -> None:
    town = ledger_town(30, 5)
    raw, workspace = make_office(tmp_path, town)
    who = [[home.head[0], home.door, home.head[3]] for home in town.homes[:6]]
    book = Workbook()
    page = book.active
    page.append(["走访时间", "姓名", "住址", "电话", "走访情况", "需求类别", "走访结果"])
    page.append(["2025-04-02", *who[1], "今天不愿开门", "", ""])
    page.append(["2025-04-02", *who[2], "邻居说他家不让进门", "老年助餐", "需要"])
    page.append(["2025-04-02", "某某", "大榕树旁", "", "今天不愿开门", "", ""])
    page.append(["月初", *who[3], "今天不愿开门", "", ""])
    page.append(["说明：不愿开门的请注明", *[None] * 6])
    book.save(raw / "走访2.xlsx")
    map_all(raw, workspace)
    taken, _ = take_in(raw, workspace)
    words = "像是谢绝走访，也可能说的是别人，或只说这一次，没有按谢绝处理"
    (line,) = [line for line in [*taken.lines, *taken.report.lines()] if words in line]
    assert "共 5 处" in line and "今天不愿开门 [走访2.xlsx Sheet 第 5 行]" in line
    assert not taken.report.unread_refusals and not len(read_records(workspace).opt_outs)
    page.append(["2025-04-03", *who[4], "今天不愿开门", "", ""])
    book.save(raw / "走访2.xlsx")
    taken, _ = take_in(raw, workspace)
    (line,) = [line for line in taken.lines if words in line]
    assert "今天不愿开门 [走访2.xlsx Sheet 第 7 行]，共 1 处" in line
    assert not any(words in line for line in take_in(raw, workspace)[0].lines)


def test_refusals_in_comments_struck_rows_and_registers_without_a_home_stop_the_week(tmp_path: Path) -> None:
    town = ledger_town(30, 5)
    raw, workspace = make_office(tmp_path, town)
    visits_of(raw / "走访2.xlsx", town.homes[2], "想订助餐", "谢绝走访")
    book = load_workbook(raw / "走访2.xlsx")
    book.active["A2"].comment = Comment("家属说不要再来", "x")
    book.active["A3"].font = Font(strike=True)
    book.save(raw / "走访2.xlsx")
    book = Workbook()
    book.active.append(["姓名", "住址", "联系电话", "网格", "出生日期", "是否拒访"])
    for name, refusing in (("王某某", "否"), ("李某某", "是")):
        book.active.append([name, "大榕树旁", "13900001111", "一网格", "1950-01-01", refusing])
    book.save(raw / "租户登记表.xlsx")
    map_all(raw, workspace)
    taken, _ = take_in(raw, workspace)
    said = "\n".join(taken.report.unread_refusals)
    assert "走访2.xlsx [Sheet] 第 2 行写了谢绝走访，但这一行没有用：是批注" in said
    assert "走访2.xlsx [Sheet] 第 3 行写了谢绝走访，但这一行没有用：有划掉的格" in said
    assert "租户登记表.xlsx [Sheet] 第 3 行写了谢绝走访，但这一行没有用：没有户编号" in said
    assert "第 2 行写了谢绝走访，但这一行没有用：没有户编号" not in said


def test_void_requests_are_told_by_their_ledgers_and_examples_are_no_requests(tmp_path: Path) -> None:
    town = ledger_town(30, 5)
    raw, workspace = make_office(tmp_path, town)
    who = [town.homes[2].head[0], town.homes[2].door, town.homes[2].head[3]]
    book = Workbook()
    book.active.append(["工单编号", "来电时间", "诉求人", "地址", "电话", "诉求内容", "办理状态"])
    for number, state in enumerate(("作废", "已撤销", "重复件", "已办结")):
        book.active.append([f"HS2025040001{number}", "2025-04-02 10:00:00", *who, "想订助餐", state])
    book.active.append(["示例", "2025-04-02 10:00:00", *who, "想订助餐", "已办结"])
    book.active.append(["HS20250400019", "2025-04-02 10:00:00", "例：张三", *who[1:], "想订助餐", "已办结"])
    book.save(raw / "热线2.xlsx")
    map_all(raw, workspace)
    taken, rows = take_in(raw, workspace)
    assert rows.loc[rows["source_file"] == "热线2.xlsx", "state"].tolist() == ["loaded"] * 4 + ["aside"] * 2
    line = next(line for line in taken.report.lines() if "照样算诉求" in line)
    assert "台账: 状态 写着作废" in line and "作废（[热线2.xlsx Sheet]第 2 行）" in line and "共 3 处" in line
    assert not any("requests.parquet" in line for line in taken.report.lines())


def test_every_row_of_a_list_of_refusals_refuses_for_the_household_that_it_means(tmp_path: Path) -> None:
    town = ledger_town(30, 5)
    raw, workspace = make_office(tmp_path, town)
    homes = [home for home in town.homes if len(home.people) > 1][:5]
    doors_of = [home.door for home in homes]
    wife, other = homes[0].people[1], homes[3].people[1]
    book = Workbook()
    page = book.active
    page.append(["序号", "姓名", "住址", "电话", "登记日期", "拒访原因"])
    page.append([1, wife[0], doors_of[0], wife[3], "2025-04-02", "不想被打扰"])
    page.append([2, "", doors_of[1], "", "读不懂", "无"])
    page.append(
        [3, homes[2].head[0], f"{homes[2].building}-{homes[2].unit}-{homes[2].room}", "", "4月5日", ""]
    )
    page.append([4, other[0], "", other[3], "", ""])
    page.append([4, "", f"{town.homes[24].door[:-1]}、{town.homes[25].room}", "", "", ""])
    page.append([5, "某某", "大榕树旁", "", "", ""])
    page.append([6, "", "", "", "2025-04-09", "电话拒绝"])
    book.save(raw / "拒访名单.xlsx")
    visits_of(raw / "走访2.xlsx", town.homes[9], "想订助餐")
    book = load_workbook(raw / "走访2.xlsx")
    listed = book.create_sheet("谢绝走访户")
    listed.append(["姓名", "住址", "是否拒访"])
    listed.append([homes[4].head[0], doors_of[4], "是"])
    listed.append([town.homes[9].head[0], town.homes[9].door, "否"])
    book.save(raw / "走访2.xlsx")
    map_all(raw, workspace)
    (raw / "opt_outs.csv").write_text(f"household_id,住址\n,{town.homes[20].door}\n", "utf-8")
    taken, _ = take_in(raw, workspace)
    records = read_records(workspace)
    refusing = {doors(records)[at] for at in records.opt_outs.household}
    both = {town.homes[24].door, town.homes[25].door}
    assert refusing == {*doors_of, town.homes[20].door, *both} and len(records.household_ids) == 30
    said = "\n".join(taken.report.unread_refusals)
    assert "第 7 行写了谢绝走访，但不知道是哪一户" in said and "第 8 行写了谢绝走访，但这一行没有用" in said
    assert len(taken.report.unread_refusals) == 2
    again = ingest_directory(raw, workspace).report.tables["opt_outs"]
    assert (again.new, again.corrected) == (0, 0)


def test_a_list_of_refusals_that_is_not_read_as_one_stops_the_week(tmp_path: Path) -> None:
    town = ledger_town(30, 5)
    raw, workspace = make_office(tmp_path, town)
    visits_of(raw / "走访2.xlsx", town.homes[2], "想订助餐")
    map_all(raw, workspace)
    book = load_workbook(raw / "走访2.xlsx")
    book.create_sheet("拒访").append(["3幢2单元501"])
    book.save(raw / "走访2.xlsx")
    taken, _ = take_in(raw, workspace)
    (line,) = taken.report.unread_refusals
    assert "走访2.xlsx [拒访] 第 1 行" in line and "像是谢绝走访的名单，没有按谢绝读" in line


def test_refusing_words_in_titles_columns_that_nothing_reads_and_short_results_are_not_lost(
    tmp_path: Path,
) -> None:
    town = ledger_town(30, 5)
    raw, workspace = make_office(tmp_path, town)
    book = Workbook()
    page = book.active
    page.append(["走访记录（注意：老王家不要上门）"])
    page.append(["走访时间", "姓名", "住址", "电话", "走访情况", "走访结果", "带队领导"])
    said = (("想订助餐", "", "谢绝走访"), ("了解情况", "婉拒", ""), ("了解情况", "", "家属说今天不愿开门"))
    for home, words in zip(town.homes[2:], said, strict=False):
        page.append(["2025-04-02", home.head[0], home.door, home.head[3], *words])
    book.save(raw / "走访2.xlsx")
    map_all(raw, workspace)
    mapping = raw / "走访.mapping.yaml"
    assert "带队领导: ignored" in mapping.read_text("utf-8")
    taken, _ = take_in(raw, workspace)
    records = read_records(workspace)
    assert {doors(records)[at] for at in records.opt_outs.household} == {town.homes[2].door}
    (line,) = [line for line in taken.lines if "像是谢绝走访" in line]
    assert "第 1 行" in line and "了解情况 婉拒" in line and "今天不愿开门" in line and "共 3 处" in line
