"""The source rows behind a reason, as a text by which a reader can look them up: dates, tables and numbers.

Like the reasons they are read from ``Known`` only. Requests for sensitive needs are never mentioned beside another need.
"""

from collections.abc import Callable

import numpy as np

from features.blocks import neighbours, seasons
from features.blocks.contacts import OUTCOME_NAMES, last_answered
from features.blocks.history import open_requests
from features.contract.need_kinds import FEWEST_TOLD
from features.contract.tables import OUTCOMES
from features.language import joined_names, say
from features.point_in_time.records import Known, date_of, day_of
from features.point_in_time.row_index import own_requests, own_residents
from features.point_in_time.spoken import dotted_date
from features.units import YEAR_OF_WEEKS

MOST = 2  # requests told of one fact, the newest first
SourceRows = Callable[[Known, int, int], str]


def source_rows(fact: str, known: Known, household: int, need: int) -> str:
    """Describe the source rows behind one reason of a household and need.

    ``fact``: a name among ``features.blocks.build.facts``. Returns "" where the reason rests on no rows in particular.
    """
    if fact in ROWS:
        return ROWS[fact](known, household, need)
    return _residents(known, household, need) if fact.startswith("resident") else _household(known, household)


def _own_requests(known: Known, household: int, need: int) -> np.ndarray:
    """List the household's requests for the need, the newest first: int64 rows of ``known.requests``."""
    rows = own_requests(known, household)
    rows = rows[known.requests.need[rows] == need]
    return rows[np.argsort(-known.requests.requested[rows], kind="stable")]


def _listed(known: Known, rows: np.ndarray, named: bool = False) -> str:
    """Write out the newest of these requests: “诉求 2025.6.3 R12、2025.2.11 R7”, with needs where ``named``."""
    needs, requests = known.community.needs, known.requests
    if not len(rows):
        return ""
    texts = []
    for row in rows[:MOST]:
        what = f" {needs[requests.need[row]].name.here}" if named else ""
        texts.append(f"{dotted_date(requests.requested[row])}{what} {requests.request_id[row]}")
    more = say(f"等{len(rows)}条", f", {len(rows)} in all") if len(rows) > MOST else ""
    return say("诉求 ", "requests ") + joined_names(texts) + more


def _asked(known: Known, household: int, need: int) -> str:
    """Describe the requests for the need: those of the last 364 days if at least two, otherwise all of them."""
    rows, lately = _own_requests(known, household, need), _of_the_year(known, household, need)
    return _listed(known, lately if len(lately) > 1 else rows)


def _of_the_year(known: Known, household: int, need: int) -> np.ndarray:
    rows = _own_requests(known, household, need)
    return rows[known.requests.requested[rows] >= known.as_of - YEAR_OF_WEEKS]


def _same_season(known: Known, household: int, need: int) -> str:
    rows, this = _own_requests(known, household, need), known.community.needs[need]
    begin = known.as_of + 7 * this.lead_weeks
    inside = (known.requests.requested[rows] - begin) % YEAR_OF_WEEKS < 7 * this.horizon_weeks
    return _listed(known, rows[inside])


def _open(known: Known, household: int, need: int) -> str:
    return _listed(known, open_requests(known, household, need))


def _rated(known: Known, household: int, need: int) -> str:
    rows = _own_requests(known, household, need)
    return _listed(known, rows[~np.isnan(known.requests.satisfaction[rows])][:1])


def _others(known: Known, household: int, need: int, related: bool = True) -> str:
    requests, needs = known.requests, known.community.needs
    tellable = np.array([not need.sensitive for need in needs])
    if related:
        tellable &= np.array([bool(other_need.about & needs[need].about) for other_need in needs])
    rows = own_requests(known, household)
    rows = rows[(requests.requested[rows] >= known.as_of - YEAR_OF_WEEKS) & (requests.need[rows] >= 0)]
    rows = rows[requests.need[rows] != need]
    rows = rows[tellable[requests.need[rows]]]
    return _listed(known, rows[np.argsort(-requests.requested[rows], kind="stable")], named=True)


def _anything(known: Known, household: int, need: int) -> str:
    return _others(known, household, need, related=False)


def _household(known: Known, household: int, need: int = 0) -> str:
    row = known.household_row[household]
    if row < 0:
        return ""
    since = dotted_date(known.households.valid_from[row])
    return say(f"住户登记 {since}", f"household as registered {since}")


def _first_row(known: Known, household: int, need: int) -> str:
    since = known.known_since[household]
    if np.isnan(since):
        return ""
    when = dotted_date(since)
    return say(f"首次登记 {when}", f"first registered {when}")


def _residents(known: Known, household: int, need: int) -> str:
    rows = own_residents(known, household)
    if not len(rows):
        return _household(known, household)
    since = dotted_date(known.residents.valid_from[rows].max())
    return say(f"居民登记 {len(rows)} 人，{since}", f"{len(rows)} residents as registered {since}")


def _neighbours(days: float, kind: str) -> SourceRows:
    """Make the function that tells the last day on which neighbours asked; the fact tells how many, nothing which."""

    def rows(known: Known, household: int, need: int) -> str:
        requests = known.requests
        hit = neighbours.requests_near(known, household, need, days, kind)
        if len(np.unique(requests.household[hit])) < FEWEST_TOLD:
            return ""
        last = dotted_date(requests.requested[hit].max())
        return say(f"最近 {last}", f"last {last}")

    return rows


def _holiday(kind: Callable[[int], tuple[int, int]]) -> SourceRows:
    def rows(known: Known, household: int, need: int) -> str:
        year = date_of(known.as_of).year
        begin, end = next(span for span in map(kind, (year - 1, year, year + 1)) if span[1] > known.as_of)
        return _period(begin, end)

    return rows


def _festival(known: Known, household: int, need: int) -> str:
    year = date_of(known.as_of).year
    days = map(seasons.spring_festival, (year, year + 1))
    day = next(day for day in days if day >= date_of(known.as_of))
    return dotted_date(day_of(day))


def _last_year(known: Known, household: int, need: int) -> str:
    this = known.community.needs[need]
    begin = known.as_of + 7 * this.lead_weeks - YEAR_OF_WEEKS
    end = min(begin + 7 * this.horizon_weeks, known.as_of)
    return say("诉求 ", "requests ") + _period(begin, end)


def _period(begin: float, end: float) -> str:
    """Write the days from ``begin`` up to before ``end``."""
    return "～".join(dotted_date(day) for day in (begin, end - 1))


def _visit(known: Known, household: int, need: int) -> str:
    last = last_answered(known, household, need)
    if last is None:
        return ""
    zh, en = OUTCOME_NAMES[OUTCOMES[known.outreach.outcome[last]]]
    when = dotted_date(known.outreach.contacted[last])
    return say(f"{when} 走访 {zh}", f"{when} visit {en}")


ROWS: dict[str, SourceRows] = {
    "asked_before": _asked,
    "asked_same_season": _same_season,
    "open_request": _open,
    "satisfaction": _rated,
    "other_needs": _others,
    "asked_anything": _anything,
    "days_known": _first_row,
    "neighbours_recent": _neighbours(28, "microgrid"),
    "neighbours_recent_grid": _neighbours(28, "grid"),
    "neighbours_long": _neighbours(YEAR_OF_WEEKS, "microgrid"),
    "neighbours_long_grid": _neighbours(YEAR_OF_WEEKS, "grid"),
    "summer": _holiday(seasons.summer_holiday),
    "winter": _holiday(seasons.winter_holiday),
    "spring_festival": _festival,
    "town_last_year": _last_year,
    "last_visit": _visit,
}
