"""Lists cut from ranked rows whose scores may tie: sums by tie group, expected hits when ties break at random."""

import numpy as np
from scipy.sparse import csr_matrix

MOST_GROUPS = 400  # in replicates, ties are taken coarser than this far down a list


def tie_groups(score: np.ndarray) -> tuple[np.ndarray, int]:
    """Number of the tie group of each row, the highest scores in group 0, and the number of groups."""
    _, group = np.unique(-score, return_inverse=True)
    return group, int(group.max()) + 1


def coarser(group: np.ndarray, count: int) -> tuple[np.ndarray, int]:
    """At most MOST_GROUPS groups in their stead, the finer the nearer to the top of a list."""
    if count <= MOST_GROUPS:
        return group, count
    edge = np.unique(np.floor(np.geomspace(1, count + 1, MOST_GROUPS)).astype(int)) - 1
    return (np.searchsorted(edge, np.arange(count), side="right") - 1)[group], len(edge)


def summed(group: np.ndarray, count: int, household: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """float64 [groups, columns]: weights [households, columns] of the rows' households, summed by group; without
    weights, the numbers of rows in one column."""
    size = np.bincount(group, minlength=count)
    if weights is None:
        return size[:, None].astype(np.float64)
    ends = np.append(0, np.cumsum(size)).astype(np.int32)
    if count <= MOST_GROUPS:
        group = group.astype(np.int16)  # numbers of two bytes are sorted in one pass
    home = household[np.argsort(group, kind="stable")].astype(np.int32)
    ones = np.ones(len(home), dtype=weights.dtype)
    return (csr_matrix((ones, home, ends), shape=(count, len(weights))) @ weights).astype(np.float64)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """above / below, NaN where there is nothing below."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def hits_at(total: np.ndarray, positive: np.ndarray, take: np.ndarray) -> np.ndarray:
    """Expected positives among the first ``take`` [columns] of tie groups [groups, columns], best group first."""
    before = np.cumsum(total, axis=0) - total
    part = np.clip(ratio(take - before, total), 0, 1)
    return np.nansum(part * positive, axis=0)


def hits_along(total: np.ndarray, positive: np.ndarray, takes: np.ndarray) -> np.ndarray:
    """``hits_at`` for many lengths: ``takes`` and the result are [lengths, columns]."""
    nothing = np.zeros((1, total.shape[1]))
    reached = np.concatenate([nothing, np.cumsum(total, axis=0)]).T
    found = np.concatenate([nothing, np.cumsum(positive, axis=0)]).T
    each = [np.interp(*one) for one in zip(takes.T, reached, found, strict=True)]
    return np.array(each).reshape(takes.T.shape).T


def extremes(total: np.ndarray, positive: np.ndarray, take: float) -> tuple[float, float]:
    """Positives among the first ``take`` of tie groups [groups] if ties break as luckily, and as unluckily, as can
    be."""
    room = np.clip(take - (np.cumsum(total) - total), 0, total)
    return float(np.minimum(positive, room).sum()), float(np.maximum(room - (total - positive), 0).sum())
