import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from later_rows import AS_OF, towns_with_later_rows
from make_records import make_community, make_records

from features.point_in_time.records import known_before
from features.point_in_time.schema import Schema, kind_of, readable
from features.point_in_time.schema_fit import encoded, fit_schema

LATE = 30000


def known_with(values, name="attribute", **sections):
    """One household a value, all of the first day."""
    households = [{"household_id": f"h{index:05}", name: value} for index, value in enumerate(values)]
    return known_before(make_records(households, community=make_community(**sections)), LATE)


def fitted(values, name="attribute", **sections):
    schema = fit_schema(known_with(values, name, **sections))
    return schema.household[0] if schema.household else None


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("children", ["0", "1", "2", "3"], "number"),
        ("income", ["8,000", "12500.50", None, "9100"], "number"),
        ("employed", ["true", "false", "True"], "boolean"),
        ("dual_earner", ["1", "0", "1"], "boolean"),
        ("双职工", ["是", "否", None], "boolean"),
        ("dibao", ["是", None, None], "boolean"),
        ("head_birth_year", ["1950", "1960", "1961"], "birth"),
        ("户主出生年份", ["1950", "1960", "1961"], "birth"),
        ("child_birth_date", ["2015-03-01", "2019-11-30"], "birth"),
        ("moved_in_date", ["2015-03-01", "2019/11/3", "2020年1月5日"], "date"),
        ("hukou", ["本地", "外来", "本地"], "category"),
        ("ethnicity", ["汉", "汉", "汉"], "ignored"),
        ("phone", ["13800000001", "13800000002", "13800000001"], "ignored"),
        ("住址", ["1栋1单元", "1栋1单元", "2栋"], "ignored"),
        ("head_name", ["王伟", "王伟", "李娜"], "ignored"),
        ("contact", [str(13800000000 + 37 * index) for index in range(50)], "ignored"),
        ("card", [f"{index:06}" for index in range(50)], "ignored"),
        ("door", [f"{index}栋{index % 7}室" for index in range(50)], "ignored"),
        (
            "comment",
            ["上次来访时说希望周末有人帮忙照看孩子，并且希望老人可以到食堂吃午饭，请下周再联系。"] * 9
            + ["无人在家"],
            "ignored",
        ),
    ],
)
def test_kind_is_inferred_from_values_and_name(name, values, kind):
    assert fitted(values, name).kind == kind


def test_excluded_attributes_are_ignored_also_by_the_name_of_their_age():
    exclude = {"features": {"exclude": ["ethnicity", "head_age"]}}
    assert fitted(["汉", "回"], "ethnicity", **exclude).kind == "ignored"
    assert fitted(["1950", "1960"], "head_birth_year", **exclude).kind == "ignored"


def test_a_few_unreadable_values_do_not_change_the_kind():
    assert fitted(["1", "2", "3"] * 20 + ["不详"], "rooms").kind == "number"


def test_at_most_twenty_category_values_the_most_frequent_first():
    values = [f"work{index:02}" for index in range(30) for _ in range(40 - index)]
    attribute = fitted(values, "work")
    assert attribute.values == tuple(f"work{index:02}" for index in range(20))
    assert attribute.pooled


def test_birth_year_beside_birth_date_gives_one_age():
    known = known_before(
        make_records(
            [
                {"household_id": "a", "head_birth_date": "1950-03-01", "head_birth_year": "1950"},
                {"household_id": "b", "head_birth_date": "1960-03-01", "head_birth_year": "1960"},
            ]
        ),
        LATE,
    )
    assert [one.kind for one in fit_schema(known).household] == ["birth", "ignored"]


def test_names_come_from_community_yaml_then_common_words_then_the_column():
    names = {"features": {"names": {"x7": {"zh": "有电梯", "en": "has a lift"}, "y": "阳台"}}}
    assert fitted(["1", "0"], "x7", **names).zh == "有电梯"
    assert fitted(["1", "0"], "y", **names).en == "阳台"
    assert fitted(["1", "0"], "dual_earner").zh == "双职工"
    assert fitted(["1", "0"], "near_park").zh == "near park"


def test_a_value_that_the_schema_never_saw_is_missing_and_never_an_error():
    kinds = {
        "number": ["1", "2"],
        "boolean": ["是", "否"],
        "category": ["甲", "乙"] * 3,
        "date": ["2024-01-01", "2024-01-02"],
    }
    for kind, values in kinds.items():
        attribute = fitted(values)
        assert attribute.kind == kind
        assert np.isnan(encoded(known_with(["丙丁", "2024-13-45", None, ""]), "households", attribute)).all()


def test_a_rare_category_value_is_pooled_and_so_is_a_new_one():
    attribute = fitted(["甲"] * 1000 + ["乙"] * 900 + ["丙"])
    assert attribute.values == ("甲", "乙")
    assert encoded(known_with(["乙", "丙", "丁"]), "households", attribute).tolist() == [1, 2, 2]


def test_a_value_of_two_households_is_named_by_no_model():
    attribute = fitted(["甲"] * 30 + ["乙"] * 3 + ["丙"] * 2)
    assert attribute.values == ("甲", "乙") and attribute.pooled


def test_an_attribute_that_a_later_export_lacks_is_missing():
    attribute = fitted(["1", "2"], "rooms")
    assert np.isnan(encoded(known_with(["1", "2"], "other"), "households", attribute)).all()


texts = (
    st.none()
    | st.text(max_size=12)
    | st.sampled_from(["1", "0", "是", "2024-02-30", "1e400", "nan", "－1", "１９５０"])
)


@given(
    st.lists(texts, min_size=1, max_size=12), st.lists(texts, min_size=1, max_size=12), st.sampled_from("ab")
)
def test_any_texts_can_be_fitted_and_encoded(seen, later, name):
    known = known_with(seen, {"a": "attribute", "b": "x_birth_year"}[name])
    schema = fit_schema(known)
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    for attribute in schema.household:
        if attribute.kind != "ignored":
            values = encoded(known_with(later, attribute.name), "households", attribute)
            assert len(values) == len(later)
            assert not np.isinf(values).any()


@given(towns_with_later_rows())
def test_rows_from_the_as_of_day_on_do_not_change_the_schema(towns):
    before, after = (fit_schema(known_before(town, AS_OF)) for town in towns)
    assert before == after


@pytest.mark.parametrize(
    ("name", "texts", "right", "wrong"),
    [
        ("elders", ["0", "1", "2", "3"], ["4", "1,000", "-", ""], ["two", "3楼"]),
        ("rents", ["是", "否", "是", None], ["否", "true", "1"], ["maybe"]),
        ("head_birth_year", ["1950", "1961", "1972", "1983"], ["1950", "1950-03-01"], ["1750", "50年代"]),
        ("moved_in", ["2020-01-01", "2021-03-04", "2022-05-06", None], ["2024/3/1"], ["2024-13-01", "去年"]),
        ("housing", ["商品房", "租房", "租房", "租房"], ["回迁房", "3"], []),
        ("phone", ["13800000001", "13800000002", None, None], ["没有电话"], []),
        ("unknown", [None, None, None, None], ["whatever"], []),
    ],
)
def test_a_single_value_is_read_as_the_column_it_is_for(
    name: str, texts: list[str | None], right: list[str], wrong: list[str]
) -> None:
    kind = kind_of(name, texts, ["a", "b", "c", "d"])
    assert [one for one in right if not readable(kind, one)] == []
    assert [one for one in wrong if readable(kind, one)] == []
