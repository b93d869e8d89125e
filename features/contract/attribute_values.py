"""Read attributes, which arrive as texts, as numbers, booleans and days; NaN where a text is none of these."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from features.contract.spoken_values import (
    NOTHING,
    UNKNOWN,
    plain,
    read_birth,
    read_moment,
    read_number,
    read_truth,
)

MISSING = UNKNOWN | frozenset(
    ("", "nan", "none", "null", "<na>", "nat", "-", "--", "—", "——", "/", "\\", "〃")
)
DATE = r"^\s*(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T\s].*)?$"
EIGHT_DIGITS = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])", re.ASCII)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
FEW = 32  # texts that are read one by one: pandas takes longer to begin
EARLIEST_BIRTH, LATEST_BIRTH = date(1880, 1, 1), date(2100, 12, 31)
EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Texts:
    """A column of texts, kept as one small code for each row and the distinct texts."""

    codes: np.ndarray  # the smallest signed integers that can hold them; -1 missing
    distinct: np.ndarray  # object str, stripped

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: np.ndarray | slice) -> "Texts":
        return Texts(self.codes[rows], self.distinct)

    def at(self, row: int) -> str | None:
        """Return the text of one row; None where it is missing."""
        code = self.codes[row]
        return self.distinct[code] if code >= 0 else None

    def gather(self, of_distinct: np.ndarray) -> np.ndarray:
        """Return for each row the value of its distinct text: float64 [rows]; NaN where missing."""
        return np.append(of_distinct.astype(np.float64), np.nan)[self.codes]

    def own(self) -> "Texts":
        """Return the same rows without the distinct texts that none of them has."""
        used, codes = np.unique(self.codes, return_inverse=True)
        missing = int(len(used) > 0 and used[0] < 0)
        return Texts(codes - missing, self.distinct[used[missing:]])


def read_texts(distinct: Sequence[str | None], codes: np.ndarray | None = None) -> Texts:
    """Make a column of texts as they were handed in: stripped, equal ones under one code, words for nothing as missing.

    ``distinct``: the texts, None where missing. ``codes``: int [rows], which of ``distinct`` each row has, -1 for none;
    by default ``distinct`` has one text for each row.
    """
    number: dict[str, int] = {}
    of_distinct = np.full(len(distinct) + 1, -1, dtype=np.int64)
    for place, value in enumerate(distinct):
        if value is not None and (text := value.strip()).lower() not in MISSING:
            of_distinct[place] = number.setdefault(text, len(number))
    of_distinct = of_distinct.astype(np.min_scalar_type(-len(number) - 1))
    texts = np.empty(len(number), dtype=object)
    texts[:] = list(number)
    return Texts(of_distinct[:-1] if codes is None else of_distinct[codes], texts)


def numbers(texts: np.ndarray) -> np.ndarray:
    """Read texts as numbers: float64 [texts]; NaN where a text is no number.

    Thousands' commas, a unit, and Chinese numerals (3口人) are understood.
    """
    if len(texts) <= FEW:
        return np.array([_number(str(text)) for text in texts], dtype=np.float64)
    narrow = pd.Series(texts, dtype="str").str.replace(r"[,，]", "", regex=True)
    values = pd.to_numeric(narrow, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan).copy()
    for place in np.flatnonzero(np.isnan(values)):
        values[place] = _number(str(texts[place]))
    return np.where(np.isfinite(values), values, np.nan)


def _number(text: str) -> float:
    short = text.replace(",", "").replace("，", "").strip()
    value = float(short) if NUMBER.fullmatch(short) else read_number(text)
    return value if value is not None and np.isfinite(value) else np.nan


def booleans(texts: np.ndarray) -> np.ndarray:
    """Read texts as truth: float64 [texts], 1 for true/yes/是/有/√, 0 for false/no/否/×, a number for itself, else NaN.

    无 means no beside other words, and that nothing is known beside numbers such as 3500.
    """
    if not len(texts):
        return np.zeros(0)
    words = [read_truth(str(text)) for text in texts]
    truth = np.array([np.nan if word is None else float(word) for word in words])
    amounts = numbers(texts)
    if (~np.isin(amounts, (0.0, 1.0)) & ~np.isnan(amounts)).any():
        truth[[plain(str(text)) in NOTHING for text in texts]] = np.nan
    return np.where(np.isnan(truth), amounts, truth)


def days(texts: np.ndarray) -> np.ndarray:
    """Read dates such as 2024-03-01, 20240301 or 2024年3月1日 as days since 1970-01-01: float64 [texts].

    A time of day is ignored. NaN where a text is no date.
    """
    if len(texts) <= FEW:
        return np.array([_day(str(text)) for text in texts], dtype=np.float64)
    parts = pd.Series(texts, dtype="str").str.extract(DATE)
    parts.columns = pd.Index(["year", "month", "day"])
    dates = pd.to_datetime(parts.apply(pd.to_numeric, errors="coerce"), errors="coerce")
    since = dates.to_numpy().astype("datetime64[D]")
    values = np.where(np.isnat(since), np.nan, since.astype(np.int64).astype(np.float64))
    for place in np.flatnonzero(np.isnan(values)):
        values[place] = _day(str(texts[place]))
    return values


def _day(text: str) -> float:
    compact = EIGHT_DIGITS.fullmatch(text.strip())
    moment = None if compact else read_moment(text, "UTC")
    born = read_birth(text) if compact else moment.date() if moment else None
    return np.nan if born is None else float((born - EPOCH).days)


def births(texts: np.ndarray) -> np.ndarray:
    """Read births as days since 1970-01-01: float64 [texts]; NaN where unreadable or outside 1880-2100, as 9999-12-31.

    A month without a day stands for the 15th, a year for 1 July.
    """
    born = [read_birth(str(text)) for text in texts]
    return np.array(
        [
            np.nan
            if birth is None or not EARLIEST_BIRTH <= birth <= LATEST_BIRTH
            else float((birth - EPOCH).days)
            for birth in born
        ],
        dtype=np.float64,
    )
