"""Households of a register of persons, and ids that stay what they were a month ago."""

from datetime import date
from pathlib import Path

import pandas as pd
from ledger_town import ledger_town, write_register

from features.mapping.kept_rows import forget_waiting, keep, keep_register, read_kept, read_register_kept
from features.mapping.ledger_sheets import read_ledger
from features.mapping.propose import propose
from features.mapping.register import KEPT, RegisterTables, register_tables
from features.mapping.take_rows import COLUMNS, take_rows

SECRET = bytes(32)
NOTHING = pd.DataFrame(columns=list(KEPT))


def row(**cells: object) -> dict[str, object]:
    return {**dict.fromkeys(COLUMNS, ""), "attributes": {}, "shape": "persons", **cells}


def tables(rows: list[dict[str, object]], kept: pd.DataFrame = NOTHING) -> RegisterTables:
    return register_tables(pd.DataFrame(rows), kept, SECRET, date(2024, 1, 1), "西山")


def test_each_household_of_a_town_comes_back_with_its_people(tmp_path: Path) -> None:
    town = ledger_town()
    write_register(town, tmp_path / "人口.xlsx")
    mapping = propose(tmp_path / "人口.xlsx", read_ledger(tmp_path / "人口.xlsx"), "Asia/Shanghai").mapping
    records = take_rows(tmp_path / "人口.xlsx", mapping, "Asia/Shanghai")
    made = register_tables(records[records["aside"] == ""], NOTHING, SECRET, date(2024, 1, 1), "西山")
    assert made.households[["住址", "户主", "grid_id"]].to_numpy().tolist() == [
        [home.door, home.head[0], home.grid] for home in town.homes
    ]
    sizes = made.residents.groupby("household_id", sort=False).size()
    assert sizes.tolist() == [len(home.people) for home in town.homes]
    low = made.residents.drop_duplicates("household_id")["低保"]
    assert low.tolist() == ["是" if "低保" in home.tags else "否" for home in town.homes]
    text = made.households.to_csv() + made.residents.to_csv() + made.kept.to_csv()
    assert not any(person[2] in text for home in town.homes for person in home.people), (
        "no identity card is kept"
    )
    assert not made.aside


def test_a_household_keeps_its_id_when_another_person_becomes_its_householder() -> None:
    people = [("张伟", "户主", "330102195001011234"), ("李芳", "配偶", "330102195203022345")]
    first = tables(
        [
            row(person=name, relation=relation, id_card=card, address="3-2-501")
            for name, relation, card in people
        ]
    )
    later = tables(
        [row(person="李芳", relation="户主", id_card=people[1][2], address="3幢2单元501室")], first.kept
    )
    assert later.households["household_id"].tolist() == first.households["household_id"].tolist()
    assert later.households["户主"].tolist() == ["李芳"]


def test_two_households_at_one_door_stay_two() -> None:
    rows = [
        row(person=name, householder=name, relation="户主", address="3-2-501") for name in ("张伟", "王强")
    ]
    made = tables(rows)
    assert made.households["household_id"].nunique() == 2
    lost = tables([*rows, row(person="李芳", relation="配偶", address="5-1-101")])
    assert list(lost.aside) == [2], "nothing tells of which household she is"


def test_births_come_from_identity_cards_and_the_cards_are_not_kept() -> None:
    made = tables([row(household_id="H1", person="张伟", relation="户主", id_card="330102195001011234")])
    assert made.residents["birth_date"].tolist() == ["1950-01-01"]
    assert made.households["household_id"].tolist() == ["H1"]


def test_the_day_of_a_register_without_days_stays(tmp_path: Path) -> None:
    rows = [row(household_id="H1", person="张伟", relation="户主", address="3-2-501")]
    first = tables(rows)
    keep_register(tmp_path, first.kept)
    later = register_tables(
        pd.DataFrame(rows), read_register_kept(tmp_path), SECRET, date(2025, 6, 1), "西山"
    )
    assert later.households["valid_from"].tolist() == ["2024-01-01"]


def test_rows_that_wait_and_may_be_of_a_deleted_household_are_forgotten(tmp_path: Path) -> None:
    keep(
        tmp_path,
        "pending.parquet",
        pd.DataFrame(
            {
                "event_id": ["a", "b", "c"],
                "candidates": [["H1", "H2"], ["H3"], []],
                "household_id": [None, None, "H2"],
            }
        ),
    )
    assert forget_waiting(tmp_path, "H2") and not forget_waiting(tmp_path, "H9")
    assert read_kept(tmp_path, "pending.parquet", ())["event_id"].tolist() == ["b"]


def test_an_age_makes_a_birth_where_none_is_told_by_the_month_of_the_register() -> None:
    card = "330102195001011234"
    made = tables(
        [
            row(person="张伟", relation="户主", address="3-2-501", age="七十四岁", age_on="2024-05-31"),
            row(person="李芳", relation="妻", address="3-2-501", age="99", age_on="2024-05-31", id_card=card),
            row(person="张敏", relation="女", address="3-2-501", age="40"),
        ]
    )
    assert made.residents["birth_date"].tolist() == ["1949-07-01", "1950-01-01", ""]
    assert made.residents["年龄"].fillna("").tolist() == ["", "", "40"]


def test_lists_of_some_households_and_persons_add_to_the_register_and_take_nothing_from_it() -> None:
    home = {"address": "3-2-501", "householder": "张伟"}
    card = "330102195001011234"
    made = tables(
        [
            row(
                shape="households",
                person="张伟",
                address="3幢2单元501",
                attributes={"保障人数": "2"},
                tags="低保",
            ),
            row(person="张伟", relation="户主", id_card=card, phone="13800001111", tags="党员", **home),
            row(person="李芳", relation="配偶", phone="13800002222", address="3-2-501"),
            row(person="张伟", id_card=card, address="3-2-501", tags="", attributes={"残疾等级": "二级"}),
        ]
    )
    assert len(made.households) == 1 and len(made.residents) == 2 and not made.aside
    assert made.households[["保障人数", "低保", "valid_from"]].iloc[0].tolist() == ["2", "是", "2024-01-01"]
    head = made.residents.set_index("姓名").loc["张伟"]
    assert head[["与户主关系", "电话", "党员", "残疾等级"]].tolist() == ["户主", "13800001111", "是", "二级"]
    assert made.residents.set_index("姓名").loc["李芳", ["党员", "低保"]].tolist() == ["否", "否"]


def test_a_person_without_an_address_has_the_home_of_the_card_and_not_of_the_list_before() -> None:
    home, card = {"address": "3-2-501", "householder": "张伟"}, "330102195001011234"
    made = tables(
        [
            row(source_file="甲.xlsx", person="张伟", id_card=card, attributes={"残疾等级": "二级"}),
            row(source_file="人口.xlsx", person="张伟", relation="户主", id_card=card, **home),
            row(
                source_file="人口.xlsx", person="王强", relation="户主", householder="王强", address="5-1-101"
            ),
            row(source_file="残疾.xlsx", person="李芳", id_card="330102195203022345"),
        ]
    )
    heads = made.residents.set_index("姓名")
    assert list(made.aside) == [3], "nobody knows where she lives"
    assert sorted(heads.index) == ["张伟", "王强"] and heads.loc["张伟", "残疾等级"] == "二级"


def test_two_persons_with_one_identity_card_by_a_slip_are_both_kept_and_told() -> None:
    card = "330102195202022345"
    couple = [("张三", "户主", "1950-01-01"), ("李四", "配偶", "1952-02-02"), ("李 四", "配偶", "1952-02-02")]
    made = tables(
        [
            row(person=name, relation=relation, id_card=card, birth=born, household_id="0001", source_row=at)
            for at, (name, relation, born) in enumerate(couple, 2)
        ]
    )
    assert made.residents["姓名"].tolist() == ["张三", "李 四"]
    assert made.residents["resident_id"].nunique() == 2
    assert [*made.doubts] == [0] and "身份证号和另一个人的相同，按两个人读" in made.doubts[0]
