"""All records as NumPy arrays, and the part of them that was known before an as-of date.

The rule of point in time is kept here and nowhere else: a feature block is handed a ``Known`` and cannot see anything
that was recorded on or after its as-of date.

Times are *days*: float64 days since 1970-01-01 00:00 in the community's local time, NaN where missing. An
as-of date is therefore a whole number of days (``day_of``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import pandas as pd

from features.contract.community import Community
from features.data_end import last_time, rows_a_day
from features.point_in_time.town import TownSummary
from features.rows.tables import (
    AttributeTexts,
    FeedbackRows,
    HouseholdRows,
    Objections,
    OptOutRows,
    OutreachRows,
    Recordings,
    RequestRows,
    ResidentRows,
    begun_anew,
    binding,
    current,
    last_of_each,
    left_on,
    recordings,
    rows_at,
    since,
    visible,
    visible_part,
)
from features.units import WEEK

EPOCH = date(1970, 1, 1)
OF_GRID = "\x1f"  # stands between grid and number in the id of a micro-grid


def day_of(as_of: date) -> int:
    """Return a local date as days since 1970-01-01."""
    return (as_of - EPOCH).days


def microgrid_id(grid: str, number: str) -> str:
    """Return the id of a micro-grid in ``Records``: its grid, then its number, which may come again in another grid."""
    return f"{grid}{OF_GRID}{number}"


def microgrid_numbers(ids: Iterable[str]) -> np.ndarray:
    """Return the micro-grids' numbers, as people know them, from their ids in ``Records``: object str [n].

    >>> microgrid_numbers([microgrid_id("G1", "2")]).tolist()
    ['2']
    """
    return np.array([identifier.rpartition(OF_GRID)[2] for identifier in ids], dtype=object)


def date_of(day: float) -> date:
    """Return the local date on which a time in days falls."""
    return EPOCH + timedelta(days=int(np.floor(day)))


@dataclass(frozen=True)
class Records:
    """Everything that a workspace holds. Households, grids and micro-grids are numbered in the order of their ids."""

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
    # bool per grid: a part of a town, these grids only, see ``features.store.partitions``
    within: np.ndarray | None = None

    @property
    def first_day(self) -> float:
        """Return the time at which the first household became known, in days; ``inf`` without households."""
        return float(self.households.visible_from.min(initial=np.inf))

    @cached_property
    def history_order(self) -> np.ndarray:
        """Order the rows of ``households`` by household, each household's from its oldest to its newest: int64."""
        rows = self.households
        return np.lexsort((rows.visible_from, rows.valid_from, rows.household))

    @cached_property
    def attribute_texts(self) -> AttributeTexts:
        """Gather the distinct texts of the attributes."""
        return AttributeTexts(
            *(
                {name: column.distinct for name, column in rows.attributes.items()}
                for rows in (self.households, self.residents)
            )
        )

    @cached_property
    def objections(self) -> Objections:
        """Gather what is known by now of who is not to be listed."""
        homes, visits = current(self.households), current(self.outreach)
        count = len(self.household_ids)
        _, ended = begun_anew(homes, count)
        last = last_of_each(homes.household, homes.valid_from, homes.visible_from, count)
        return Objections(
            binding(ended, self.feedback, self.feedback.recorded),
            binding(ended, self.opt_outs, self.opt_outs.begins),
            left_on(homes, visits, last),
        )

    @property
    def last_day(self) -> float:
        """Return the day of the last row of the data, without stray times; ``-inf`` without rows."""
        times = {
            "households": self.households.valid_from,
            "residents": self.residents.valid_from,
            "requests": np.fmax(self.requests.requested, self.requests.visible_from),
            "outreach": self.outreach.contacted,
        }
        return last_time({table: rows_a_day(time) for table, time in times.items()})


@dataclass(frozen=True)
class Known:
    """What was known before one as-of day; every table ends there, except ``objections``.

    Ids, settings, the workers' table and which tables there are have no time in the contract and stand as they are
    now. Households are numbered by ``household_ids``, including those not known yet (see ``present``).
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
    # int64: rows of `households`, household by household, each from its oldest on
    household_history: np.ndarray
    attribute_texts: AttributeTexts
    recordings: Recordings
    objections: Objections
    town: TownSummary | None = None  # of the whole town where these households are only some of it

    @property
    def household_count(self) -> int:
        """Count the households, known yet or not: the length of arrays by household."""
        return len(self.household_ids)

    @cached_property
    def household_row(self) -> np.ndarray:
        """Find the row of ``households`` with each household's current attributes: int64 [households].

        -1 where the household is not known yet, has left or is silent, or lives outside the grids that the records are
        within.
        """
        rows, within = self.households, self.within
        row = np.where(self.ended | self.silent, -1, self._last_row)
        if within is None or not len(rows):
            return row
        return np.where((row >= 0) & within[rows.grid[np.maximum(row, 0)]], row, -1)

    @cached_property
    def _last_row(self) -> np.ndarray:
        rows = self.households
        return last_of_each(rows.household, rows.valid_from, rows.visible_from, self.household_count)

    @cached_property
    def ended(self) -> np.ndarray:
        """Tell which households moved away or died out before the as-of day, with nothing following: bool [households].

        By the register's ``valid_until``, or by a visit after which no row of the register begins.
        """
        return left_on(self.households, self.outreach, self._last_row) <= self.as_of

    @cached_property
    def silent(self) -> np.ndarray:
        """Tell which households gave no sign for ``silent_after_weeks``: bool [households]; none without that setting."""
        weeks = self.community.silent_after_weeks
        if weeks is None:
            return np.zeros(self.household_count, dtype=bool)
        return _last_sign(self) < self.as_of - WEEK * weeks

    @cached_property
    def present(self) -> np.ndarray:
        """Tell which households are known before the as-of day and live there: bool [households]."""
        return self.household_row >= 0

    @cached_property
    def known_since(self) -> np.ndarray:
        """Return each household's first ``valid_from``: float64 days [households]; NaN where not known yet."""
        first = np.full(self.household_count, np.inf)
        np.minimum.at(first, self.households.household, self.households.valid_from)
        return np.where(np.isinf(first), np.nan, first)

    @cached_property
    def microgrid(self) -> np.ndarray:
        """Return each household's current micro-grid: int32 [households]; -1 where not present."""
        return self._current(self.households.microgrid)

    @cached_property
    def grid(self) -> np.ndarray:
        """Return each household's current grid: int32 [households]; -1 where not present."""
        return self._current(self.households.grid)

    def area(self, kind: str) -> np.ndarray:
        """Give ``grid`` or ``microgrid``, by its name."""
        return self.grid if kind == "grid" else self.microgrid

    def _current(self, column: np.ndarray) -> np.ndarray:
        row = self.household_row
        if not len(column):
            return np.full(len(row), -1, dtype=np.int32)
        return np.where(row >= 0, column[np.maximum(row, 0)], -1).astype(np.int32)

    @cached_property
    def resident_rows(self) -> np.ndarray:
        """Find the latest row of each resident who still lives in that row's household: int64 rows of ``residents``.

        A resident who now belongs to another household has none, even if that household's rows are not among these.
        """
        rows = self.residents
        count = int(rows.resident.max()) + 1 if len(rows) else 0
        last = last_of_each(rows.resident, rows.valid_from, rows.visible_from, count)
        last = last[last >= 0]
        return last[(rows.left[last] >= self.as_of) & (rows.valid_until[last] > self.as_of)]

    @cached_property
    def opted_out(self) -> np.ndarray:
        """Tell which households refuse automated listing on the as-of day: bool [households]."""
        refuses = np.zeros(self.household_count, dtype=bool)
        rows = self.opt_outs
        refuses[rows.household[(rows.begins < self.as_of) & (rows.until > self.as_of)]] = True
        return refuses


def _last_sign(known: Known) -> np.ndarray:
    """Find each household's newest row, request, visit or resident's row: float64 days [households]; -inf without any."""
    last = np.full(known.household_count, -np.inf)
    for whose, when in (
        (known.households.household, known.households.valid_from),
        (known.residents.household, known.residents.valid_from),
        (known.requests.household, known.requests.requested),
        (known.outreach.household, known.outreach.contacted),
    ):
        np.maximum.at(last, whose, when)
    return last


def known_before(records: Records, as_of: int, town: TownSummary | None = None) -> Known:
    """Return what was known before the local midnight that begins day ``as_of``.

    ``resolved`` and ``satisfaction`` of a request count only from its resolution on. ``town``: summary of the whole
    town on this day, to be given where the records are those of a partition or of one household; functions that ask
    about the town then answer from it. With None they answer from the records themselves.
    """
    requests = visible(records.requests, as_of)
    with np.errstate(invalid="ignore"):
        open_still = ~(requests.resolved < as_of)
    requests = replace(
        requests,
        resolved=np.where(open_still, np.nan, requests.resolved),
        satisfaction=np.where(open_still, np.nan, requests.satisfaction).astype(np.float32),
    )
    households = visible(records.households, as_of)
    positions = np.arange(len(records.households))[visible_part(records.households, as_of)]
    began, ended = begun_anew(households, len(records.household_ids))
    if began is not None:
        of_present_id = households.valid_from >= began[households.household]
        households, positions = rows_at(households, np.flatnonzero(of_present_id)), positions[of_present_id]
    outreach, opt_outs = visible(records.outreach, as_of), visible(records.opt_outs, as_of)
    residents = visible(records.residents, as_of)
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
        households=households,
        residents=since(began, residents, residents.valid_from),
        requests=since(began, requests, requests.requested),
        outreach=since(began, outreach, outreach.contacted),
        opt_outs=binding(ended, opt_outs, opt_outs.begins),
        household_history=_known_history(records, positions),
        attribute_texts=records.attribute_texts,
        recordings=recordings(records.requests, as_of),
        objections=records.objections,
        town=town,
    )


def _known_history(records: Records, known: np.ndarray) -> np.ndarray:
    """Put the rows known at a date, numbered among themselves, in the order of ``Records.history_order``: int64."""
    number = np.full(len(records.households), -1, dtype=np.int64)
    number[known] = np.arange(len(known))
    row = number[records.history_order]
    return row[row >= 0]


@dataclass(frozen=True)
class Rows:
    """The pairs of household and need at one as-of day for which features, labels or scores are wanted."""

    household: np.ndarray  # int32
    need: np.ndarray  # int16

    def __len__(self) -> int:
        return len(self.household)

    def take(self, keep: np.ndarray) -> "Rows":
        """Return the pairs at the positions, or of the mask, ``keep``."""
        return Rows(self.household[keep], self.need[keep])
