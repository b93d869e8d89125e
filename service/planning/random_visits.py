"""Draw random visits, which keep the estimates honest about households that nobody would have listed.

Every draw is a systematic sample (one random start over cumulated chances, in random order), so that the
probability with which a pair is drawn is exactly the one recorded (Särndal, Swensson, Wretman: Model Assisted
Survey Sampling, 1992, section 3.4). A weighted draw goes where a visit teaches most: to uncertain estimates, and to
places and groups with few answers.
"""

import numpy as np
import pandas as pd

from features.blocks.groups import membership
from features.contract.tables import OUTCOMES
from features.point_in_time.records import Known
from features.units import COMMON_YEAR
from models.evaluation.capacity import NEEDS_PER_VISIT
from service.planning.workers import Workers

STEADY = 5.0  # answers added to those given and to those expected, so that few of them do not swing a weight
ANSWERS = [OUTCOMES.index("needed"), OUTCOMES.index("not_needed")]


def drawn_by_lot(
    pairs: pd.DataFrame,
    workers: Workers,
    spare: np.ndarray,
    share: float,
    draw: np.random.Generator,
    floor: float = 1.0,
) -> pd.DataFrame:
    """Draw households in each area and up to three needs of each, with the ``propensity`` of each drawn pair.

    Every worker gives ``share`` of his or her visits, spread over the areas covered in proportion to their eligible
    households. Within an area the chances of households, and within a household those of its needs, are in proportion
    to the column ``weight`` as far as ``floor`` allows: no pair's propensity is below ``floor`` times that of a uniform
    draw. With a floor of 1 the draw is uniform.

    ``pairs``: the eligible pairs with household, need, area and weight, sorted by household. ``spare``: visits that
    each worker can still make, int [workers]; the drawn ones are subtracted in place. ``share``, ``floor``: from 0 to
    1.

    Returns the drawn pairs with worker, arm and propensity.
    """
    homes = pairs.drop_duplicates("household")[["household", "area"]]
    visits, expected, most = _visits(homes["area"].to_numpy(), workers, share, draw.random())
    size = pairs.groupby("household")["need"].size().reindex(homes["household"]).to_numpy()
    first = np.cumsum(size) - size
    weight = pairs["weight"].to_numpy(dtype=np.float64)
    asked = np.minimum(size, NEEDS_PER_VISIT)
    of_home = np.add.reduceat(weight, first) * asked / size if len(size) else weight
    each = np.sqrt(floor)  # of two draws in turn
    rows, worker, chance = [], [], []
    for area in np.flatnonzero(visits.sum(axis=0)):
        of_area = np.flatnonzero(homes["area"].to_numpy() == area)
        shares = shares_of(of_home[of_area], each, int(most[area]))
        who = np.repeat(np.arange(len(visits)), visits[:, area])
        for home, visitor in zip(systematic(shares, len(who), draw), draw.permutation(who), strict=True):
            of_need = slice(first[of_area[home]], first[of_area[home]] + size[of_area[home]])
            needs = shares_of(weight[of_need], each, int(asked[of_area[home]]))
            picked = systematic(needs, int(asked[of_area[home]]), draw)
            rows.append(of_need.start + picked)
            worker.append(np.full(len(picked), visitor))
            chance.append(expected[area] * shares[home] * asked[of_area[home]] * needs[picked])
        np.subtract.at(spare, who, 1)
    if not rows:
        return pairs.iloc[:0].assign(worker=0, arm="random", propensity=np.nan)
    drawn = pairs.iloc[np.concatenate(rows)]
    propensity = np.minimum(np.concatenate(chance), 1.0)
    return drawn.assign(worker=np.concatenate(worker), arm="random", propensity=propensity)


def _visits(
    area: np.ndarray, workers: Workers, share: float, start: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute how many visits each worker gives to each area, for one random start in [0, 1).

    One systematic draw over workers and their areas turns fractions into whole visits: it keeps each worker
    within one of ``share``, and makes the expected number in an area exact. Returns the visits [workers,
    areas], and for each area the expected number of visits and the largest number over all starts.
    """
    count = np.bincount(area, minlength=len(workers.areas)).astype(np.float64)
    taking = np.where(workers.frame["coordinator"], 0, share * workers.frame["visits"].to_numpy())
    weight = (workers.covers * count[:, None]).T
    reached = weight.sum(axis=1, keepdims=True)
    wanted = weight / np.where(reached > 0, reached, 1) * taking[:, None]
    wanted *= np.minimum(1, count / np.maximum(wanted.sum(axis=0), 1e-12))
    wanted = _fitting(wanted, count)
    ends = np.cumsum(wanted).reshape(wanted.shape)
    begins = np.concatenate([[0], ends.ravel()[:-1]]).reshape(wanted.shape)
    visits = (np.floor(ends + start) - np.floor(begins + start)).astype(int)
    most = np.zeros(len(count), dtype=int)
    for need in np.flatnonzero(wanted.sum(axis=0)):
        begin, end = begins[wanted[:, need] > 0, need], ends[wanted[:, need] > 0, need]
        starts = np.append(1 - end % 1, 0)[:, None]  # the number changes only where an end passes a whole one
        most[need] = (np.floor(end + starts + 1e-9) - np.floor(begin + starts - 1e-9)).sum(axis=1).max()
    return visits, wanted.sum(axis=0), np.maximum(np.minimum(most, count.astype(int)), visits.sum(axis=0))


def _fitting(wanted: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Set visits to 0 where an area could get more than it has households, keeping the workers with the most there."""
    for area in np.flatnonzero(np.ceil(wanted).sum(axis=0) > count):
        order = np.argsort(-wanted[:, area], kind="stable")
        drawn = np.cumsum(np.ceil(wanted[order, area]))
        wanted[order[drawn > count[area]], area] = 0
    return wanted


def shares_of(weight: np.ndarray, floor: float, most: int) -> np.ndarray:
    """Compute shares that add up to 1, in proportion to ``weight`` between two bounds: float64 like ``weight``.

    A share is at least ``floor`` times an equal share, and at most 1 / ``most``, so that ``most`` entries can be drawn
    without repetition.
    """
    count = len(weight)
    if most >= count or floor >= 1 or not weight.any():
        return np.full(count, 1 / count)
    low, high = floor / count, 1 / most
    weight = np.maximum(weight, 1e-9 * weight.max())
    few, many = 0.0, high / weight.min()
    for _ in range(100):
        middle = (few + many) / 2
        few, many = (middle, many) if np.clip(middle * weight, low, high).sum() < 1 else (few, middle)
    return np.clip(many * weight, low, high)


def systematic(shares: np.ndarray, count: int, draw: np.random.Generator) -> np.ndarray:
    """Draw ``count`` different positions, each with probability ``count`` times its share.

    ``shares``: float64 that add up to 1, none above 1 / ``count``. Returns int64, ascending; all positions if there are
    no more than ``count``.
    """
    if count >= len(shares):
        return np.arange(len(shares))
    order = draw.permutation(len(shares))
    ends = np.cumsum(shares[order]) * count
    ends = np.floor(ends / ends[-1] * count + draw.random())
    return np.sort(order[np.flatnonzero(np.diff(ends, prepend=0.0))])


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
    named = [at for at, group in enumerate(groups.ids) if "=" not in group]
    members = [np.where(groups.member[:, at], 0, -1) for at in named]
    return np.max([ratio(member) for member in (area, *members)], axis=0)
