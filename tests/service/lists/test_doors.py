"""Lists name the door and the surname first, and stand in the order in which a worker walks."""

import pandas as pd
from make_records import make_community, make_records
from small_town import AS_OF

from features.point_in_time.records import known_before
from features.point_in_time.schema_fit import fit_schema
from service.lists.visit_rows import contact_columns, describe

HOMES = {  # in the order of their worth
    "h1": ("12栋1单元301", "王", "19900000001"),
    "h2": ("3栋2单元1001", "欧阳", "19900000002"),
    "h3": ("3栋2单元201", "李", ""),
    "h4": ("3栋10单元101", "", "19900000004"),
}


def described() -> pd.DataFrame:
    needs = [{"id": "meals", "name": "老年助餐"}, {"id": "repair", "name": "维修"}]
    rows = [
        {"household_id": home, "telephone": phone, "surname": name, "address": door}
        for home, (door, name, phone) in HOMES.items()
    ]
    known = known_before(make_records(rows, community=make_community(needs)), AS_OF)
    visits = pd.DataFrame(
        [(home, need, order) for order, home in enumerate(HOMES, 1) for need in ("meals", "repair")],
        columns=["household_id", "need", "visit_order"],
    ).assign(worker=0, microgrid_id="m1")
    return describe(visits, known)


def test_the_door_comes_first_and_numbers_count_as_numbers() -> None:
    visits = described()
    homes = visits.drop_duplicates("household_id")
    assert homes["contact"].tolist() == [
        "3栋2单元201 李家",
        "3栋2单元1001 欧阳家 19900000002",
        "3栋10单元101 19900000004",
        "12栋1单元301 王家 19900000001",
    ]
    assert homes["visit_order"].tolist() == [1, 2, 3, 4]
    assert visits["visit_order"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]


def test_columns_are_found_by_chinese_and_english_names() -> None:
    assert contact_columns(["手机", "孩子数", "姓氏", "楼栋单元室"]) == ["楼栋单元室", "姓氏", "手机"]


def test_no_model_sees_them() -> None:
    rows = [
        {"household_id": f"h{at}", "surname": "王李"[at % 2], "address": f"{at % 3}栋", "children": at % 2}
        for at in range(60)
    ]
    known = known_before(make_records(rows, community=make_community([{"id": "meals"}])), AS_OF)
    kinds = {one.name: one.kind for one in fit_schema(known).household}
    assert kinds["surname"] == kinds["address"] == "ignored" != kinds["children"]
