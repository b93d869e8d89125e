"""Weigh where a random visit teaches most: uncertain estimates, and places and groups with few answers."""

import numpy as np
import pandas as pd

from features.blocks.groups import membership
from features.contract.tables import OUTCOMES
from features.point_in_time.records import Known
from features.units import COMMON_YEAR

STEADY = 5.0  # answers added to those given and to those expected, so that few of them do not swing a weight
ANSWERS = [OUTCOMES.index("needed"), OUTCOMES.index("not_needed")]


def exploration_weights(pairs: pd.DataFrame, area: np.ndarray, known: Known) -> np.ndarray:
    """Compute each pair's weight in a random draw: float64 [pairs], standard deviation times a factor for few answers.

    Drawing in proportion to the standard deviation of finding the need estimates a total best (Neyman 1934). The factor
    is the root of expected over actual answers about the need within a year, in the household's micro-grid or in the
    one of its named groups where that is highest; expected are the answers there would be if all were spread evenly
    over the pairs.

    ``pairs``: household, need, p_need. ``area``: the area of each household, int [households], -1 where it is not
    known.
    """
    chance = pairs["p_need"].to_numpy(dtype=np.float64)
    return np.sqrt(chance * (1 - chance)) * np.sqrt(_unseen(pairs, area, known))


def _unseen(pairs: pd.DataFrame, area: np.ndarray, known: Known) -> np.ndarray:
    """Compute the highest ratio of expected to actual answers over a pair's micro-grid and groups: float64 [pairs]."""
    household, need = pairs["household"].to_numpy(), pairs["need"].to_numpy()
    rows = known.outreach
    recent = (rows.contacted >= known.as_of - COMMON_YEAR) & np.isin(rows.outcome, ANSWERS) & (rows.need >= 0)
    who, what = rows.household[recent], rows.need[recent]
    needs = len(known.community.needs)
    level = np.bincount(what, minlength=needs) / np.maximum(np.bincount(need, minlength=needs), 1)

    def ratio(cell: np.ndarray) -> np.ndarray:
        """Compute the ratio of each pair; ``cell``: the cell of each household, -1 for none."""
        shape = (int(cell.max(initial=-1)) + 2, needs)
        given, pairs_there = np.zeros(shape), np.zeros(shape)
        np.add.at(given, (cell[who], what), 1)
        np.add.at(pairs_there, (cell[household], need), 1)
        unseen = (level * pairs_there + STEADY) / (given + STEADY)
        return np.where(cell[household] >= 0, unseen[cell[household], need], 0)

    groups = membership(known)
    named = [at for at, one in enumerate(groups.ids) if "=" not in one]
    members = [np.where(groups.member[:, at], 0, -1) for at in named]
    return np.max([ratio(member) for member in (area, *members)], axis=0)
