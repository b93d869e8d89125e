from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_records import make_community, make_records

from features.contract.eligibility import parse
from features.language import UserError
from features.point_in_time.cohort import eligible
from features.point_in_time.records import day_of, known_before

HOUSEHOLDS = [
    {
        "household_id": "a",
        "children": "2",
        "dual": "是",
        "hukou": "外来",
        "head_birth_year": "1950",
        "moved": "2024-01-05",
    },
    {
        "household_id": "b",
        "children": "0",
        "dual": "否",
        "hukou": "本地",
        "head_birth_year": "1990",
        "moved": "2019-07-01",
    },
    {
        "household_id": "c",
        "children": None,
        "dual": None,
        "hukou": None,
        "head_birth_year": None,
        "moved": None,
    },
]
RESIDENTS = [
    {"resident_id": "r1", "household_id": "a", "birth_date": "1950-01-01"},
    {"resident_id": "r2", "household_id": "b", "birth_date": "2020-01-01"},
    {"resident_id": "r3", "household_id": "b", "birth_date": "1990-01-01"},
]


def who(expression, residents=RESIDENTS, households=HOUSEHOLDS, **sections):
    """The ids of the households that can have a need of this ``who``, as of 2024-06-03."""
    community = make_community([{"id": "care", "who": expression}], **sections)
    records = make_records(households, residents=residents, community=community)
    able = eligible(known_before(records, day_of(date(2024, 6, 3))))
    return "".join(records.household_ids[able[:, 0]])


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("", "abc"),
        ("  ", "abc"),
        ("true", "abc"),
        ("children > 0", "a"),
        ("children >= 0", "ab"),
        ("0 < children <= 2", "a"),
        ("not 5 < children < youngest_child_age", "ab"),  # the first part tells, whatever the age
        ("children == 2 or dual", "a"),
        ("dual", "a"),
        ("dual == true", "a"),
        ("dual == '是'", "a"),
        ("not dual", "b"),
        ("hukou == '外来'", "a"),
        ("'外来' == hukou", "a"),
        ("hukou != '外来'", "b"),
        ("hukou in ['外来', '本地']", "ab"),
        ("hukou not in ['外来', '别处']", "b"),
        ("children in [0, 1]", "b"),
        ("children + 1 > 2 and -children < 0", "a"),
        ("children / children > 0", "a"),
        ("children * 2 - 1 == 3", "a"),
        ("head_age >= 60", "a"),
        ("head_birth_year < 1960", "a"),
        ("moved > '2023-12-31'", "a"),
        ("'2023-12-31' < moved", "a"),
        ("elders > 0", "a"),
        ("oldest_age < 40", "b"),
        ("residents == 2", "b"),
        ("hukou > 1", ""),
        ("children\n  > 0\n  and dual", "a"),
    ],
)
def test_expression_over_current_attributes(expression, expected):
    assert who(expression) == expected


def test_an_attribute_comes_before_the_number_of_residents_of_that_name():
    """``children`` of the households table says 2 for a; the residents table knows none."""
    assert who("children > 0") == "a"
    assert who("children_3_6 > 0") == "b"


def test_a_missing_value_is_never_eligible_unless_the_rest_decides():
    assert who("not (children > 0)") == "b"
    assert who("children > 0 or true") == "abc"
    assert who("not (children > 0 and false)") == "abc"
    assert who("not (hukou in ['外来'])") == "b"
    assert who("children != 2") == "b"


def test_names_with_spaces_or_signs_stand_in_backticks_and_chinese_names_do_not_need_them():
    households = [
        {"household_id": "a", "人均收入(元)": "800", "独居": "是"},
        {"household_id": "b", "人均收入(元)": "3000"},
    ]
    assert who("`人均收入(元)` < 1000 and 独居", households=households) == "a"


def test_an_attribute_excluded_from_features_can_still_be_named():
    assert who("hukou == '外来'", features={"exclude": ["hukou"]}) == "a"


@pytest.mark.parametrize(
    "expression",
    [
        "children >",
        "children = 2",
        "__import__('os')",
        "children.__class__",
        "children[0]",
        "children ** 9",
        "children if dual else 1",
        "lambda: 1",
        "hukou < 'b'",
        "children in dual",
        "children is 2",
        "None",
        "b'x' == hukou",
        "f'{children}'",
        "(" * 300,
        "children > 0 " + "or children > 0 " * 300,
        "children；",
        "children\x00",
    ],
)
def test_what_is_not_allowed_is_one_clear_line_naming_the_need(expression):
    with pytest.raises(UserError, match=r"^community\.yaml：need care 的 who .*看不懂") as raised:
        who(expression)
    assert "\n" not in str(raised.value)


def test_an_unknown_name_lists_the_attributes_that_exist():
    with pytest.raises(
        UserError, match=r"没有这个属性：kinder；有的是：children、dual、hukou.*head_age.*elders"
    ):
        who("kinder > 0")
    with pytest.raises(UserError, match="没有这个属性：elders"):
        who("elders > 0", residents=())


@given(st.text(max_size=30) | st.text(alphabet="ab ()[]'\"<>=+-*/.,`not in and1", max_size=30))
def test_any_text_is_read_or_refused_with_a_user_error(text):
    try:
        who(text)
    except UserError:
        return
    assert parse(text, "need care").where == "need care"
