"""Equal recall as a constraint on the list: no group's share of expected need found falls far below the town's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array, vstack

from features.blocks.groups import Groups, joined_groups, membership, without_members
from features.contract.community import Parity
from features.language import UserError, joined_names
from features.point_in_time.records import Known
from models.fairness.parity import price_lines, recall_sums, recalls
from service.planning.integer_program import Side
from service.planning.options import Options

SURE = 1e-6  # on the safe side by more than the solver's own tolerance


@dataclass(frozen=True)
class Fair:
    """How much of each group's expected need a list must find.

    For every group: found / need >= (1 - tolerance) * all_found / all_need, where ``found`` and ``all_found`` include
    the visits chosen earlier.
    """

    tolerance: float
    names: tuple[str, ...]
    member: np.ndarray  # bool [households, groups]
    need: np.ndarray  # float64 per group: sum of p_need over all eligible pairs
    found: np.ndarray  # float64 per group: of the visits that are chosen already
    all_need: float
    all_found: float

    def side(self, options: Options) -> Side:
        """Return the constraint on the options, with an auxiliary variable for the needs found by all of them."""
        sums = options.sums(options.pairs["p_need"].to_numpy())
        wanted = (1 - self.tolerance) * self.need / self.all_need
        low = wanted * self.all_found - self.found + SURE * (wanted > 0)
        groups = csr_array(self.member[options.household].T * sums)
        matrix = vstack([groups, csr_array(sums[None, :])])
        further = csr_array(np.append(-wanted, -1.0)[:, None])
        return Side(matrix, np.append(low, 0.0), np.append(np.full(len(low), np.inf), 0.0), further)

    def short(self, listed: pd.DataFrame) -> list[str]:
        """Return the names of the groups left short by these visits and the earlier ones."""
        chance = listed["p_need"].to_numpy()
        sums = self.found + chance @ self.member[listed["household"].to_numpy(dtype=int)]
        wanted = (1 - self.tolerance) * self.need / self.all_need * (self.all_found + chance.sum())
        return [name for name, less in zip(self.names, sums < wanted, strict=True) if less]


def fair(known: Known, pairs: pd.DataFrame, listed: Sequence[pd.DataFrame]) -> Fair | None:
    """Return the parity constraint of the settings, or None without one or where none of its groups has any need.

    ``pairs``: all eligible pairs, with household (position) and p_need. ``listed``: the pairs that earlier steps chose,
    with the same columns. Raises UserError when a group of the settings does not exist.
    """
    parity = known.community.outreach.parity
    if parity is None:
        return None
    groups = membership(known)
    at = np.array(groups.positions(parity.groups))
    home, chance = pairs["household"].to_numpy(), pairs["p_need"].to_numpy()
    need = chance @ groups.member[home][:, at]
    if not need.any():
        return None
    at, need = at[need > 0], need[need > 0]
    before = pd.concat([visits[["household", "p_need"]] for visits in listed])
    have, member = before["p_need"].to_numpy(dtype=np.float64), groups.member[:, at]
    sums = have @ member[before["household"].to_numpy(dtype=int)]
    names = tuple(groups.names[position].here for position in at)
    return Fair(parity.tolerance, names, member, need, sums, float(chance.sum()), float(have.sum()))


def as_many(options: Options, count: int) -> Side:
    """Return the constraint of at least ``count`` visits: groups must not become equal by fewer visits."""
    ones = csr_array(np.ones((1, len(options.household))))
    return Side(ones, np.array([float(count)]), np.array([np.inf]))


def too_strict(tolerance: float, possible: float, short: Sequence[str]) -> UserError:
    """Return the error that parity cannot be met this week.

    ``tolerance``: the one in the settings. ``possible``: one that can be met. ``short``: names of the groups in the
    way.
    """
    names, enough = joined_names(short[:5]), np.ceil(100 * possible) / 100
    return UserError(
        f"community.yaml：outreach.parity.tolerance {tolerance:g} 本周做不到（{names}），放宽到 {enough:.2f}"
        " 可以；也可以减少 groups，降低 explore_share，或在这些群体所在的地方增加走访人力",
        f"community.yaml: outreach.parity.tolerance {tolerance:g} cannot be met this week ({names});"
        f" {enough:.2f} can. Or name fewer groups, lower explore_share, or add visits where they live",
    )


@dataclass(frozen=True)
class GroupSums:
    """What the lists of a town, or of one of its partitions, find of each group's expected need."""

    groups: Groups  # without members
    without: pd.DataFrame  # ``models.fairness.parity.recall_sums`` of the list made without parity
    within: pd.DataFrame  # of the list


def group_sums(known: Known, pairs: pd.DataFrame, without: pd.DataFrame, within: pd.DataFrame) -> GroupSums:
    """Sum up by group the list made without parity and the list made with it.

    ``pairs``: all eligible pairs, with household, need (positions) and p_need. ``without``, ``within``: the listed
    pairs of either list, with household and need.
    """
    groups = membership(known)
    home, chance = pairs["household"].to_numpy(), pairs["p_need"].to_numpy()
    keys = pd.MultiIndex.from_frame(pairs[["household", "need"]])
    listed = [
        keys.isin(pd.MultiIndex.from_frame(visits[["household", "need"]])) for visits in (without, within)
    ]
    before, after = (recall_sums(home, chance, visits, groups) for visits in listed)
    return GroupSums(without_members(groups), before, after)


def joined_sums(partitions: Sequence[GroupSums]) -> GroupSums:
    """Return the town's sums, added up over the partitions."""
    groups = joined_groups([partition.groups for partition in partitions])
    without, within = (
        recalls(*(getattr(partition, name) for partition in partitions)) for name in ("without", "within")
    )
    return GroupSums(groups, without, within)


def parity_lines(sums: GroupSums, parity: Parity) -> list[str]:
    """Write what parity costs and brings."""
    return price_lines(recalls(sums.without), recalls(sums.within), sums.groups, parity)
