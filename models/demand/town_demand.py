"""Demand of a town, projects and the households to offer them to, computed from its partitions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from features.point_in_time.records import known_before
from features.store.partitions import Partitions
from models.demand.candidates import Homes, Piece, candidates
from models.demand.cells import span_shares
from models.demand.expected import demand_of_partitions
from models.demand.intervals import Spread
from models.demand.proposals import Proposals, propose
from models.demand.seats import asked_before, claimed
from models.estimators.seasonal_level import Course, course_of, joined_course


@dataclass(frozen=True)
class AskPartition:
    """A task: when the households of a partition asked, how many came before past courses, who they are, and how many
    have asked for what each programme offers."""

    town: Partitions
    as_of: int
    history: pd.DataFrame  # ``store.read_programme_history``

    def __call__(self, number: int) -> tuple[Course, np.ndarray, Homes, dict[str, int]]:
        """Collect this from the partition ``number``."""
        known = known_before(self.town.own(number, self.as_of), self.as_of)
        claims = {programme.id: claimed(programme, known) for programme in known.community.programmes}
        return course_of(known), asked_before(known, self.history), Homes.of(known), claims


def town_demand(
    ask: AskPartition,
    scores: Callable[[], Iterable[pa.Table]],
    spread: Spread | None,
    each: Callable[[Any, Sequence[Any]], Iterable[Any]],
    lent: np.ndarray | None = None,
) -> tuple[pd.DataFrame, Proposals, pd.DataFrame]:
    """Compute the demand of a town, propose projects, and choose households to offer them to.

    ask: the task for each partition.
    scores: gives the week's scores, a table a partition, with household_id and need as dictionaries.
    spread: of the model, from its backtest; None for the usual one.
    each: maps a task over partitions, in order.
    lent: the season that was lent, see ``models.estimators.seasonal_level.ahead``.

    Returns the tables of ``expected.demand_table``, ``proposals.propose`` and ``candidates.candidates``.
    """
    courses, asked, homes, claims = zip(*each(ask, range(len(ask.town))), strict=True)

    def pieces() -> Iterator[Piece]:
        for partition, scored in zip(homes, scores(), strict=True):
            yield Piece.of(partition, scored)

    community = ask.town.community
    shares = span_shares(joined_course(courses), community, lent)
    demand = demand_of_partitions([piece.cells(shares) for piece in pieces()], community, spread)
    known = known_before(ask.town.own(0, ask.as_of), ask.as_of)
    every = {name: sum(claim[name] for claim in claims) for name in claims[0]}
    proposals = propose(demand, known, ask.history, np.sum(asked, axis=0), every)
    return demand, proposals, candidates(proposals.projects, pieces())
