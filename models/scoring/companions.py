"""Columns of models of other communities: the same features by name, in another order and with other attributes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from features.blocks.build import Features


def with_columns(features: Features, names: list[str]) -> Features:
    """Return the features under these names, in this order; NaN where this community has no such feature."""
    if features.names == names:
        return features
    matrix = np.full((len(features.matrix), len(names)), np.nan, dtype=features.matrix.dtype)
    here, there = _shared(features.names, names)
    matrix[:, there] = features.matrix[:, here]
    return replace(features, matrix=matrix, names=names)


def in_columns(values: np.ndarray, names: list[str], wanted: list[str]) -> np.ndarray:
    """Put columns under other names: float64 [rows, wanted]; 0 for those that are not among ``names`` [columns]."""
    if names == wanted:
        return values
    result = np.zeros((len(values), len(wanted)))
    here, there = _shared(names, wanted)
    result[:, there] = values[:, here]
    return result


def _shared(names: Sequence[str], others: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the positions of the names that both have, in each of them."""
    place = {name: position for position, name in enumerate(names)}
    shared = [(place[name], position) for position, name in enumerate(others) if name in place]
    return [here for here, _ in shared], [there for _, there in shared]
