"""The contract's tables as arrays, every version of every row, and which rows a day knows.

Times are *days*: float64 days since 1970-01-01 00:00 in the community's local time, NaN where missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from features.contract.attribute_values import Texts
from features.contract.tables import UNDATED


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
    valid_until: (
        np.ndarray
    )  # float64 days from which the row no longer holds and nothing follows it; inf where open
    grid: np.ndarray  # int32 index into Records.grid_ids
    microgrid: np.ndarray  # int32 index into Records.microgrid_ids
    attributes: Mapping[str, Texts]  # by name, in the order in which they first came


@dataclass(frozen=True)
class ResidentRows(Versions):
    """Attribute history of residents."""

    resident: np.ndarray  # int32, one number per resident_id
    household: np.ndarray  # int32
    valid_from: np.ndarray  # float64 days
    valid_until: np.ndarray  # float64 days, as of households
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


OfHousehold = TypeVar("OfHousehold", ResidentRows, RequestRows, OutreachRows, OptOutRows, FeedbackRows)


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


def visible_part(rows: Versions, as_of: float) -> np.ndarray | slice:
    """Where the rows stand that were known before ``as_of`` (days)."""
    end = int(np.searchsorted(rows.visible_from, as_of, side="left"))
    superseded = rows.visible_to[:end] < as_of
    return np.flatnonzero(~superseded) if superseded.any() else slice(0, end)


def current(rows: AnyVersions) -> AnyVersions:
    """The rows of one table as they stand now, corrected ones left out."""
    return rows_at(rows, np.flatnonzero(np.isinf(rows.visible_to)))


def visible(rows: AnyVersions, as_of: float) -> AnyVersions:
    """The rows of one table that were known before ``as_of`` (days)."""
    return rows_at(rows, visible_part(rows, as_of))


def last_of_each(who: np.ndarray, when: np.ndarray, version: np.ndarray, count: int) -> np.ndarray:
    """Row of the latest ``when`` (ties: latest ``version``) of each number in ``who``; -1 where none."""
    order = np.lexsort((version, when, who))
    last = np.full(count, -1, dtype=np.int64)
    last[who[order]] = order  # later assignments win, and they come later in `order`
    return last


def since(began: np.ndarray | None, rows: OfHousehold, when: np.ndarray) -> OfHousehold:
    """The rows whose time ``when`` does not lie before their household began anew (``begun_anew``)."""
    return rows if began is None else rows_at(rows, np.flatnonzero(~(when < began[rows.household])))


def binding(ended: np.ndarray | None, rows: OfHousehold, when: np.ndarray) -> OfHousehold:
    """Take the refusals but those made before the household that had the number until ``ended`` was gone; a refusal
    without a day binds whoever has the number."""
    if ended is None:
        return rows
    earlier = (when < ended[rows.household]) & (when > (UNDATED - date(1970, 1, 1)).days)
    return rows_at(rows, np.flatnonzero(~earlier))
