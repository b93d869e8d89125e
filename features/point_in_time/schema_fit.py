"""Fit a schema on what was known at a day, and read attributes by it."""

import numpy as np

from features.contract.need_kinds import FEWEST_TOLD
from features.contract.vocabulary import attribute_name, person_name
from features.point_in_time.records import Known
from features.point_in_time.remembered import remembered
from features.point_in_time.schema import (
    BIRTH,
    PERSONAL,
    Attribute,
    Schema,
    TableName,
    age_name,
    kind_of_texts,
    plain_text,
    read_texts_as,
)
from features.rows.tables import AttributeTexts, HouseholdRows, ResidentRows

MOST_VALUES = 20  # category values with a column of their own; the rest are pooled
RAREST_VALUE = 0.002  # share of the rows below which a value is pooled
FEWEST_CHANGES = 10  # households in which an attribute must have changed for its changes to be features
MOST_LEADING = 12  # needs whose requests have columns of their own


def fit_schema(known: Known) -> Schema:
    """Fit the schema on the attributes as known at ``known.as_of``.

    Excluded, constant, personal (name, phone, address) and nearly unique columns become ``ignored``.
    """
    exclude = set(known.community.features.exclude)
    births = {"birth_year", "birth_date", "age"}
    return Schema(
        household=_fit_table(known, "households", exclude),
        resident=_fit_table(known, "residents", exclude),
        needs=tuple(need.id for need in known.community.needs),
        has_residents=len(known.residents) > 0,
        has_ages=bool((~np.isnan(known.residents.born)).any()) and not births & exclude,
        leading=_leading_needs(known),
    )


def _leading_needs(known: Known) -> tuple[str, ...]:
    """List the ids of the MOST_LEADING needs with the most requests, in the order of the needs."""
    asked = known.requests.need[known.requests.need >= 0]
    count = np.bincount(asked, minlength=len(known.community.needs))
    most = np.argsort(-count, kind="stable")[:MOST_LEADING]
    return tuple(known.community.needs[need].id for need in np.sort(most) if count[need])


def unused_attributes(known: Known, table: TableName) -> tuple[Attribute, ...]:
    """Fit the attributes of a table that ``features.exclude`` keeps from every model, for an audit to compare by."""
    exclude = set(known.community.features.exclude)
    columns = {name: _columns(name) for name in getattr(known, table).attributes}
    excluded = [names for name, names in columns.items() if {name, *names} & exclude]
    # with these a column may stand back, as a birth year beside the birth date
    shared = set().union(*excluded)
    related = {name for name, names in columns.items() if names & shared}
    return tuple(
        attribute
        for attribute in _fit_table(known, table, set(), related)
        if {attribute.name, attribute.column} & exclude
    )


def _columns(name: str) -> set[str]:
    """Return the names that ``Attribute.column`` can have for a column of this name, whatever its values are."""
    plain = Attribute(name, "ignored").column
    return {plain, Attribute(name, "birth").column} if BIRTH.match(name) else {plain}


def _fit_table(
    known: Known, table: TableName, exclude: set[str], only: set[str] | None = None
) -> tuple[Attribute, ...]:
    """Fit the attributes of a table, in the order of their names; of the columns ``only``, or of all.

    A model of all columns names no value of few households, as it and its reports go to other places; what stays in the
    community may.
    """
    fewest = FEWEST_TOLD if only is None else 1
    rows: HouseholdRows | ResidentRows = getattr(known, table)
    whose = rows.resident if isinstance(rows, ResidentRows) else rows.household
    order = np.lexsort((rows.visible_from, rows.valid_from, whose))
    fitted = []
    for name in sorted(attribute for attribute in rows.attributes if only is None or attribute in only):
        column = rows.attributes[name][order]
        if (column.codes >= 0).any():
            fitted.append(
                _fit_attribute(known, name, column.codes, column.distinct, whose[order], exclude, fewest)
            )
    used: set[str] = set()
    for index, attribute in enumerate(fitted):
        if attribute.kind != "ignored" and attribute.column in used:  # a birth year beside the birth date
            fitted[index] = Attribute(attribute.name, "ignored")
        used.add(attribute.column)
    return tuple(fitted)


def _fit_attribute(
    known: Known,
    name: str,
    codes: np.ndarray,
    texts: np.ndarray,
    whose: np.ndarray,
    exclude: set[str],
    fewest: int,
) -> Attribute:
    """Fit one attribute from its ``codes`` per row, sorted by ``whose`` (household or resident) and then time.

    ``fewest``: households or residents of a value with a column of its own.
    """
    frequency = np.bincount(codes[codes >= 0], minlength=len(texts))
    attribute = Attribute(name, "birth")
    birth = BIRTH.match(name)
    if {name, *([age_name(attribute.person)] if birth else [])} & exclude:
        return Attribute(name, "ignored")
    if PERSONAL.search(name.lower()) or (frequency == len(codes)).any():
        return Attribute(name, "ignored")
    kind = kind_of_texts(name, texts, frequency, codes, whose)
    names = known.community.features.names
    zh, en = person_name(attribute.person, names, name) if kind == "birth" else attribute_name(name, names)
    held = frequency * (_holders(codes, whose, len(texts)) >= fewest)
    common = _category_values(texts, held, frequency.sum()) if kind == "category" else ()
    return Attribute(
        name=name,
        kind=kind,
        values=common,
        pooled=kind == "category" and len(common) < int((frequency > 0).sum()),
        changes=kind in ("number", "boolean", "category") and _changed(codes, whose) >= FEWEST_CHANGES,
        zh=zh,
        en=en,
    )


def _holders(codes: np.ndarray, whose: np.ndarray, texts: int) -> np.ndarray:
    """Count the households or residents that have or had each text: int64 [texts]."""
    pairs = np.unique(np.stack([codes, whose], axis=1)[codes >= 0], axis=0)
    return np.bincount(pairs[:, 0], minlength=texts)


def _category_values(texts: np.ndarray, frequency: np.ndarray, rows: int) -> tuple[str, ...]:
    """List the values with a column of their own, the most frequent first. ``rows``: that have any value."""
    common = [index for index in np.flatnonzero(frequency) if frequency[index] >= RAREST_VALUE * rows]
    common.sort(key=lambda index: (-frequency[index], texts[index]))
    named = {plain_text(texts[index]): str(texts[index]) for index in reversed(common)}
    return tuple(reversed(named.values()))[:MOST_VALUES]


def _changed(codes: np.ndarray, whose: np.ndarray) -> int:
    """Count the households or residents of which a value followed a different one."""
    changed = (whose[1:] == whose[:-1]) & (codes[1:] != codes[:-1]) & (codes[1:] >= 0) & (codes[:-1] >= 0)
    return len(np.unique(whose[1:][changed]))


def encoded(known: Known, table: TableName, attribute: Attribute) -> np.ndarray:
    """Return an attribute as a number for each known row of a table: float64 [rows].

    Numbers and booleans stay as they are, categories become their position in ``values`` (its length for the pooled
    rest), births and dates become days. NaN where the value is missing, cannot be read by the schema, or the column is
    absent. The distinct texts of the whole table are read once and serve every as-of day.

    ``table``: ``households`` or ``residents``. ``attribute``: one of the schema's.
    """
    rows: HouseholdRows | ResidentRows = getattr(known, table)
    column = rows.attributes.get(attribute.name)
    if column is None:
        return np.full(len(rows), np.nan)
    return column.gather(_read_texts(known.attribute_texts, table, attribute))


@remembered
def _read_texts(texts: AttributeTexts, table: TableName, attribute: Attribute) -> np.ndarray:
    return read_texts_as(attribute, getattr(texts, table)[attribute.name])
