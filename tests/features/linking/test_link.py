"""Records are linked to the right household, or to nobody."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from noisy_ledger import make_records, make_town

from features.linking.link import link
from features.linking.names import read_persons

REGISTER = pd.DataFrame(
    [
        ("H1", "西山花园3幢2单元501室", "张建国、李秀英", "13800001234"),
        ("H2", "西山花园3幢2单元502室", "王芳", "13900005678"),
        ("H3", "西山花园3幢1单元501室", "欧阳建华", None),
        ("H4", "锦绣江南3幢2单元501室", "陈军", "13700004321"),
        ("H5", "双喜村3组15号", "张三", None),
        ("H6", "双喜村4组15号", "李四", None),
        ("H7", "西山花园8幢1单元301室", "刘伟", "13600009999"),
        ("H8", "西山花园8幢1单元301室", "赵敏", "13500008888"),
        *(
            (f"N{n}", f"西山花园{n}幢1单元101室", f"孙{'甲乙丙丁戊己庚辛壬癸'[n % 10]}{n}", None)
            for n in range(10, 260)
        ),
    ],
    columns=["household_id", "address", "person", "phone"],
)


def linked(address: str = "", person: str = "", phone: str = "", **more: object) -> pd.Series:
    """Link one record to the register."""
    record = pd.DataFrame([{"address": address or None, "person": person or None, "phone": phone or None}])
    return link(record, REGISTER, **more).iloc[0]


@pytest.mark.parametrize(
    ("address", "person", "phone", "household"),
    [
        ("西山花园三幢二单元五零一", "", "", "H1"),
        ("西山3-2-501", "张某", "", "H1"),
        ("西山小区3#2-501", "张建国的爱人", "", "H1"),
        ("西山花园3幢2单元501", "李秀瑛", "", "H1"),
        ("西山花园3幢501", "张*国", "", "H1"),
        ("西山花园3幢501", "欧阳先生", "", "H3"),
        ("3幢2单元501", "陈先生", "", "H4"),
        ("3幢2单元501", "", "137****4321", "H4"),
        ("双喜村三组十五号", "", "", "H5"),
        ("双喜村15号", "李四", "", "H6"),
        ("西山花园8幢1单元301", "赵女士", "", "H8"),
        ("", "", "139-0000 5678", "H2"),
        ("西山花园3幢2单元502", "wang fang", "", "H2"),
        ("西山花园3幢2单元", "王芳", "13900005678", "H2"),
    ],
)
def test_hard_cases_are_linked(address: str, person: str, phone: str, household: str) -> None:
    found = linked(address, person, phone)
    assert (found["verdict"], found["household_id"]) == ("linked", household), found["reason"]


@pytest.mark.parametrize(
    ("address", "person", "phone"),
    [
        ("西山花园8幢1单元301", "", ""),  # two households behind one door
        ("3幢2单元501", "", ""),  # in two estates
        ("西山花园3幢501", "", ""),  # at two staircases
        ("双喜村15号", "", ""),  # in two groups
        ("西山花园3幢2单元501", "周杰伦", ""),  # somebody else lives there
        ("", "王芳", ""),  # a name alone is nobody's
        ("西山花园3幢2单元501", "", "13900005678"),  # one's door with another's telephone
    ],
)
def test_what_is_unsure_goes_to_a_person_with_its_candidates(address: str, person: str, phone: str) -> None:
    found = linked(address, person, phone)
    assert found["verdict"] == "review" and pd.isna(found["household_id"])
    assert found["candidates"] and found["reason"] and 0 < found["chance"] < 1


@pytest.mark.parametrize("kind", ["another's name", "another's door", "a name alone"])
def test_what_speaks_against_a_household_goes_to_a_person_though_all_records_are_so(kind: str) -> None:
    signs, door, phone = "甲乙丙丁戊己庚辛壬癸", "西山花园{}幢1单元101", "1380000{:0>4}"
    homes = [(n, "孙" + signs[n // 10 - 1] + signs[n % 10]) for n in range(10, 110)]
    register = pd.DataFrame(
        [(f"N{n}", door.format(n), name, phone.format(n)) for n, name in homes], columns=REGISTER.columns
    )
    told = {
        "another's name": lambda n, name: (door.format(n), f"周{name[1:]}", None),
        "another's door": lambda n, name: (door.format(n % 109 + 1), None, phone.format(n)),
        "a name alone": lambda n, name: (None, name, None),
    }[kind]
    records = pd.DataFrame([told(*home) for home in homes], columns=["address", "person", "phone"])
    found = link(records, register)["household_id"]
    assert not any(found == [f"N{n}" for n, _ in homes])


@pytest.mark.parametrize(("address", "person"), [("东方苑999幢9单元909", "周杰伦"), ("", "不详"), ("", "")])
def test_who_is_not_in_the_register_is_nobody(address: str, person: str) -> None:
    found = linked(address, person)
    assert (found["verdict"], found["candidates"], found["chance"]) == ("unknown", [], 0.0)


def test_what_a_person_decided_holds_for_the_same_record_however_it_is_written() -> None:
    decisions = pd.DataFrame(
        [
            ("西山花园8幢1单元301", "", "", "H8"),
            ("西山花园3幢2单元501", "周杰伦", "", ""),
        ],
        columns=["address", "person", "phone", "household_id"],
    )
    found = linked("西山花园8-1-301室", decisions=decisions)
    assert (found["verdict"], found["household_id"]) == ("decided", "H8")
    found = linked("西山花园三栋二单元501", "周杰伦", decisions=decisions)
    assert found["verdict"] == "decided" and pd.isna(found["household_id"])


def test_another_name_of_an_estate_counts_as_its_name() -> None:
    address = "老棉纺厂宿舍3幢2单元501"
    assert linked(address)["verdict"] != "linked"
    assert linked(address, aliases={"锦绣江南": ["老棉纺厂宿舍"]})["household_id"] == "H4"


def test_a_household_that_had_left_is_not_linked() -> None:
    register = REGISTER.assign(
        valid_until=[
            pd.Timestamp("2024-01-01") if one == "H7" else pd.NaT for one in REGISTER["household_id"]
        ]
    )
    records = pd.DataFrame(
        {"address": ["西山花园8幢1单元301"] * 2, "person": ["刘伟"] * 2, "at": ["2023-05-01", "2024-05-01"]}
    )
    found = link(records, register)
    assert found["household_id"].iloc[0] == "H7" and found["verdict"].iloc[1] != "linked"


def test_a_town_written_with_noise_comes_back() -> None:
    homes, register = make_town(400, estates=3)
    records = make_records(homes, register, 1500)
    found = link(records.drop(columns="household_id"), register)
    right = found["household_id"] == records["household_id"]
    registered = records["household_id"] != ""
    assert right[registered].mean() > 0.96
    assert (found["household_id"].notna() & ~right).sum() <= 3
    assert set(found["verdict"]) <= {"linked", "review", "unknown"}


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(*[st.text(max_size=12) | st.none()] * 3), max_size=5))
def test_any_text_gives_one_verdict_a_record(rows: list[tuple[str | None, str | None, str | None]]) -> None:
    records = pd.DataFrame(rows, columns=["address", "person", "phone"])
    found = link(records, REGISTER)
    assert len(found) == len(records) and found["chance"].between(0, 1).all()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("张三的爱人", ["张三"]),
        ("老王", ["王"]),
        ("王某某", ["王"]),
        ("户主：李建国", ["李建国"]),
        ("李建国（儿子）13800001234", ["李建国"]),
        ("欧阳娜娜、司马光", ["欧阳娜娜", "司马光"]),
        ("李**", ["李"]),
        ("李*国", ["李*国"]),
        ("*建国", []),
        ("某某", []),
        ("张", ["张"]),
    ],
)
def test_people_are_read_as_ledgers_call_them(text: str, names: list[str]) -> None:
    assert [one.name for one in read_persons(text)] == names
