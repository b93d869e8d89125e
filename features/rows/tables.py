"""The contract's tables as arrays with every version of every row, and the rows that were known on a day.

Times are *days*: float64 days since 1970-01-01 00:00 in the community's local time, NaN where missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from features.contract.attribute_values import Texts
from features.contract.tables import DEPARTED, OUTCOMES, UNDATED

SAME_DAY = 1.0  # days between an end and the next row within which that row still follows it


@dataclass(frozen=True)
class Versions:
    """Rows of one table, sorted by ``visible_from``.

    A row was known at an as-of day when ``visible_from < as_of <= visible_to``; a row that a later export corrected ends
    (``visible_to``) where its correction begins.
    """

    visible_from: np.ndarray  # float64 days
    visible_to: np.ndarray  # float64 days, inf where never superseded

    def __len__(self) -> int:
        return len(self.visible_from)


@dataclass(frozen=True)
class HouseholdRows(Versions):
    """The history of households' attributes and places."""

    household: np.ndarray  # int32 index into Records.household_ids
    valid_from: np.ndarray  # float64 days
    # float64 days from which the row no longer holds and nothing follows it; inf where open
    valid_until: np.ndarray
    grid: np.ndarray  # int32 index into Records.grid_ids
    microgrid: np.ndarray  # int32 index into Records.microgrid_ids
    attributes: Mapping[str, Texts]  # by name, in the order in which they first came


@dataclass(frozen=True)
class ResidentRows(Versions):
    """The history of residents' attributes and households."""

    resident: np.ndarray  # int32, one number per resident_id
    household: np.ndarray  # int32
    valid_from: np.ndarray  # float64 days
    valid_until: np.ndarray  # float64 days, as of households
    born: np.ndarray  # float64 days of birth; 1 July of the year where only the year is known; NaN unknown
    # float64 days from which a later row has the resident in another household; inf where none
    left: np.ndarray
    attributes: Mapping[str, Texts]


@dataclass(frozen=True)
class RequestRows(Versions):
    """Requests. ``visible_from`` is the time from which this version counts, which for a correction (such as a
    resolution) is later than ``recorded``.
    """

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
    """Refusals of automated listing by households, and until when they hold."""

    household: np.ndarray  # int32
    begins: np.ndarray  # float64 days
    until: np.ndarray  # float64 days, inf where open


@dataclass(frozen=True)
class FeedbackRows(Versions):
    """What residents and workers said about a list, a reason or a visit."""

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
OfHousehold = TypeVar("OfHousehold", ResidentRows, RequestRows, OutreachRows, OptOutRows, FeedbackRows)


def positions_of(values: Iterable[Any], within: Iterable[Any]) -> np.ndarray:
    """Find each value's position in ``within``, whose entries all differ: int64 per value; -1 where it is not there.

    Each distinct value is looked up once: tables name a household many times.
    """
    codes, distinct = pd.factorize(pd.Series(values))
    return np.append(pd.Index(within).get_indexer(pd.Index(distinct)), -1)[codes]


def rows_at(rows: AnyVersions, keep: np.ndarray | slice) -> AnyVersions:
    """Return the rows of a table at the positions ``keep``, in this order."""
    picked: dict[str, Any] = {}
    for field in fields(rows):
        value = getattr(rows, field.name)
        if isinstance(value, Mapping):
            picked[field.name] = {name: column[keep] for name, column in value.items()}
        else:
            picked[field.name] = value[keep]
    return type(rows)(**picked)


def visible_part(rows: Versions, as_of: float) -> np.ndarray | slice:
    """Find the rows that were known before day ``as_of``: their positions, or a slice of them."""
    end = int(np.searchsorted(rows.visible_from, as_of, side="left"))
    superseded = rows.visible_to[:end] < as_of
    return np.flatnonzero(~superseded) if superseded.any() else slice(0, end)


def current(rows: AnyVersions) -> AnyVersions:
    """Return the rows of one table as they stand now, without corrected ones."""
    return rows_at(rows, np.flatnonzero(np.isinf(rows.visible_to)))


def visible(rows: AnyVersions, as_of: float) -> AnyVersions:
    """Return the rows of one table that were known before day ``as_of``."""
    return rows_at(rows, visible_part(rows, as_of))


def last_of_each(who: np.ndarray, when: np.ndarray, version: np.ndarray, count: int) -> np.ndarray:
    """Find the latest row of each number in ``who``: int64 [count], its position; -1 where there is none.

    ``who``: int per row, below ``count``. ``when``: float64 days per row. ``version``: float64 per row, by which the
    later of two rows of the same time counts.
    """
    order = np.lexsort((version, when, who))
    last = np.full(count, -1, dtype=np.int64)
    last[who[order]] = order  # later assignments win, and they come later in `order`
    return last


def since(began: np.ndarray | None, rows: OfHousehold, when: np.ndarray) -> OfHousehold:
    """Return the rows whose time ``when`` is not before their household took over its id.

    ``began``: as ``begun_anew`` returns it; with None all rows are returned. ``when``: float64 days per row.
    """
    return rows if began is None else rows_at(rows, np.flatnonzero(~(when < began[rows.household])))


def binding(ended: np.ndarray | None, rows: OfHousehold, when: np.ndarray) -> OfHousehold:
    """Take the refusals but those made before the household that had the number until ``ended`` was gone; a refusal
    without a day binds whoever has the number."""
    if ended is None:
        return rows
    earlier = (when < ended[rows.household]) & (when > (UNDATED - date(1970, 1, 1)).days)
    return rows_at(rows, np.flatnonzero(~earlier))


@dataclass(frozen=True)
class AttributeTexts:
    """The distinct texts of each attribute column, to which the codes in ``Known`` point.

    All as-of days share these code books; they say nothing about any single household.
    """

    households: Mapping[str, np.ndarray]  # object str by attribute
    residents: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Recordings:
    """All recordings of requests up to the as-of day, the first ones and their corrections, in the order of recording."""

    request_id: np.ndarray  # str
    requested: np.ndarray  # float64 days
    visible_from: np.ndarray  # float64 days


@dataclass(frozen=True)
class Objections:
    """What residents and workers said, up to now, against being listed, whatever the as-of day.

    This alone in ``Known`` reaches past its date, and it can only leave a household out: a list that is made again for an
    earlier week must respect a refusal that came since. No feature, label or model reads it.
    """

    feedback: FeedbackRows
    opt_outs: OptOutRows
    left_on: np.ndarray  # float64 days per household: since when it is there no longer; inf where it is


def recordings(rows: RequestRows, as_of: float) -> Recordings:
    """Return the recordings of requests that became known before day ``as_of``, corrected versions included."""
    end = int(np.searchsorted(rows.visible_from, as_of, side="left"))
    return Recordings(rows.request_id[:end], rows.requested[:end], rows.visible_from[:end])


def left_on(households: HouseholdRows, outreach: OutreachRows, last: np.ndarray) -> np.ndarray:
    """Find since when households are there no longer.

    households: rows of one point in time.
    outreach: visits; one that finds that all have left ends a household of which no later row begins.
    last: int64 per household, its latest row; -1 where none.

    Returns float64 days per household, inf where it is there.
    """
    left = np.full(len(last), np.inf)
    if not len(households):
        return left
    left = np.where(last >= 0, ends_of_rows(households)[last], np.inf)
    visits = np.flatnonzero(departed(outreach.outcome))
    begins = np.where(last >= 0, households.valid_from[last], np.inf)
    visits = visits[outreach.contacted[visits] >= begins[outreach.household[visits]]]
    np.minimum.at(left, outreach.household[visits], outreach.contacted[visits])
    return left


def departed(outcome: np.ndarray) -> np.ndarray:
    """Tell which outcomes mean that nobody is to be visited there any more: bool per outcome."""
    return np.isin(outcome, [OUTCOMES.index(outcome) for outcome in DEPARTED])


def ends_of_rows(households: HouseholdRows) -> np.ndarray:
    """Return until when each row holds: float64 days per row, inf where open.

    An end after the beginning of the household's next row also ends that row, unless that row has an end of its own.
    """
    until = households.valid_until
    if not np.isfinite(until).any():
        return until
    order = np.lexsort((households.visible_from, households.valid_from, households.household))
    until = until[order]
    whose, begins = households.household[order], households.valid_from[order]
    follows = whose[1:] == whose[:-1]
    while True:
        passed = (
            follows & np.isinf(until[1:]) & np.isfinite(until[:-1]) & (until[:-1] > begins[1:] + SAME_DAY)
        )
        if not passed.any():
            break
        until[1:][passed] = until[:-1][passed]
    ends = np.empty_like(until)
    ends[order] = until
    return ends


def begun_anew(households: HouseholdRows, count: int) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """float64 per household, twice: since when the present one has its number, and when another one with it had ended
    before; -inf elsewhere. None where no number began again."""
    if not np.isfinite(households.valid_until).any():
        return None, None
    order = np.lexsort((households.visible_from, households.valid_from, households.household))
    until, begins = ends_of_rows(households)[order], households.valid_from[order]
    whose = households.household[order]
    anew = np.flatnonzero((whose[1:] == whose[:-1]) & (until[:-1] + SAME_DAY < begins[1:])) + 1
    if not len(anew):
        return None, None
    began, ended = np.full(count, -np.inf), np.full(count, -np.inf)
    began[whose[anew]], ended[whose[anew]] = begins[anew], until[anew - 1]
    return began, ended
