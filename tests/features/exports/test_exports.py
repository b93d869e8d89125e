"""Exports one after another: late and older ones, mistyped years, numbers that begin anew, and what is missing."""

import re
from datetime import date

import numpy as np
import pytest
from office_exports import ASKED, HOMES, SETTINGS, Office, ask, home, values

from features.exports.coverage import fallen_line
from features.ingest.ingest import ingest
from features.language import UserError
from features.point_in_time.records import date_of


@pytest.fixture
def office(tmp_path) -> Office:
    return Office(tmp_path)


def said(report) -> str:
    return "\n".join(report.lines())


def test_rows_that_come_late_are_known_from_the_day_after_the_earlier_export(office):
    office.hand_in(HOMES, [ASKED[0], ask("R2", 2, "2025-05-05 10:00", "meal")])
    late = [home(9), home(1, "2024-02-01", children=5)]
    report = office.hand_in(
        [*HOMES, *late], [ASKED[0], ask("R2", 2, "2025-05-05 10:00", "meal"), ask("R3", 3, "2024-04-01")]
    )
    then = office.known("2024-06-03")
    assert office.present("2024-06-03") == ["H1", "H2", "H3"]
    assert values(then, "children") == ["1", "0", "2"]
    assert [str(one) for one in then.requests.request_id] == ["R1"]
    assert office.present("2025-05-06") == ["H1", "H2", "H3"]
    now = office.known("2025-05-07")
    assert office.present("2025-05-07") == ["H1", "H2", "H3", "H9"]
    assert values(now, "children") == ["5", "0", "2", "1"]
    assert "住户 2 行，诉求 1 行" in said(report)


def test_a_late_row_that_says_when_it_was_recorded_counts_from_then(office):
    office.hand_in()
    office.hand_in([*HOMES, home(9, recorded_at="2024-02-10")])
    assert office.present("2024-02-10") == ["H1", "H2", "H3"]
    assert office.present("2024-02-11") == ["H1", "H2", "H3", "H9"]


def test_an_older_export_takes_nothing_back_and_says_so(office):
    older = (HOMES, [{**row, "resolved_at": ""} for row in ASKED])
    newer = [
        {**ASKED[0], "resolved_at": "2024-03-10"},
        {**ASKED[1], "resolved_at": "2024-03-11"},
        ask("R3", 3, "2024-04-05 10:00", resolved_at="2024-04-10"),
    ]
    office.hand_in(*older)
    office.hand_in([home(1, children=3), *HOMES[1:]], newer)
    before = office.known("2024-06-03")
    report = office.hand_in(*older)
    assert "止于 2024-03-05，记录已到 2024-04-10" in said(report)
    assert (report.tables["requests"].new, report.tables["requests"].corrected) == (0, 0)
    after = office.known("2024-06-03")
    assert values(after, "children") == values(before, "children") == ["3", "0", "2"]
    assert after.requests.resolved.tolist() == before.requests.resolved.tolist()


@pytest.mark.parametrize("typed", ["2042-06-09", "2025-06-09"])
def test_a_mistyped_year_is_named_and_hides_no_correction(office, typed):
    rows = [
        ask(f"R{n}", n % 3 + 1, f"2024-0{n % 6 + 1}-04 09:00", "meal", resolved_at=f"2024-0{n % 6 + 1}-09")
        for n in range(60)
    ]
    office.hand_in(HOMES, rows)
    wrong = [*rows[:-1], {**rows[-1], "resolved_at": typed}]
    report = office.hand_in([home(1, children=4), *HOMES[1:]], wrong)
    assert (
        f"有日期比别的数据晚太多，不当作数据的最后一天：requests.csv 第 61 行 办结时间（resolved_at） {typed}，共 1 处"
        in said(report)
    )
    assert date_of(office.records().last_day) < date(2024, 6, 20)
    assert values(office.known("2024-06-17"), "children") == ["4", "0", "2"]


def test_numbers_that_begin_anew_are_other_requests(office):
    office.hand_in(HOMES, [ask("1", 1, "2024-03-04"), ask("2", 2, "2024-03-05", "meal")])
    anew = [ask("1", 3, "2024-04-04"), ask("2", 1, "2024-04-05", "meal")]
    report = office.hand_in(HOMES, anew)
    assert "2 个编号原来是另一户、另一天的诉求" in said(report)
    assert len(office.known("2024-06-03").requests) == 4
    again = office.hand_in(HOMES, anew)
    assert (again.tables["requests"].new, again.tables["requests"].unchanged) == (0, 2)
    assert len(office.known("2024-06-03").requests) == 4


def test_where_most_numbers_begin_anew_one_of_the_same_household_is_another_request(office):
    office.hand_in(HOMES, [ask("1", 1, "2024-03-04"), ask("2", 2, "2024-03-05"), ask("3", 3, "2024-03-06")])
    for month in ("04", "05"):
        anew = [
            ask("1", 1, f"2024-{month}-04"),
            ask("2", 3, f"2024-{month}-05"),
            ask("3", 2, f"2024-{month}-06"),
        ]
        assert "3 个编号原来是另一户、另一天的诉求" in said(office.hand_in(HOMES, anew))
        again = office.hand_in(HOMES, anew)
        assert (again.tables["requests"].new, again.tables["requests"].unchanged) == (0, 3)
    assert len(office.known("2024-06-03").requests) == 9


def test_a_corrected_date_beside_one_number_that_began_anew_stays_one_request(office):
    office.hand_in(HOMES, [ask("1", 1, "2024-03-04"), ask("2", 2, "2024-03-05")])
    office.hand_in(HOMES, [ask("1", 3, "2024-04-04"), ask("2", 2, "2024-03-06")])
    assert len(office.known("2024-06-03").requests) == 3


def test_a_number_twice_in_one_file_for_other_households_and_days_keeps_both(office):
    report = office.hand_in(HOMES, [ask("1", 1, "2024-03-04"), ask("1", 3, "2024-04-04")])
    assert len(office.known("2024-06-03").requests) == 2
    assert "编号与前面另一天的诉求相同（每月重新编号？），都保留，共 1 处" in said(report)


def test_a_corrected_household_or_date_stays_one_request(office):
    office.hand_in()
    office.hand_in(HOMES, [{**ASKED[0], "household_id": "H3"}, {**ASKED[1], "requested_at": "2024-03-01"}])
    assert len(office.known("2024-06-03").requests) == 2


def test_the_same_requests_under_new_numbers_count_once(office):
    office.hand_in()
    report = office.hand_in(HOMES, [{**row, "request_id": f"Q{n}"} for n, row in enumerate(ASKED)])
    assert "2 条新诉求与已有诉求的住户、时间、需求都相同" in said(report)
    assert len(office.known("2024-06-03").requests) == 2
    assert report.tables["requests"].unchanged == 2


def test_a_need_whose_code_was_renamed_is_counted(office):
    office.hand_in()
    settings = SETTINGS | {"needs": [SETTINGS["needs"][0], {"id": "canteen", "name": "助餐"}]}
    report = office.hand_in(HOMES, [ASKED[0], ask("R9", 3, "2024-05-05", "canteen")], settings=settings)
    assert "1 条已入库的诉求，其需求在 community.yaml 里已经没有" in said(report)


def test_rows_that_are_gone_are_told_and_a_monday_stops(office):
    many = [home(n) for n in range(1, 41)]
    office.hand_in(many)
    with pytest.raises(UserError, match="40 户中有 30 户不在这批导出里"):
        office.hand_in(many[:10], accept=False)
    assert len(office.present("2024-06-03")) == 40
    assert "40 户中有 30 户不在这批导出里" in said(office.hand_in(many[:10]))


def test_an_export_of_only_what_is_new_lost_nothing(office):
    office.hand_in([home(n) for n in range(1, 41)])
    report = office.hand_in([home(n, "2024-04-01") for n in range(41, 61)], [ask("R9", 3, "2024-04-02")])
    assert report.alarms == []


def test_an_emptied_column_and_one_that_is_gone_are_told_with_their_needs(office):
    many = [home(n) for n in range(1, 41)]
    office.hand_in(many)
    report = office.hand_in([{**row, "children": "", "elders": 0} for row in many])
    assert report.alarms == ["households：children 原来有 40 户填写，现在全空；care 将没有住户"]
    report = office.hand_in([{k: v for k, v in row.items() if k != "elders"} for row in many])
    assert [alarm for alarm in report.alarms if "elders" in alarm and "没有这一列" in alarm]


def test_a_share_that_jumps_is_told_and_one_that_varies_as_ever_is_not(office):
    def register(poor: int) -> list[dict]:
        return [home(n, income="低" if n <= poor else "高") for n in range(1, 201)]

    for poor in (20, 24, 19, 22):
        assert office.hand_in(register(poor)).alarms == []
    report = office.hand_in(register(120))
    assert any(re.search("income = 低 的比例由 11% 变为 60%", alarm) for alarm in report.alarms)


def test_a_register_whose_rows_begin_on_the_day_of_the_export(office):
    asked = [ask(f"R{n}", n % 3 + 1, f"2024-0{n % 6 + 1}-1{n % 9}") for n in range(60)]
    report = office.hand_in([{**row, "valid_from": "2024-07-01"} for row in HOMES], asked)
    assert "住户从 2024-07-01 起才有记录：60 条诉求中 60 条在此之前" in said(report)


def test_requests_entered_twice_a_year(office):
    asked = [
        ask(f"R{n}", n % 3 + 1, f"2024-0{n % 6 + 1}-1{n % 9}", recorded_at="2024-07-01") for n in range(60)
    ]
    assert "一半诉求登记时已晚了" in said(office.hand_in(HOMES, asked))


@pytest.mark.parametrize(
    ("age", "taken", "born"), [("65岁", "2020-06-01", 1954), ("6个月", "2020年6月1日", 2019)]
)
def test_an_age_with_the_day_on_which_it_was_taken_makes_a_birth(office, age, taken, born):
    person = {"household_id": "H1", "valid_from": "2024-01-01", "年龄": age, "age_on": taken}
    known_one = {"birth_year": 1990}
    people = [{"resident_id": "a", **person}, {"resident_id": "b", **person, **known_one}]
    report = office.hand_in(residents=people)
    rows = office.records().residents
    assert sorted(date_of(day).year for day in rows.born) == sorted([born, 1990])
    assert "按 年龄 和 age_on 推算出生年，共 1 处" in said(report)


def test_an_age_of_nobody_knows_which_day_is_no_birth_and_said(office):
    person = {"resident_id": "a", "household_id": "H1", "valid_from": "2024-01-01", "age": 65}
    report = office.hand_in(residents=[person])
    assert np.isnan(office.records().residents.born).all()
    assert "age 没有写是哪天的年龄，不当年龄用，共 1 处" in said(report)


def test_a_column_named_by_the_settings_that_no_table_has_is_said(office):
    settings = SETTINGS | {"died": {"column": "已故", "values": ["是"]}}
    assert "died 写的列 已故 不在任何表里" in said(office.hand_in(settings=settings))
    requests_alone = office.write(settings=settings)
    (requests_alone / "households.csv").unlink()
    assert "已故" not in said(ingest(requests_alone, office.workspace, everything=False))


def test_who_is_told_of_the_households_that_are_there(office):
    homes = [home(1, children=2, valid_until="2024-02-01"), home(2, children=0), home(3, children=0)]
    assert "2 户里没有一户符合 children > 0" in said(office.hand_in(homes))
    visit = {"outreach_id": "V1", "household_id": "H1", "need": "care", "contacted_at": "2024-03-01"}
    homes = [home(1, children=2), home(2, children=0)]
    gone = [visit | {"arm": "targeted", "outcome": "moved_away"}]
    assert "1 户里没有一户符合 children > 0" in said(Office(office.place / "b").hand_in(homes, outreach=gone))


def test_a_refusal_that_came_by_a_table_ends_by_an_until_there_and_not_by_leaving_it_out(office):
    def refuses():
        return bool(office.known("2024-06-03").opted_out[0])

    refusal = {"household_id": "H1", "from": "2024-01-05", "until": ""}
    office.hand_in(opt_outs=[refusal])
    assert refuses()
    office.hand_in(opt_outs=[{"household_id": "H2", "from": "2024-01-05", "until": "2024-02-01"}])
    assert refuses()
    office.hand_in(opt_outs=[{**refusal, "until": "2024-05-01"}])
    assert not refuses()
    assert len(office.records().opt_outs) == 3  # what was known before stays known


def test_equal_requests_under_two_numbers_of_one_export_both_count_and_are_told_once(office):
    twice = [*ASKED, ask("R9", 1, ASKED[0]["requested_at"])]
    words = "诉求与同一份里另一条的住户、时间、需求都相同，编号不同，各算一条，共 1 处"
    report = office.hand_in(HOMES, twice)
    assert words in said(report) and report.exit_code() == 3
    assert len(office.records().requests) == 3
    assert office.hand_in(HOMES, twice).exit_code() == 0


def test_states_that_call_requests_void_are_told(office):
    report = office.hand_in(HOMES, [{**ASKED[0], "状态": "已办结"}, {**ASKED[1], "状态": "作废"}])
    assert "requests.csv: 状态 写着作废、撤销、重复等，照样算诉求：作废，共 1 处；不算数的请不要导出" in said(
        report
    )


def test_a_need_that_is_called_off_in_words_is_no_request_and_told(office):
    texts = ["不需要送餐了，取消", "请不要取消送餐", "送餐不要了，要托管"]
    asked = [{**ask(f"R{n}", n + 1, "2024-03-04", ""), "text": words} for n, words in enumerate(texts)]
    report = office.hand_in(HOMES, asked)
    assert "诉求: 原话是取消或不再需要，不算诉求：不需要送餐了，取消，共 1 处" in said(report)
    requests = office.records().requests
    assert dict(zip(map(str, requests.request_id), requests.need.tolist(), strict=True)) == {
        "R0": -1,
        "R1": 1,
        "R2": 0,
    }


def test_that_somebody_else_took_a_help_away_is_a_request(office):
    texts = ["送餐被取消了", "送餐停掉了", "停掉了送餐", "送餐补贴取消", "取消送餐补贴", "送餐资格停掉"]
    asked = [{**ask(f"R{n}", n % 3 + 1, "2024-03-04", ""), "text": words} for n, words in enumerate(texts)]
    office.hand_in(HOMES, asked)
    assert office.records().requests.need.tolist() == [1] * len(texts)


def test_columns_that_changed_places_are_told(office):
    homes = [home(n, children=n % 3, elders=1 + n % 2) for n in range(1, 41)]
    office.hand_in(homes)
    swapped = [{**row, "children": row["elders"], "elders": row["children"]} for row in homes]
    report = office.hand_in(swapped)
    assert "住户: 编号没变，children 变了：H1: 1 → 2、" in said(report)


def test_a_household_or_person_who_is_in_the_register_no_more_is_told_once(office):
    homes = [home(n) for n in range(1, 11)]
    people = [
        {"resident_id": f"P{n}", "household_id": f"H{n}", "valid_from": "2024-01-01"} for n in range(1, 11)
    ]
    office.hand_in(homes, residents=people)
    report = office.hand_in(homes[1:], residents=people[2:])
    words = "表里以前有、这批没有的，照样当作还在"
    assert f"住户: 住户{words}：H1，共 1 处；搬走、去世的请保留那一行并填 截止日期（valid_until）" in said(
        report
    )
    assert f"居民: 居民{words}：P1、P2，共 2 处" in said(report) and report.exit_code() == 3
    assert words in said(again := office.hand_in(homes[1:], residents=people[2:])) and again.exit_code() == 0
    added = office.hand_in([*homes[1:], home(11)], residents=people[2:])
    assert f"住户{words}：H1，共 1 处" in said(added) and added.exit_code() == 0
    gone = office.hand_in([*homes[2:], home(11)], residents=people[2:])
    assert f"住户{words}：H1、H2，共 2 处" in said(gone) and gone.exit_code() == 3
    assert words not in said(office.hand_in([home(12)]))


def test_requests_that_have_long_stopped_to_come_are_told_and_those_that_go_on_are_not(office):
    asked = [
        ask(f"R{day}", 1 + day % 3, f"2024-{1 + day // 28:02}-{1 + day % 28:02} 10:00") for day in range(70)
    ]
    few = [ask(f"S{day}", 1, f"2025-01-{day + 10} 10:00") for day in range(5)]
    office.hand_in(HOMES, [*asked, *few])
    (line,) = fallen_line(office.known("2025-03-31"))
    assert "近 13 周只有 5 条诉求，去年同期 70 条" in line
    assert not fallen_line(office.known("2024-03-31")), "nothing is known of the year before"
    again = [ask(f"T{day}", 1 + day % 3, f"2025-02-{day + 1:02} 10:00") for day in range(20)]
    office.hand_in(HOMES, [*asked, *few, *again])
    assert not fallen_line(office.known("2025-03-31"))
