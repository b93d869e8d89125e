"""The schema: what each attribute of a town means; it is kept with the model that was trained by it."""

import re
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, get_args

import numpy as np

from features.contract import attribute_values as values
from features.contract.spoken_values import NOTHING

AttributeKind = Literal["number", "boolean", "category", "birth", "date", "ignored"]
TableName = Literal["households", "residents"]
ALIKE = 0.95  # share of the values that must be of a kind for the attribute to be of it
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
        """Read the schema that ``to_json`` wrote. Raises ValueError for attributes of no kind that there is."""
        tables = {
            table: tuple(
                Attribute(**{**attribute, "values": tuple(attribute["values"])}) for attribute in value[table]
            )
            for table in ("household", "resident")
        }
        kinds = {attribute.kind for attributes in tables.values() for attribute in attributes}
        if not kinds <= {*get_args(AttributeKind)}:
            raise ValueError(f"attributes of other kinds: {kinds}")
        needs = {name: tuple(value.get(name, ())) for name in ("needs", "leading")}
        return Schema(**{**value, **tables, **needs})


@cache
def plain_text(text: str) -> str:
    """Return a text as part of a feature's name: "_" for spaces and for signs that LightGBM or feature names use."""
    return re.sub(r'[\[\]{}",:.=\s]+', "_", text)


def age_name(person: str) -> str:
    """Return the name of the age of a person with a birth attribute: ``head_age``, or ``age`` without a person."""
    return f"{person}_age" if person else "age"


def kind_of(name: str, texts: list[str | None], whose: list[str]) -> AttributeKind:
    """Find the kind of a column by its name and values; ``ignored`` for a column that no model could use.

    ``texts``: the values, None where missing. ``whose``: the household of each value.
    """
    column = values.read_texts(texts)
    if PERSONAL.search(name.lower()) or not len(column.distinct):
        return "ignored"
    frequency = np.bincount(column.codes[column.codes >= 0], minlength=len(column.distinct))
    return kind_of_texts(name, column.distinct, frequency, column.codes, np.array(whose))


def readable(kind: AttributeKind, text: str) -> bool:
    """Tell whether a text can be read as an attribute of this kind; a text that says that nothing is known can."""
    column = values.read_texts([text])
    if not len(column.distinct) or kind in ("category", "ignored"):
        return True
    return bool(np.isfinite(read_texts_as(Attribute("", kind), column.distinct)[0]))


def kind_of_texts(
    name: str, texts: np.ndarray, frequency: np.ndarray, codes: np.ndarray, whose: np.ndarray
) -> AttributeKind:
    """Find the kind of a column.

    name: of the column.
    texts: str [distinct], its distinct texts.
    frequency: int64 [distinct], rows with each text.
    codes: int64 [rows], the position of each row's text, -1 where it is missing.
    whose: [rows], the household or resident of each row.
    """
    seen = np.flatnonzero(frequency)
    texts, frequency = texts[seen], frequency[seen]
    everything = frequency.sum()

    def mostly(read: np.ndarray) -> bool:
        return frequency[~np.isnan(read)].sum() >= ALIKE * everything

    as_numbers = values.numbers(texts)
    truth = values.booleans(texts)
    owners = len(np.unique(whose[codes >= 0]))
    informative = ~np.isin(texts, sorted(NOTHING))  # 无 among numbers says that nothing is known
    if BIRTH.match(name) and mostly(values.births(texts)):
        return "birth"
    if _of_persons(texts):
        return "ignored"
    if mostly(np.where(np.isin(truth, (0.0, 1.0)), truth, np.nan)):
        return "boolean"
    if mostly(values.days(texts)):
        return "date"
    if informative.any() and frequency[~np.isnan(as_numbers)].sum() >= ALIKE * frequency[informative].sum():
        return "ignored" if _identifiers(texts, owners) else "number"
    length = float(np.average([len(text) for text in texts], weights=frequency))
    unique = len(texts) > 5 and len(texts) > 0.5 * owners
    return "ignored" if unique or length > LONGEST_VALUE else "category"


def _of_persons(texts: np.ndarray) -> bool:
    """Tell whether the texts are telephones, identity cards or names: these identify people and describe no household."""
    sample = texts[:1000]
    numbers = sum(NUMBER_OF_A_PERSON.fullmatch(text) is not None for text in sample)
    names = sum(PERSON.fullmatch(text) is not None for text in sample) if len(texts) >= MOST_NAMES else 0
    return max(numbers, names) >= ALIKE * len(sample)


def _identifiers(texts: np.ndarray, owners: int) -> bool:
    """Tell whether numbers are identifiers: nearly unique, of one length (telephone, card) or with leading zeros."""
    if len(texts) < 10 or len(texts) < 0.8 * owners:
        return False
    digits = [text for text in texts if text.isdigit()]
    of_one_length = len({len(digit) for digit in digits}) <= 2 and all(len(digit) >= 8 for digit in digits)
    return len(digits) >= ALIKE * len(texts) and (
        of_one_length or any(digit[0] == "0" for digit in digits if digit[1:])
    )


def read_texts_as(attribute: Attribute, texts: np.ndarray) -> np.ndarray:
    """Read texts as numbers, see ``features.point_in_time.schema_fit.encoded``: float64 [texts]."""
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
