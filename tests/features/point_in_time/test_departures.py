"""Who moved away or died is in no cohort, count or list from then on, and stays in what was known before."""

import numpy as np
import pytest
from make_records import day, make_records
from office_exports import HOMES, SETTINGS, Office, ask, home

from features.point_in_time.cohort import cohort
from features.point_in_time.feedback import refusing
from features.point_in_time.records import known_before


def at(records, when):
    return known_before(records, int(day(when)))


def test_a_household_that_ended_is_there_until_then():
    records = make_records([{"household_id": "a", "valid_until": "2024-05-01"}, {"household_id": "b"}])
    assert at(records, "2024-04-30").present.tolist() == [True, True]
    assert at(records, "2024-05-01").present.tolist() == [False, True]
    assert set(cohort(at(records, "2024-06-01")).household) == {1}


def test_a_row_that_follows_at_once_goes_on_with_the_same_household():
    homes = [
        {"household_id": "a", "valid_from": "2023-01-01", "valid_until": "2024-04-30"},
        {"household_id": "a", "valid_from": "2024-05-01"},
    ]
    asked = [{"household_id": "a", "requested_at": "2023-06-01", "need": "meals"}]
    known = at(make_records(homes, asked), "2024-06-01")
    assert known.present.all()
    assert len(known.requests) == 1


def test_a_number_that_begins_again_is_a_new_household():
    homes = [
        {"household_id": "a", "valid_from": "2022-01-01", "valid_until": "2023-05-01"},
        {"household_id": "a", "valid_from": "2024-01-01"},
    ]
    old = {"household_id": "a", "need": "meals"}
    records = make_records(
        homes,
        requests=[{**old, "requested_at": "2022-06-01"}, {**old, "requested_at": "2024-02-01"}],
        residents=[
            {"resident_id": "p", "household_id": "a", "valid_from": "2022-01-01"},
            {"resident_id": "q", "household_id": "a", "valid_from": "2024-01-01"},
        ],
        outreach=[{**old, "contacted_at": "2022-07-01", "outcome": "needed"}],
        opt_outs=[{"household_id": "a", "from": "2022-08-01"}],
    )
    before, between, now = (at(records, when) for when in ("2023-01-01", "2023-09-01", "2024-06-01"))
    assert [len(one.requests) for one in (before, now)] == [1, 1]
    assert [bool(one.present[0]) for one in (before, between, now)] == [True, False, True]
    assert [len(one.resident_rows) for one in (before, now)] == [1, 1]
    assert before.opted_out.tolist() == [True]
    assert now.opted_out.tolist() == [False]
    assert len(now.outreach) == 0
    assert now.known_since.tolist() == [day("2024-01-01")]


def test_a_refusal_binds_the_next_household_unless_its_day_lies_before_the_last_one_left(tmp_path):
    office = Office(tmp_path)
    homes = [
        row
        for number in range(1, 6)
        for row in (home(number, "2022-01-01", valid_until="2023-05-01"), home(number, "2024-01-01"))
    ]
    days = {1: "2022-08-01", 2: "", 3: "很久以前", 4: "2023-07-01", 5: "2024-02-01"}
    refusals = [{"household_id": f"H{number}", "from": day} for number, day in days.items()]
    office.hand_in(homes, opt_outs=refusals)
    known = office.known("2024-06-03")
    assert known.opted_out.tolist() == [False, True, True, True, True]
    assert len(known.objections.opt_outs) == 4


def test_feedback_without_a_day_that_nobody_is_to_come_binds_the_next_household(tmp_path):
    office = Office(tmp_path)
    homes = [home(1, "2022-01-01", valid_until="2023-05-01"), home(1, "2024-01-01"), *HOMES[1:]]
    said = {"feedback_id": "", "household_id": "H1", "kind": "do_not_contact", "recorded_at": ""}
    office.hand_in(homes, feedback=[said])
    assert refusing(office.known("2024-06-03")).tolist() == [True, False, False]


def test_an_end_that_is_learnt_later_changes_no_earlier_date():
    rows = [
        {"household_id": "a", "valid_from": "2023-01-01", "visible_to": "2024-06-10"},
        {
            "household_id": "a",
            "valid_from": "2023-01-01",
            "valid_until": "2024-02-01",
            "visible_from": "2024-06-10",
        },
    ]
    records = make_records(rows)
    assert at(records, "2024-06-10").present.all()
    assert not at(records, "2024-06-17").present.any()
    assert refusing(at(records, "2024-06-10")).all()  # but nobody is sent there any more


@pytest.mark.parametrize("outcome", ["moved_away", "deceased"])
def test_a_visit_that_finds_nobody_left_acts_at_once(outcome):
    visit = {"household_id": "a", "need": "meals", "contacted_at": "2024-06-05", "outcome": outcome}
    records = make_records([{"household_id": "a"}, {"household_id": "b"}], outreach=[visit])
    assert refusing(at(records, "2024-06-03")).tolist() == [True, False]
    assert at(records, "2024-06-10").present.tolist() == [False, True]


def test_the_register_can_say_later_that_somebody_lives_there():
    visit = {"household_id": "a", "need": "meals", "contacted_at": "2024-06-05", "outcome": "moved_away"}
    homes = [{"household_id": "a"}, {"household_id": "a", "valid_from": "2024-08-01"}]
    known = at(make_records(homes, outreach=[visit]), "2024-09-02")
    assert known.present.all()
    assert not refusing(known).any()


def test_a_register_that_grows_by_requests_tells_the_silent_from_those_present(tmp_path):
    office = Office(tmp_path)
    homes = [home(n, f"2021-01-{n:02}") for n in range(1, 25)]
    asked = [ask(f"R{n}", n, f"2021-01-{n:02}") for n in range(1, 25)]
    more = [*asked, ask("R99", 7, "2024-05-01")]
    report = office.hand_in(homes, more)
    assert any("名册只随诉求增加" in one for one in report.lines())
    assert len(office.present("2024-06-03")) == 24
    office.hand_in(homes, more, settings=SETTINGS | {"silent_after_weeks": 104})
    assert office.present("2024-06-03") == ["H7"]
    assert len(office.present("2022-06-06")) == 24


def test_residents_who_left_or_died_are_none(tmp_path):
    office = Office(tmp_path)
    person = {
        "household_id": "H1",
        "valid_from": "2024-01-01",
        "是否已迁出": 0,
        "迁出日期": "",
        "是否已死亡": 0,
    }
    people = [
        {"resident_id": "a", **person},
        {"resident_id": "b", **person, "是否已迁出": 1, "迁出日期": "20240501"},
        {"resident_id": "c", **person, "是否已死亡": 1},
    ]
    report = office.hand_in(residents=people)
    assert [len(office.known(when).resident_rows) for when in ("2024-04-01", "2024-05-06")] == [2, 1]
    assert "居民: 1 行按 是否已迁出 已迁出或去世" in "\n".join(report.lines())


@pytest.mark.parametrize(
    ("column", "gone", "there"),
    [
        (
            "是否已迁出",
            ["是", "√", "Y", "1", "已迁出", "外迁", "是（2024年迁出）", "户籍注销"],
            ["否", "未迁出", "", "0", "不是"],
        ),
        (
            "人户状态",
            ["已迁出", "迁往外地", "死亡注销", "整户注销", "拆迁搬离"],
            ["常住", "在住", "户主死亡", "计划迁出"],
        ),
        ("注销原因", ["死亡", "迁出"], ["", "无"]),
        ("备注", ["已迁出", "2024年5月全家搬走"], ["老伴去世", "2023年去世", "未迁出", "儿子迁出", "租住"]),
    ],
)
def test_what_registers_write_of_those_who_left(tmp_path, column, gone, there):
    words = [*gone, *there]
    report = Office(tmp_path).hand_in([home(n, **{column: word}) for n, word in enumerate(words, 1)])
    there_now = {f"H{n + 1}" for n in range(len(gone), len(words))}
    assert {*Office(tmp_path).present("2024-06-03")} == there_now
    (line,) = [one for one in report.all_findings() if f"{len(gone)} 行按 {column} 已迁出或去世" in one.what]
    assert line.examples and {*line.examples} <= {*gone}


def test_a_remark_says_that_its_own_resident_died(tmp_path):
    office = Office(tmp_path)
    person = {"household_id": "H1", "valid_from": "2024-01-01"}
    remarks = ("2023年去世", "已故", "因病去世", "老伴去世", "党员", "")
    people = [{"resident_id": str(n), **person, "备注": remark} for n, remark in enumerate(remarks)]
    office.hand_in(residents=people)
    assert len(office.known("2024-05-06").resident_rows) == 3


def test_a_word_that_does_not_tell_is_shown_and_ends_nothing(tmp_path):
    office = Office(tmp_path)
    report = office.hand_in([home(1, 是否已迁出="空挂"), home(2, 是否已迁出="是"), home(3, 是否已迁出="否")])
    assert office.present("2024-06-03") == ["H1", "H3"]
    assert "是否已迁出 看不出搬走或去世没有，当作还住着：空挂，共 1 处" in "\n".join(report.lines())
    report = office.hand_in([home(n, 是否已迁出="空挂") for n in (1, 2, 3)])
    assert "是否已迁出 看不出搬走或去世没有，当作还住着：空挂，共 3 处" in "\n".join(report.lines())


@pytest.mark.parametrize("day", ["2024-05-01", "20240501", "2024年5月1日", "2024.5.1"])
def test_a_date_of_death_alone_ends_a_residents_row(tmp_path, day):
    office = Office(tmp_path)
    person = {"household_id": "H1", "valid_from": "2024-01-01"}
    people = [{"resident_id": "a", **person, "死亡日期": day}, {"resident_id": "b", **person, "死亡日期": ""}]
    office.hand_in(residents=people)
    assert [len(office.known(when).resident_rows) for when in ("2024-04-01", "2024-05-02")] == [2, 1]


@pytest.mark.parametrize("word", ["长期", "永久", "至今", "9999-12-31", ""])
def test_an_end_that_never_comes_is_none(tmp_path, word):
    office = Office(tmp_path)
    report = office.hand_in([home(1, valid_until=word), home(2, valid_until="")])
    assert office.present("2024-06-03") == ["H1", "H2"] and report.exit_code() == 0


def test_an_end_before_the_beginning_is_shown_and_ends(tmp_path):
    office = Office(tmp_path)
    report = office.hand_in([home(1, valid_until="2022-01-01"), home(2)])
    assert office.present("2024-06-03") == ["H2"]
    assert "截止日期（valid_until） 早于 起始日期（valid_from）：2022-01-01（第 2 行）" in "\n".join(
        report.lines()
    )


def test_a_status_named_in_the_settings_ends_a_household(tmp_path):
    office = Office(tmp_path)
    homes = [*HOMES, home(1, "2024-03-01", 情况="搬"), home(2, "2024-03-01", 情况="在")]
    office.hand_in(homes, settings=SETTINGS | {"left": {"column": "情况", "values": ["搬"]}})
    assert office.present("2024-02-01") == ["H1", "H2", "H3"]
    assert office.present("2024-03-02") == ["H2", "H3"]


@pytest.mark.parametrize(
    ("values", "cells", "named"),
    [
        (["般"], ["搬", "在住"], "般 在 情况 里没有，那里写的是：搬"),
        (["搬", "去逝"], ["搬", "去世"], "去逝 在 情况 里没有，那里写的是：去世"),
        (["是"], ["1", "0"], "是 在 情况 里没有，那里写的是：1"),
        (["是"], ["否", ""], ""),  # nobody left yet
        (["搬"], ["在住", "空置在修"], ""),
        (["搬", "病故"], ["搬", "在住"], ""),
        (["迁出"], ["迁出", "人户分离"], ""),
    ],
)
def test_values_of_the_settings_that_no_row_has_are_named_where_another_may_be_meant(
    tmp_path, values, cells, named
):
    office = Office(tmp_path)
    homes = [home(number, 情况=cell) for number, cell in enumerate(cells, start=1)]
    report = office.hand_in(homes, settings=SETTINGS | {"left": {"column": "情况", "values": values}})
    lines = [line for line in report.lines() if "left 或 died" in line]
    assert (named in "".join(lines)) if named else not lines
    assert not named or report.exit_code() == 3


def test_ends_of_households_do_not_depend_on_the_order_of_rows():
    rows = [
        {"household_id": "a", "valid_from": "2023-01-01", "valid_until": "2024-01-01"},
        {"household_id": "a", "valid_from": "2023-06-01"},
    ]
    found = [at(make_records(order), "2024-02-01").present for order in (rows, rows[::-1])]
    assert not np.any(found)


def test_a_household_whose_people_have_all_left_is_told(tmp_path):
    office = Office(tmp_path)
    gone = {"H1": ("2024-02-01", "2024-03-01"), "H2": ("2024-02-01", ""), "H3": ()}
    people = [
        {"resident_id": f"{home}{n}", "household_id": home, "valid_from": "2024-01-01", "valid_until": end}
        for home, ends in gone.items()
        for n, end in enumerate(ends)
    ]
    report = office.hand_in([home(1), home(2), home(3)], residents=people)
    line = "住户: 登记的人都已迁出或去世，这一户照样当作还在：H1，共 1 处；搬空的请在住户表填 截止日期（valid_until）"
    assert line in report.lines()
    assert "登记的人都已" not in "\n".join(office.hand_in([home(1, valid_until="2024-03-01")]).lines())
