"""Intervals of shares."""

import numpy as np
from scipy.special import ndtri


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
