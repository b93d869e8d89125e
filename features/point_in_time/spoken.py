"""Dates and months in the words of a grid worker, which no program breaks at a hyphen."""

import re

from features.language import say
from features.point_in_time.records import date_of


def spoken_date(day: float, as_of: int) -> str:
    """Write a past day for a worker: 5月12日, 去年6月3日, 2023年6月3日."""
    when = date_of(day)
    return say(f"{_spoken_year(day, as_of)}{when.month}月{when.day}日", f"{when.day} {when:%B %Y}")


def spoken_month(day: float, as_of: int) -> str:
    """Write a past month for a worker: 今年5月, 去年6月, 2023年6月."""
    when = date_of(day)
    return say(f"{_spoken_year(day, as_of) or '今年'}{when.month}月", f"{when:%B %Y}")


def dotted_date(day: float) -> str:
    """Write the date of a source row as short as an office does, and so that no program breaks it: 2025.6.3."""
    when = date_of(day)
    return f"{when.year}.{when.month}.{when.day}"


def spoken_day(text: str) -> str:
    """Write a day of community.yaml, with its year if it has one, for a worker.

    >>> spoken_day("07-05"), spoken_day("2026-08-20")
    ('7月5日', '2026年8月20日')
    """
    *year, month, day = [int(part) for part in re.split(r"[-/.]", text)]
    return say("".join(f"{number}年" for number in year) + f"{month}月{day}日", text)


def _spoken_year(day: float, as_of: int) -> str:
    year, now = date_of(day).year, date_of(as_of).year
    return {0: "", 1: "去年"}.get(now - year, f"{year}年")
