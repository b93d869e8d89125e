"""Shares of groups of households: what each gets of a list, and what it has of what the list is for.

Groups may overlap, and intervals resample households (with all their rows): both are more than fairlearn's MetricFrame
does, whose values the tests compare these with.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, csr_matrix

from features.point_in_time.row_index import Grouped
from models.evaluation.evaluate import ALL, AT_ONCE, interval
from models.evaluation.share_intervals import exact_count, exact_share
from models.evaluation.ties import ratio, tie_groups

COUNTS = ("households", "rows", "positives")
MEASURES = (
    "share_of_list",  # of the visits
    "share_of_need",  # of the positives
    "list_over_need",  # the first over the second
    "recall",  # of the positives those listed
    "precision",  # of those listed the positives
    "predicted_over_observed",
)
EXPECTED = "expected_visits"  # independent ones, were the list shared out as the need is
# independent visits or positives, below which a bootstrap is too narrow: an exact interval joins it
SMALL = 30
COLUMNS = (
    "audit",
    "group",
    *COUNTS,
    *(f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")),
    EXPECTED,
)


@dataclass(frozen=True)
class Audited:
    """Pairs that could be listed, and what was observed of them. All arrays have one value a row."""

    household: np.ndarray  # int
    positive: np.ndarray  # float64: 1 where it was what the list is for, or the chance that it is
    listed: np.ndarray  # float64 in [0, 1]: on the list; a part where a tie is broken at random
    visits: np.ndarray  # float64: the part of a visit that the row takes
    predicted: np.ndarray  # float64: probability; NaN where nothing was observed to compare it with
    weight: np.ndarray  # float64: how many rows of the town this one stands for
    member: np.ndarray | csr_array  # bool [rows, groups]

    def __len__(self) -> int:
        return len(self.household)


def listed_at(score: np.ndarray, share: float, weight: np.ndarray | None = None) -> np.ndarray:
    """Tell how far each row is on a list of the best ``share``: float64 [rows] in [0, 1]; ties at its end share.

    score: float64 [rows], higher first. share: 0 or more; of the weight. weight: float64 [rows], by default 1 each.
    """
    if not len(score):
        return np.empty(0)
    weight = np.ones(len(score)) if weight is None else weight
    tied, count = tie_groups(score)
    total = np.bincount(tied, weight, count)
    before = np.cumsum(total) - total
    return np.clip((min(share, 1.0) * total.sum() - before) / np.where(total > 0, total, 1), 0, 1)[tied]


def group_shares(rows: Audited, groups: Sequence[str], audit: str, draws: np.ndarray) -> pd.DataFrame:
    """Compute the table of COLUMNS: a row for the whole town, ``all``, then one a group.

    rows: pairs. groups: ids, in the order of ``rows.member``. audit: name of what is audited.
    draws: float32 [households, replicates], what ``models.evaluation.evaluate.resampled`` returns.

    Ends of 95% intervals stand in _low and _high.
    """
    return shares_table(group_sums(rows, groups, draws), audit)


@dataclass(frozen=True)
class GroupSums:
    """Sums of one group, or of ALL; those of partitions add up to the town's."""

    counts: tuple[int, int, float]  # COUNTS
    sums: dict[str, np.ndarray]  # float64 [1 + replicates] each: as the rows are, then in each replicate

    def __add__(self, other: "GroupSums") -> "GroupSums":
        homes, rows, positives = (left + right for left, right in zip(self.counts, other.counts, strict=True))
        sums = {name: values + other.sums[name] for name, values in self.sums.items()}
        return GroupSums((int(homes), int(rows), positives), sums)


def group_sums(rows: Audited, groups: Sequence[str], draws: np.ndarray) -> dict[str, GroupSums]:
    """Compute the sums of ALL and of every group, by its id.

    rows: pairs. groups: ids, in the order of ``rows.member``. draws: see ``group_shares``.
    """
    row, group = rows.member.nonzero()
    row = np.append(np.arange(len(rows)), row)
    group = np.append(np.zeros(len(rows), dtype=np.int64), group + 1)
    sums, rows_of = _sums(rows, row, group, 1 + len(groups), draws), Grouped(group, 1 + len(groups))
    sums_of = {}
    for at, name in enumerate([ALL, *groups]):
        keep = row[rows_of.of(at)]
        counts = (len(np.unique(rows.household[keep])), len(keep), float(rows.positive[keep].sum()))
        sums_of[name] = GroupSums(counts, {measure: values[at] for measure, values in sums.items()})
    return sums_of


def shares_table(sums: Mapping[str, GroupSums], audit: str) -> pd.DataFrame:
    """Compute the table of ``group_shares`` from sums that hold ALL."""
    table: list[tuple] = []
    town = sums[ALL].sums
    for group, of_group in sums.items():
        measures = _measures(of_group.sums, town)
        exact = _exact(of_group.sums, town) if group != ALL else {}
        values = []
        for measure, each in zip(MEASURES, measures, strict=True):
            value, ends = float(each[0]), interval(each[1:])
            values += [value, *_wider(ends, exact.get(measure), value)]
        table.append((audit, group, *of_group.counts, *values, _expected(of_group.sums, town)))
    return pd.DataFrame(table, columns=list(COLUMNS))


def _sums(
    rows: Audited, row: np.ndarray, group: np.ndarray, groups: int, draws: np.ndarray
) -> dict[str, np.ndarray]:
    """Sum weighted values over the rows of every group, and in each replicate: float64 [groups, 1 + replicates] by name.

    ``row`` and ``group`` are pairs: each row with each group that it is in.
    """
    homes, place = np.unique(rows.household, return_inverse=True)
    shape = (groups, len(homes))
    of_row = {
        "visits": rows.visits,
        "listed": rows.listed,
        "positive": rows.positive,
        "hits": rows.listed * rows.positive,
        "predicted": rows.predicted,
    }
    of_home = {
        name: csr_matrix(((rows.weight * values)[row], (group, place[row])), shape=shape)
        for name, values in of_row.items()
    }
    for name in ("visits", "positive"):
        of_home[f"{name}_squared"] = of_home[name].power(2)
    parts = [{name: values @ np.ones((len(homes), 1)) for name, values in of_home.items()}]
    for first in range(0, draws.shape[1], AT_ONCE):
        drawn = draws[homes, first : first + AT_ONCE].astype(np.float64)
        parts.append({name: values @ drawn for name, values in of_home.items()})
    return {name: np.hstack([part[name] for part in parts]) for name in of_home}


def _independent(sums: dict[str, np.ndarray], name: str) -> float:
    """Compute the factor that makes a number of ``visits`` or ``positive`` rows one of independent households, at most 1.

    Rows of one household are seen together: it is the town's sum over its sum of squares by household (Kish 1965).
    """
    total, squares = float(sums[name][0]), float(sums[f"{name}_squared"][0])
    return min(total / squares, 1.0) if squares > 0 else 1.0


def _expected(group: dict[str, np.ndarray], town: dict[str, np.ndarray]) -> float:
    """Compute the independent visits that the group would get if the list were shared out as the need is."""
    if not town["positive"][0] > 0:
        return 0.0
    share = float(group["positive"][0] / town["positive"][0])
    return share * float(town["visits"][0]) * _independent(town, "visits")


def _exact(group: dict[str, np.ndarray], town: dict[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    """Compute exact intervals, by measure, of those that rest on few independent visits or positives."""
    visits, needed = (_independent(town, name) for name in ("visits", "positive"))
    visited, all_visits = (float(sums["visits"][0]) * visits for sums in (group, town))
    positive, all_positive = (float(sums["positive"][0]) * needed for sums in (group, town))
    ends: dict[str, tuple[float, float]] = {}
    expected = _expected(group, town)
    if min(visited, expected) < SMALL:
        ends["share_of_list"] = exact_share(visited, all_visits)
        if expected > 0:
            low, high = exact_count(visited)
            ends["list_over_need"] = low / expected, high / expected
    if positive < SMALL:
        ends["share_of_need"] = exact_share(positive, all_positive)
        ends["recall"] = exact_share(float(group["hits"][0]) * needed, positive)
        low, high = exact_count(positive)
        predicted = float(group["predicted"][0]) * needed
        ends["predicted_over_observed"] = predicted / high, predicted / low if low > 0 else np.inf
    listed = float(group["listed"][0]) * visits
    if listed < SMALL:
        ends["precision"] = exact_share(float(group["hits"][0]) * visits, listed)
    return ends


def _wider(ends: tuple[float, float], exact: tuple[float, float] | None, value: float) -> tuple[float, float]:
    """Join two intervals of a value; return the first one if there is no other, or no value."""
    if exact is None or np.isnan(value):
        return ends
    low, high = np.fmin(ends[0], exact[0]), np.fmax(ends[1], exact[1])
    return float(low), float(high)


def _measures(group: dict[str, np.ndarray], town: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """Compute MEASURES, in their order."""
    of_list = ratio(group["visits"], town["visits"])
    of_need = ratio(group["positive"], town["positive"])
    return (
        of_list,
        of_need,
        ratio(of_list, of_need),
        ratio(group["hits"], group["positive"]),
        ratio(group["hits"], group["listed"]),
        ratio(group["predicted"], group["positive"]),
    )
