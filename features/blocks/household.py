"""Block: the household's own attributes as known at the date, ages, and what changed and when."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from features.blocks.catalogue import Feature, Role, listed
from features.contract.community import Community
from features.contract.need_kinds import NEVER, Place, Telling, telling_of
from features.language import say
from features.point_in_time.records import Known, Rows
from features.point_in_time.remembered import remembered
from features.point_in_time.schema import Attribute, Schema, plain_text
from features.point_in_time.schema_fit import encoded
from features.point_in_time.spoken import spoken_month
from features.point_in_time.town import TownSummary
from features.point_in_time.town_summary import first_known
from features.units import JULIAN_YEAR, MEAN_MONTH, WEEK

Fact = Callable[[Known, Schema, int, int], str]
FIRST_BATCH = 31.0  # days after the earliest valid_from; households known by then were there before
NEWCOMER = 365  # days for which it is worth saying that a household moved in
RECENT = 365  # days for which it is worth saying that an attribute changed
FEATURES = (
    *listed(
        "households",
        "arrival",
        "household.days_known | 登记天数 | days since first registered |  | days | days_known",
    ),
    *listed(
        "households",
        "change",
        "household.days_since_move | 距迁移天数 | days since it moved |  | days | days_since_move",
        "household.days_since_change | 距最近一次变动天数 | days since any change |  | days |",
        "household.changes_1y | 近一年变动次数 | changes | 365 days | changes |",
    ),
)


@remembered
def features(schema: Schema) -> list[Feature]:
    """List the block's features: four on the household's time and changes, then those of each attribute."""
    return [*FEATURES, *(feature for attribute in schema.household for feature in _features_of(attribute))]


def _features_of(attribute: Attribute) -> list[Feature]:
    zh, en = attribute.plain_name
    column, fact = column_of(attribute), fact_name(attribute)

    def feature(
        name: str, zh: str, en: str, unit: str, role: Role = "attribute", window: str = "as of the date"
    ) -> Feature:
        return Feature(name, zh, en, "households", role, window, unit, fact)

    if attribute.kind == "ignored":
        return []
    if attribute.kind == "birth":
        return [feature(column, f"{zh}年龄", f"age of {en}", "years")]
    if attribute.kind == "date":
        return [feature(column, f"距{zh}天数", f"days since {en}", "days")]
    if attribute.kind == "category":
        made = [
            feature(f"{column}={plain_text(value)}", f"{zh}为{value}", f"{en} is {value}", "0 or 1")
            for value in attribute.values
        ]
    else:
        made = [feature(column, zh, en, "0 or 1" if attribute.kind == "boolean" else "as handed in")]
    if attribute.changes:
        made.append(
            feature(
                f"{column}.changed_days",
                f"{zh}变动至今天数",
                f"days since {en} changed",
                "days",
                "change",
                "",
            )
        )
    if attribute.changes and attribute.kind == "number":
        made.append(
            feature(
                f"{column}.change",
                f"{zh}最近一次的增减",
                f"latest change of {en}",
                "as handed in",
                "change",
                "",
            )
        )
    return made


@cache
def column_of(attribute: Attribute) -> str:
    """Return the name of an attribute's feature, with which the names of its other features begin."""
    return f"household.{attribute.column}"


def fact_name(attribute: Attribute) -> str:
    """Return the name of the reason that the features of an attribute share."""
    return column_of(attribute)


def block(known: Known, rows: Rows, town: TownSummary, schema: Schema) -> dict[str, np.ndarray]:
    """Compute the block's columns for the pairs ``rows`` as of ``known.as_of``; ``town`` is not used.

    Returns float32 [len(rows)] for each of ``features(schema)``; NaN where a value is missing or a change never happened.
    """
    whole = household_columns(known, schema)
    return {feature.name: whole[feature.name][rows.household] for feature in features(schema)}


@remembered
def household_columns(known: Known, schema: Schema) -> dict[str, np.ndarray]:
    """Compute each feature by household: float32 [households] each; NaN where a value is missing or never happened."""
    row = known.household_row
    past = history(known)
    columns: dict[str, np.ndarray] = {"household.days_known": days_known(known)}
    anything = changed(past, known.households.microgrid.astype(np.float64))
    columns["household.days_since_move"] = days_since(known, past, last_change(past, anything))
    for attribute in schema.household:
        if attribute.kind == "ignored":
            continue
        value = encoded(known, "households", attribute)
        columns |= _current(known, attribute, np.append(value, np.nan)[row])
        if attribute.kind not in ("number", "boolean", "category"):
            continue
        change = changed(past, value)
        anything = anything | change
        if attribute.changes:
            last = last_change(past, change)
            columns[f"{column_of(attribute)}.changed_days"] = days_since(known, past, last)
            if attribute.kind == "number":
                columns[f"{column_of(attribute)}.change"] = size(past, value, last)
    columns["household.days_since_change"] = days_since(known, past, last_change(past, anything))
    columns["household.changes_1y"] = number_within(known, past, anything, RECENT)
    return {name: value.astype(np.float32) for name, value in columns.items()}


def _current(known: Known, attribute: Attribute, value: np.ndarray) -> dict[str, np.ndarray]:
    if attribute.kind == "birth":
        return {column_of(attribute): (known.as_of - value) / JULIAN_YEAR}
    if attribute.kind == "date":
        return {column_of(attribute): known.as_of - value}
    if attribute.kind == "category":
        missing = np.isnan(value)
        return {
            f"{column_of(attribute)}={plain_text(text)}": np.where(missing, np.nan, value == code)
            for code, text in enumerate(attribute.values)
        }
    return {column_of(attribute): value}


def days_known(known: Known) -> np.ndarray:
    """Compute the days since the household's first ``valid_from``: float64 [households].

    NaN for households that the first export holds, as they were there before, and for those not known yet.
    """
    since = known.known_since
    return np.where(since <= first_known(known) + FIRST_BATCH, np.nan, known.as_of - since)


def facts(schema: Schema) -> dict[str, Fact]:
    """Return the functions that write the block's reasons: ``FACTS`` and one for each attribute of the schema."""
    return FACTS | {
        fact_name(column): _attribute_fact(column) for column in schema.household if column.kind != "ignored"
    }


def telling(schema: Schema, community: Community) -> dict[str, Telling]:
    """Return whether and where each reason may be told: ``TELLING``, and for attributes ``attribute_telling``."""
    tellings = {
        fact_name(attribute): attribute_telling(attribute, community) for attribute in schema.household
    }
    return TELLING | tellings


def attribute_telling(attribute: Attribute, community: Community) -> Telling:
    """Return where an attribute may be told: as ``features.reasons`` of community.yaml says, or else by its name.

    What a community opens stands on lists, unless its name says that it should not lie on paper.
    """
    usual = telling_of(attribute.name, attribute.zh)
    if attribute.name not in community.features.reasons:
        return usual
    kinds = frozenset(community.features.reasons[attribute.name])
    place: Place = "home" if usual.place in ("home", "office") else "list"
    return Telling(attribute.name, place, kinds) if kinds else NEVER


def _attribute_fact(attribute: Attribute) -> Fact:
    """Make the function that writes “双职工”, “2个孩子” or “户籍：外来”, with “去年10月起” after a recent change."""

    def fact(known: Known, schema: Schema, household: int, need: int) -> str:
        columns = household_columns(known, schema)
        if attribute.kind == "birth":
            return _age_fact(attribute, float(columns[column_of(attribute)][household]))
        if attribute.kind == "date":
            days = float(columns[column_of(attribute)][household])
            return say(f"{attribute.zh}：{ago(days)}", f"{attribute.en}: {ago(days)}") if days >= 0 else ""
        value = _current_value(columns, attribute, household)
        if np.isnan(value):
            return ""
        since = (
            float(columns[f"{column_of(attribute)}.changed_days"][household]) if attribute.changes else np.nan
        )
        month = spoken_month(known.as_of - since, known.as_of) if since <= RECENT else ""
        if attribute.kind == "boolean" and "{}" in attribute.zh:  # a number of which only 0 and 1 occur
            return _number_fact(attribute, value, np.nan, "")
        if attribute.kind == "number":
            change = columns[f"{column_of(attribute)}.change"][household] if month else np.nan
            return _number_fact(attribute, value, float(change), month)
        return _state_fact(attribute, value, month)

    return fact


def _current_value(columns: Mapping[str, np.ndarray], attribute: Attribute, household: int) -> float:
    """Return a number, a truth or a category value's position (the number of values for any other); NaN where missing."""
    column = column_of(attribute)
    if attribute.kind != "category":
        return float(columns[column][household])
    held = np.array([columns[f"{column}={plain_text(value)}"][household] for value in attribute.values])
    if not len(held) or np.isnan(held[0]):
        return np.nan
    return float(np.argmax(held)) if held.any() else float(len(held))


def _age_fact(attribute: Attribute, age: float) -> str:
    if not age >= -0.5:  # where only the year is known, the birth is taken to be on 1 July
        return ""
    if age < 1:
        return say(f"{attribute.zh}不到1岁", f"{attribute.en} not yet one year old")
    return say(f"{attribute.zh}{np.floor(age):.0f}岁", f"{attribute.en} aged {np.floor(age):.0f}")


def _number_fact(attribute: Attribute, value: float, change: float, month: str) -> str:
    if not value and not month:
        return ""
    name, number = say(attribute.zh, attribute.en), _plain(value)
    now = name.format(number) if "{}" in name else say(f"{name}：{number}", f"{name}: {number}")
    before = _plain(value - change)
    return say(f"{now}（{month}前为{before}）", f"{now} ({before} before {month})") if month else now


def _plain(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _state_fact(attribute: Attribute, value: float, month: str) -> str:
    name = say(*attribute.plain_name)
    if attribute.kind == "boolean":
        if value:
            return say(f"{month}起{name}", f"{name} since {month}") if month else name
        return say(f"{month}前{name}，现在变了", f"no longer since {month}: {name}") if month else ""
    if value >= len(attribute.values):
        return ""
    state = say(f"{name}：{attribute.values[int(value)]}", f"{name}: {attribute.values[int(value)]}")
    return say(f"{state}（{month}起）", f"{state} (since {month})") if month else state


def ago(days: float) -> str:
    """Write a number of days in the largest unit of which there are at least two: 5天前, 3周前, 5个月前, 3年前."""
    for length, zh, en in (
        (JULIAN_YEAR, "年", "years"),
        (MEAN_MONTH, "个月", "months"),
        (WEEK, "周", "weeks"),
    ):
        if days >= 2 * length:
            return say(f"{days // length:.0f}{zh}前", f"{days // length:.0f} {en} ago")
    return say(f"{days:.0f}天前", f"{days:.0f} days ago")


def _arrival_fact(known: Known, schema: Schema, household: int, need: int) -> str:
    days = float(household_columns(known, schema)["household.days_known"][household])
    if not days <= NEWCOMER:
        return ""
    when = ago(days)
    return say(f"搬来{when.removesuffix('前')}", f"moved in {when}")


def _move_fact(known: Known, schema: Schema, household: int, need: int) -> str:
    days = float(household_columns(known, schema)["household.days_since_move"][household])
    return say(f"{ago(days)}搬到本小区", f"moved to this block {ago(days)}") if days <= NEWCOMER else ""


KIND = ("住户登记", "household data")  # what reasons of this block are called
FACTS: dict[str, Fact] = {"days_known": _arrival_fact, "days_since_move": _move_fact}
TELLING = {"days_known": Telling("arrival", "list"), "days_since_move": Telling("arrival", "office")}


@dataclass(frozen=True)
class History:
    """The known rows of households, grouped by household, each household's from its oldest row to its newest."""

    count: int  # households
    row: np.ndarray  # int64: its row in Known.households
    household: np.ndarray  # int32
    valid_from: np.ndarray  # float64 days
    follows: np.ndarray  # bool: a row of the same household stands before it


@remembered
def history(known: Known) -> History:
    """Group the rows known at the date by household, each household's in the order of time."""
    row = known.household_history
    household = known.households.household[row]
    follows = np.zeros(len(row), dtype=bool)
    follows[1:] = household[1:] == household[:-1]
    return History(known.household_count, row, household, known.households.valid_from[row], follows)


def changed(past: History, value: np.ndarray) -> np.ndarray:
    """Tell which rows differ from the row before: bool per row of ``past``; where either value is missing, False.

    ``value``: float64 per row of ``Known.households``.
    """
    ordered = value[past.row]
    differs = np.zeros(len(ordered), dtype=bool)
    differs[1:] = (ordered[1:] != ordered[:-1]) & ~np.isnan(ordered[1:]) & ~np.isnan(ordered[:-1])
    return differs & past.follows


def last_change(past: History, change: np.ndarray) -> np.ndarray:
    """Find the latest change of each household: int64 [households], its position in ``past``; -1 where none.

    ``change``: bool per row of ``past``, as ``changed`` returns it.
    """
    last = np.full(past.count, -1, dtype=np.int64)
    last[past.household[change]] = np.flatnonzero(change)  # the later of two stands later, and wins
    return last


def days_since(known: Known, past: History, last: np.ndarray) -> np.ndarray:
    """Compute the days from each household's change to the as-of day: float64 [households]; NaN where it has none.

    ``last``: int64 [households], positions in ``past`` as ``last_change`` returns them.
    """
    return known.as_of - np.append(past.valid_from, np.nan)[last]


def size(past: History, value: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Compute by how much a value changed at each household's last change: float64 [households]; NaN where it has none.

    ``value``: float64 per row of ``Known.households``. ``last``: int64 [households], as ``last_change`` returns it.
    """
    ordered = value[past.row]
    before = np.append(np.nan, ordered[:-1]) if len(ordered) else ordered
    return np.append(ordered - before, np.nan)[last]


def number_within(known: Known, past: History, change: np.ndarray, days: float) -> np.ndarray:
    """Count the rows of each household that changed something recently: float64 [households]; NaN where not known.

    ``change``: bool per row of ``past``. ``days``: how far back from the as-of day changes count.
    """
    recent = past.household[change & (past.valid_from >= known.as_of - days)]
    return np.where(known.present, np.bincount(recent, minlength=past.count), np.nan)
