"""Lists cut from rows whose scores may tie: sums by tie group, and expected hits when ties are broken at random."""

import numpy as np
from scipy.sparse import csr_matrix

MOST_GROUPS = 400  # in replicates, ties are taken coarser than this far down a list


def tie_groups(score: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the tie groups: return each row's, with the highest scores in group 0, and how many there are."""
    _, group = np.unique(-score, return_inverse=True)
    return group, int(group.max()) + 1


def coarser(group: np.ndarray, count: int) -> tuple[np.ndarray, int]:
    """Merge tie groups into at most MOST_GROUPS, finer ones at the top of a list; return groups and number."""
    if count <= MOST_GROUPS:
        return group, count
    edge = np.unique(np.floor(np.geomspace(1, count + 1, MOST_GROUPS)).astype(int)) - 1
    return (np.searchsorted(edge, np.arange(count), side="right") - 1)[group], len(edge)


def summed(group: np.ndarray, count: int, household: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Sum the weights of rows' households by group: float64 [groups, columns].

    group: int [rows], below ``count``.
    household: int [rows].
    weights: float [households, columns]; None to count the rows, in one column.
    """
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
    """Divide ``above`` by ``below``; NaN where the latter is not positive."""
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def hits_at(total: np.ndarray, positive: np.ndarray, take: np.ndarray) -> np.ndarray:
    """Compute the expected positives among the first rows of a list: float64 [columns].

    total, positive: float64 [groups, columns], rows and positive rows of each tie group, best group first.
    take: float64 [columns], length of the list.
    """
    before = np.cumsum(total, axis=0) - total
    part = np.clip(ratio(take - before, total), 0, 1)
    return np.nansum(part * positive, axis=0)


def hits_along(total: np.ndarray, positive: np.ndarray, takes: np.ndarray) -> np.ndarray:
    """Compute ``hits_at`` for many lengths: float64 [lengths, columns], as ``takes``.

    total, positive: see ``hits_at``. takes: float64 [lengths, columns], lengths of the list in each column.
    """
    nothing = np.zeros((1, total.shape[1]))
    reached = np.concatenate([nothing, np.cumsum(total, axis=0)]).T
    hits = np.concatenate([nothing, np.cumsum(positive, axis=0)]).T
    each = [np.interp(*curve) for curve in zip(takes.T, reached, hits, strict=True)]
    return np.array(each).reshape(takes.T.shape).T


def extremes(total: np.ndarray, positive: np.ndarray, take: float) -> tuple[float, float]:
    """Count the positives among the first ``take`` rows if ties break as luckily, and as unluckily, as possible.

    total, positive: float64 [groups], rows and positive rows of each tie group, best group first.
    """
    room = np.clip(take - (np.cumsum(total) - total), 0, total)
    return float(np.minimum(positive, room).sum()), float(np.maximum(room - (total - positive), 0).sum())
