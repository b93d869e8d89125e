"""Where a visit drawn by lot teaches most: uncertain estimates, and places and groups that were seldom seen."""

import numpy as np
import pandas as pd

from features.blocks.groups import membership
from features.contract.tables import OUTCOMES
from features.point_in_time.records import Known
from features.units import COMMON_YEAR

STEADY = 5.0  # answers added to those given and to those expected, so that few of them do not swing a weight
ANSWERS = [OUTCOMES.index("needed"), OUTCOMES.index("not_needed")]


def exploration_weights(pairs: pd.DataFrame, area: np.ndarray, known: Known) -> np.ndarray:
    """float64 per pair: the standard deviation of finding the need, times how little its like were seen.

    Drawing in proportion to the standard deviation estimates a total best (Neyman 1934). It is multiplied by
    the root of expected over actual answers about the need within a year, in the micro-grid or in the named
    group of the household where that is highest; expected are those it would have had if answers were spread
    evenly over the pairs.

    ``pairs``: household, need, p_need. ``area``: the area of each household, -1 where it is not known yet.
    """
    chance = pairs["p_need"].to_numpy(dtype=np.float64)
    return np.sqrt(chance * (1 - chance)) * np.sqrt(_unseen(pairs, area, known))


def _unseen(pairs: pd.DataFrame, area: np.ndarray, known: Known) -> np.ndarray:
    """float64 per pair: expected over actual answers in its micro-grid or named group, the highest."""
    household, need = pairs["household"].to_numpy(), pairs["need"].to_numpy()
    rows = known.outreach
    recent = (rows.contacted >= known.as_of - COMMON_YEAR) & np.isin(rows.outcome, ANSWERS) & (rows.need >= 0)
    who, what = rows.household[recent], rows.need[recent]
    needs = len(known.community.needs)
    level = np.bincount(what, minlength=needs) / np.maximum(np.bincount(need, minlength=needs), 1)

    def ratio(cell: np.ndarray) -> np.ndarray:
        """Per pair, for cells of households (-1: in none)."""
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
