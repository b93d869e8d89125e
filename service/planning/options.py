"""List what a visit to a household may ask about: one option for each set of needs worth considering."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from models.evaluation.capacity import NEEDS_PER_VISIT

ALL_SUBSETS = 4  # so many scarce needs are left out in every combination; of more, one, two or all


@dataclass(frozen=True)
class Options:
    """One row for each household and set of needs that a visit may ask about."""

    pairs: pd.DataFrame  # household, need, area, p_need, value, … with positions as index
    household: np.ndarray  # int64
    area: np.ndarray  # int64
    asked: np.ndarray  # int64 [options, NEEDS_PER_VISIT]: positions in ``pairs``, -1 where fewer needs

    def sums(self, of_pair: np.ndarray) -> np.ndarray:
        """Sum a value of the pairs over each option's pairs: float64 [options]; ``of_pair``: [pairs]."""
        return np.append(of_pair, 0.0)[self.asked].sum(axis=1)

    def chosen(self, which: np.ndarray) -> pd.DataFrame:
        """Return the pairs of the options at the positions ``which``."""
        asked = self.asked[which]
        return self.pairs.iloc[asked[asked >= 0]]


def options_of(pairs: pd.DataFrame, scarce: Collection[int] = ()) -> Options:
    """List the options of every household in ``pairs``.

    A visit asks about up to three needs, sensitive ones first: the one of highest value, then those whose p_need is
    above the town's usual. ``scarce``: positions of needs with limited seats; a household that would be asked about one
    of them has further options that leave it out.
    """
    pairs = pairs.sort_values(
        ["household", "sensitive", "value", "need"], ascending=[True, False, False, True], ignore_index=True
    )
    parts = [_asked(pairs, left_out) for left_out in _subsets(sorted(scarce))]
    asked = np.unique(np.concatenate(parts), axis=0)
    first = asked.max(axis=1)
    home = pairs["household"].to_numpy(dtype=np.int64)
    area = pairs["area"].to_numpy(dtype=np.int64)
    return Options(pairs, home[first], area[first], asked)


def _subsets(needs: list[int]) -> Iterator[tuple[int, ...]]:
    most = len(needs) if len(needs) <= ALL_SUBSETS else 2
    for size in range(most + 1):
        yield from combinations(needs, size)
    if most < len(needs):
        yield tuple(needs)


def _asked(pairs: pd.DataFrame, left_out: tuple[int, ...]) -> np.ndarray:
    """Return the rows of ``pairs`` to ask about: int64 [households, NEEDS_PER_VISIT], ascending, -1 in front."""
    rows = np.flatnonzero(~pairs["need"].isin(left_out))
    home = pairs["household"].to_numpy()[rows]
    first = np.append(True, home[1:] != home[:-1])[: len(rows)]
    rows = rows[first | (pairs["p_need"] > pairs["usual"]).to_numpy()[rows]]
    home = pairs["household"].to_numpy()[rows]
    start = np.append(True, home[1:] != home[:-1])[: len(rows)]
    number = np.arange(len(rows)) - np.maximum.accumulate(np.where(start, np.arange(len(rows)), 0))
    asked = np.full((int(start.sum()), NEEDS_PER_VISIT), -1, dtype=np.int64)
    place = np.cumsum(start) - 1
    kept = number < NEEDS_PER_VISIT
    asked[place[kept], number[kept]] = rows[kept]
    return np.sort(asked, axis=1)
