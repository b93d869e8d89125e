"""Ranks of households for each need, and tiers of their risk."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.blocks.build import Features
from features.contract.community import TIERS, Community, RiskShares
from models.evaluation.baselines import counted
from models.scoring.model import NeedModel

SEVERE = 3


def severe_needs(community: Community) -> np.ndarray:
    """Tell which needs have the highest severity: bool [needs]."""
    return np.array([need.severity >= SEVERE for need in community.needs])


def rank_and_tier(
    p_request: np.ndarray,
    merit: np.ndarray,
    need: np.ndarray,
    household: np.ndarray,
    order: np.ndarray,
    model: NeedModel,
    community: Community,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rank all households of a town for each need, and assign tiers of risk.

    p_request: float64 [pairs] in [0, 1]
    merit: float64 [pairs], by which households are ranked: p_need, and what the rule of a need adds
    need: int16 [pairs], position among the community's needs
    household: int32 [pairs], position in ``order``
    order: uint64 [households], breaks ties
    model: calibrates the risks
    community: whose severities and shares of tiers hold

    Returns int32 [pairs] ranks, 1 the first to visit for the need; float64 [households] risks of a severe request;
    and object str [households] their tiers. Nobody stands out where requests are too few to tell households apart.
    """
    rank = ranks(merit, need, order[household])
    risk = model.risk(p_request, household, severe_needs(community)[need], len(order))
    return rank, risk, tiers(risk if model.tells_apart else 0 * risk, order, community.outreach.risk)


def ranks(p: np.ndarray, need: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Rank pairs within each need: int32 [pairs], 1 for the highest ``p``.

    p: float64 [pairs]. need: int [pairs]. order: [pairs], breaks ties, the lowest first.
    """
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
    """Assign a tier to each household: object str [households].

    risk: float64 [households]; a household at 0 is green.
    order: [households], breaks ties, the lowest first.
    shares: of the households, from the highest risk on, that are red and yellow.
    """
    place = np.empty(len(risk), dtype=int)
    place[np.lexsort((order, -risk))] = np.arange(len(risk))
    red = round(shares.red * len(risk))
    yellow = red + round(shares.yellow * len(risk))
    tier = np.where(place < red, 0, np.where(place < yellow, 1, 2))
    tier[risk <= 0] = 2
    return np.array(TIERS, dtype=object)[tier]


@dataclass(frozen=True)
class Standing:
    """Scores of one week with which a household that is scored later is compared."""

    falling: dict[str, np.ndarray]  # merit of every household by need, the highest first
    tiers: tuple[float, float]  # the lowest risk that is red, and that is yellow; inf where there is none

    @staticmethod
    def of(
        merit: np.ndarray, need: np.ndarray, risk: np.ndarray, tier: np.ndarray, community: Community
    ) -> "Standing":
        """Keep each need's merit, sorted, and the lowest risk of each tier.

        merit: float64 [pairs]. need: int [pairs]. risk: float64 [households]. tier: object str [households].
        """
        lowest = [float(risk[tier == name].min(initial=np.inf)) for name in TIERS[:2]]
        falling = {
            need_entry.id: -np.sort(-merit[need == at]) for at, need_entry in enumerate(community.needs)
        }
        return Standing(falling, (lowest[0], lowest[1]))

    def ranks(self, needs: Sequence[str], merit: np.ndarray) -> np.ndarray:
        """Rank a household among those of the week: int64 [needs], one more than the households with a higher merit."""
        places = [
            int(np.searchsorted(-self.falling[need], -its, side="left"))
            for need, its in zip(needs, merit, strict=True)
        ]
        return np.array(places, dtype=np.int64) + 1

    def tier(self, risk: float) -> str:
        """Return the tier of a risk among those of the week."""
        names = (name for name, lowest in zip(TIERS, self.tiers, strict=False) if risk >= lowest)
        return next(names, TIERS[-1])


def rule_scores(features: Features, community: Community) -> np.ndarray:
    """Compute what is added to p_need before households are ranked: float64 [pairs].

    It is 0 for needs that the model ranks. Elsewhere it is the count of the need's rule, a whole number, so that among
    households with the same count the one with the higher p_need comes first.
    """
    added = np.zeros(len(features.rows), dtype=np.float64)
    rules = [need.ranking for need in community.needs]
    if any(rule != "model" for rule in rules):
        counts = counted(features.matrix, features.names)
        for position, rule in enumerate(rules):
            if rule != "model":
                rows = features.rows.need == position
                added[rows] = np.maximum(np.rint(counts[rule][rows].astype(np.float64)), 0.0)
    return added
