"""Block: the time of year of the label window, holidays and festivals, and how much the town asks then."""

from collections.abc import Callable
from datetime import date
from functools import lru_cache

import holidays
import numpy as np

from features.blocks.catalogue import each, listed
from features.contract.need_kinds import FEWEST_TOLD, Telling
from features.language import say
from features.point_in_time.cohort import eligible
from features.point_in_time.records import Known, Rows, date_of, day_of
from features.point_in_time.remembered import remembered
from features.point_in_time.schema import Schema
from features.point_in_time.town import TownSummary
from features.point_in_time.town_summary import (
    Asked,
    asked,
    days_observed,
    days_recorded,
    overlap,
    rate,
    shrunk,
)
from features.units import GREGORIAN_YEAR, YEAR_OF_WEEKS

Fact = Callable[[Known, Schema, int, int], str]
WINDOWS = (28, 91, 364)
YEARS_BACK = (1, 2, 3)
SUMMER = ((7, 1), (8, 31))  # first and last day of the summer holiday
WINTER_BEFORE, WINTER_AFTER = 14, 15  # days around Spring Festival; the Lantern Festival is its fifteenth day
INDEX_PRIOR = 20.0  # expected requests that pull a seasonal index towards 1
GROWTH_PRIOR = 50.0  # expected requests that pull growth towards 1
COVERED = 0.5  # share of a past window that the records must cover
NEAR = 8  # weeks before a holiday from which it is a reason to come
FEATURES = (
    *listed(
        "community.yaml",
        "season",
        "need | 事项 | The need |  | position |",
        "horizon_weeks | 预测窗口周数 | Weeks of the label window |  | weeks |",
        "lead_weeks | 窗口开始前的周数 | Weeks before the label window |  | weeks |",
        "severity | 紧要程度 | Severity of the need |  | 1 to 3 |",
        "year_sine | 窗口在一年中的位置（正弦） | Time of year of the window, sine | label window | -1 to 1 |",
        "year_cosine | 窗口在一年中的位置（余弦） | Time of year of the window, cosine | label window | -1 to 1 |",
        "half_year_sine | 窗口在半年中的位置（正弦） | Time of half-year of the window, sine | label window | -1 to 1 |",
        "half_year_cosine | 窗口在半年中的位置（余弦） | Time of half-year of the window, cosine | label window | -1 to 1 |",
        "weeks_to_summer_holiday | 窗口开始到暑假的周数 | Weeks to the summer holiday | label window | weeks | summer",
        "weeks_to_winter_holiday | 窗口开始到寒假的周数 | Weeks to the winter holiday | label window | weeks | winter",
        "weeks_to_spring_festival | 窗口开始到春节的周数 | Weeks to Spring Festival | label window | weeks | spring_festival",
        "summer_holiday_share | 窗口在暑假内的比例 | Share of the window in the summer holiday | label window | share | summer",
        "winter_holiday_share | 窗口在寒假内的比例 | Share of the window in the winter holiday | label window | share | winter",
    ),
    *listed(
        "requests",
        "season",
        "years_recorded | 已有记录的年数 | Years of records | all time | years |",
        *each(
            WINDOWS,
            "town_requests_{}_days | 全社区近{}天每户年申请次数 | Requests per household-year in the last {} days | {} days | requests a year |",
        ),
        *each(
            YEARS_BACK,
            "town_requests_same_window_{}_years_ago | 全社区{}年前同期每户年申请次数 | Requests per household-year in the window, {} years before | label window | requests a year | town_last_year",
        ),
        "season_index | 往年同期与全年平均之比 | Requests in the window in years before over the year's mean | label window | ratio | town_last_year",
        "town_growth | 近13周申请与去年同期之比 | Requests in 13 weeks over those a year before | 91 days | ratio |",
        "town_requests_expected | 全社区窗口内预计每户年申请次数 | Requests per household-year expected in the window | label window | requests a year | town_last_year",
    ),
)


@lru_cache(maxsize=256)
def spring_festival(year: int) -> date:
    """Return the first day of the Chinese lunar year that begins in this year."""
    days = holidays.country_holidays("CN", years=year, categories=("public",), language="en_US")
    return min(days.get_named("Chinese New Year (Spring Festival)", lookup="startswith"))


def summer_holiday(year: int) -> tuple[int, int]:
    """Return the first day of a year's summer holiday and the day after it, in days since 1970-01-01."""
    return day_of(date(year, *SUMMER[0])), day_of(date(year, *SUMMER[1])) + 1


def winter_holiday(year: int) -> tuple[int, int]:
    """Return the first day of a year's winter holiday and the day after it, in days since 1970-01-01."""
    festival = day_of(spring_festival(year))
    return festival - WINTER_BEFORE, festival + WINTER_AFTER


def _spans(day: float, kind: Callable[[int], tuple[int, int]]) -> list[tuple[int, int]]:
    year = date_of(day).year
    return [kind(candidate_year) for candidate_year in (year - 1, year, year + 1, year + 2, year + 3)]


def _weeks_to(day: float, kind: Callable[[int], tuple[int, int]]) -> float:
    """Compute the weeks from a day to the next beginning of a holiday."""
    return min(begin - day for begin, _ in _spans(day, kind) if begin >= day) / 7


def _share_within(begin: float, end: float, kind: Callable[[int], tuple[int, int]]) -> float:
    """Compute the share of [begin, end) that lies within a holiday: 0 to 1."""
    inside = sum(max(0.0, min(end, last) - max(begin, first)) for first, last in _spans(begin, kind))
    return inside / (end - begin)


def summarise(
    known: Known, schema: Schema, fitted: dict[str, np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Compute the block's columns by need: float64 [needs] by feature name.

    ``known``: the whole town, or a sample of its grids. ``schema`` is not used. ``fitted``: columns computed before,
    which are returned as they are.
    """
    if fitted:
        return fitted
    past, able = asked(known), eligible(known)
    return {**_time_of_year(known), **_town_rates(known, past, able)}


def _time_of_year(known: Known) -> dict[str, np.ndarray]:
    needs = known.community.needs
    lead = np.array([7.0 * need.lead_weeks for need in needs])
    length = np.array([7.0 * need.horizon_weeks for need in needs])
    begins = known.as_of + lead
    middle = begins + length / 2
    new_year = np.array([day_of(date(date_of(day).year, 1, 1)) for day in middle])
    angle = 2 * np.pi * (middle - new_year) / GREGORIAN_YEAR
    windows = list(zip(begins, begins + length, strict=True))

    return {
        "need": np.arange(len(needs), dtype=float),
        "horizon_weeks": length / 7,
        "lead_weeks": lead / 7,
        "severity": np.array([float(need.severity) for need in needs]),
        "year_sine": np.sin(angle),
        "year_cosine": np.cos(angle),
        "half_year_sine": np.sin(2 * angle),
        "half_year_cosine": np.cos(2 * angle),
        "weeks_to_summer_holiday": np.array([_weeks_to(day, summer_holiday) for day in begins]),
        "weeks_to_winter_holiday": np.array([_weeks_to(day, winter_holiday) for day in begins]),
        "weeks_to_spring_festival": np.array([_weeks_to(day, _festival_span) for day in begins]),
        "summer_holiday_share": np.array([_share_within(*window, summer_holiday) for window in windows]),
        "winter_holiday_share": np.array([_share_within(*window, winter_holiday) for window in windows]),
        "years_recorded": np.full(len(needs), days_recorded(known) / YEAR_OF_WEEKS),
    }


def _festival_span(year: int) -> tuple[int, int]:
    festival = day_of(spring_festival(year))
    return festival, festival + 1


def _town_rates(known: Known, past: Asked, able: np.ndarray) -> dict[str, np.ndarray]:
    """Compute requests per eligible household and year: lately, in the window in earlier years, and expected."""
    past_requests, recorded = TownPast(past, able, days_observed(known)), days_recorded(known)
    columns = {f"town_requests_{days}_days": past_requests.rate(0, days) * YEAR_OF_WEEKS for days in WINDOWS}
    needs = known.community.needs
    lead = np.array([7.0 * need.lead_weeks for need in needs])
    length = np.array([7.0 * need.horizon_weeks for need in needs])
    seen, usual = np.zeros(len(needs)), np.zeros(len(needs))
    for years in YEARS_BACK:
        youngest, oldest = YEAR_OF_WEEKS * years - lead - length, YEAR_OF_WEEKS * years - lead
        covered = (youngest >= 0) & (recorded - youngest >= COVERED * length)
        count, exposure = past_requests.window(np.maximum(youngest, 0), oldest)
        value = np.where(covered, rate(count, exposure) * YEAR_OF_WEEKS, np.nan)
        columns[f"town_requests_same_window_{years}_years_ago"] = value
        seen += np.where(covered, count, 0)
        usual += np.where(
            covered, exposure * past_requests.rate(YEAR_OF_WEEKS * (years - 1), YEAR_OF_WEEKS * years), 0
        )
    index = np.where(usual > 0, shrunk(seen, usual, INDEX_PRIOR), np.nan)
    growth = _growth(past_requests, recorded, len(needs))
    columns["season_index"] = index
    columns["town_growth"] = growth
    columns["town_requests_expected"] = (
        columns["town_requests_364_days"] * np.nan_to_num(index, nan=1.0) * np.nan_to_num(growth, nan=1.0)
    )
    return columns


class TownPast:
    """The town's requests and eligible household-days, to be counted in any past window."""

    def __init__(self, past: Asked, able: np.ndarray, days: np.ndarray) -> None:
        inside = able[past.household, past.need]
        self.need, self.age = past.need[inside], past.age[inside]
        # of the eligible households of each need
        self.days = [days[who] for who in np.ascontiguousarray(able.T)]

    def window(
        self, youngest: np.ndarray | float, oldest: np.ndarray | float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Count requests and eligible household-days in [as_of - oldest, as_of - youngest): float64 [needs] each."""
        needs = len(self.days)
        youngest, oldest = np.broadcast_to(youngest, needs), np.broadcast_to(oldest, needs)
        inside = (self.age > youngest[self.need]) & (self.age <= oldest[self.need])
        exposure = [
            float(overlap(days, *ends).sum()) for days, *ends in zip(self.days, youngest, oldest, strict=True)
        ]
        return np.bincount(self.need[inside], minlength=needs).astype(float), np.array(exposure)

    def rate(self, youngest: float, oldest: float) -> np.ndarray:
        """Compute the requests per eligible household and day in [as_of - oldest, as_of - youngest): float64 [needs]."""
        return rate(*self.window(youngest, oldest))


def _growth(past: TownPast, recorded: float, needs: int) -> np.ndarray:
    """Compute requests of the last 13 weeks over those at last year's rate: float64 [needs], shrunk to 1."""
    if recorded < YEAR_OF_WEEKS + 91:
        return np.full(needs, np.nan)
    count, exposure = past.window(0, 91)
    return shrunk(count, exposure * past.rate(YEAR_OF_WEEKS, YEAR_OF_WEEKS + 91), GROWTH_PRIOR)


def block(known: Known, rows: Rows, town: TownSummary, schema: Schema) -> dict[str, np.ndarray]:
    """Read the block's columns from ``town.parts["seasons"]`` for the pairs ``rows``: float32 [len(rows)] by feature
    name.

    ``known`` and ``schema`` are not used. NaN where the records do not reach back far enough.
    """
    return {name: values.astype(np.float32)[rows.need] for name, values in town.parts["seasons"].items()}


def _holiday_fact(zh: str, en: str, kind: Callable[[int], tuple[int, int]]) -> Fact:
    """Make the function that tells how far a near holiday is off, or how long it lasts, within the window."""

    def fact(known: Known, schema: Schema, household: int, need: int) -> str:
        this = known.community.needs[need]
        for begin, end in _spans(known.as_of, kind):
            if begin <= known.as_of < end:
                left = max(1, round((end - known.as_of) / 7))
                return say(f"{zh}还剩{left}周", f"{left} weeks of the {en} left")
            weeks = (begin - known.as_of) / 7
            if 0 < weeks <= min(NEAR, this.lead_weeks + this.horizon_weeks):
                ahead = max(1, round(weeks))
                return say(f"离{zh}还有{ahead}周", f"{ahead} weeks to the {en}")
        return ""

    return fact


@remembered
def asking_last_year(known: Known) -> tuple[int, ...]:
    """Count the town's households that asked for each need a year before its window: one int for each need."""
    if known.town is not None:
        return known.town.town_counts.asking_last_year
    requests, counts = known.requests, []
    for need, this in enumerate(known.community.needs):
        begin = known.as_of + 7 * this.lead_weeks - YEAR_OF_WEEKS
        end = min(begin + 7 * this.horizon_weeks, known.as_of)
        inside = (requests.need == need) & (requests.requested >= begin) & (requests.requested < end)
        counts.append(len(np.unique(requests.household[inside])))
    return tuple(counts)


def _town_last_year(known: Known, schema: Schema, household: int, need: int) -> str:
    count = asking_last_year(known)[need]
    return (
        say(
            f"去年同期全社区{count}户申请",
            f"{count} households of the community asked at this time last year",
        )
        if count >= FEWEST_TOLD
        else ""
    )


KIND = ("时节", "season")  # what reasons of this block are called
FACTS: dict[str, Fact] = {
    "summer": _holiday_fact("暑假", "summer holiday", summer_holiday),
    "winter": _holiday_fact("寒假", "winter holiday", winter_holiday),
    "spring_festival": _holiday_fact("春节", "Spring Festival", _festival_span),
    "town_last_year": _town_last_year,
}
TELLING = {
    "summer": Telling("season", "list", frozenset({"children"})),
    "winter": Telling("season", "list", frozenset({"children"})),
    "spring_festival": Telling("season", "list", frozenset({"elders", "work", "hardship"})),
    "town_last_year": Telling("season", "office"),
}
