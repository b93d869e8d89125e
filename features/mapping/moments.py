"""Read a ledger's times: dates in every writing, Unix seconds, and days whose month stands in the title."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from features.contract.spoken_values import plain, read_moment, read_number

FIRST_YEAR, LAST_YEAR = 1990, 2100
FIRST_SERIAL, LAST_SERIAL = 32_874, 73_050  # days of Excel: 1990 to 2099
DATE_PARTS = ("年", "月", "日")  # names of columns that tell a day together
EXCEL = datetime(1899, 12, 30)
_YEAR = re.compile(r"(?<!\d)(20\d{2}|19[5-9]\d)(?!\d)")
_YEAR_MONTH = re.compile(r"(?<!\d)(20\d{2})\s*[-年./_]\s*(1[0-2]|0?[1-9])(?!\d)")
_COMPACT_MONTH = re.compile(r"(?<!\d)(20\d{2})(0[1-9]|1[0-2])(?:[0-3]\d)?(?!\d)")
_MONTH = re.compile(r"(?<![\d第])(1[0-2]|0?[1-9])\s*月(?!内)")
# 1-6月, 12月至2025年2月: no one month is meant
_SEVERAL_MONTHS = re.compile(
    r"(?<!\d)(1[0-2]|0?[1-9])\s*月?\s*(?:\d{1,2}[日号])?\s*[-~至到、]\s*(?:20\d{2}\s*[-年./]\s*)?(?!\1\s*月)(?:1[0-2]|0?[1-9])\s*月"
)
_CHINESE_MONTH = re.compile(r"(?<![十一二三四五六七八九])(十[一二]?|[一二三四五六七八九])月")
_MONTH_DAY = re.compile(r"^(1[0-2]|0?[1-9])\s*[月./-]\s*(3[01]|[12]\d|0?[1-9])\s*[日号]?\.?(?P<clock>.*)$")
_DAY = re.compile(r"^(3[01]|[12]\d|0?[1-9])\s*[日号]?(?P<clock>\s.*)?$")
_CUT = (".1", ".2", ".3")
_RANGE = re.compile(r"^(?P<first>.*?\d[日号]?)\s*(?:至|到|~|～|—+|-{2,}|--)\s*\d.*$")


@dataclass(frozen=True)
class Period:
    """What a sheet's name, its title or the file's name say of when its rows are from: a year, or a year and month."""

    year: int | None = None
    month: int | None = None

    def or_else(self, other: "Period") -> "Period":
        """Return what this one says, and of what it does not say what the other one does."""
        return Period(self.year or other.year, self.month or other.month)

    def last_day(self) -> date | None:
        """Return the last day of the month; None where no month is told."""
        if self.year is None or self.month is None:
            return None
        return date(self.year + self.month // 12, self.month % 12 + 1, 1) - timedelta(days=1)


def period_in(text: str) -> Period:
    """Read the year and month that a title, a sheet's or a file's name tells.

    >>> period_in("西山社区2025年3月走访台账"), period_in("3月"), period_in("202504"), period_in("台账")
    (Period(year=2025, month=3), Period(year=None, month=3), Period(year=2025, month=4), Period(year=None, month=None))
    >>> period_in("2024-2025年走访台账"), period_in("2025年1-6月")
    (Period(year=None, month=None), Period(year=2025, month=None))
    """
    short = plain(text)
    years = {*_YEAR.findall(short)}
    if len(years) > 1 or _SEVERAL_MONTHS.search(short):
        return Period(int(years.pop()) if len(years) == 1 else None)
    if match := _YEAR_MONTH.search(short) or _COMPACT_MONTH.search(short):
        return Period(int(match[1]), int(match[2]))
    month = _MONTH.search(short)
    months = {*_MONTH.findall(short)}
    spoken = _CHINESE_MONTH.search(short)
    number = month[1] if month and len(months) == 1 else spoken[1] if spoken else ""
    month_number = read_number(number)
    return Period(int(years.pop()) if years else None, None if month_number is None else int(month_number))


def read_when(value: Any, zone: str, period: Period = Period()) -> datetime | None:
    """Read the local time that a cell tells; None where it tells none, or where nothing says of which year or month.

    value: the cell: a text, a number (Excel's days, Unix seconds or thousandths of them) or a time.
    zone: the community's timezone.
    period: what is known of the sheet, for cells that leave out the year or the month.

    >>> str(read_when("3.5", "Asia/Shanghai", Period(2025))), str(read_when("5日", "Asia/Shanghai", Period(2025, 3)))
    ('2025-03-05 00:00:00', '2025-03-05 00:00:00')
    >>> str(read_when(45721.0, "Asia/Shanghai")), str(read_when(1741140000, "Asia/Shanghai"))
    ('2025-03-05 00:00:00', '2025-03-05 10:00:00')
    >>> read_when("3月5日", "Asia/Shanghai") is None
    True
    """
    if isinstance(value, datetime):
        return value.replace(tzinfo=None) if _plausible(value.year) else None
    if isinstance(value, date):
        return datetime.combine(value, time()) if _plausible(value.year) else None
    if isinstance(value, bool | time | timedelta):
        return None
    if isinstance(value, int | float):
        return _of_number(float(value), zone, period)
    text = plain(str(value))
    if not text:
        return None
    if re.fullmatch(r"\d{5}(?:\.\d+)?|\d{10}|\d{13}", text):
        return _of_number(float(text), zone, period)
    if re.fullmatch(r"(?:19|20)\d{6}", text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    moment = read_moment(text, zone)
    if moment is None and (several := _RANGE.match(text)):
        moment = read_when(several["first"], zone, period)
    if moment is None:
        moment = _within(text, zone, period)
    return moment if moment and _plausible(moment.year) else None


def _plausible(year: int) -> bool:
    return FIRST_YEAR <= year <= LAST_YEAR


def _of_number(number: float, zone: str, period: Period) -> datetime | None:
    """Read Excel's days, Unix seconds, Unix thousandths, or a day of the sheet's month."""
    if FIRST_SERIAL <= number <= LAST_SERIAL:
        return (EXCEL + timedelta(days=number)).replace(microsecond=0)
    if 1e9 <= number < 1e10 or 1e12 <= number < 1e13:
        return read_moment(str(int(number)), zone)
    if 19_900_101 <= number <= 21_001_231 and number.is_integer():
        return read_when(str(int(number)), zone, period)
    if 1 <= number <= 31 and number.is_integer() and period.month:
        return _within(str(int(number)), zone, period)
    # 3.5 typed as a number; of 3.1 nobody can tell whether it was 3.10
    if period.year and 1 <= number < 13 and not number.is_integer() and repr(number)[-2:] not in _CUT:
        return _within(repr(number), zone, period)
    return None


def _within(text: str, zone: str, period: Period) -> datetime | None:
    """Read a day that leaves out the year, or the year and the month."""
    if period.year and (match := _MONTH_DAY.match(text)):
        return read_moment(f"{period.year}-{match[1]}-{match[2]} {match['clock'].strip()}".strip(), zone)
    if period.year and period.month and (match := _DAY.match(text)):
        clock = (match["clock"] or "").strip()
        return read_moment(f"{period.year}-{period.month}-{match[1]} {clock}".strip(), zone)
    return None
