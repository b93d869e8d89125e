"""What each group of households gets of a list, beside its part of what the list is for.

Groups may overlap, and intervals resample households (with all their rows): both are more than fairlearn's
MetricFrame does, whose values the tests compare these with.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.evaluate import ALL, interval, tie_groups

MOST_LETTERS = 100  # of a group's id in a metric's name
COUNTS = ("households", "rows", "positives")
MEASURES = (
    "share_of_list",  # of the visits
    "share_of_need",  # of the positives
    "list_over_need",  # the first over the second
    "recall",  # of the positives those listed
    "precision",  # of those listed the positives
    "predicted_over_observed",
)
COLUMNS = ("audit", "group", *COUNTS, *(f"{one}{end}" for one in MEASURES for end in ("", "_low", "_high")))


@dataclass(frozen=True)
class Audited:
    """Pairs that could be listed, and what came of them. All arrays have one value a row."""

    household: np.ndarray  # int
    positive: np.ndarray  # float64: 1 where it was what the list is for, or the chance that it is
    listed: np.ndarray  # float64 in [0, 1]: on the list; a part where a tie is broken at random
    visits: np.ndarray  # float64: the part of a visit that the row takes
    predicted: np.ndarray  # float64: probability; NaN where nothing was observed to compare it with
    weight: np.ndarray  # float64: how many rows of the town this one stands for
    member: np.ndarray  # bool [rows, groups]

    def __len__(self) -> int:
        return len(self.household)


def listed_at(score: np.ndarray, share: float, weight: np.ndarray | None = None) -> np.ndarray:
    """float64 in [0, 1] per row: on a list of the best ``share`` of the weight; those tied at its end in part."""
    if not len(score):
        return np.empty(0)
    weight = np.ones(len(score)) if weight is None else weight
    tied, count = tie_groups(score, None)
    total = np.bincount(tied, weight, count)
    before = np.cumsum(total) - total
    return np.clip((min(share, 1.0) * total.sum() - before) / np.where(total > 0, total, 1), 0, 1)[tied]


def group_shares(rows: Audited, groups: Sequence[str], audit: str, draws: np.ndarray) -> pd.DataFrame:
    """COLUMNS: a row for the whole town, ``all``, then one a group; ends of 95% intervals in _low and _high.

    ``audit`` names what is audited. ``draws`` [households, replicates]: as ``models.evaluate.resampled`` gives them.
    """
    everyone = np.ones(len(rows), dtype=bool)
    town = _sums(rows, everyone, draws)
    table: list[tuple] = []
    for at, group in enumerate([ALL, *groups]):
        keep = everyone if not at else rows.member[:, at - 1]
        counts = (len(np.unique(rows.household[keep])), int(keep.sum()), float(rows.positive[keep].sum()))
        found = _measures(_sums(rows, keep, draws), town)
        values = [one for values in found for one in (float(values[0]), *interval(values[1:]))]
        table.append((audit, group, *counts, *values))
    return pd.DataFrame(table, columns=list(COLUMNS))


def as_rankers(table: pd.DataFrame) -> pd.DataFrame:
    """Groups as rankers of the metrics table (ranker, fold, metric, value, low, high), named by their audit."""
    parts = [
        pd.DataFrame(
            {
                "ranker": "groups/" + table["audit"] + "/" + table["group"].map(_plain),
                "fold": "",
                "metric": one,
                "value": table[one],
                "low": table[f"{one}_low"],
                "high": table[f"{one}_high"],
            }
        )
        for one in MEASURES
    ]
    return pd.concat(parts, ignore_index=True)


def _plain(group: str) -> str:
    """A group's id as part of a metric's name, of which MLflow takes letters, numbers and few signs."""
    return re.sub(r"[^\w\- :]", "_", group)[:MOST_LETTERS]


def _sums(rows: Audited, keep: np.ndarray, draws: np.ndarray) -> dict[str, np.ndarray]:
    """Weighted sums over the rows of ``keep``: of the rows as they are, then in each replicate."""
    homes, place = np.unique(rows.household[keep], return_inverse=True)
    weight = rows.weight[keep]
    of_row = {
        "visits": rows.visits[keep],
        "listed": rows.listed[keep],
        "positive": rows.positive[keep],
        "hits": rows.listed[keep] * rows.positive[keep],
        "predicted": rows.predicted[keep],
    }
    by_household = np.stack([np.bincount(place, weight * one, len(homes)) for one in of_row.values()])
    again = by_household @ draws[homes].astype(np.float64)
    sums = np.column_stack([by_household.sum(axis=1), again])
    return dict(zip(of_row, sums, strict=True))


def _measures(own: dict[str, np.ndarray], town: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """MEASURES, in their order."""
    of_list = _ratio(own["visits"], town["visits"])
    of_need = _ratio(own["positive"], town["positive"])
    return (
        of_list,
        of_need,
        _ratio(of_list, of_need),
        _ratio(own["hits"], own["positive"]),
        _ratio(own["hits"], own["listed"]),
        _ratio(own["predicted"], own["positive"]),
    )


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
