"""Block: who lives in the household as known at the date: ages, elders alone, residents' attributes."""

import numpy as np

from features.blocks.catalogue import Feature
from features.blocks.household import Fact, attribute_telling
from features.contract.community import Community
from features.contract.need_kinds import Telling
from features.language import joined_names, say
from features.point_in_time.ages import AGE_GROUPS, aggregates, least_by_household, sum_by_household
from features.point_in_time.records import Known, Rows
from features.point_in_time.remembered import remembered
from features.point_in_time.row_index import own_residents
from features.point_in_time.schema import Attribute, Schema, plain_text
from features.point_in_time.schema_fit import encoded
from features.point_in_time.town import TownSummary
from features.units import JULIAN_YEAR

NOW = "as of the date"
SITUATIONS = {
    "residents": ("人口数", "residents"),
    "youngest_age": ("最小年龄", "youngest age"),
    "oldest_age": ("最大年龄", "oldest age"),
    "youngest_child_age": ("最小孩子的年龄", "age of the youngest child"),
    "elder_alone": ("老人独居", "elder living alone"),
    "single_adult_with_children": ("一个成人带孩子", "one adult with children"),
}


@remembered
def features(schema: Schema) -> list[Feature]:
    """List the block's features; none where the town has no residents table."""
    if not schema.has_residents:
        return []
    listed = []
    if schema.has_ages:
        named = {name: (group[2] + "人数", group[3]) for name, group in AGE_GROUPS.items()} | SITUATIONS
    else:
        named = {"residents": SITUATIONS["residents"]}
    for name, (zh, en) in named.items():
        listed.append(
            Feature(
                f"residents.{name}",
                zh,
                en,
                "residents",
                "attribute",
                NOW,
                _UNIT_OF.get(name, "residents"),
                _FACT_OF.get(name, ""),
            )
        )
    for attribute in schema.resident:
        for name, (zh, en) in _columns_of(attribute).items():
            fact = column_of(attribute) if attribute.kind in ("boolean", "category") else ""
            listed.append(
                Feature(name, zh, en, "residents", "attribute", NOW, _UNIT_OF_KIND[attribute.kind], fact)
            )
    return listed


def column_of(attribute: Attribute) -> str:
    """Return the name of a resident attribute's feature, or the beginning of its features' names."""
    return f"resident.{attribute.column}"


def _columns_of(attribute: Attribute) -> dict[str, tuple[str, str]]:
    zh, en = attribute.plain_name
    name = column_of(attribute)
    if attribute.kind == "number":
        return {
            f"{name}.mean": (f"居民{zh}的平均", f"mean of residents' {en}"),
            f"{name}.max": (f"居民{zh}的最大", f"largest of residents' {en}"),
        }
    if attribute.kind == "boolean":
        return {f"{name}": (f"有居民：{zh}", f"a resident: {en}")}
    if attribute.kind == "date":
        return {f"{name}.days": (f"距最近的{zh}天数", f"days since residents' latest {en}")}
    if attribute.kind == "category":
        return {
            f"{name}={plain_text(value)}": (f"{zh}为{value}的居民数", f"residents with {en} {value}")
            for value in attribute.values
        }
    return {}


def block(known: Known, rows: Rows, town: TownSummary, schema: Schema) -> dict[str, np.ndarray]:
    """Compute the block's columns for the pairs ``rows`` as of ``known.as_of``; ``town`` is not used.

    Returns float32 [len(rows)] for each of ``features(schema)``, none without a residents table; NaN where unknown.
    """
    if not schema.has_residents:
        return {}
    whole = household_columns(known, schema)
    return {feature.name: whole[feature.name][rows.household] for feature in features(schema)}


@remembered
def household_columns(known: Known, schema: Schema) -> dict[str, np.ndarray]:
    """Compute each feature by household: float32 [households] each; NaN where a value is missing."""
    columns = {f"residents.{name}": value for name, value in aggregates(known).items()}
    rows = known.resident_rows
    household = known.residents.household[rows]
    for attribute in schema.resident:
        if attribute.kind in ("ignored", "birth"):
            continue
        columns |= _aggregated(known, attribute, household, encoded(known, "residents", attribute)[rows])
    return {name: value.astype(np.float32) for name, value in columns.items()}


def _aggregated(
    known: Known, attribute: Attribute, household: np.ndarray, value: np.ndarray
) -> dict[str, np.ndarray]:
    name = column_of(attribute)
    stated = ~np.isnan(value)
    household, value = household[stated], value[stated]
    number = sum_by_household(household, np.ones(len(value)), known.household_count)
    number[number == 0] = np.nan
    if attribute.kind == "number":
        mean = sum_by_household(household, value, known.household_count) / number
        return {
            f"{name}.mean": mean,
            f"{name}.max": -least_by_household(household, -value, known.household_count),
        }
    if attribute.kind == "boolean":
        return {name: -least_by_household(household, -value, known.household_count)}
    if attribute.kind == "date":
        return {f"{name}.days": least_by_household(household, known.as_of - value, known.household_count)}
    return {
        f"{name}={plain_text(text)}": np.where(
            np.isnan(number), np.nan, sum_by_household(household, value == code, known.household_count)
        )
        for code, text in enumerate(attribute.values)
    }


def facts(schema: Schema) -> dict[str, Fact]:
    """Return the functions that write the block's reasons: ``FACTS`` and one for each boolean or category attribute."""
    return FACTS | {
        column_of(column): _attribute_fact(column)
        for column in schema.resident
        if column.kind in ("boolean", "category")
    }


def telling(schema: Schema, community: Community) -> dict[str, Telling]:
    """Return whether and where each reason may be told, as ``features.blocks.household.telling`` does."""
    return TELLING | {
        column_of(attribute): attribute_telling(attribute, community) for attribute in schema.resident
    }


def _attribute_fact(attribute: Attribute) -> Fact:
    """Make the function that writes “家里有人：慢性病” or “职业：退休1人”."""

    def fact(known: Known, schema: Schema, household: int, need: int) -> str:
        columns = household_columns(known, schema)
        name = column_of(attribute)
        if attribute.kind == "boolean":
            present = columns[name][household] > 0
            return say(f"家里有人：{attribute.zh}", f"someone here: {attribute.en}") if present else ""
        numbers = {value: columns[f"{name}={plain_text(value)}"][household] for value in attribute.values}
        counted = joined_names(
            say(f"{value}{number:.0f}人", f"{value} {number:.0f}")
            for value, number in numbers.items()
            if number > 0
        )
        return say(f"{attribute.zh}：{counted}", f"{attribute.en}: {counted}") if counted else ""

    return fact


def _ages(known: Known, household: int, youngest: float, end: float) -> np.ndarray:
    """Return the ages in whole years of the residents from ``youngest`` up to below ``end``, ascending: float64."""
    age = np.floor((known.as_of - known.residents.born[own_residents(known, household)]) / JULIAN_YEAR)
    return np.sort(age[(age >= youngest) & (age < end)])


def _listed_ages(ages: np.ndarray, measure: str) -> str:
    """List ages; one that several have is followed by their number and its Chinese measure word: “3岁（2个）”."""
    listed = []
    for age, number in zip(*np.unique(ages, return_counts=True), strict=True):
        zh, en = (f"（{number}{measure}）", f" ({number})") if number > 1 else ("", "")
        listed.append(say(f"{age:.0f}岁{zh}", f"{age:.0f}{en}"))
    return joined_names(listed)


def _children_fact(known: Known, schema: Schema, household: int, need: int) -> str:
    """Write the ages of the children: “孩子3岁、8岁”."""
    children = _ages(known, household, 0, 18)
    if not len(children):
        return ""
    ages = _listed_ages(children, "个")
    return say(f"孩子{ages}", f"children aged {ages}" if len(children) > 1 else f"child aged {ages}")


def _elders_fact(known: Known, schema: Schema, household: int, need: int) -> str:
    """Write the ages of the residents aged 60 or more: “老人82岁”."""
    elders = _ages(known, household, 60, np.inf)
    if not len(elders):
        return ""
    ages = _listed_ages(elders, "位")
    return say(f"老人{ages}", f"elders aged {ages}" if len(elders) > 1 else f"elder aged {ages}")


def _alone_fact(known: Known, schema: Schema, household: int, need: int) -> str:
    alone = aggregates(known)["elder_alone"][household] == 1
    return say("老人独居", "an elder living alone") if alone else ""


def _single_fact(known: Known, schema: Schema, household: int, need: int) -> str:
    columns = aggregates(known)
    if columns["single_adult_with_children"][household] != 1:
        return ""
    children = columns["children"][household]
    return say(f"一个大人带{children:.0f}个孩子", f"one adult with {children:.0f} children")


_FACT_OF = {
    **{name: "residents_children" for name in (*AGE_GROUPS, *SITUATIONS) if "child" in name},
    **{name: "residents_elders" for name in AGE_GROUPS if "elders" in name},
    "oldest_age": "residents_elders",
    "elder_alone": "residents_elder_alone",
    "single_adult_with_children": "residents_single_adult",
}
_UNIT_OF = dict.fromkeys(("youngest_age", "oldest_age", "youngest_child_age"), "years") | dict.fromkeys(
    ("elder_alone", "single_adult_with_children"), "0 or 1"
)
_UNIT_OF_KIND = {"number": "as handed in", "boolean": "0 or 1", "date": "days", "category": "residents"}
KIND = ("家庭成员", "residents")  # what reasons of this block are called
FACTS: dict[str, Fact] = {
    "residents_children": _children_fact,
    "residents_elders": _elders_fact,
    "residents_elder_alone": _alone_fact,
    "residents_single_adult": _single_fact,
}
TELLING = {
    "residents_children": Telling("children", "list", frozenset({"children"})),
    "residents_elders": Telling("elders", "list", frozenset({"elders", "health"})),
    "residents_elder_alone": Telling("elders", "home", frozenset({"elders"})),
    "residents_single_adult": Telling("children", "office", frozenset({"children", "hardship"})),
}
