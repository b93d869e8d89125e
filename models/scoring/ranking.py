"""Ranks and tiers: which household comes first for a need, and whose risk is the highest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.contract.community import Community, RiskShares
from models.scoring.model import NeedModel

SEVERE = 3
TIERS = ("red", "yellow", "green")


def severe_needs(community: Community) -> np.ndarray:
    """bool per need: of the highest severity."""
    return np.array([need.severity >= SEVERE for need in community.needs])


def rank_and_tier(
    p_request: np.ndarray,
    p_need: np.ndarray,
    need: np.ndarray,
    household: np.ndarray,
    order: np.ndarray,
    model: NeedModel,
    community: Community,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compare all households of a town.

    Parameters
    ----------
    p_request, p_need : float64 [pairs] in [0, 1]
    need : int16 [pairs], position among the community's needs
    household : int32 [pairs], position in ``order``
    order : uint64 [households], breaks ties

    Returns
    -------
    int32 [pairs] ranks, 1 the first to visit for the need; float64 [households] risks of a severe request; and
    object str [households] their tiers.
    """
    rank = ranks(p_need, need, order[household])
    risk = model.risk(p_request, household, severe_needs(community)[need], len(order))
    return rank, risk, tiers(risk, order, community.outreach.risk)


def ranks(p: np.ndarray, need: np.ndarray, order: np.ndarray) -> np.ndarray:
    """int32 per row: 1 for the highest ``p`` of its need; ties by ``order``."""
    sorted_rows = np.lexsort((order, -p, need))
    result = np.empty(len(p), dtype=np.int32)
    of_need = need[sorted_rows]
    starts = (
        np.flatnonzero(np.append(True, of_need[1:] != of_need[:-1])) if len(p) else np.empty(0, dtype=int)
    )
    lengths = np.diff(np.append(starts, len(p)))
    result[sorted_rows] = np.arange(len(p)) - np.repeat(starts, lengths) + 1
    return result


def tiers(risk: np.ndarray, order: np.ndarray, shares: RiskShares) -> np.ndarray:
    """object str per household: the highest share of the risks red, the next yellow; ties by ``order``."""
    place = np.empty(len(risk), dtype=int)
    place[np.lexsort((order, -risk))] = np.arange(len(risk))
    red = round(shares.red * len(risk))
    yellow = red + round(shares.yellow * len(risk))
    tier = np.where(place < red, 0, np.where(place < yellow, 1, 2))
    tier[risk <= 0] = 2
    return np.array(TIERS, dtype=object)[tier]


@dataclass(frozen=True)
class Standing:
    """What a household that is scored later is compared with: the scores of one week."""

    falling: dict[str, np.ndarray]  # p_need of every household by need, the highest first
    tiers: tuple[float, float]  # the lowest risk that is red, and that is yellow; inf where there is none

    @staticmethod
    def of(
        p_need: np.ndarray, need: np.ndarray, risk: np.ndarray, tier: np.ndarray, community: Community
    ) -> "Standing":
        """Keep the pairs' p_need (float64 [pairs], of the ``need`` at these positions), and the lowest risk of each
        tier (both [households])."""
        lowest = [float(risk[tier == name].min(initial=np.inf)) for name in TIERS[:2]]
        falling = {one.id: -np.sort(-p_need[need == at]) for at, one in enumerate(community.needs)}
        return Standing(falling, (lowest[0], lowest[1]))

    def ranks(self, needs: Sequence[str], p_need: np.ndarray) -> np.ndarray:
        """int64 per need: one more than the households with a higher probability."""
        places = [
            int(np.searchsorted(-self.falling[need], -p, side="left"))
            for need, p in zip(needs, p_need, strict=True)
        ]
        return np.array(places, dtype=np.int64) + 1

    def tier(self, risk: float) -> str:
        """The tier of a risk among those of the week."""
        found = (name for name, lowest in zip(TIERS, self.tiers, strict=False) if risk >= lowest)
        return next(found, TIERS[-1])
