from datetime import date

import numpy as np
import pytest
from hypothesis import given
from later_rows import AS_OF, towns_with_later_rows
from make_records import make_community, make_records

from features.blocks import household, residents
from features.contract import attribute_values as values
from features.language import set_language
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Rows, date_of, day_of, known_before
from features.point_in_time.schema import Attribute, Schema
from features.point_in_time.schema_fit import fit_schema
from features.point_in_time.town import TownSummary

DATE = day_of(date(2024, 6, 3))
NOWHERE = TownSummary(as_of=DATE, first_known=0.0, days_recorded=0.0, resolutions_recorded=False, unused={})
SCHEMA = Schema(
    household=(
        Attribute("children", "number", changes=True, zh="{}个孩子", en="{} children"),
        Attribute("dual_earner", "boolean", changes=True, zh="双职工", en="both parents work"),
        Attribute(
            "hukou",
            "category",
            ("本地", "外来"),
            pooled=True,
            changes=True,
            zh="户籍",
            en="registered residence",
        ),
        Attribute("head_birth_year", "birth", zh="户主", en="head of household"),
        Attribute("inspected", "date", zh="燃气检查", en="gas inspection"),
        Attribute("ethnicity", "ignored"),
    ),
    resident=(
        Attribute("chronic", "boolean", zh="慢性病", en="chronic disease"),
        Attribute("score", "number", zh="评分", en="score"),
        Attribute("work", "category", ("退休", "在职"), zh="工作", en="work"),
        Attribute("seen", "date", zh="体检", en="check-up"),
    ),
    needs=("childcare", "meals"),
    has_residents=True,
    has_ages=True,
)
OLD = {"household_id": "old", "valid_from": "2020-01-01"}
FAMILY = OLD | {
    "children": "2",
    "dual_earner": "是",
    "hukou": "外来",
    "head_birth_year": "1950",
    "inspected": "2024-05-04",
}


def columns(module, records, day=DATE, schema=SCHEMA):
    """The block's columns for every household of the records, in order of their ids."""
    known = known_before(records, day)
    every = np.arange(known.household_count, dtype=np.int32)
    return module.block(known, Rows(every, np.zeros(len(every), dtype=np.int16)), NOWHERE, schema)


def of_one(module, records, **more):
    """The values of the only household, those that are not missing."""
    return {
        name: round(float(value[0]), 2)
        for name, value in columns(module, records, **more).items()
        if not np.isnan(value[0])
    }


def told(module, records, day=DATE, schema=SCHEMA):
    """The facts of the only household that say something."""
    known = known_before(records, day)
    return [text for fact in module.facts(schema).values() if (text := fact(known, schema, 0, 0))]


def test_values_at_the_date_of_a_household_that_was_there_from_the_start():
    assert of_one(household, make_records([FAMILY | {"ethnicity": "回"}])) == {
        "household.changes_1y": 0,
        "household.children": 2,
        "household.dual_earner": 1,
        "household.hukou=本地": 0,
        "household.hukou=外来": 1,
        "household.head_age": 73.92,  # from 1 July 1950
        "household.inspected": 30,
    }


def test_a_pooled_category_is_none_of_the_named_ones_and_a_missing_value_is_missing():
    pooled = of_one(household, make_records([OLD | {"hukou": "别处"}]))
    assert (pooled["household.hukou=本地"], pooled["household.hukou=外来"]) == (0, 0)
    assert "household.hukou=本地" not in of_one(household, make_records([OLD | {"hukou": None}]))


def test_changes_say_when_and_by_how_much():
    records = make_records(
        [
            OLD | {"children": "1", "dual_earner": "是", "hukou": "本地"},
            OLD | {"valid_from": "2023-05-01", "children": "3", "dual_earner": "是", "hukou": "本地"},
            OLD | {"valid_from": "2024-05-04", "children": "3", "dual_earner": "否", "hukou": "本地"},
            OLD
            | {
                "valid_from": "2024-05-24",
                "children": "3",
                "dual_earner": "否",
                "hukou": "本地",
                "microgrid_id": "m9",
            },
            OLD
            | {
                "valid_from": "2024-05-25",
                "children": None,
                "dual_earner": "否",
                "hukou": "本地",
                "microgrid_id": "m9",
            },
        ]
    )
    found = of_one(household, records)
    assert found["household.children.changed_days"] == day_of(date(2024, 6, 3)) - day_of(date(2023, 5, 1))
    assert found["household.children.change"] == 2
    assert found["household.dual_earner.changed_days"] == 30
    assert found["household.days_since_move"] == found["household.days_since_change"] == 10
    assert found["household.changes_1y"] == 2  # dual_earner and the move; a missing value is no change
    assert "household.hukou.changed_days" not in found


def test_a_household_has_the_changes_of_its_own_rows_whoever_stands_beside_it():
    homes = {
        "a": [{"children": "1", "hukou": "本地"}, {"valid_from": "2024-02-01", "children": "2"}],
        "b": [{"children": "4", "dual_earner": "否", "microgrid_id": "m7"}],
        "c": [{"children": "0", "hukou": "外来"}, {"valid_from": "2024-03-01", "microgrid_id": "m3"}],
    }
    rows = {name: [OLD | row | {"household_id": name} for row in own] for name, own in homes.items()}
    together = columns(household, make_records([row for own in rows.values() for row in own]))
    for position, own in enumerate(rows.values()):
        alone = columns(household, make_records(own))
        for name in together:
            np.testing.assert_array_equal(together[name][position], alone[name][0], err_msg=name)
    assert together["household.changes_1y"].tolist() == [1, 0, 1]


def test_a_correction_is_no_change():
    records = make_records(
        [
            OLD | {"children": "1", "visible_to": "2024-05-06"},
            OLD | {"children": "2", "visible_from": "2024-05-06"},
        ]
    )
    assert of_one(household, records)["household.children"] == 2
    assert "household.children.changed_days" not in of_one(household, records)
    assert of_one(household, records, day=day_of(date(2024, 5, 6)))["household.children"] == 1


def test_days_known_is_that_of_newcomers_only():
    new = {"household_id": "new", "valid_from": "2024-05-04"}
    found = columns(household, make_records([OLD, new]))["household.days_known"]
    np.testing.assert_array_equal(found, np.array([30, np.nan], dtype=np.float32))


def test_facts_of_a_household():
    assert told(household, make_records([FAMILY])) == [
        "2个孩子",
        "双职工",
        "户籍：外来",
        "户主73岁",
        "燃气检查：4周前",
    ]
    no_facts = OLD | {"children": "0", "dual_earner": "否", "hukou": "别处"}
    assert told(household, make_records([no_facts])) == []


@pytest.mark.parametrize(
    ("year", "text"),
    [("2024", ["户主不到1岁"]), ("2023", ["户主不到1岁"]), ("2022", ["户主1岁"]), ("2030", [])],
)
def test_age_fact_of_a_small_child(year, text):
    assert told(household, make_records([OLD | {"head_birth_year": year}])) == text


def test_facts_say_since_when_where_it_changed_within_a_year():
    before = OLD | {"children": "1", "dual_earner": "否", "hukou": "本地"}
    after = {"valid_from": "2023-10-05", "children": "2", "dual_earner": "是", "hukou": "外来"}
    assert told(household, make_records([before, before | after])) == [
        "2个孩子（去年10月前为1）",
        "去年10月起双职工",
        "户籍：外来（去年10月起）",
    ]
    assert told(household, make_records([before, before | after | {"valid_from": "2023-05-05"}])) == [
        "2个孩子",
        "双职工",
        "户籍：外来",
    ]
    lost = before | {"valid_from": "2024-02-01", "dual_earner": "否"}
    assert "今年2月前双职工，现在变了" in told(
        household, make_records([before | {"dual_earner": "是"}, lost])
    )


@pytest.mark.parametrize(
    ("moved_in", "text"),
    [
        ("2024-05-30", "搬来4天"),
        ("2024-05-10", "搬来3周"),
        ("2024-01-01", "搬来5个月"),
        ("2023-06-10", "搬来11个月"),
        ("2022-06-05", None),
    ],
)
def test_fact_of_a_newcomer(moved_in, text):
    records = make_records([{"household_id": "a", "valid_from": moved_in}, OLD])
    assert told(household, records) == ([text] if text else [])


def test_facts_in_english():
    set_language("en")
    try:
        row = {"children": "2", "dual_earner": "是", "hukou": "外来", "head_birth_year": "1950"}
        records = make_records([OLD | row | {"children": "1"}, OLD | row | {"valid_from": "2023-10-05"}])
        assert told(household, records) == [
            "2 children (1 before October 2023)",
            "both parents work",
            "registered residence: 外来",
            "head of household aged 73",
        ]
    finally:
        set_language("zh")


def family(*births, **more):
    """One household with a resident born on each date."""
    people = [
        {"resident_id": f"r{index}", "household_id": "old", "birth_date": born} | more
        for index, born in enumerate(births)
    ]
    return make_records([OLD], residents=people, has_residents=True)


def test_residents_by_age_at_the_date():
    births = [
        "2024-01-01",
        "2021-06-04",
        "2021-06-02",
        "2012-01-01",
        "2007-01-01",
        "1990-01-01",
        "1960-01-01",
        "1940-01-01",
    ]
    found = of_one(residents, family(*births))
    assert {name.removeprefix("residents."): value for name, value in found.items()} == {
        "residents": 8,
        "children": 5,
        "children_0_2": 2,  # one turns three the day after
        "children_3_6": 1,
        "children_7_12": 1,
        "children_13_17": 1,
        "adults": 1,
        "elders": 2,
        "elders_70": 1,
        "elders_80": 1,
        "youngest_age": 0,
        "youngest_child_age": 0,
        "oldest_age": 84,
        "elder_alone": 0,
        "single_adult_with_children": 0,
    }


def test_situations_of_elders_alone_and_of_one_adult_with_children():
    assert of_one(residents, family("1942-01-01"))["residents.elder_alone"] == 1
    assert told(residents, family("1942-01-01")) == ["老人82岁", "老人独居"]
    parent = family("1990-01-01", "2016-01-01", "2021-01-01")
    assert of_one(residents, parent)["residents.single_adult_with_children"] == 1
    assert told(residents, parent) == ["孩子3岁、8岁", "一个大人带2个孩子"]


def test_an_age_that_several_have_is_told_once():
    assert told(residents, family("1942-01-01", "1942-03-01")) == ["老人82岁（2位）"]
    twins = family("1990-01-01", "1991-01-01", "2021-01-01", "2021-01-01", "2016-01-01")
    assert told(residents, twins) == ["孩子3岁（2个）、8岁"]


def test_residents_attributes_over_the_household():
    people = [
        {"resident_id": "1", "chronic": "否", "score": "10", "work": "退休", "seen": "2024-05-04"},
        {"resident_id": "2", "chronic": "是", "score": "40", "work": "退休", "seen": "2024-05-24"},
        {"resident_id": "3", "chronic": None, "score": None, "work": None, "seen": None},
    ]
    records = make_records([OLD], residents=[person | {"household_id": "old"} for person in people])
    found = {
        name: value for name, value in of_one(residents, records).items() if name.startswith("resident.")
    }
    assert found == {
        "resident.chronic": 1,
        "resident.score.mean": 25,
        "resident.score.max": 40,
        "resident.work=退休": 2,
        "resident.work=在职": 0,
        "resident.seen.days": 10,
    }
    assert told(residents, records) == ["家里有人：慢性病", "工作：退休2人"]


def test_a_resident_who_moved_counts_where_it_lives_now():
    move = [
        {"resident_id": "r", "household_id": "a", "birth_year": 1950, "valid_from": "2020-01-01"},
        {"resident_id": "r", "household_id": "b", "birth_year": 1950, "valid_from": "2024-05-01"},
    ]
    records = make_records([{"household_id": "a"}, {"household_id": "b"}], residents=move)
    number = columns(residents, records)["residents.residents"]
    np.testing.assert_array_equal(number, np.array([np.nan, 1], dtype=np.float32))


def test_without_a_residents_table_there_are_no_residents_features():
    schema = fit_schema(known_before(make_records([OLD]), DATE))
    assert residents.features(schema) == []
    assert columns(residents, make_records([OLD]), schema=schema) == {}


def test_a_birth_that_cannot_be_one_is_missing():
    """Stand-ins for an unknown date, as some systems write them."""
    for many in (1, 100):
        texts = np.array(
            ["0001-01-01", "9999-12-31", "1879", "1879-12-31", "1950-03-01", "2100"] * many, dtype=object
        )
        born = values.births(texts)[:6]
        assert np.isnan(born[:4]).all()
        assert [str(date_of(one)) for one in born[4:]] == ["1950-03-01", "2100-07-01"]


def test_without_births_only_their_number_is_a_feature():
    records = make_records([OLD], residents=[{"resident_id": "r", "household_id": "old"}])
    schema = fit_schema(known_before(records, DATE))
    assert [one.name for one in residents.features(schema)] == ["residents.residents"]


def test_excluding_birth_year_leaves_residents_ages_out():
    community = make_community(features={"exclude": ["birth_year"]})
    people = [{"resident_id": "r", "household_id": "old", "birth_year": 1950}]
    schema = fit_schema(known_before(make_records([OLD], residents=people, community=community), DATE))
    assert [one.name for one in residents.features(schema)] == ["residents.residents"]


def test_feature_names_hold_no_signs_that_lightgbm_refuses():
    values = [f'{"甲乙丙"[index % 3]}:"[{{x}}], {index % 3}' for index in range(12)]
    records = make_records(
        [{"household_id": f"h{index}", "面积,类 型.1": one} for index, one in enumerate(values)]
    )
    names = [one.name for one in household.features(fit_schema(known_before(records, DATE)))]
    assert len(names) == len(set(names)) == len(household.FEATURES) + 3
    assert not set('[]{}":, ') & set("".join(names))


@pytest.mark.parametrize("module", [household, residents])
@given(towns=towns_with_later_rows())
def test_rows_from_the_as_of_day_on_change_no_feature_and_no_fact(module, towns):
    before, after = (known_before(town, AS_OF) for town in towns)
    rows, schema = cohort(before), fit_schema(before)
    values = module.block(before, rows, NOWHERE, schema)
    assert list(values) == [one.name for one in module.features(schema)]
    for name, value in module.block(after, rows, NOWHERE, schema).items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, values[name], err_msg=name)
    for name, fact in module.facts(schema).items():
        for one in set(rows.household.tolist()):
            assert fact(before, schema, one, 0) == fact(after, schema, one, 0), name
