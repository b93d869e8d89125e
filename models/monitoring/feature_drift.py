"""Drift of the model's features: how far each moved since the champion was trained, beside how far it usually moves."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from features.blocks.build import catalogue, summarise
from features.blocks.catalogue import Role
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Records, known_before
from features.point_in_time.schema import Schema
from features.point_in_time.town_summary import first_known
from models.dataset.sample import matrix_of

BINS = 10
MOST_HOUSEHOLDS = 1000  # that are looked at
SHORTEST = 28  # days since training, below which nothing is said
HISTORY = 364  # days of records before the first day looked at
SPANS = 4  # as long as since training, before it, that say what is usual
FLOOR = 0.25  # population stability index from which a shift is commonly called large
BEYOND = 1.5  # times the largest of the spans before
# what differs from household to household; few grids and one calendar give no distribution
WATCHED: tuple[Role, ...] = ("attribute", "change", "own_requests", "visits")


@dataclass(frozen=True)
class Drift:
    """A feature whose distribution moved: population stability index now, and the largest before."""

    zh: str
    en: str
    index: float
    usual: float


def feature_drift(records: Records, schema: Schema, trained: int, as_of: int) -> list[Drift]:
    """List features that moved further since training than in any span of that length before, the furthest first.

    Features of grids and of the season are left out (WATCHED).

    Empty where training was less than SHORTEST days ago, or where the history has fewer than two such spans.

    Parameters
    ----------
    records
        Of a town, or of a sample of its partitions.
    schema
        Of the champion.
    trained, as_of
        The champion's as-of day and the day of the look back.
    """
    span, begun = as_of - trained, first_known(known_before(records, as_of))
    days = [day for back in range(-1, SPANS + 1) if (day := trained - back * span) >= begun + HISTORY]
    if span < SHORTEST or len(days) < 4:
        return []
    drawn = np.random.default_rng(0).permutation(len(records.household_ids))[:MOST_HOUSEHOLDS]
    matrices = [_matrix(records, schema, day, drawn) for day in days]
    moved = np.array(
        [
            np.array([_index(new[:, at], old[:, at]) for at in range(old.shape[1])])
            for new, old in pairwise(matrices)
        ]
    )
    now, usual, features = moved[0], moved[1:].max(axis=0), catalogue(schema)
    watched = np.array([feature.role in WATCHED for feature in features])
    far = np.flatnonzero(watched & (now > np.maximum(FLOOR, BEYOND * usual)))
    order = far[np.argsort(-now[far], kind="stable")]
    return [Drift(features[at].zh, features[at].en, float(now[at]), float(usual[at])) for at in order]


def _matrix(records: Records, schema: Schema, day: int, households: np.ndarray) -> np.ndarray:
    known = known_before(records, day)
    rows = cohort(known)
    rows = rows.take(np.isin(rows.household, households))
    return matrix_of(records, known, rows, schema, summarise(known, schema))


def _index(new: np.ndarray, old: np.ndarray) -> float:
    """Compare the shares of ten bins of ``old``, and of missing values; half a row is added to each."""
    stated = old[~np.isnan(old)]
    edges = np.unique(np.quantile(stated, np.arange(1, BINS) / BINS)) if len(stated) else np.empty(0)

    def shares(values: np.ndarray) -> np.ndarray:
        bins = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="right"))
        counts = np.bincount(bins, minlength=len(edges) + 2) + 0.5
        return counts / counts.sum()

    now, then = shares(new), shares(old)
    return float(((now - then) * np.log(now / then)).sum())
