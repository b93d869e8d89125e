"""Intervals of shares."""

import numpy as np
from scipy.special import betaincinv, gammaincinv, ndtri

TAIL = 0.025  # below, and above, a 95% interval


def wilson(hits: float, total: float, level: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a share of ``hits`` in ``total``; (0, 1) without any.

    >>> [round(one, 3) for one in wilson(18, 20)]
    [0.699, 0.972]
    """
    if total <= 0:
        return 0.0, 1.0
    z = float(ndtri(0.5 + level / 2))
    share = hits / total
    middle = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z / (1 + z**2 / total) * float(np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2)))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def exact_share(hits: float, total: float) -> tuple[float, float]:
    """Return the 95% interval of a share of ``hits`` in ``total`` by Clopper and Pearson (1934); (0, 1) without any.

    Effective numbers, of rows that count for less than one each, need not be whole.

    >>> [round(one, 3) for one in exact_share(0, 10)]
    [0.0, 0.308]
    """
    if total <= 0:
        return 0.0, 1.0
    hits = min(max(hits, 0.0), total)
    low = float(betaincinv(hits, total - hits + 1, TAIL)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, total - hits, 1 - TAIL)) if hits < total else 1.0
    return low, high


def exact_count(count: float) -> tuple[float, float]:
    """Return the 95% interval of the mean of a Poisson count by Garwood (1936).

    >>> [round(one, 3) for one in exact_count(0)]
    [0.0, 3.689]
    """
    low = float(gammaincinv(count, TAIL)) if count > 0 else 0.0
    return low, float(gammaincinv(count + 1, 1 - TAIL))
