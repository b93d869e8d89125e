"""Whom an export's numbers stand for: given to others, numbered anew, ends that are gone, tables that are gone."""

import pytest
from office_exports import ASKED, HOMES, Office, ask, home

from features.contract.table_names import FILES
from features.language import UserError

PERSON = {"resident_id": "1", "household_id": "H1", "valid_from": "2024-01-01"}
VISIT = {
    "outreach_id": "1",
    "household_id": "H1",
    "need": "care",
    "contacted_at": "2024-03-01",
    "arm": "targeted",
    "outcome": "needed",
}


@pytest.fixture
def office(tmp_path) -> Office:
    return Office(tmp_path)


def said(report) -> str:
    return "\n".join(report.lines())


@pytest.mark.parametrize(
    ("table", "row"), [("requests", ask("1", 1, "2024-03-04")), ("outreach", VISIT), ("residents", PERSON)]
)
def test_a_number_that_is_given_to_another_household_is_told(office, table, row):
    office.hand_in(**{table: [row]})
    report = office.hand_in(**{table: [{**row, "household_id": "H3"}]})
    assert f"{FILES[table][0]}: 编号没变，住户变了：1: H1 → H3，共 1 处" in said(report)
    assert report.exit_code() == 3


def test_a_monday_stops_before_numbers_that_stand_for_other_households(office):
    people = [{**PERSON, "resident_id": str(n), "household_id": f"H{n % 3 + 1}"} for n in range(9)]
    office.hand_in(residents=people)
    swapped = [{**row, "household_id": f"H{(n + 1) % 3 + 1}"} for n, row in enumerate(people)]
    with pytest.raises(UserError, match="residents: 编号没变，住户变了"):
        office.hand_in(residents=swapped, accept=False)


def test_households_that_are_numbered_anew_are_told_and_a_monday_stops(office):
    office.hand_in(opt_outs=[{"household_id": "H1", "from": "2024-01-05", "until": ""}])
    anew, asked = (
        [{**row, "household_id": row["household_id"].replace("H", "N")} for row in rows]
        for rows in (HOMES, ASKED)
    )
    with pytest.raises(UserError, match="住户：3 户是新编号，别的与不再出现的 3 户都一样（H1 → N1）"):
        office.hand_in(anew, asked, accept=False)


def doors(count: int, **more) -> list[dict]:
    return [home(n, address=f"{n}幢101室", telephone=f"1380000{n:04d}", **more) for n in range(1, count + 1)]


@pytest.mark.parametrize("since", ["2024-01-01", ""])
@pytest.mark.parametrize("order", [[2, 1, 3, 4, 5], [1, 3, 4, 5, 2]])
def test_a_monday_stops_before_households_whose_numbers_are_exchanged_or_shifted(office, order, since):
    rows = [{**row, "valid_from": since or f"2024-01-{n + 1:02d}"} for n, row in enumerate(doors(5))]
    office.hand_in(rows)
    other = [{**rows[n - 1], "household_id": row["household_id"]} for n, row in zip(order, rows, strict=True)]
    with pytest.raises(UserError, match=r"户的住址、电话等现在是另一户原来的.*像是户号对调或错位"):
        office.hand_in(other, accept=False)


def test_households_without_an_address_whose_numbers_are_exchanged_are_told(office):
    rows = [home(n, area=50 + n, income=1000 * n, tenure=f"房{n}") for n in range(1, 6)]
    office.hand_in(rows)
    exchanged = [{**rows[1], "household_id": "H1"}, {**rows[0], "household_id": "H2"}, *rows[2:]]
    assert "户号对调" in "\n".join(office.hand_in(exchanged).alarms)


def test_who_moves_into_another_flat_or_corrects_a_telephone_is_no_exchange(office):
    rows = doors(5)
    office.hand_in(rows)
    moved = {**rows[0], "address": rows[1]["address"], "valid_from": "2024-03-01"}
    other = {**rows[1], "address": "9幢9室", "telephone": rows[0]["telephone"]}
    assert office.hand_in([moved, other, *rows[2:]]).alarms == []


def test_a_few_new_households_like_some_that_are_gone_are_no_new_numbers_of_them(office):
    many = [home(n, children=n % 3) for n in range(1, 31)]
    office.hand_in(many)
    new = [{**row, "household_id": f"N{n}"} for n, row in enumerate(many[:2])]
    assert office.hand_in([*many[2:], *new]).alarms == []
    alone = doors(30)
    office.hand_in(alone)
    new = [{**row, "household_id": f"M{n}"} for n, row in enumerate(alone[:2])]
    assert "像是户号改了" in "\n".join(office.hand_in([*alone[2:], *new]).alarms)


def test_a_household_that_only_looks_like_one_that_is_gone_is_a_new_one(office):
    many = [home(n) for n in range(1, 21)]
    office.hand_in(many)
    assert office.hand_in([*many[1:], home(21)]).alarms == []


@pytest.mark.parametrize("more", [{"birth_year": 1950}, {"gender": "女"}])
def test_persons_and_visits_under_new_numbers_count_once(office, more):
    people = [{**PERSON, "resident_id": f"P{n}", **more} for n in range(2)]
    office.hand_in(residents=people, outreach=[VISIT])
    renumbered = [{**row, "resident_id": f"Q{n}"} for n, row in enumerate(people)]
    report = office.hand_in(residents=renumbered, outreach=[{**VISIT, "outreach_id": "X1"}])
    records = office.records()
    assert (len(records.residents), len(records.outreach)) == (2, 1)
    assert said(report).count("只是换了编号，只算一次") == 2


def test_a_new_person_who_was_born_in_another_year_is_another_person(office):
    office.hand_in(residents=[{**PERSON, "birth_year": 1950}])
    office.hand_in(residents=[{**PERSON, "resident_id": "2", "birth_year": 1980}])
    assert len(office.records().residents) == 2


def test_a_new_person_of_whom_no_birth_is_known_is_another_person_where_attributes_differ(office):
    old = {**PERSON, "resident_id": "2", "birth_year": 1950, "gender": "男"}
    office.hand_in(residents=[{**PERSON, "birth_year": "", "gender": "女"}, old])
    new = {**PERSON, "resident_id": "3", "birth_year": "", "gender": "男"}
    assert "只是换了编号" not in said(office.hand_in(residents=[new, old]))
    assert len(office.records().residents) == 3


def test_requests_under_new_numbers_that_tell_only_the_day_count_once(office):
    office.hand_in()
    days = [
        {**row, "request_id": f"Q{n}", "requested_at": row["requested_at"][:10]}
        for n, row in enumerate(ASKED)
    ]
    report = office.hand_in(HOMES, days)
    assert "2 条新诉求与已有诉求的住户、时间、需求都相同" in said(report)
    assert "是较早的导出" not in said(report)
    assert len(office.known("2024-06-03").requests) == 2


def test_a_monday_stops_before_many_who_are_said_to_have_left_at_once(office):
    many = [home(n, valid_until="") for n in range(1, 31)]
    office.hand_in(many)
    left = [{**row, "valid_until": "2024-02-01"} for row in many]
    assert office.hand_in([*left[:2], *many[2:]]).alarms == []
    with pytest.raises(UserError, match="住户：28 行里有 8 行这批写明已搬走或去世"):
        office.hand_in([*left[:10], *many[10:]], accept=False)


def test_an_end_that_is_not_given_any_more_is_told(office):
    ended = [home(1, valid_until="2024-02-01"), home(2, valid_until=""), home(3, valid_until="")]
    office.hand_in(ended)
    report = office.hand_in([{**row, "valid_until": ""} for row in ended])
    assert "住户: 原来写明已搬走或去世，这批又没有写，按还住着算：H1，共 1 处" in said(report)


def test_needs_and_times_that_change_for_many_requests_at_once_are_told(office):
    asked = [ask(f"R{n}", n % 3 + 1, f"2024-03-{n + 1:02d}") for n in range(20)]
    office.hand_in(requests=asked)
    one = [{**asked[0], "need": "meal"}, *asked[1:]]
    assert "need 变了" not in said(office.hand_in(requests=one))
    report = office.hand_in(requests=[*one[:14], *({**row, "need": "meal"} for row in asked[14:])])
    assert "诉求: 编号没变，需求（need） 变了：R14: care → meal、R15: care → meal" in said(report)
    assert report.exit_code() == 3
    other = [{**row, "requested_at": asked[19 - n]["requested_at"]} for n, row in enumerate(asked)]
    assert "诉求时间（requested_at） 变了" in said(office.hand_in(requests=other))


def test_grids_that_change_for_many_households_at_once_are_told(office):
    many = [home(n) for n in range(1, 31)]
    office.hand_in(many)
    moved = [{**row, "grid_id": "G9"} for row in many[:8]]
    report = office.hand_in([*moved, *many[8:]])
    assert "住户: 编号没变，网格（grid_id） 变了：H1: G1 → G9" in said(report) and report.exit_code() == 3


def test_a_monday_stops_before_an_old_register_beside_new_requests(office):
    old, new = ([home(n, children=children) for n in range(1, 11)] for children in (1, 2))
    office.hand_in(old)
    later = [*ASKED, ask("R3", 3, "2024-03-09")]
    assert office.hand_in(new, later).alarms == []
    with pytest.raises(UserError, match="住户：更正的 10 行里有 10 行又成了更正以前的样子"):
        office.hand_in(old, [*later, ask("R4", 3, "2024-03-12")], accept=False)
    one = [{**new[0], "children": 1}, *new[1:]]
    assert office.hand_in(one, [*later, ask("R4", 3, "2024-03-12")]).alarms == []


def test_a_table_that_is_gone_is_told_once(office):
    office.hand_in(residents=[PERSON])
    assert "上一批导出有这些表（行数），这批没有：residents（1）" in said(office.hand_in())
    assert "这批没有" not in said(office.hand_in(HOMES, [*ASKED, ask("R3", 3, "2024-03-09")]))


@pytest.mark.parametrize("word", ["—", "不详", "/", "未知"])
def test_a_column_that_is_filled_with_words_for_nothing_is_emptied(office, word):
    many = [home(n) for n in range(1, 7)]
    office.hand_in(many)
    report = office.hand_in([{**row, "children": word} for row in many])
    assert report.alarms == ["households：children 原来有 6 户填写，现在全空；care 将没有住户"]


def test_a_number_under_which_another_family_lives_now_is_told(office):
    family = {"地址": "1幢1单元101", "户主": "张三", "电话": "13800010001"}
    others = {"地址": "9幢9单元909", "户主": "李四", "电话": "13911112222"}
    office.hand_in([{**home(n), **family, "地址": f"1幢1单元10{n}"} for n in (1, 2, 3)])
    moved = {**home(2, valid_from="2024-03-15"), **family, "地址": "2幢1单元201"}
    report = office.hand_in([{**home(1, valid_from="2024-03-15"), **others}, moved, {**home(3), **family}])
    assert "户号没变，住址、姓名、电话都变了，像是换了一家人" in said(report) and report.exit_code() == 3
    assert "：H1，共 1 处" in said(report)


def test_a_register_that_rested_for_a_year_while_requests_went_on_has_no_stray_day(office):
    asked = [ask(str(n), 1, f"2024-03-0{n}") for n in range(1, 8)]
    office.hand_in([home(n, valid_from="2022-01-01") for n in range(1, 9)], requests=asked)
    rows = [home(n, valid_from="2022-01-01") for n in range(1, 9)]
    report = office.hand_in([*rows, home(9, valid_from="2024-03-01")], requests=asked)
    assert "有日期比别的数据晚太多" not in said(report)
