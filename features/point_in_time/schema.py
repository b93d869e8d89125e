"""The schema: what each attribute means, fitted once from what was known at the time and kept with the model."""

import re
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from features.contract import attribute_values as values
from features.contract.spoken_values import NOTHING
from features.contract.vocabulary import attribute_name, person_name
from features.point_in_time.known_tables import AttributeTexts
from features.point_in_time.records import Known
from features.point_in_time.remembered import remembered
from features.rows.tables import HouseholdRows, ResidentRows

AttributeKind = Literal["number", "boolean", "category", "birth", "date", "ignored"]
TableName = Literal["households", "residents"]
MOST_VALUES = 20  # category values with a column of their own; the rest are pooled
RAREST_VALUE = 0.002  # share of the rows below which a value is pooled
ALIKE = 0.95  # share of the values that must be of a kind for the attribute to be of it
FEWEST_CHANGES = 10  # households in which an attribute must have changed for its changes to be features
MOST_LEADING = 12  # needs whose requests have columns of their own
LONGEST_VALUE = 30  # mean characters of a category value; longer texts are free text
BIRTH = re.compile(r"^(?:(?P<person>.*)_)?birth_(?:year|date)$|^(?P<zh>.*)出生(?:年|年份|年月|日期|年月日)$")
PERSONAL = re.compile(
    r"(^|_)(name|surname|phone|mobile|telephone|address|id_card|id_number|email|remarks?|notes?)$"
    r"|姓名|姓氏|称呼|电话|手机|地址|住址|门牌|身份证|证件号|邮箱|备注|微信|^户主$|^householder$|联系人|联系方式|^sfzh"
)
# a mobile telephone or identity card
NUMBER_OF_A_PERSON = re.compile(r"1[3-9]\d{9}|\d{17}[\dXx]|\d{6}\*+\d{4}")
PERSON = re.compile(  # a name of two or three characters that begins with a common surname
    "[王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金"
    "韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤倪甲乙丙丁][\u4e00-\u9fff]{1,2}"
)
MOST_NAMES = 10  # distinct values from which a column of names is told from a category


@dataclass(frozen=True)
class Attribute:
    """One attribute column: its kind, its category values (most frequent first), and its name in words."""

    name: str
    kind: AttributeKind
    values: tuple[str, ...] = ()
    pooled: bool = False  # there were rarer values besides; what is not in `values` counts as one of them
    changes: bool = False  # it changed in enough households for its changes to be features
    zh: str = ""
    en: str = ""

    @property
    def person(self) -> str:
        """Return whose birth it is: ``head`` for head_birth_year, whose age is called ``head_age``; "" for nobody's."""
        match = BIRTH.match(self.name)
        return ((match["person"] or match["zh"]) if match else "") or ""

    @property
    def column(self) -> str:
        """Return its name as part of a feature's name; for a birth the age's: ``head_age`` for head_birth_year."""
        return plain_text(age_name(self.person) if self.kind == "birth" else self.name)

    @property
    def plain_name(self) -> tuple[str, str]:
        """Return its Chinese and English name without the place for a number."""
        return self.zh.replace("{}", "").strip(), self.en.replace("{}", "").strip()


@dataclass(frozen=True)
class Schema:
    """Attributes of households and residents, in the order of their names, and the needs' ids."""

    household: tuple[Attribute, ...]
    resident: tuple[Attribute, ...]
    needs: tuple[str, ...]
    has_residents: bool = False
    has_ages: bool = False  # residents' births are known and may be used
    leading: tuple[str, ...] = ()  # ids of the needs most asked for: each has feature columns of its own

    def __hash__(self) -> int:
        """Compute the hash once, as a schema is the key of many remembered results."""
        value = self.__dict__.get("_hash")
        if value is None:
            flags = (self.has_residents, self.has_ages, self.leading)
            value = hash((self.household, self.resident, self.needs, *flags))
            self.__dict__["_hash"] = value
        return value

    def to_json(self) -> dict[str, Any]:
        """Return a value that JSON can hold and ``from_json`` reads back."""
        return asdict(self)

    @staticmethod
    def from_json(value: dict[str, Any]) -> "Schema":
        """Read the schema that ``to_json`` wrote."""
        tables = {
            table: tuple(
                Attribute(**{**attribute, "values": tuple(attribute["values"])}) for attribute in value[table]
            )
            for table in ("household", "resident")
        }
        needs = {name: tuple(value.get(name, ())) for name in ("needs", "leading")}
        return Schema(**{**value, **tables, **needs})


@cache
def plain_text(text: str) -> str:
    """Return a text as part of a feature's name: "_" for spaces and for signs that LightGBM or feature names use."""
    return re.sub(r'[\[\]{}",:.=\s]+', "_", text)


def age_name(person: str) -> str:
    """Return the name of the age of a person with a birth attribute: ``head_age``, or ``age`` without a person."""
    return f"{person}_age" if person else "age"


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


def kind_of(name: str, texts: list[str | None], whose: list[str]) -> AttributeKind:
    """Find the kind of a column by its name and values; ``ignored`` for a column that no model could use.

    ``texts``: the values, None where missing. ``whose``: the household of each value.
    """
    column = values.read_texts(texts)
    if PERSONAL.search(name.lower()) or not len(column.distinct):
        return "ignored"
    frequency = np.bincount(column.codes[column.codes >= 0], minlength=len(column.distinct))
    return _kind(name, column.distinct, frequency, column.codes, np.array(whose))


def readable(kind: AttributeKind, text: str) -> bool:
    """Tell whether a text can be read as an attribute of this kind; a text that says that nothing is known can."""
    column = values.read_texts([text])
    if not len(column.distinct) or kind in ("category", "ignored"):
        return True
    return bool(np.isfinite(_read(Attribute("", kind), column.distinct)[0]))


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
    """Fit the attributes of a table, in the order of their names; of the columns ``only``, or of all."""
    rows: HouseholdRows | ResidentRows = getattr(known, table)
    whose = rows.resident if isinstance(rows, ResidentRows) else rows.household
    order = np.lexsort((rows.visible_from, rows.valid_from, whose))
    fitted = []
    for name in sorted(attribute for attribute in rows.attributes if only is None or attribute in only):
        column = rows.attributes[name][order]
        if (column.codes >= 0).any():
            fitted.append(_fit_attribute(known, name, column.codes, column.distinct, whose[order], exclude))
    used: set[str] = set()
    for index, attribute in enumerate(fitted):
        if attribute.kind != "ignored" and attribute.column in used:  # a birth year beside the birth date
            fitted[index] = Attribute(attribute.name, "ignored")
        used.add(attribute.column)
    return tuple(fitted)


def _fit_attribute(
    known: Known, name: str, codes: np.ndarray, texts: np.ndarray, whose: np.ndarray, exclude: set[str]
) -> Attribute:
    """Fit one attribute from its ``codes`` per row, sorted by ``whose`` (household or resident) and then time."""
    frequency = np.bincount(codes[codes >= 0], minlength=len(texts))
    attribute = Attribute(name, "birth")
    birth = BIRTH.match(name)
    if {name, *([age_name(attribute.person)] if birth else [])} & exclude:
        return Attribute(name, "ignored")
    if PERSONAL.search(name.lower()) or (frequency == len(codes)).any():
        return Attribute(name, "ignored")
    kind = _kind(name, texts, frequency, codes, whose)
    names = known.community.features.names
    zh, en = person_name(attribute.person, names, name) if kind == "birth" else attribute_name(name, names)
    common = _category_values(texts, frequency) if kind == "category" else ()
    return Attribute(
        name=name,
        kind=kind,
        values=common,
        pooled=kind == "category" and len(common) < int((frequency > 0).sum()),
        changes=kind in ("number", "boolean", "category") and _changed(codes, whose) >= FEWEST_CHANGES,
        zh=zh,
        en=en,
    )


def _kind(
    name: str, texts: np.ndarray, frequency: np.ndarray, codes: np.ndarray, whose: np.ndarray
) -> AttributeKind:
    seen = np.flatnonzero(frequency)
    texts, frequency = texts[seen], frequency[seen]
    everything = frequency.sum()

    def mostly(read: np.ndarray) -> bool:
        return frequency[~np.isnan(read)].sum() >= ALIKE * everything

    as_numbers = values.numbers(texts)
    truth = values.booleans(texts)
    owners = len(np.unique(whose[codes >= 0]))
    said = ~np.isin(texts, sorted(NOTHING))  # 无 among numbers says that nothing is known
    if BIRTH.match(name) and mostly(values.births(texts)):
        return "birth"
    if _of_persons(texts):
        return "ignored"
    if mostly(np.where(np.isin(truth, (0.0, 1.0)), truth, np.nan)):
        return "boolean"
    if mostly(values.days(texts)):
        return "date"
    if said.any() and frequency[~np.isnan(as_numbers)].sum() >= ALIKE * frequency[said].sum():
        return "ignored" if _identifiers(texts, owners) else "number"
    length = float(np.average([len(text) for text in texts], weights=frequency))
    unique = len(texts) > 5 and len(texts) > 0.5 * owners
    return "ignored" if unique or length > LONGEST_VALUE else "category"


def _of_persons(texts: np.ndarray) -> bool:
    """Tell whether the texts are telephones, identity cards or names: these identify people and describe no household."""
    some = texts[:1000]
    numbers = sum(NUMBER_OF_A_PERSON.fullmatch(text) is not None for text in some)
    names = sum(PERSON.fullmatch(text) is not None for text in some) if len(texts) >= MOST_NAMES else 0
    return max(numbers, names) >= ALIKE * len(some)


def _identifiers(texts: np.ndarray, owners: int) -> bool:
    """Tell whether numbers are identifiers: nearly unique, of one length (telephone, card) or with leading zeros."""
    if len(texts) < 10 or len(texts) < 0.8 * owners:
        return False
    digits = [text for text in texts if text.isdigit()]
    of_one_length = len({len(digit) for digit in digits}) <= 2 and all(len(digit) >= 8 for digit in digits)
    return len(digits) >= ALIKE * len(texts) and (
        of_one_length or any(digit[0] == "0" for digit in digits if digit[1:])
    )


def _category_values(texts: np.ndarray, frequency: np.ndarray) -> tuple[str, ...]:
    common = [
        index for index in np.flatnonzero(frequency) if frequency[index] >= RAREST_VALUE * frequency.sum()
    ]
    common.sort(key=lambda index: (-frequency[index], texts[index]))
    named = {plain_text(texts[index]): str(texts[index]) for index in reversed(common)}
    return tuple(reversed(named.values()))[:MOST_VALUES]


def _changed(codes: np.ndarray, whose: np.ndarray) -> int:
    """Count the households or residents of which a value followed a different one."""
    changed = (whose[1:] == whose[:-1]) & (codes[1:] != codes[:-1]) & (codes[1:] >= 0) & (codes[:-1] >= 0)
    return len(np.unique(whose[1:][changed]))


def _read(attribute: Attribute, texts: np.ndarray) -> np.ndarray:
    if attribute.kind == "number":
        return values.numbers(texts)
    if attribute.kind == "boolean":
        return values.booleans(texts)
    if attribute.kind == "birth":
        return values.births(texts)
    if attribute.kind == "date":
        return values.days(texts)
    code = {value: float(index) for index, value in enumerate(attribute.values)}
    rest = float(len(code)) if attribute.pooled else np.nan
    return np.array([code.get(text, rest) for text in texts])


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
    return _read(attribute, getattr(texts, table)[attribute.name])
