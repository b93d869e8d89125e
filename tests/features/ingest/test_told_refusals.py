"""Refusals that other tables tell: of unknown households, of nobody, and those that were told before."""

from tiny_town import Row, TinyTown, households, requests

from features.ingest.erasure import erase_household, rows_of_household
from features.store.database import open_store

FEEDBACK = {"feedback_id": "F1", "household_id": "H03", "recorded_at": "2024-05-01", "kind": "", "note": ""}


def refusing(town: TinyTown) -> list[str]:
    records = town.records()
    return sorted({str(records.household_ids[one]) for one in records.opt_outs.household})


def test_feedback_that_refuses_waits_for_its_household_and_is_read_however_it_is_written(
    tiny_town: TinyTown,
) -> None:
    said: list[Row] = [
        {**FEEDBACK, "household_id": "H99", "kind": "do_not_contact"},
        {**FEEDBACK, "feedback_id": "F2", "household_id": "h4", "kind": "do_not_contact"},
        {**FEEDBACK, "feedback_id": "F3", "note": "以后请不要再上门了"},
    ]
    tiny_town.write("feedback", said)
    (tiny_town.directory / "opt_outs.csv").unlink()
    report = tiny_town.ingest()
    assert "别处写的谢绝: 没有这一户：H99，共 1 处；先等着，住户表里有了这一户就生效" in report.lines()
    assert refusing(tiny_town) == ["H03", "H04"]
    tiny_town.write("households", [*households(), {**households()[4], "household_id": "H99"}])
    tiny_town.write("feedback", [])
    tiny_town.ingest()
    assert refusing(tiny_town) == ["H03", "H04", "H99"]


def test_a_refusal_in_words_that_names_no_household_is_told_and_stops_a_monday(tiny_town: TinyTown) -> None:
    asked = {**requests()[0], "request_id": "R9", "household_id": "", "text": "请不要再上门走访"}
    tiny_town.write("requests", [*requests(), asked])
    tiny_town.write("feedback", [{**FEEDBACK, "household_id": "", "kind": "do_not_contact"}])
    report = tiny_town.ingest()
    assert any("反馈: 反馈（kind） 里写着谢绝走访，但没有户号" in line for line in report.unread_refusals)
    line = "诉求: 诉求内容（text） 里写着谢绝走访，但没有户号，看不出是哪一户：第 10 行，共 1 处；请补上户号"
    assert line in report.lines() and line in report.unread_refusals


def test_refusals_in_words_are_told_once_and_counted_afterwards(tiny_town: TinyTown) -> None:
    notes = {"H02": "本人要求不要再上门", "H03": "今天不愿开门"}
    rows = [{**row, "备注": notes.get(row["household_id"], ""), "是否拒访": "否"} for row in households()]
    rows[4]["是否拒访"] = "是"
    tiny_town.write("households", rows)
    first = tiny_town.ingest()
    said = "\n".join(first.lines())
    assert "备注 里写着谢绝走访，按谢绝处理：本人要求不要再上门，共 1 处" in said and "今天不愿开门" in said
    assert "是否拒访 写明谢绝走访，按谢绝处理：是，共 1 处" in said and first.exit_code() == 3
    again = tiny_town.ingest()
    said = "\n".join(again.lines())
    assert "备注 里写着谢绝走访，按谢绝处理（都是以前已经处理的），共 1 处" in said and again.exit_code() == 0
    assert "不要再上门" not in said and "今天不愿开门" not in said
    rows[6]["备注"] = "谢绝走访"
    tiny_town.write("households", rows)
    said = "\n".join(tiny_town.ingest().lines())
    assert "备注 里写着谢绝走访，按谢绝处理（另有 1 处以前已经处理）：谢绝走访，共 1 处" in said
    assert refusing(tiny_town) == ["H02", "H05", "H07", "H11"]


def test_a_deletion_takes_the_refusal_that_waits_for_a_household_nobody_registered(
    tiny_town: TinyTown,
) -> None:
    waiting: list[Row] = [{"household_id": said, "from": ""} for said in ("H98、H99", "h096", "H97")]
    tiny_town.write("opt_outs", waiting)
    tiny_town.ingest()
    assert all(rows_of_household(tiny_town.workspace, said)["waiting_refusals"] for said in ("H96", "H97"))
    for household in ("H96", "H97", "H99"):
        erase_household(tiny_town.workspace, household)
    with open_store(tiny_town.workspace, read_only=True) as connection:
        assert connection.execute("SELECT household_id FROM waiting_refusals").fetchall() == [("H98",)]
    tiny_town.write("opt_outs", waiting[2:])
    tiny_town.ingest()
    assert "waiting_refusals" not in rows_of_household(tiny_town.workspace, "H97")


def test_a_no_to_being_visited_in_a_file_of_any_name_refuses_and_a_questionnaire_stops_nothing(
    tiny_town: TinyTown,
) -> None:
    (tiny_town.directory / "民情.csv").write_text("户号,是否愿意走访\nH03,否\nH04,愿意\n", encoding="utf-8")
    (tiny_town.directory / "问卷.csv").write_text("序号,是否愿意接受回访\n1,否\n", encoding="utf-8")
    report = tiny_town.ingest()
    assert refusing(tiny_town) == ["H03", "H11"]
    assert "问卷.csv" in report.unread_files


def test_answers_of_a_file_of_another_name_are_told_once_and_then_only_new_ones(tiny_town: TinyTown) -> None:
    path = tiny_town.directory / "民情.csv"
    path.write_text("户号,是否拒访,登记日期\nH03,是,2024-03-01\nH04,否,\nH05,是,\n", encoding="utf-8")
    assert "民情.csv: 按 是否拒访 读了谢绝走访，共 2 处" in "\n".join(tiny_town.ingest().lines())
    again = tiny_town.ingest()
    assert "民情.csv: 按 是否拒访 读了谢绝走访（都是以前已经处理的），共 2 处" in again.lines()
    assert again.exit_code() == 0
    path.write_text("户号,是否拒访,登记日期\nH03,是,2024-03-01\nH04,是,\nH05,是,\n", encoding="utf-8")
    assert any(
        "读了谢绝走访（另有 2 处以前已经处理），共 1 处" in line for line in tiny_town.ingest().lines()
    )


def test_words_that_may_refuse_are_counted_by_rows_and_told_for_each_household(tiny_town: TinyTown) -> None:
    notes = {"H02": "今天不愿开门", "H03": "今天不愿开门"}
    rows = [{**row, "备注": notes.get(row["household_id"], "")} for row in households()]
    tiny_town.write("households", rows)
    assert any("像是谢绝走访" in line and "共 2 处" in line for line in tiny_town.ingest().lines())
    rows[4]["备注"] = "今天不愿开门"
    tiny_town.write("households", rows)
    assert any("像是谢绝走访" in line and "共 1 处" in line for line in tiny_town.ingest().lines())
    assert tiny_town.ingest().exit_code() == 0


def test_rows_of_a_form_that_are_examples_are_set_aside_and_a_refusal_with_a_household_holds(
    tiny_town: TinyTown,
) -> None:
    rows = [{**row, "姓名": "", "荣誉": "示范"} for row in households()]
    examples = [
        {**rows[0], "household_id": "H97", "姓名": "例：张三"},
        {**rows[0], "household_id": "（示例）"},
    ]
    tiny_town.write("households", [*rows, *examples])
    tiny_town.write("requests", [*requests(), {**requests()[0], "request_id": "R99", "备注": "填写样例"}])
    tiny_town.write(
        "opt_outs", [{"household_id": "示例", "from": ""}, {"household_id": "H03", "备注": "示例"}]
    )
    report = tiny_town.ingest()
    said = "\n".join(report.lines())
    assert "households.csv: 写着示例，是样表里的例子，不是记录：第 15、16 行，共 2 处" in said
    assert "requests.csv: 写着示例，是样表里的例子，不是记录：第 10 行，共 1 处" in said
    assert len(tiny_town.records().household_ids) == 12 and len(tiny_town.records().requests) == 8
    assert refusing(tiny_town) == ["H03"] and not report.unread_refusals


def test_feedback_whose_kind_refuses_in_whatever_words_binds_and_an_unknown_kind_is_told(
    tiny_town: TinyTown,
) -> None:
    kinds = ("do not contact", "拒绝", "谢绝再来", "表扬")
    said = [
        {**FEEDBACK, "feedback_id": f"F{n}", "household_id": f"H0{n}", "kind": kind}
        for n, kind in enumerate(kinds, 1)
    ]
    tiny_town.write("feedback", said)
    report = tiny_town.ingest()
    with open_store(tiny_town.workspace, read_only=True) as connection:
        held = dict(connection.execute("SELECT household_id, kind FROM feedback").fetchall())
    assert held == {"H01": "do_not_contact", "H02": "do_not_contact", "H03": "do_not_contact", "H04": None}
    assert any(
        "feedback.csv: 反馈（kind） 只能是" in line and "表扬（第 5 行）" in line for line in report.lines()
    )


def test_a_no_in_a_column_on_the_wish_to_be_visited_refuses(tiny_town: TinyTown) -> None:
    answers = dict(
        zip(("H01", "H02", "H03", "H04", "H05"), ("愿意", "不愿意", "否", "视情况", "×"), strict=True)
    )
    rows = [{**row, "走访意愿": answers.get(row["household_id"], "愿意")} for row in households()]
    tiny_town.write("households", rows)
    tiny_town.ingest()
    assert refusing(tiny_town) == ["H02", "H03", "H05", "H11"]
