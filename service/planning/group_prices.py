"""Equal recall over several partitions: one price for each group, shared by all of them, found by bisection. Pure.

Within one partition equal recall is a constraint of the choice (``service.planning.parity``). Over several it would tie
their choices together, so prices are added to the visits' worth instead (Lagrange multipliers). With the price
price_g of group g, a need found in g is worth price_g more, and a need found anywhere is worth price_g times g's
required share of all found needs less.
The prices are raised until no group of the whole town is short, and are then lowered by halving the interval for as
long as no group is short.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.blocks.groups import membership
from features.contract.community import Parity
from features.point_in_time.records import Known
from models.evaluation.evaluate import ALL
from service.planning.parity import GroupSums, too_strict

FIRST = 0.25  # the first price of a group that is short, in severity; it doubles until the group is not
HIGHEST = 64.0
HALVINGS = 3  # rounds once no group is short
MOST_ROUNDS = 16


@dataclass(frozen=True)
class Price:
    """A group's price for a need found in it, in units of severity, and its required share of all found needs."""

    price: float
    share: float


def price_of(prices: Mapping[str, Price], known: Known, pairs: pd.DataFrame) -> np.ndarray | float:
    """Compute the price of finding each pair's need: float64 [pairs], or 0 without prices.

    ``prices``: by id of the group. ``pairs``: columns household (position) and p_need.
    """
    if not prices:
        return 0.0
    groups = membership(known)
    of_home = np.full(known.household_count, -sum(price.price * price.share for price in prices.values()))
    for at, name in enumerate(groups.ids):
        if name in prices:
            of_home += prices[name].price * groups.member[:, at]
    return of_home[pairs["household"].to_numpy()] * pairs["p_need"].to_numpy()


@dataclass(frozen=True)
class Search:
    """The prices tried so far. ``low``: by group, the highest that left it short; ``high``: one that was enough."""

    parity: Parity
    low: dict[str, float]
    high: dict[str, float]
    prices: dict[str, Price]
    rounds: int = 0
    met: int = 0  # rounds in which no group was short
    nearest: tuple[float, tuple[str, ...]] = (1.0, ())  # the smallest tolerance met, and who was short at it

    def after(self, sums: GroupSums) -> "Search":
        """Return the search with the prices to try next, given the whole town's sums under the last ones.

        Raises UserError when a group of the settings does not exist, or when no prices are enough.
        """
        wanted, surplus, names = self._groups(sums)
        short = {group for group in wanted if surplus[group] < 0}
        low, high = dict(self.low), dict(self.high)
        for group in wanted:
            tried = self.prices[group].price if group in self.prices else 0.0
            if group in short:
                low[group] = tried
            elif tried:
                high[group] = tried
        prices = {
            group: Price(self._next(group, low, high), share)
            for group, share in wanted.items()
            if group in low
        }
        nearest = min(
            self.nearest, (self._tolerance(sums, list(wanted)), tuple(names[group] for group in short))
        )
        rounds, met = self.rounds + 1, self.met + (not short)
        if not met and (
            rounds >= MOST_ROUNDS or max((price.price for price in prices.values()), default=0.0) > HIGHEST
        ):
            raise too_strict(self.parity.tolerance, *nearest)
        return replace(self, low=low, high=high, prices=prices, rounds=rounds, met=met, nearest=nearest)

    @property
    def over(self) -> bool:
        """Tell whether the search has ended."""
        return self.met > HALVINGS or (self.met > 0 and not self.prices) or self.rounds >= MOST_ROUNDS

    def _next(self, group: str, low: Mapping[str, float], high: Mapping[str, float]) -> float:
        if group not in high or high[group] <= low[group]:
            return max(FIRST, 2 * low[group])
        return (low[group] + high[group]) / 2

    def _groups(self, sums: GroupSums) -> tuple[dict[str, float], dict[str, float], dict[str, str]]:
        """Return by group its required share of all found needs, how much more it got, and its name."""
        rows = sums.within.set_index("group")
        need, finds = (rows[name].to_dict() for name in ("need", "found"))
        positions = sums.groups.positions(self.parity.groups)
        names = {sums.groups.ids[at]: sums.groups.names[at].here for at in positions}
        share = {
            name: (1 - self.parity.tolerance) * need[name] / need[ALL] for name in names if need[name] > 0
        }
        return share, {name: finds[name] - share[name] * finds[ALL] for name in share}, names

    @staticmethod
    def _tolerance(sums: GroupSums, groups: Sequence[str]) -> float:
        """Return the smallest tolerance that these lists meet."""
        rows = sums.within.set_index("group")
        recall = rows["found"] / rows["need"]
        return float(1 - min((recall[group] for group in groups), default=0.0) / (recall[ALL] or 1.0))


def search_of(parity: Parity) -> Search:
    """Return a search that has tried nothing yet."""
    return Search(parity, {}, {}, {})
