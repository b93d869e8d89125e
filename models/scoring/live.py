"""Scores of one household apart from its town: what the week's batch would give, from its own rows alone."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from features.blocks.areas import Area
from features.blocks.build import build
from features.contract.community import Community
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Records, known_before
from features.point_in_time.town import TownSummary
from models.scoring.model import NeedModel
from models.scoring.score import SEVERE, TIERS, Scored


@dataclass(frozen=True)
class TownState:
    """What one week's scores took from the whole town, so that a household can be scored without it."""

    as_of: int
    version: str
    community: Community
    grid_ids: np.ndarray
    microgrid_ids: np.ndarray
    has_residents: bool
    has_outreach: bool
    town: TownSummary
    shift: np.ndarray  # float64 [needs]
    falling: dict[str, np.ndarray]  # p_need of every household by need, the highest first
    tiers: tuple[float, float]  # the lowest risk that is red, and that is yellow; inf where there is none


@dataclass(frozen=True)
class LiveScores:
    """Scores of the needs that the household can have; ``rank`` is where it would stand in the week's list."""

    needs: list[str]
    p_request: np.ndarray
    p_need: np.ndarray
    rank: np.ndarray
    risk: float
    tier: str


def town_state(scored: Scored, version: str) -> TownState:
    """The state of the town that was scored."""
    known, risk = scored.known, scored.risk
    p_need, need = scored.p_need, scored.features.rows.need
    lowest = [
        float(risk.loc[risk["tier"] == tier, "risk"].min()) if (risk["tier"] == tier).any() else np.inf
        for tier in TIERS[:2]
    ]
    return TownState(
        as_of=known.as_of,
        version=version,
        community=known.community,
        grid_ids=known.grid_ids,
        microgrid_ids=known.microgrid_ids,
        has_residents=known.has_residents,
        has_outreach=known.has_outreach,
        town=scored.town,
        shift=scored.shift,
        falling={one.id: -np.sort(-p_need[need == index]) for index, one in enumerate(known.community.needs)},
        tiers=(lowest[0], lowest[1]),
    )


def without_household(town: TownSummary) -> TownSummary:
    """The town's tables for a household that is not in them: nothing of its own is to be left out."""
    return replace(town, parts={name: _others(part) for name, part in town.parts.items()})


def _others(part: Any) -> Any:
    """A table with every ``Area`` in it for a household from elsewhere."""
    if isinstance(part, Area):
        return replace(part, holds_household=False)
    if isinstance(part, dict):
        return {name: _others(one) for name, one in part.items()}
    if hasattr(part, "__dataclass_fields__"):
        return replace(part, **{name: _others(getattr(part, name)) for name in part.__dataclass_fields__})
    return part


def score_apart(state: TownState, model: NeedModel, records: Records, in_town: bool) -> LiveScores:
    """Score the only household of ``records`` as of the state's day.

    ``in_town``: the household is one of those that were scored; its own requests are then left out of what its
    neighbours ask, as in the batch.
    """
    town = state.town if in_town else without_household(state.town)
    known = known_before(records, state.as_of, state.town)
    features = build(known, cohort(known), model.schema, town)
    needs = [state.community.needs[one].id for one in features.rows.need]
    log_odds = model.log_odds(features)
    p_request = model.predict(features, state.shift)
    p_need = model.p_need(features, known, log_odds, p_request)
    severe = np.array([need.severity >= SEVERE for need in state.community.needs])[features.rows.need]
    risk = float(model.risk(p_request, features.rows.household, severe, 1)[0])
    return LiveScores(needs, p_request, p_need, ranks(state, needs, p_need), risk, tier(state, risk))


def ranks(state: TownState, needs: list[str], p_need: np.ndarray) -> np.ndarray:
    """int per need: one more than the households with a higher probability."""
    places = [
        int(np.searchsorted(-state.falling[need], -p, side="left"))
        for need, p in zip(needs, p_need, strict=True)
    ]
    return np.array(places, dtype=np.int64) + 1


def tier(state: TownState, risk: float) -> str:
    """The tier of a risk among those of the week."""
    return next((name for name, lowest in zip(TIERS, state.tiers, strict=False) if risk >= lowest), TIERS[-1])
