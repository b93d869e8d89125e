"""Block: what the household asked for before, of the need in question."""

from collections.abc import Callable

import numpy as np

from features.blocks.catalogue import each, listed
from features.contract.need_kinds import Telling
from features.language import say
from features.point_in_time.records import Known, Rows
from features.point_in_time.row_index import own_requests
from features.point_in_time.schema import Schema
from features.point_in_time.spoken import spoken_date, spoken_month
from features.point_in_time.town import TownSummary
from features.point_in_time.town_summary import Asked, asked, requests_of, resolutions_recorded
from features.units import YEAR_OF_WEEKS

WINDOWS = (28, 91, 182, 364)  # days
HALF_LIVES = (14, 45, 120, 365)  # days
OPEN_WITHIN = 182  # days; an older request without a resolution was likely never closed in the books
FEATURES = listed(
    "requests",
    "own_requests",
    *each(
        WINDOWS,
        "requests_{}_days | 近{}天申请次数 | Requests in the last {} days | {} days | requests | asked_before",
    ),
    "requests_all_time | 累计申请次数 | Requests so far | all time | requests | asked_before",
    *each(
        HALF_LIVES,
        "decayed_requests_half_life_{}_days | 累计申请次数，每过{}天折半 | Requests so far, each worth half after {} days | all time | requests | asked_before",
    ),
    "days_since_request | 距上次申请的天数 | Days since the last request | all time | days | asked_before",
    "days_between_requests | 最近两次申请相隔天数 | Days between the last two requests | all time | days | asked_before",
    "never_requested | 从未申请过 | Never requested so far | all time | 0 or 1 | asked_before",
    "requests_same_window_1_years_ago | 去年同期申请次数 | Requests in the same window last year | label window | requests | asked_same_season",
    "requests_same_window_all_years | 历年同期申请次数 | Requests in the same window of all years before | label window | requests | asked_same_season",
    "open_requests | 近半年未办结的诉求数 | Requests of half a year still open | 182 days | requests | open_request",
    "last_satisfaction | 上次办结的满意度 | Satisfaction with the last service | all time | 1 to 5 | satisfaction",
)


def block(known: Known, rows: Rows, town: TownSummary, schema: Schema) -> dict[str, np.ndarray]:
    """Compute the block's columns for the pairs ``rows`` as of ``known.as_of``; ``town`` and ``schema`` are not used.

    Returns float32 [len(rows)] by feature name: counts of requests, days since requests and the last satisfaction, 1 to
    5; NaN where there is no request to take it from.
    """
    past = asked(known)
    columns = {**_counts(past), **_same_window(known, past), **_service(known, past)}
    return {name: values[rows.household, rows.need].astype(np.float32) for name, values in columns.items()}


def _counts(past: Asked) -> dict[str, np.ndarray]:
    """Compute counts, decayed counts and days since requests: [households, needs] by feature name."""
    total = past.total()
    last, before = past.last_two()
    return {
        **{f"requests_{days}_days": past.count(0, days) for days in WINDOWS},
        "requests_all_time": total,
        **{f"decayed_requests_half_life_{days}_days": past.decayed(days) for days in HALF_LIVES},
        "days_since_request": last,
        "days_between_requests": before - last,
        "never_requested": total == 0,
    }


def _same_window(known: Known, past: Asked) -> dict[str, np.ndarray]:
    """Count requests in the label window moved back by whole years: float64 [households, needs] by feature name."""
    needs = known.community.needs
    begin = np.array([7 * need.lead_weeks for need in needs])[past.need]
    end = begin + np.array([7 * need.horizon_weeks for need in needs])[past.need]
    last_year, every = np.zeros(past.shape), np.zeros(past.shape)
    for years in range(1, int((past.age + end).max(initial=0) // YEAR_OF_WEEKS) + 1):
        moved = YEAR_OF_WEEKS * years - past.age
        count = past.total(keep=(moved >= begin) & (moved < end))
        every += count
        if years == 1:
            last_year = count
    return {"requests_same_window_1_years_ago": last_year, "requests_same_window_all_years": every}


def _service(known: Known, past: Asked) -> dict[str, np.ndarray]:
    """Compute how earlier requests were dealt with: float64 [households, needs] by feature name."""
    unresolved = np.isnan(known.requests.resolved[past.row])
    satisfaction = known.requests.satisfaction[past.row]
    rated = np.flatnonzero(~np.isnan(satisfaction))
    last = np.full(past.shape, np.nan)
    last[past.household[rated], past.need[rated]] = satisfaction[rated]  # oldest first, so the newest stays
    return {
        "open_requests": past.total(keep=unresolved & (past.age <= OPEN_WITHIN)),
        "last_satisfaction": last,
    }


def _asked_before(known: Known, schema: Schema, household: int, need: int) -> str:
    times, needs = requests_of(known, household)
    times = times[needs == need]
    name = known.community.needs[need].name.here
    if not len(times):
        return ""
    last, year = spoken_date(times[-1], known.as_of), int((times >= known.as_of - YEAR_OF_WEEKS).sum())
    if year > 1:
        return say(
            f"近一年申请过{year}次{name}，最近一次是{last}",
            f"asked for {name} {year} times in a year, last on {last}",
        )
    if len(times) > 1:
        return say(
            f"共申请过{len(times)}次{name}，最近一次是{last}",
            f"asked for {name} {len(times)} times so far, last on {last}",
        )
    return say(f"{last}申请过{name}", f"asked for {name} on {last}")


def _asked_same_season(known: Known, schema: Schema, household: int, need: int) -> str:
    times, needs = requests_of(known, household)
    this = known.community.needs[need]
    begin = known.as_of + 7 * this.lead_weeks
    end = begin + 7 * this.horizon_weeks
    times = times[needs == need]
    inside = [
        time
        for time in times
        if any(
            begin - YEAR_OF_WEEKS * years <= time < end - YEAR_OF_WEEKS * years
            for years in range(1, 1 + int((end - time) // YEAR_OF_WEEKS))
        )
    ]
    if not inside:
        return ""
    when = spoken_month(inside[-1], known.as_of)
    if len(inside) > 1:
        return say(
            f"往年同期申请过{len(inside)}次{this.name.here}，最近是{when}",
            f"asked for {this.name.here} {len(inside)} times at this time of year, last in {when}",
        )
    return say(f"{when}申请过{this.name.here}", f"asked for {this.name.here} in {when}")


def open_requests(known: Known, household: int, need: int) -> np.ndarray:
    """Find the household's requests for the need that are still open: int64 rows, the newest first."""
    requests, rows = known.requests, own_requests(known, household)
    rows = rows[(requests.need[rows] == need) & np.isnan(requests.resolved[rows])]
    rows = rows[requests.requested[rows] >= known.as_of - OPEN_WITHIN]
    return rows[np.argsort(-requests.requested[rows], kind="stable")]


def _open_request(known: Known, schema: Schema, household: int, need: int) -> str:
    rows = open_requests(known, household, need)
    if not resolutions_recorded(known) or not len(rows):
        return ""
    when = spoken_date(known.requests.requested[rows[0]], known.as_of)
    return say(f"{when}的诉求还没有办结", f"the request of {when} is still open")


def _satisfaction(known: Known, schema: Schema, household: int, need: int) -> str:
    requests = known.requests
    rated = own_requests(known, household)
    rated = rated[(requests.need[rated] == need) & ~np.isnan(requests.satisfaction[rated])]
    if not len(rated):
        return ""
    score = int(requests.satisfaction[rated[np.argmax(requests.requested[rated])]])
    return say(f"上次办结后评{score}分（满分5分）", f"rated the last service {score} of 5")


KIND = ("本户申请过本项", "own past requests")  # what reasons of this block are called
FACTS: dict[str, Callable[[Known, Schema, int, int], str]] = {
    "asked_before": _asked_before,
    "asked_same_season": _asked_same_season,
    "open_request": _open_request,
    "satisfaction": _satisfaction,
}
TELLING = {
    "asked_before": Telling("own_requests", "list"),
    "asked_same_season": Telling("own_requests", "list"),
    "open_request": Telling("own_requests", "list"),
    "satisfaction": Telling("satisfaction", "office"),
}
