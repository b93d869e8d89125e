"""Anything readable of a refusal refuses, wherever it stands and however its household is named."""

from datetime import date
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from tiny_town import Row, TinyTown, households, outreach, requests, residents

from features.ingest.erasure import erase_household
from features.ingest.ingest import check, ingest
from features.ingest.ingest_report import IngestReport
from features.language import UserError
from features.point_in_time.records import day_of
from features.store.database import open_store


def refusing(town: TinyTown, rows: list[Row]) -> tuple[list[str], IngestReport]:
    """Ids of the households that refuse by some rows of opt_outs, and what ingest says."""
    town.write("opt_outs", rows)
    report = town.ingest()
    records = town.records()
    return sorted({str(records.household_ids[one]) for one in records.opt_outs.household}), report


@pytest.mark.parametrize(
    "word", ["终身", "终生有效", "永不", "永不联系", "长期（本人要求）", "另行通知", "∞", "无期"]
)
def test_words_for_an_end_that_never_comes_are_read_without_a_word(tiny_town: TinyTown, word: str) -> None:
    found, report = refusing(tiny_town, [{"household_id": "H03", "from": "2024-04-01", "until": word}])
    assert found == ["H03"] and report.exit_code() == 0


@pytest.mark.parametrize("word", ["一年", "6个月", "2024年底", "2024-13-01", "31/12/2024"])
def test_an_end_that_cannot_be_read_is_shown_with_its_line(tiny_town: TinyTown, word: str) -> None:
    found, report = refusing(tiny_town, [{"household_id": "H03", "from": "2024-04-01", "until": word}])
    assert found == ["H03"] and report.exit_code() == 3
    assert f"到哪天止（until） 读不懂：{word}（第 2 行）" in "\n".join(report.lines())


@pytest.mark.parametrize(
    ("written", "households_meant"),
    [
        ("h3", ["H03"]),
        ("Ｈ０３", ["H03"]),
        ("H-003", ["H03"]),
        ("H03、H04", ["H03", "H04"]),
        ("H03/H04，H05", ["H03", "H04", "H05"]),
        ("H03和h4", ["H03", "H04"]),
        ("\u202eH03\u200b", ["H03"]),
    ],
)
def test_a_household_may_be_written_in_many_ways(
    tiny_town: TinyTown, written: str, households_meant: list[str]
) -> None:
    row = {"household_id": written, "from": "2024-04-01", "until": ""}
    found, report = refusing(tiny_town, [row, {**row, "household_id": "H03"}])
    assert found == households_meant
    counts = report.tables["opt_outs"]
    assert counts.read == counts.new + counts.repeated + counts.quarantined
    again = tiny_town.ingest().tables["opt_outs"]
    assert (again.new, again.corrected) == (0, 0)


@pytest.mark.parametrize(
    ("told", "households_meant"),
    [
        ({"电话": "138 0000-0003", "name": ""}, ["H03"]),
        ({"电话": "", "name": "王阿姨"}, ["H03", "H07"]),
        ({"电话": "13800000007", "name": "王阿姨"}, ["H07"]),
    ],
)
def test_without_a_household_the_register_is_asked(
    tiny_town: TinyTown, told: Row, households_meant: list[str]
) -> None:
    homes = [
        {**row, "联系电话": f"138000000{row['household_id'][1:]}", "户主姓名": f"户{row['household_id']}"}
        for row in households()
    ]
    for home in homes:
        home["户主姓名"] = "王阿姨" if home["household_id"] in ("H03", "H07") else home["户主姓名"]
    tiny_town.write("households", homes)
    found, report = refusing(tiny_town, [{"household_id": "", "from": "2024-04-01", **told}])
    assert found == households_meant
    assert "谢绝走访的行没有能用的户号，按姓名、电话或地址相同的户处理：第 2 行 = H" in "\n".join(
        report.lines()
    )


@pytest.mark.parametrize("household", ["", "3.30481E+17"])
def test_a_monday_stops_where_nobody_can_tell_whose_a_refusal_is(tiny_town: TinyTown, household: str) -> None:
    rows = [{"household_id": "H11", "from": "2024-04-01"}, {"household_id": household, "name": "张三"}]
    tiny_town.write("opt_outs", rows)
    with pytest.raises(UserError, match=r"opt_outs\.csv：第 3 行的谢绝看不出是哪一户"):
        ingest(tiny_town.directory, tiny_town.workspace, accept=False)
    assert ingest(tiny_town.directory, tiny_town.workspace).exit_code() == 3


def test_a_refusal_of_an_unknown_household_does_not_stop_a_monday(tiny_town: TinyTown) -> None:
    tiny_town.write("opt_outs", [{"household_id": "H99", "from": "2024-04-01"}])
    report = ingest(tiny_town.directory, tiny_town.workspace, accept=False)
    assert "没有这一户：H99（第 2 行）" in "\n".join(report.lines())


@pytest.mark.parametrize("column", ["是否拒访", "免打扰", "不愿被打扰", "opt_out", "拒绝上门"])
def test_a_column_of_the_register_refuses(tiny_town: TinyTown, column: str) -> None:
    said = {"H03": "是", "H04": "否", "H05": "不让进门", "H06": "", "H07": "同意"}
    tiny_town.write(
        "households", [{**row, column: said.get(row["household_id"], "0")} for row in households()]
    )
    found, report = refusing(tiny_town, [{"household_id": "H11", "from": "2024-04-01", "until": ""}])
    assert found == ["H03", "H05", "H11"]
    assert f"{column} 写明谢绝走访，按谢绝处理" in "\n".join(report.lines())
    again = tiny_town.ingest().tables["opt_outs"]
    assert (again.new, again.corrected) == (0, 0)


def test_a_resident_who_refuses_refuses_without_a_table_of_refusals(tiny_town: TinyTown) -> None:
    (tiny_town.directory / "opt_outs.csv").unlink()
    rows = [{**row, "勿扰": "√" if row["resident_id"] == "P5" else ""} for row in residents()]
    tiny_town.write("residents", rows)
    tiny_town.ingest()
    records = tiny_town.records()
    assert [records.household_ids[one] for one in records.opt_outs.household] == ["H09"]


def two_sheets(path: Path, name: str, rows: list[list[str]]) -> None:
    """Write the requests, and a second sheet beside them."""
    book = openpyxl.Workbook()
    first = book.active
    names = [*requests()[0]]
    for row in [names, *([row[name] for name in names] for row in requests())]:
        first.append(row)
    second = book.create_sheet(name)
    for row in rows:
        second.append(row)
    book.save(path)


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("opt_outs", [["household_id", "from"], ["H03", "2024-04-01"]]),
        ("拒访名单", [["户号"], ["H03"]]),
        ("黑名单", [["H03"]]),
        ("Sheet2", [["户号", "是否拒访"], ["H03", "是"]]),
        ("Sheet2", [["2024年"], ["household_id", "免打扰"], ["H03", "是"]]),
    ],
)
def test_refusals_on_another_tables_second_sheet_stop_the_run(
    tiny_town: TinyTown, name: str, rows: list[list[str]]
) -> None:
    (tiny_town.directory / "requests.csv").unlink()
    two_sheets(tiny_town.directory / "requests.xlsx", name, rows)
    for read in (check, ingest):
        with pytest.raises(UserError, match=rf"requests\.xlsx：工作表 {name} 像是谢绝表"):
            read(tiny_town.directory, tiny_town.workspace)


def test_a_sheet_without_a_header_in_the_refusals_workbook_stops_a_monday(tiny_town: TinyTown) -> None:
    (tiny_town.directory / "opt_outs.csv").unlink()
    book = openpyxl.Workbook()
    for row in (["household_id", "from"], ["H11", "2024-04-01"]):
        book.active.append(row)
    book.create_sheet("新增").append(["H03", "2024-04-01"])
    book.save(tiny_town.directory / "opt_outs.xlsx")
    with pytest.raises(UserError, match="工作表 新增 没有表头，没有读"):
        ingest(tiny_town.directory, tiny_town.workspace, accept=False)
    assert tiny_town.ingest().exit_code() == 3


@pytest.mark.parametrize(
    "name", ["勿扰.docx", "拒绝走访登记表.pdf", "免访户.csv", "不上门名单.xlsx", "谢绝走访"]
)
def test_whatever_may_hold_refusals_stops_the_run(tiny_town: TinyTown, name: str) -> None:
    place = tiny_town.directory / name
    place.write_text("户号\nH03\n", encoding="utf-8") if place.suffix else place.mkdir()
    with pytest.raises(UserError, match=f"{name}：像是谢绝表，但没有读"):
        tiny_town.ingest()


@pytest.mark.parametrize("header", ["household_id,from,until", "户号,是否拒访", "户号,拒绝上门日期"])
def test_a_file_with_the_columns_of_refusals_stops_the_run_whatever_it_is_called(
    tiny_town: TinyTown, header: str
) -> None:
    (tiny_town.directory / "名单.csv").write_text(f"{header}\nH03,2024-04-01\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"名单\.csv：像是谢绝表，但没有读"):
        tiny_town.ingest()


def test_a_workbook_with_a_sheet_of_refusals_stops_the_run_whatever_it_is_called(tiny_town: TinyTown) -> None:
    two_sheets(tiny_town.directory / "三月.xlsx", "拒访", [["H03", "2024-04-01"]])
    with pytest.raises(UserError, match=r"三月\.xlsx：像是谢绝表，但没有读"):
        tiny_town.ingest()


def test_a_file_of_something_else_is_named_and_stops_nothing(tiny_town: TinyTown) -> None:
    (tiny_town.directory / "低保户.csv").write_text("户号,登记日期\nH03,2024-04-01\n", encoding="utf-8")
    assert "没有用到的文件: 低保户.csv；是台账的，请先运行 xianying map 文件" in tiny_town.ingest().lines()


@pytest.mark.parametrize("title", ["拒绝走访名单", "勿扰"])
def test_a_list_of_refusals_below_the_register_stops_the_run(tiny_town: TinyTown, title: str) -> None:
    path = tiny_town.directory / "households.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    blank = "," * lines[0].count(",")
    path.write_text("\n".join([*lines, blank, title + blank, f"H03{blank}"]) + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=f"households.csv：第 {len(lines) + 2} 行 像是谢绝走访的名单"):
        tiny_town.ingest()


def test_a_list_of_refusing_households_beside_the_register_refuses_for_them(tiny_town: TinyTown) -> None:
    rows = [{**row, "拒访户号": "H07" if row["household_id"] == "H03" else ""} for row in households()]
    tiny_town.write("households", rows)
    found, _ = refusing(tiny_town, [{"household_id": "H11", "from": "2024-04-01", "until": ""}])
    assert found == ["H03", "H07", "H11"]


@pytest.mark.parametrize(("column", "no"), [("是否拒访", "0"), ("是否拒访", ""), ("拒访次数", "0")])
def test_a_number_that_answers_or_counts_refuses_for_no_household_of_that_number(
    tiny_town: TinyTown, column: str, no: str
) -> None:
    said = {"H03": "1", "H04": "1", "H05": "2" if "次数" in column else no}
    rows = [{**row, column: said.get(row["household_id"], no)} for row in households()]
    tiny_town.write("households", [*rows, *({**rows[0], "household_id": number} for number in "12")])
    found, _ = refusing(tiny_town, [])
    assert found == [household for household in said if said[household] != no]


def test_sums_and_the_header_once_more_are_no_refusals_that_cannot_be_read(tiny_town: TinyTown) -> None:
    rows = [{"household_id": one, "from": ""} for one in ("H03", "household_id", "户号", "合计：1户")]
    tiny_town.write("opt_outs", rows)
    report = ingest(tiny_town.directory, tiny_town.workspace, accept=False)
    assert report.exit_code() == 0 and report.tables["opt_outs"].quarantined == 3


def test_refusals_that_come_again_and_differ_are_told_as_such(tiny_town: TinyTown) -> None:
    row = {"household_id": "H03", "from": "2024-04-01", "until": ""}
    found, report = refusing(tiny_town, [row, {**row, "until": "2024-05-01"}])
    assert found == ["H03"]
    assert "同一户同一天的谢绝写了不止一次，内容不同" in "\n".join(report.lines())
    assert "H03 = H03" not in "\n".join(report.lines())


def test_a_refusal_set_aside_of_a_file_with_a_chinese_name_weighs_as_one(tiny_town: TinyTown) -> None:
    (tiny_town.directory / "opt_outs.csv").unlink()
    (tiny_town.directory / "谢绝.csv").write_text("户号\nH99\n", encoding="utf-8")
    assert "谢绝没读到，这一户可能还会上名单" in "\n".join(tiny_town.ingest().lines())


def write_xlsx(path: Path, *rows: list[object]) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)


@pytest.mark.parametrize("name", ["住户拒访情况", "民情台账"])
def test_a_file_of_another_name_that_answers_who_refuses_is_read(tiny_town: TinyTown, name: str) -> None:
    write_xlsx(
        tiny_town.directory / f"{name}.xlsx",
        ["户号", "是否拒访", "登记日期", "截止日期"],
        ["H03", "是", "2024-03-01", ""],
        ["H04", "否", "2024-03-01", ""],
        ["H05", "", "2024-03-01", ""],
        ["h-6", "电话里说别来", "读不懂", "2024-04-01"],
    )
    report = tiny_town.ingest()
    records = tiny_town.records()
    refusing_now = {str(records.household_ids[one]) for one in records.opt_outs.household}
    assert refusing_now == {"H03", "H06", "H11"}  # H11 stands in opt_outs.csv
    assert np.isinf(records.opt_outs.until).all()
    assert any(f"{name}.xlsx: 按 是否拒访 读了谢绝走访，共 2 处" in line for line in report.lines())
    again = tiny_town.ingest().tables["opt_outs"]
    assert (again.new, again.corrected) == (0, 0)


def test_a_refusal_without_a_household_in_a_file_of_another_name_stops_a_monday(tiny_town: TinyTown) -> None:
    (tiny_town.directory / "民情台账.csv").write_text("户号,是否拒访\nH03,是\n,是\n", "utf-8")
    with pytest.raises(UserError, match=r"民情台账.csv：第 3 行的谢绝看不出是哪一户"):
        ingest(tiny_town.directory, tiny_town.workspace, accept=False)


def test_rows_of_refusals_that_say_no_do_not_refuse_and_are_set_aside(tiny_town: TinyTown) -> None:
    rows = [
        {"household_id": f"H{number:02d}", "from": "2024-04-01", "是否拒访": answer}
        for number, answer in enumerate(("是", "否", "", "0"), 1)
    ]
    found, report = refusing(tiny_town, rows)
    assert found == ["H01", "H03"] and report.tables["opt_outs"].quarantined == 2
    assert not report.unread_refusals
    why = [{"household_id": row["household_id"], "from": "2024-04-02", "拒访原因": "无"} for row in rows]
    assert refusing(tiny_town, why)[0] == ["H01", "H02", "H03", "H04"]


@pytest.mark.parametrize("column", ["是否愿意走访", "同意上门"])
def test_a_column_of_the_register_that_asks_who_is_willing_refuses_with_a_no(
    tiny_town: TinyTown, column: str
) -> None:
    answers = {"H02": "否", "H03": "不愿意", "H04": "是", "H05": "不详"}
    tiny_town.write(
        "households", [{**row, column: answers.get(row["household_id"], "")} for row in households()]
    )
    tiny_town.ingest()
    records = tiny_town.records()
    assert {str(records.household_ids[one]) for one in records.opt_outs.household} == {"H02", "H03", "H11"}


@pytest.mark.parametrize("name", ["民情台账.xlsx", "民情台账.xls", "备份.parquet"])
def test_a_table_that_cannot_be_read_may_hold_refusals_and_stops_a_monday(
    tiny_town: TinyTown, name: str
) -> None:
    (tiny_town.directory / name).write_bytes(b"PK\x03\x04broken")
    with pytest.raises(UserError, match=rf"{name}：.*里面若有谢绝走访的，就没有读到"):
        ingest(tiny_town.directory, tiny_town.workspace, accept=False)
    report = ingest(tiny_town.directory, tiny_town.workspace, accept=True)
    assert report.exit_code() == 3 and name in report.lines()[len(report.tables)]


def test_who_moved_from_one_place_to_another_does_not_refuse(tiny_town: TinyTown) -> None:
    (tiny_town.directory / "moves.csv").write_text("household_id,from,to\nH03,G1,G2\n", "utf-8")
    assert "moves.csv" in tiny_town.ingest().unread_files
    for refusal in ("H03,2024-03-01,2024-05-01", "H03,,G2"):
        (tiny_town.directory / "moves.csv").write_text(f"household_id,from,to\n{refusal}\n", "utf-8")
        with pytest.raises(UserError, match="像是谢绝表"):
            tiny_town.ingest()


def test_a_refusal_waits_until_its_household_is_known(tiny_town: TinyTown) -> None:
    found, report = refusing(tiny_town, [{"household_id": "N1", "from": "2024-04-01", "until": ""}])
    assert found == [] and report.tables["opt_outs"].quarantined == 1
    (tiny_town.directory / "opt_outs.csv").unlink()
    assert "opt_outs" not in tiny_town.ingest().tables
    tiny_town.write("households", [*households(), {**households()[0], "household_id": "N1"}])
    assert tiny_town.ingest().tables["opt_outs"].new == 1
    records = tiny_town.records()
    assert [str(records.household_ids[one]) for one in records.opt_outs.household] == ["N1"]
    assert "opt_outs" not in tiny_town.ingest().tables


def test_a_register_in_wide_letters_is_the_one_that_refusals_mean(tiny_town: TinyTown) -> None:
    wide = [{**row, "household_id": row["household_id"].replace("H0", "Ｈ０")} for row in households()]
    tiny_town.write("households", wide)
    found, report = refusing(tiny_town, [{"household_id": "H03", "from": "2024-04-01", "until": ""}])
    assert found == ["Ｈ０3"]
    assert "H02 ≈ Ｈ０2" in "\n".join(report.lines())


def test_words_of_the_register_that_want_no_visits_refuse_and_are_said(tiny_town: TinyTown) -> None:
    notes = {"H02": "本人要求不要再上门", "H03": "拒访", "H04": "喜欢安静", "H05": "门禁已修好，可上门"}
    notes |= {"H06": "以后别来了", "H07": "家人不让进门", "H08": "别来我家", "H10": "不欢迎走访"}
    tiny_town.write(
        "households", [{**row, "备注": notes.get(row["household_id"], "")} for row in households()]
    )
    people = [{**row, "备注": "谢绝走访" if row["household_id"] == "H09" else ""} for row in residents()]
    tiny_town.write("residents", people)
    found, report = refusing(tiny_town, [])
    assert found == ["H02", "H03", "H06", "H07", "H08", "H09", "H10"]
    assert "住户: 备注 里写着谢绝走访，按谢绝处理" in "\n".join(report.lines())


def test_a_request_or_visit_whose_words_want_no_visits_refuses_from_when_it_was_recorded(
    tiny_town: TinyTown,
) -> None:
    asked = [
        {**row, "text": "请不要再上门走访" if row["request_id"] == "R8" else row["text"]}
        for row in requests()
    ]
    tiny_town.write("requests", [*asked, {**asked[0], "request_id": "R9", "text": "物业拒绝上门维修"}])
    visits = [{**row, "备注": ""} for row in outreach()]
    visits[0]["备注"], visits[1]["outcome"], visits[2]["outcome"] = "住户不愿走访", "不要再来了", "拒访"
    tiny_town.write("outreach", visits)
    assert refusing(tiny_town, [])[0] == ["H03", "H05", "H08"]
    records = tiny_town.records()
    h08 = [str(records.household_ids[one]) == "H08" for one in records.opt_outs.household]
    # R8 was made two days before it was recorded
    assert records.opt_outs.visible_from[h08] == day_of(date(2024, 6, 6)) + 9 / 24


def test_words_on_others_or_on_one_day_do_not_refuse_and_are_told(tiny_town: TinyTown) -> None:
    said = ("要求物业不要再来收费", "邻居拒绝入户维修", "楼上装修打扰休息", "邻居太吵，请社区不要再上门")
    asked = [{**row, "text": text} for row, text in zip(requests(), (*said, "", "", "", ""), strict=True)]
    tiny_town.write("requests", asked)
    notes = ("今天不愿开门", "孩子不想上门辅导", "老人访友不在", "今天上门，本人拒访")
    tiny_town.write("outreach", [{**row, "备注": note} for row, note in zip(outreach(), notes, strict=True)])
    found, report = refusing(tiny_town, [])
    assert found == ["H05", "H07"]  # of R4 and O4
    lines = "\n".join(report.lines())
    assert (
        "诉求: 诉求内容（text） 里像是谢绝走访" in lines
        and "要求物业不要再来收费、邻居拒绝入户维修，共 2 处" in lines
    )
    assert "今天不愿开门、孩子不想上门辅导，共 2 处" in lines and report.exit_code() == 3


@pytest.mark.parametrize("column", ["接受走访次数", "走访满意度", "最近接受走访日期", "接受走访方式"])
def test_a_column_that_counts_or_dates_visits_refuses_nothing(tiny_town: TinyTown, column: str) -> None:
    rows = [{**row, column: ("0", "不限", "3")[place % 3]} for place, row in enumerate(households())]
    tiny_town.write("households", rows)
    assert refusing(tiny_town, [])[0] == []


@pytest.mark.parametrize("day", ["2024-06-03", "2024年6月3日", "2024-06-03 10:00"])
def test_a_refusal_in_words_ends_by_a_row_of_the_same_day(tiny_town: TinyTown, day: str) -> None:
    asked = {**requests()[0], "request_id": "R9", "household_id": "H04", "text": "请不要再上门"}
    when = {"requested_at": "2024-06-03 10:00", "recorded_at": "", "resolved_at": ""}
    tiny_town.write("requests", [*requests(), asked | when])
    other = {"household_id": "H04", "from": "2023-01-01", "until": "2023-02-01"}
    refusing(tiny_town, [other])
    opt_outs = tiny_town.records().opt_outs
    assert np.isnan(opt_outs.until).sum() + np.isinf(opt_outs.until).sum() == 1
    refusing(tiny_town, [other, {"household_id": "H04", "from": day, "until": "2024-06-05"}])
    now = tiny_town.records().opt_outs
    kept = (
        np.isinf(now.visible_to)
        if now.visible_to.dtype.kind == "f"
        else now.visible_to > day_of(date(2090, 1, 1))
    )
    assert np.isfinite(now.until[kept]).all() and now.until[kept].max() <= day_of(date(2024, 6, 6))
    again = tiny_town.ingest().tables["opt_outs"]
    assert again.new == again.corrected == 0


@pytest.mark.parametrize(("written", "waits"), [("n01", 0), ("Ｎ1", 0), ("N1、N2", 1)])
def test_a_refusal_waits_for_its_household_however_it_is_written(
    tiny_town: TinyTown, written: str, waits: int
) -> None:
    refusing(tiny_town, [{"household_id": written, "from": "2024-04-01", "until": ""}])
    (tiny_town.directory / "opt_outs.csv").unlink()
    for there in (("N1",), ("N1", "N2")):
        new = [{**households()[0], "household_id": household} for household in there]
        tiny_town.write("households", [*households(), *new])
        tiny_town.ingest()
        records = tiny_town.records()
        found = {str(records.household_ids[one]) for one in records.opt_outs.household}
        assert found == ({*there} if waits else {"N1"})
    assert waiting(tiny_town) == 0


def waiting(town: TinyTown) -> int:
    with open_store(town.workspace) as connection:
        return len(connection.execute("FROM waiting_refusals").fetchall())


def test_an_end_given_while_a_refusal_waits_counts(tiny_town: TinyTown) -> None:
    row = {"household_id": "N1", "from": "2024-04-01", "until": ""}
    refusing(tiny_town, [row])
    refusing(tiny_town, [{**row, "until": "2024-04-20"}])
    assert waiting(tiny_town) == 1
    (tiny_town.directory / "opt_outs.csv").unlink()
    tiny_town.write("households", [*households(), {**households()[0], "household_id": "N1"}])
    tiny_town.ingest()
    assert list(tiny_town.records().opt_outs.until) == [day_of(date(2024, 4, 20))]


def test_deletion_takes_refusals_that_wait(tiny_town: TinyTown) -> None:
    refusing(tiny_town, [{"household_id": "N1", "from": "2024-04-01", "until": ""}])
    assert waiting(tiny_town) == 1
    erase_household(tiny_town.workspace, "N1")
    assert waiting(tiny_town) == 0
