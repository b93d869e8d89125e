"""Attributes arrive as texts: these read them as numbers, booleans and days, NaN where they are not."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

MISSING = frozenset(("", "nan", "none", "null", "na", "n/a", "<na>", "nat", "-", "—", "/"))
TRUE = frozenset(("true", "yes", "y", "t", "是", "有"))
FALSE = frozenset(("false", "no", "n", "f", "否", "无", "没有"))
DATE = r"^\s*(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T\s].*)?$"
DATE_OF_TEXT = re.compile(DATE)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
FEW = 32  # texts that are read one by one: pandas takes longer to begin
EARLIEST_BIRTH, LATEST_BIRTH = 1880, 2100
FIRST_BIRTH, LAST_BIRTH = (
    (day - date(1970, 1, 1)).days for day in (date(EARLIEST_BIRTH, 1, 1), date(LATEST_BIRTH, 12, 31))
)


@dataclass(frozen=True)
class Texts:
    """A column of texts: a code for each row and the distinct texts. A few bytes a row, whatever they say."""

    codes: np.ndarray  # the smallest signed integers that can hold them; -1 missing
    distinct: np.ndarray  # object str, stripped

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: np.ndarray | slice) -> "Texts":
        return Texts(self.codes[rows], self.distinct)

    def at(self, row: int) -> str | None:
        """The text of one row."""
        code = self.codes[row]
        return self.distinct[code] if code >= 0 else None

    def gather(self, of_distinct: np.ndarray) -> np.ndarray:
        """float64 per row from a value of each distinct text; NaN where missing."""
        return np.append(of_distinct.astype(np.float64), np.nan)[self.codes]

    def own(self) -> "Texts":
        """The same rows without the distinct texts that none of them has."""
        used, codes = np.unique(self.codes, return_inverse=True)
        missing = int(len(used) > 0 and used[0] < 0)
        return Texts(codes - missing, self.distinct[used[missing:]])


def read_texts(distinct: Sequence[str | None], codes: np.ndarray | None = None) -> Texts:
    """Texts as they were handed in, stripped, alike ones under one code, words for nothing as missing.

    ``codes``: which of ``distinct`` each row has, -1 none; by default ``distinct`` has a text for each row.
    """
    number: dict[str, int] = {}
    of_distinct = np.full(len(distinct) + 1, -1, dtype=np.int64)
    for place, one in enumerate(distinct):
        if one is not None and (text := one.strip()).lower() not in MISSING:
            of_distinct[place] = number.setdefault(text, len(number))
    of_distinct = of_distinct.astype(np.min_scalar_type(-len(number) - 1))
    texts = np.empty(len(number), dtype=object)
    texts[:] = list(number)
    return Texts(of_distinct[:-1] if codes is None else of_distinct[codes], texts)


def numbers(texts: np.ndarray) -> np.ndarray:
    """float64 value of each text (thousands may be separated by commas); NaN where it is no number."""
    if len(texts) <= FEW:
        return np.array([_number(str(one)) for one in texts], dtype=np.float64)
    plain = pd.Series(texts, dtype="str").str.replace(r"[,，]", "", regex=True)
    values = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def _number(text: str) -> float:
    plain = text.replace(",", "").replace("，", "").strip()
    value = float(plain) if NUMBER.fullmatch(plain) else np.nan
    return value if np.isfinite(value) else np.nan


def booleans(texts: np.ndarray) -> np.ndarray:
    """1.0 for true/yes/是/有, 0.0 for false/no/否/无, a number for itself, NaN for the rest."""
    words = [str(one).lower() for one in texts]
    truth = np.array([1.0 if one in TRUE else 0.0 if one in FALSE else np.nan for one in words])
    return np.where(np.isnan(truth), numbers(texts), truth) if len(truth) else np.zeros(0)


def days(texts: np.ndarray) -> np.ndarray:
    """Days since 1970-01-01 of dates such as 2024-03-01, 2024/3/1 or 2024年3月1日, without a time of day."""
    if len(texts) <= FEW and all(str(one).isascii() or "年" in str(one) for one in texts):
        try:
            return np.array([_day(str(one)) for one in texts], dtype=np.float64)
        except ValueError:  # no day of the calendar: read as all the others are
            pass
    parts = pd.Series(texts, dtype="str").str.extract(DATE)
    parts.columns = pd.Index(["year", "month", "day"])
    dates = pd.to_datetime(parts.apply(pd.to_numeric, errors="coerce"), errors="coerce")
    since = dates.to_numpy().astype("datetime64[D]")
    return np.where(np.isnat(since), np.nan, since.astype(np.int64).astype(np.float64))


def _day(text: str) -> float:
    found = DATE_OF_TEXT.match(text)
    return float((date(*map(int, found.groups())) - date(1970, 1, 1)).days) if found else np.nan


def births(texts: np.ndarray) -> np.ndarray:
    """Day of birth from a date or a year (then 1 July); NaN outside 1880-2100, as of 0001-01-01 or 9999-12-31."""
    year = numbers(texts)
    year = np.where((year >= EARLIEST_BIRTH) & (year <= LATEST_BIRTH), np.floor(year), np.nan)
    first_of_july = np.full(len(year), np.nan)
    stated = ~np.isnan(year)
    july = ((year[stated] - 1970) * 12 + 6).astype(np.int64).astype("datetime64[M]").astype("datetime64[D]")
    first_of_july[stated] = july.astype(np.int64)
    born = np.where(stated, first_of_july, days(texts))
    return np.where((born >= FIRST_BIRTH) & (born <= LAST_BIRTH), born, np.nan)
