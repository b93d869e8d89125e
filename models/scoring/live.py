"""Live scores: scores of households from their own rows, equal to those that the week's batch would give."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from features.blocks.areas import Area
from features.blocks.build import build
from features.contract.community import Community
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Records, known_before
from features.point_in_time.town import TownSummary
from features.store.partitions import Partitions
from models.scoring.model import NeedModel, probability
from models.scoring.ranking import Standing, rule_scores, severe_needs
from models.scoring.score import PartitionState, TownScores


@dataclass(frozen=True)
class TownState:
    """Numbers of one week's scores that concern the whole town, with which a household can be scored by itself."""

    as_of: int
    version: str
    community: Community
    has_residents: bool
    has_outreach: bool
    shift: np.ndarray  # float64 [needs]
    standing: Standing
    partitions: tuple[PartitionState, ...]

    def partition_of(self, grid_id: str) -> int:
        """Return the number of the partition that a grid is in; 0 for a grid that is new."""
        positions = (at for at, partition in enumerate(self.partitions) if grid_id in partition.grids)
        return next(positions, 0)


@dataclass(frozen=True)
class LiveScores:
    """Scores of the needs that the household can have; ``rank`` is its place in the week's list."""

    needs: list[str]
    p_request: np.ndarray
    p_need: np.ndarray
    rank: np.ndarray
    risk: float
    tier: str


def town_state(scores: TownScores, town: Partitions) -> TownState:
    """Collect the state of the town that was scored."""
    return TownState(
        as_of=scores.as_of,
        version=scores.version,
        community=scores.community,
        has_residents=town.has_residents,
        has_outreach=town.has_outreach,
        shift=scores.shift,
        standing=scores.standing,
        partitions=tuple(
            replace(partition.state, town=replace(partition.state.town, counts=scores.fitted.town.counts))
            for partition in scores.partitions
        ),
    )


def without_household(town: TownSummary) -> TownSummary:
    """Adapt the town's sums to a household that is not part of them, so that nothing is subtracted for it."""
    return replace(town, parts={name: _others(part) for name, part in town.parts.items()})


def _others(part: Any) -> Any:
    """Return a table in which every ``Area`` is one that does not hold the household."""
    if isinstance(part, Area):
        return replace(part, holds_household=False)
    if isinstance(part, dict):
        return {name: _others(item) for name, item in part.items()}
    if hasattr(part, "__dataclass_fields__"):
        return replace(part, **{name: _others(getattr(part, name)) for name in part.__dataclass_fields__})
    return part


def score_apart(
    state: TownState, model: NeedModel, records: Records, in_town: bool, partition: int = 0
) -> list[LiveScores]:
    """Score every household of ``records`` by itself, as of the state's day; return their scores in order.

    state: of the week's scores.
    model: by which the week was scored.
    records: of the households; grids and micro-grids are numbered as in the partition.
    in_town: the week's sums include the households; the requests of each are then subtracted from its neighbours', as
        in the batch.
    partition: number of the partition where they live (``TownState.partition_of``).
    """
    tables = state.partitions[partition].town
    known = known_before(records, state.as_of, tables)
    features = build(known, cohort(known), model.schema, tables if in_town else without_household(tables))
    household, need = features.rows.household, features.rows.need
    log_odds = model.log_odds(features)
    p_request = probability(log_odds, state.shift[need])
    p_need = model.p_need(features, known, log_odds, p_request)
    count = len(records.household_ids)
    risks = model.risk(p_request, household, severe_needs(state.community)[need], count)
    standing, ids = state.standing, [one.id for one in state.community.needs]
    merit = p_need + rule_scores(features, state.community)
    scores = []
    for number, risk in enumerate(risks.tolist()):
        own = np.flatnonzero(household == number)
        needs = [ids[one] for one in need[own]]
        ranks = standing.ranks(needs, merit[own])
        scores.append(LiveScores(needs, p_request[own], p_need[own], ranks, risk, standing.tier(risk)))
    return scores
