"""Leaks: attributes filled or changed after the fact, which know the answer and which no model may learn from.

A register of today, joined to rows that hold from long ago, contains what became known of a household since. Four signs
are looked for, each among requests made since the row's own ``valid_from`` and among households that can have the need:
dates after the row's own; a value that hardly anyone has but those who asked since; a number that goes with the number
of requests since; a value that tells the earlier requests of households far better than their later ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata

from features.language import say
from features.point_in_time.cohort import eligible
from features.point_in_time.records import HouseholdRows, Known, ResidentRows
from features.point_in_time.schema import Attribute, Schema, TableName
from features.point_in_time.schema_fit import encoded, fit_schema
from models.evaluation.share_intervals import exact_share

FEWEST = 15  # households from which a value says anything
FEWEST_DATES = 10
MOST_AHEAD = 0.02  # share of dates after the export: planned dates, as the end of a lease, go on beyond it
SURE = 0.85  # least share (lower end of its 95% interval) of the households with a value that asked since
SELDOM = 0.35  # most of those without the value that did
# how much more often a need is asked for with the value than without, for the two to belong together
TIMES = 3.0
COUNTS = 0.6  # rank correlation of a number with the requests since
# ratio of the odds ratios of earlier and later requests, and its distance from 1 in errors
VANISHES, FAR = (4.0, 5.0)


@dataclass(frozen=True)
class Leak:
    """An attribute that seems to know what happened after its row began, with the sign of it in two languages."""

    attribute: str
    zh: str
    en: str


@dataclass(frozen=True)
class _Rows:
    """Rows in force of one table, with the requests of their households since each began."""

    counts: np.ndarray  # int [rows, needs]: requests since valid_from
    early: np.ndarray  # bool [rows, needs, splits]: asked since, before each split of the time
    late: np.ndarray  # bool [rows, needs, splits]: and after it
    able: np.ndarray  # bool [rows, needs]: the household can have the need


def find_leaks(known: Known) -> list[Leak]:
    """Find the attributes that leak, except those that ``features.allow`` of community.yaml names."""
    schema, allowed = fit_schema(known), set(known.community.features.allow)
    tables: tuple[tuple[TableName, tuple[Attribute, ...]], ...] = (
        ("households", schema.household),
        ("residents", schema.resident),
    )
    leaks: list[Leak] = []
    for table, attributes in tables:
        used = [
            attribute
            for attribute in attributes
            if attribute.kind != "ignored" and not {attribute.name, attribute.column} & allowed
        ]
        if used:
            looks = [(at, _requests_since(known, table, at)) for at in _rows_looked_at(known, table)]
            for attribute in used:
                signs = (_sign(known, table, attribute, at, rows) for at, rows in looks)
                leaks += [Leak(attribute.name, *sign) for sign in signs if sign][:1]
    return leaks


def without_leaks(known: Known, leaks: Sequence[Leak]) -> Schema:
    """Fit the schema as if the leaking attributes were excluded."""
    features = known.community.features
    exclude = (*features.exclude, *(leak.attribute for leak in leaks))
    settings = features.model_copy(update={"exclude": exclude})
    return fit_schema(replace(known, community=known.community.model_copy(update={"features": settings})))


def leak_lines(leaks: Sequence[Leak]) -> list[str]:
    """Name each leaking attribute, why it is left out and what to do; one line each."""
    return [
        say(
            f"{leak.attribute} 列像是事后才填的，没有用来训练：{leak.zh}。确认当时就知道的，"
            f"在 community.yaml 写 features: {{allow: [{leak.attribute}]}}",
            f"column {leak.attribute} seems to be filled after the fact and is left out: {leak.en}. If it was known at "
            f"the time, write features: {{allow: [{leak.attribute}]}} in community.yaml",
        )
        for leak in leaks
    ]


def _rows_looked_at(known: Known, table: TableName) -> list[np.ndarray]:
    """Return the positions of everybody's oldest rows and of the rows in force: int64 each; once if they are the same.

    What a register of today says stands in the oldest rows as well where it was joined by household, and tells most
    there: they have been followed by requests for the longest.
    """
    rows: HouseholdRows | ResidentRows = getattr(known, table)
    whose = rows.resident if isinstance(rows, ResidentRows) else rows.household
    if not len(whose):
        return []
    order = np.lexsort((rows.visible_from, rows.valid_from, whose))
    changes = whose[order][1:] != whose[order][:-1]
    oldest, newest = order[np.append(True, changes)], order[np.append(changes, True)]
    return [oldest] if np.array_equal(oldest, newest) else [oldest, newest]


def _requests_since(known: Known, table: TableName, at: np.ndarray) -> _Rows:
    rows, requests = getattr(known, table), known.requests
    household, begins = rows.household[at], rows.valid_from[at]
    needs, homes = len(known.community.needs), known.household_count
    of_need = requests.need >= 0
    who, need, when = requests.household[of_need], requests.need[of_need], requests.requested[of_need]
    splits = np.quantile(when, (0.25, 0.5, 0.75)) if len(when) else np.zeros(3)
    counts = np.zeros((len(at), needs), dtype=np.int64)
    early, late = (np.zeros((len(at), needs, len(splits)), dtype=bool) for _ in range(2))
    order = np.argsort(household, kind="stable")
    first = np.searchsorted(household[order], np.arange(homes))
    last = np.searchsorted(household[order], np.arange(homes), side="right")
    times = (last - first)[who]
    # every request beside every row of its household
    row = order[np.repeat(first[who], times) + _within(times)]
    need, when = np.repeat(need, times), np.repeat(when, times)
    since = when > begins[row] + 1
    row, need, when = row[since], need[since], when[since]
    np.add.at(counts, (row, need), 1)
    for number, split in enumerate(splits):
        before = when < split
        early[row[before], need[before], number] = True
        late[row[~before], need[~before], number] = True
    return _Rows(counts, early, late, eligible(known)[household])


def _within(times: np.ndarray) -> np.ndarray:
    """Count 0, 1, ... within each repetition: int64 [sum of times]."""
    ends = np.cumsum(times)
    return np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - times, times)


def _sign(
    known: Known, table: TableName, attribute: Attribute, at: np.ndarray, rows: _Rows
) -> tuple[str, str] | None:
    """Describe what betrays an attribute, in Chinese and English; None if nothing does."""
    value = encoded(known, table, attribute)[at]
    if attribute.kind == "date":
        begins = getattr(known, table).valid_from[at]
        after = value > begins + 1
        if after.sum() >= FEWEST_DATES and (value[after] > known.as_of).mean() <= MOST_AHEAD:
            number = int(after.sum())
            return (
                f"{number} 行的日期晚于本行的 valid_from",
                f"{number} rows hold a date after their own valid_from",
            )
    if attribute.kind == "number" and _counts_requests(value, rows):
        return "它随此后的申请次数增减", "it goes with the number of requests made since"
    for group in _groups(attribute, value):
        sign = _only_askers(group, rows) or _vanishing(group, rows)
        if sign:
            return sign
    return None


def _groups(attribute: Attribute, value: np.ndarray) -> Iterator[np.ndarray]:
    """Yield groups of rows, bool [rows]: with a value, with none, with each value, with all but it, with high numbers."""
    filled = ~np.isnan(value)
    groups = [filled, ~filled]
    if attribute.kind in ("boolean", "category"):
        each = [value == level for level in np.unique(value[filled])]
        groups += [*each, *(~mask for mask in each)]
    elif filled.any():
        groups += [value > np.quantile(value[filled], share) for share in (0.5, 0.75)]
    for group in groups:
        if FEWEST <= group.sum() <= len(group) - FEWEST:
            yield group


def _asked_more(group: np.ndarray, rows: _Rows) -> np.ndarray:
    """Tell which needs are asked for at least TIMES as often by those in the group as by others who can: bool [needs]."""
    asked = rows.counts > 0
    inside, outside = rows.able & group[:, None], rows.able & ~group[:, None]
    share = (asked & inside).sum(axis=0) / np.maximum(inside.sum(axis=0), 1)
    other = ((asked & outside).sum(axis=0) + 0.5) / np.maximum(outside.sum(axis=0) + 0.5, 1)
    enough = (inside.sum(axis=0) >= FEWEST) & (outside.sum(axis=0) >= FEWEST)
    return enough & (share > TIMES * other)


def _only_askers(group: np.ndarray, rows: _Rows) -> tuple[str, str] | None:
    needs = _asked_more(group, rows)
    if not needs.any():
        return None
    able = rows.able[:, needs].any(axis=1)
    asked: np.ndarray = np.any(rows.counts[:, needs] > 0, axis=1)
    inside, outside = able & group, able & ~group
    total, hits = int(inside.sum()), int((asked & inside).sum())
    if total < FEWEST or outside.sum() < FEWEST or exact_share(hits, total)[0] < SURE:
        return None
    if asked[outside].mean() > SELDOM:
        return None
    return (
        f"填了（或是某个值）的 {total} 户里 {hits} 户在本行 valid_from 之后申请过，其余只有 {asked[outside].mean():.0%}",
        f"of {total} households with it, or with one of its values, {hits} asked after the row's valid_from, of the "
        f"others {asked[outside].mean():.0%}",
    )


def _vanishing(group: np.ndarray, rows: _Rows) -> tuple[str, str] | None:
    """Describe a group that tells requests before some time far better than those after it; None if it does not."""
    needs = _asked_more(group, rows)
    if not needs.any():
        return None
    able = rows.able[:, needs].any(axis=1)
    for split in range(rows.early.shape[2]):
        (before, error), (later, other) = (
            _log_odds_ratio(group[able], np.asarray(asked[able][:, needs, split].any(axis=1)))
            for asked in (rows.early, rows.late)
        )
        apart = before - later
        if apart > np.log(VANISHES) and apart > FAR * np.hypot(error, other):
            times = float(np.exp(before)), float(np.exp(max(later, 0.0)))
            return (
                f"它把从前的诉求分得很开（几率比 {times[0]:.0f}），对同样住户后来的诉求却不灵（{times[1]:.1f}）",
                f"it tells past requests far better (odds ratio {times[0]:.0f}) than the same households' later ones "
                f"({times[1]:.1f})",
            )
    return None


def _log_odds_ratio(group: np.ndarray, asked: np.ndarray) -> tuple[float, float]:
    """Compute the logarithm of the odds ratio and its standard error (Haldane 1940: half a row in each cell)."""
    cells = (
        np.array(
            [(group & asked).sum(), (group & ~asked).sum(), (~group & asked).sum(), (~group & ~asked).sum()]
        )
        + 0.5
    )
    return float(np.log(cells[0] * cells[3] / (cells[1] * cells[2]))), float(np.sqrt((1 / cells).sum()))


def _counts_requests(value: np.ndarray, rows: _Rows) -> bool:
    """Tell whether a number goes with the number of requests since, of all needs or of one."""
    filled = ~np.isnan(value)
    sums = [(filled, rows.counts.sum(axis=1))]
    sums += [(filled & rows.able[:, need], rows.counts[:, need]) for need in range(rows.counts.shape[1])]
    return any(
        (count[keep] > 0).sum() >= FEWEST and abs(_rank_correlation(value[keep], count[keep])) >= COUNTS
        for keep, count in sums
    )


def _rank_correlation(left: np.ndarray, other: np.ndarray) -> float:
    ranks = rankdata(left), rankdata(other)
    if min(np.ptp(ranks[0]), np.ptp(ranks[1])) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])
