"""Audit of the past year's targeted visits: which groups they passed over, beside the needs that random visits found.

It compares the visits that were made with the needs that were there, and uses no model. A town's table is made from the
visits of all its partitions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_array

from features.blocks.groups import Groups, joined_groups, membership, without_members
from features.point_in_time.records import Known
from models.evaluation.evaluate import resampled_of
from models.fairness.audit import BLOCK, MADE, block_end, members_then
from models.fairness.shares import COLUMNS, Audited, group_shares
from models.underreporting.visits import visits_by_lot, week_weights

MADE_WITHIN = 364  # days of the visits that were made


@dataclass(frozen=True)
class VisitsMade:
    """Targeted visits of a year, one a row, then the random ones: of a town, or of one partition's households."""

    household_ids: pa.StringArray  # of all households
    household: np.ndarray  # int, position in household_ids
    week: np.ndarray  # int32 day that begins the week of a visit by lot, -1 of a targeted one
    found: np.ndarray  # bool: by lot, and the need was there
    visit: np.ndarray  # float64: the part of a targeted household's visit that day; 0 by lot
    weight: np.ndarray  # float64: inverse propensity; 1 of targeted ones
    member: csr_array  # bool [rows, columns]: as known at the time
    columns: tuple[str, ...]  # ids of groups
    groups: Groups  # as known now, without members

    def __len__(self) -> int:
        return len(self.household)


def days_told(as_of: int) -> list[int]:
    """Return the days by which a visit's household is assigned to groups."""
    return list(range(as_of, as_of - MADE_WITHIN - 1, -BLOCK))


def visits_made(known: Known, then: Callable[[int], Known]) -> VisitsMade:
    """Collect the visits of the year before the as-of day; ``then`` gives what was known at each of ``days_told``."""
    rows, begin = known.outreach, known.as_of - MADE_WITHIN
    made = np.flatnonzero(~rows.random & (rows.contacted >= begin))
    drawn, _ = visits_by_lot(known)
    drawn = drawn.take(drawn.as_of >= begin)
    day = np.floor(rows.contacted[made]).astype(np.int64)
    _, place, asked = np.unique(
        np.stack([rows.household[made], day]), axis=1, return_inverse=True, return_counts=True
    )
    household = np.concatenate([rows.household[made], drawn.household])
    when = np.concatenate([day, drawn.as_of])
    member = members_then(then, household, block_end(known, when))
    groups = membership(known)
    return VisitsMade(
        household_ids=pa.array(known.household_ids, pa.string()),
        household=household,
        week=np.concatenate([np.full(len(made), -1), drawn.as_of]).astype(np.int32),
        found=np.concatenate([np.zeros(len(made), dtype=bool), drawn.found == 1]),
        visit=np.concatenate([1 / asked[place.reshape(-1)], np.zeros(len(drawn))]),
        weight=np.concatenate([np.ones(len(made)), drawn.weight]),
        member=csr_array(np.array(list(member.values()), dtype=bool).reshape(len(member), len(household)).T),
        columns=tuple(member),
        groups=without_members(groups),
    )


def audit_made(parts: Sequence[VisitsMade]) -> tuple[pd.DataFrame, Groups]:
    """Audit the targeted visits against the needs that random visits found.

    ``parts``: the visits of every partition. Returns the table of ``group_shares``, and the groups without members. A
    share of the list is a share of the targeted households, one for each day; recall, precision and calibration are
    missing. Without targeted visits, or without a need found by random visits, there are no rows.
    """
    groups = joined_groups([part.groups for part in parts])
    week, found, visit, weight = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("week", "found", "visit", "weight")
    )
    lot = week >= 0
    if lot.all() or not found.any():
        return pd.DataFrame(columns=list(COLUMNS)), groups
    weight[lot] = week_weights(weight[lot], week[lot])
    number, households = _numbered(parts)
    homes, household = np.unique(number, return_inverse=True)
    unknown = np.full(len(week), np.nan)
    audited = Audited(
        household, found.astype(float), unknown, visit, unknown, weight, _members(parts, groups)
    )
    return group_shares(audited, groups.ids, MADE, resampled_of(households, homes)), groups


def _numbered(parts: Sequence[VisitsMade]) -> tuple[np.ndarray, int]:
    """Number each row's household in the order of the whole town's ids; also return how many there are."""
    begins = np.cumsum([0, *(len(part.household_ids) for part in parts)])
    order = pc.sort_indices(pa.chunked_array([part.household_ids for part in parts])).to_numpy()
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.arange(len(order))
    rows = [begin + part.household for begin, part in zip(begins[:-1], parts, strict=True)]
    return number[np.concatenate(rows)], len(order)


def _members(parts: Sequence[VisitsMade], groups: Groups) -> csr_array:
    """Tell which rows of all partitions are members of which group: bool [rows, groups]."""
    place = {group: at for at, group in enumerate(groups.ids)}
    rows, columns, begin = [], [], 0
    for part in parts:
        row, column = part.member.nonzero()
        at = np.array([place.get(column, -1) for column in part.columns], dtype=np.int64)[column]
        rows.append(begin + row[at >= 0])
        columns.append(at[at >= 0])
        begin += len(part)
    row, column = np.concatenate(rows), np.concatenate(columns)
    return csr_array((np.ones(len(row), dtype=bool), (row, column)), shape=(begin, len(groups)))
