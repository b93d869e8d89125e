"""Attributes arrive as texts: these read them as numbers, booleans and days, NaN where they are not."""

import re
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


def factorize(column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Codes (int64 per row, -1 missing) and the distinct stripped texts (object) of a column of texts."""
    if len(column) <= FEW:
        return _factorize_few(column.to_numpy(dtype=object))
    codes, distinct = pd.factorize(column.to_numpy(dtype=object), use_na_sentinel=True)
    texts = np.array([str(one).strip() for one in distinct], dtype=object)
    again, texts = pd.factorize(texts)
    empty = np.array([one.lower() in MISSING for one in texts], dtype=bool)
    codes_of = np.append(np.where(empty[again], -1, again), -1) if len(texts) else np.array([-1])
    return codes_of[codes], texts


def _factorize_few(column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    number: dict[str, int] = {}
    codes = np.empty(len(column), dtype=np.int64)
    for row, one in enumerate(column):
        if one is None or one != one:
            codes[row] = -1
            continue
        text = str(one).strip()
        code = number.setdefault(text, len(number))
        codes[row] = -1 if text.lower() in MISSING else code
    return codes, np.array(list(number), dtype=object)


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
    """Day of birth from a date or a year (then 1 July); NaN outside 1880-2100."""
    year = numbers(texts)
    year = np.where((year >= EARLIEST_BIRTH) & (year <= LATEST_BIRTH), np.floor(year), np.nan)
    first_of_july = np.full(len(year), np.nan)
    stated = ~np.isnan(year)
    july = ((year[stated] - 1970) * 12 + 6).astype(np.int64).astype("datetime64[M]").astype("datetime64[D]")
    first_of_july[stated] = july.astype(np.int64)
    return np.where(stated, first_of_july, days(texts))
