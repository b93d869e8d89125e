"""All records as NumPy arrays, and the part of them that was known before an as-of date.

Point-in-time holds here and nowhere else: a feature block is handed a ``Known`` and cannot see anything
that was recorded on or after its as-of date.

Times are *days*: float64 days since 1970-01-01 00:00 in the community's local time, NaN where missing. An
as-of date is therefore a whole number of days (``day_of``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from features.contract.attribute_values import Texts
from features.contract.community import Community
from features.point_in_time.known_tables import AttributeTexts, Objections, Recordings, recordings
from features.point_in_time.town import TownSummary

EPOCH = date(1970, 1, 1)
OF_GRID = "\x1f"  # stands between grid and number in the id of a micro-grid
NEVER = np.inf


def day_of(as_of: date) -> int:
    """Days since 1970-01-01 of a local date."""
    return (as_of - EPOCH).days


def microgrid_id(grid: str, number: str) -> str:
    """The id of a micro-grid in ``Records``: its numbers may begin anew in each grid, so the grid stands before."""
    return f"{grid}{OF_GRID}{number}"


def microgrid_numbers(ids: Iterable[str]) -> np.ndarray:
    """object str [n]: the numbers that people know, of micro-grids by their ids in ``Records``.

    >>> microgrid_numbers([microgrid_id("G1", "2")]).tolist()
    ['2']
    """
    return np.array([one.rpartition(OF_GRID)[2] for one in ids], dtype=object)


def date_of(day: float) -> date:
    """The local date on which a time in days falls."""
    return EPOCH + timedelta(days=int(np.floor(day)))


@dataclass(frozen=True)
class Versions:
    """Rows of one table, sorted by ``visible_from``.

    A row is part of what was known at an as-of day when ``visible_from < as_of <= visible_to``; a row that a
    later export corrected ends (``visible_to``) where its correction begins.
    """

    visible_from: np.ndarray  # float64 days
    visible_to: np.ndarray  # float64 days, inf where never superseded

    def __len__(self) -> int:
        return len(self.visible_from)


@dataclass(frozen=True)
class HouseholdRows(Versions):
    """Attribute history of households."""

    household: np.ndarray  # int32 index into Records.household_ids
    valid_from: np.ndarray  # float64 days
    grid: np.ndarray  # int32 index into Records.grid_ids
    microgrid: np.ndarray  # int32 index into Records.microgrid_ids
    attributes: Mapping[str, Texts]  # by name, in the order in which they first came


@dataclass(frozen=True)
class ResidentRows(Versions):
    """Attribute history of residents."""

    resident: np.ndarray  # int32, one number per resident_id
    household: np.ndarray  # int32
    valid_from: np.ndarray  # float64 days
    born: np.ndarray  # float64 days of birth; 1 July of the year where only the year is known; NaN unknown
    left: (
        np.ndarray
    )  # float64 days from which a later row has the resident in another household; inf where none
    attributes: Mapping[str, Texts]


@dataclass(frozen=True)
class RequestRows(Versions):
    """Requests; ``visible_from`` is when this version of one counts: a correction, as that it was resolved, begins
    later than it was ``recorded``."""

    request_id: np.ndarray  # str
    household: np.ndarray  # int32
    need: np.ndarray  # int16 index into Community.needs, -1 where the text matches no need
    requested: np.ndarray  # float64 days
    recorded: np.ndarray  # float64 days, never before it was requested
    resolved: np.ndarray  # float64 days, NaN unresolved
    satisfaction: np.ndarray  # float32 1-5, NaN unknown; counts from `resolved` on


@dataclass(frozen=True)
class OutreachRows(Versions):
    """Visits and other contacts made from the lists, or drawn at random."""

    outreach_id: np.ndarray  # str
    household: np.ndarray  # int32
    need: np.ndarray  # int16
    contacted: np.ndarray  # float64 days
    random: np.ndarray  # bool: arm == 'random'
    outcome: np.ndarray  # int8 index into contract.OUTCOMES, -1 unknown yet
    propensity: np.ndarray  # float64, NaN unknown


@dataclass(frozen=True)
class OptOutRows(Versions):
    """Households that refuse automated listing, and until when."""

    household: np.ndarray  # int32
    begins: np.ndarray  # float64 days
    until: np.ndarray  # float64 days, inf where open


@dataclass(frozen=True)
class FeedbackRows(Versions):
    """What residents and workers said of a list, a reason or a visit."""

    feedback_id: np.ndarray  # object str
    outreach_id: np.ndarray  # object str or None
    household: np.ndarray  # int32
    need: np.ndarray  # int16, -1 about the household as such, -2 a need that the settings no longer have
    recorded: np.ndarray  # float64 days
    kind: np.ndarray  # int8 index into contract.FEEDBACK, -1 where nothing was complained about
    satisfaction: np.ndarray  # float32 1-5, NaN unknown
    reason_kind: np.ndarray  # object str or None: kinds of the reasons complained about, joined by commas
    note: np.ndarray  # object str or None
    next_visit: np.ndarray  # float64 days, NaN where none was agreed


AnyVersions = TypeVar("AnyVersions", bound=Versions)


@dataclass(frozen=True)
class Records:
    """Everything a workspace holds. Households, grids and micro-grids are numbered in order of their ids."""

    community: Community
    household_ids: np.ndarray  # object str, sorted
    grid_ids: np.ndarray  # object str, sorted
    microgrid_ids: np.ndarray  # object str, sorted: see ``microgrid_id``
    households: HouseholdRows
    residents: ResidentRows
    requests: RequestRows
    outreach: OutreachRows
    opt_outs: OptOutRows
    feedback: FeedbackRows
    workers: pd.DataFrame  # the contract's columns as they stand now; empty without a workers table
    has_residents: bool
    has_outreach: bool
    within: np.ndarray | None = (
        None  # bool per grid: a part of a town, these grids only, see ``features.store.partitions``
    )

    @property
    def first_day(self) -> float:
        """Time from which the first household is known, in days; ``inf`` without households."""
        return float(self.households.visible_from.min(initial=np.inf))

    @cached_property
    def history_order(self) -> np.ndarray:
        """int64: rows of ``households``, household by household, each from its oldest to its newest."""
        rows = self.households
        return np.lexsort((rows.visible_from, rows.valid_from, rows.household))

    @cached_property
    def attribute_texts(self) -> AttributeTexts:
        """The distinct texts of the attributes."""
        return AttributeTexts(
            *(
                {name: column.distinct for name, column in rows.attributes.items()}
                for rows in (self.households, self.residents)
            )
        )

    @property
    def last_day(self) -> float:
        """Time of the last row of the data, in days; ``-inf`` without rows."""
        times = [
            self.households.valid_from,
            self.residents.valid_from,
            self.requests.requested,
            self.requests.visible_from,
            self.outreach.contacted,
        ]
        return max((float(np.nanmax(one)) for one in times if len(one)), default=-np.inf)


def positions_of(values: Iterable[Any], within: Iterable[Any]) -> np.ndarray:
    """int64 per value: its position in ``within``, all of which differ; -1 where it is not there.

    Each distinct value is looked up once: tables name a household many times.
    """
    codes, distinct = pd.factorize(pd.Series(values))
    return np.append(pd.Index(within).get_indexer(pd.Index(distinct)), -1)[codes]


def rows_at(rows: AnyVersions, keep: np.ndarray | slice) -> AnyVersions:
    """The rows of a table at positions ``keep``, in this order."""
    picked: dict[str, Any] = {}
    for field in fields(rows):
        value = getattr(rows, field.name)
        if isinstance(value, Mapping):
            picked[field.name] = {name: column[keep] for name, column in value.items()}
        else:
            picked[field.name] = value[keep]
    return type(rows)(**picked)


def _visible_part(rows: Versions, as_of: float) -> np.ndarray | slice:
    end = int(np.searchsorted(rows.visible_from, as_of, side="left"))
    superseded = rows.visible_to[:end] < as_of
    return np.flatnonzero(~superseded) if superseded.any() else slice(0, end)


def visible(rows: AnyVersions, as_of: float) -> AnyVersions:
    """The rows of one table that were known before ``as_of`` (days)."""
    return rows_at(rows, _visible_part(rows, as_of))


def _last_of_each(who: np.ndarray, when: np.ndarray, version: np.ndarray, count: int) -> np.ndarray:
    """Row of the latest ``when`` (ties: latest ``version``) of each number in ``who``; -1 where none."""
    order = np.lexsort((version, when, who))
    last = np.full(count, -1, dtype=np.int64)
    last[who[order]] = order  # later assignments win, and they come later in `order`
    return last


@dataclass(frozen=True)
class Known:
    """What was known before one as-of day; every table ends there, but for ``objections``.

    Ids, settings, the workers' table and which tables there are have no time in the contract and stand as they are
    now. Households are numbered by ``household_ids``, those that are not known yet included (see ``present``).
    """

    as_of: int
    community: Community
    household_ids: np.ndarray  # object str, sorted
    grid_ids: np.ndarray  # object str, sorted
    microgrid_ids: np.ndarray  # object str, sorted
    workers: pd.DataFrame  # the contract's columns; empty without a workers table
    has_residents: bool
    has_outreach: bool
    within: np.ndarray | None  # bool per grid: a partition of a town, these grids only
    households: HouseholdRows
    residents: ResidentRows
    requests: RequestRows
    outreach: OutreachRows
    opt_outs: OptOutRows
    household_history: (
        np.ndarray
    )  # int64: rows of `households`, household by household, each from its oldest on
    attribute_texts: AttributeTexts
    recordings: Recordings
    objections: Objections
    town: TownSummary | None = None  # of the whole town where these households are only some of it

    @property
    def household_count(self) -> int:
        """Count the households, known yet or not: the length of per-household arrays."""
        return len(self.household_ids)

    @cached_property
    def household_row(self) -> np.ndarray:
        """int64 per household: row of ``households`` with its current attributes, -1 where not known yet.

        Also -1 where the household lives outside the grids that the records are within.
        """
        rows, within = self.households, self.within
        row = _last_of_each(rows.household, rows.valid_from, rows.visible_from, self.household_count)
        if within is None or not len(rows):
            return row
        return np.where((row >= 0) & within[rows.grid[np.maximum(row, 0)]], row, -1)

    @cached_property
    def present(self) -> np.ndarray:
        """bool per household: known before the as-of day."""
        return self.household_row >= 0

    @cached_property
    def known_since(self) -> np.ndarray:
        """float64 days per household: its first ``valid_from``; NaN where not known yet."""
        first = np.full(self.household_count, np.inf)
        np.minimum.at(first, self.households.household, self.households.valid_from)
        return np.where(np.isinf(first), np.nan, first)

    @cached_property
    def microgrid(self) -> np.ndarray:
        """int32 per household: current micro-grid, -1 where not known yet."""
        return self._current(self.households.microgrid)

    @cached_property
    def grid(self) -> np.ndarray:
        """int32 per household: current grid, -1 where not known yet."""
        return self._current(self.households.grid)

    def _current(self, column: np.ndarray) -> np.ndarray:
        row = self.household_row
        if not len(column):
            return np.full(len(row), -1, dtype=np.int32)
        return np.where(row >= 0, column[np.maximum(row, 0)], -1).astype(np.int32)

    @cached_property
    def resident_rows(self) -> np.ndarray:
        """int64: rows of ``residents`` that are each resident's current one; none of a resident whose household is
        now another one, also where that one's rows are not among these."""
        rows = self.residents
        count = int(rows.resident.max()) + 1 if len(rows) else 0
        last = _last_of_each(rows.resident, rows.valid_from, rows.visible_from, count)
        last = last[last >= 0]
        return last[rows.left[last] >= self.as_of]

    @cached_property
    def opted_out(self) -> np.ndarray:
        """bool per household: refuses automated listing on the as-of day."""
        refuses = np.zeros(self.household_count, dtype=bool)
        rows = self.opt_outs
        refuses[rows.household[(rows.begins < self.as_of) & (rows.until > self.as_of)]] = True
        return refuses


def known_before(records: Records, as_of: int, town: TownSummary | None = None) -> Known:
    """Take what was known before the local midnight that begins day ``as_of``.

    ``resolved`` and ``satisfaction`` of a request count only from the resolution on. ``town``: of the whole town as
    of this day, where the records are those of a partition or of one household; functions that ask about the town
    then answer from it, and from the records themselves where it is None.
    """
    requests = visible(records.requests, as_of)
    with np.errstate(invalid="ignore"):
        open_still = ~(requests.resolved < as_of)
    requests = replace(
        requests,
        resolved=np.where(open_still, np.nan, requests.resolved),
        satisfaction=np.where(open_still, np.nan, requests.satisfaction).astype(np.float32),
    )
    return Known(
        as_of=int(as_of),
        community=records.community,
        household_ids=records.household_ids,
        grid_ids=records.grid_ids,
        microgrid_ids=records.microgrid_ids,
        workers=records.workers,
        has_residents=records.has_residents,
        has_outreach=records.has_outreach,
        within=records.within,
        households=visible(records.households, as_of),
        residents=visible(records.residents, as_of),
        requests=requests,
        outreach=visible(records.outreach, as_of),
        opt_outs=visible(records.opt_outs, as_of),
        household_history=_known_history(records, as_of),
        attribute_texts=records.attribute_texts,
        recordings=recordings(records.requests, as_of),
        objections=Objections(records.feedback, records.opt_outs),
        town=town,
    )


def _known_history(records: Records, as_of: float) -> np.ndarray:
    """int64: the rows known before ``as_of``, numbered among themselves, in the order of ``Records.history_order``."""
    number = np.full(len(records.households), -1, dtype=np.int64)
    known = np.arange(len(number))[_visible_part(records.households, as_of)]
    number[known] = np.arange(len(known))
    row = number[records.history_order]
    return row[row >= 0]


@dataclass(frozen=True)
class Rows:
    """The (household, need) pairs of one as-of day for which features, labels or scores are wanted."""

    household: np.ndarray  # int32
    need: np.ndarray  # int16

    def __len__(self) -> int:
        return len(self.household)

    def take(self, keep: np.ndarray) -> "Rows":
        """The pairs at positions (or a mask) ``keep``."""
        return Rows(self.household[keep], self.need[keep])


Columns = Mapping[str, np.ndarray]
