"""Round parts so that they add up to their rounded sum."""

import numpy as np
from numpy.typing import ArrayLike


def whole_parts(values: ArrayLike) -> list[int]:
    """Round each value down or up, so that all add up to their rounded sum: largest remainders go up.

    >>> whole_parts([1.4, 1.4, 1.4]), whole_parts([0.2, 0.1])
    ([2, 1, 1], [0, 0])
    """
    exact = np.asarray(values, dtype=np.float64)
    parts = np.floor(exact).astype(int)
    missing = round(float(exact.sum())) - int(parts.sum())
    largest = np.argsort(parts - exact, kind="stable")[: max(missing, 0)]
    parts[largest] += 1
    return parts.tolist()
