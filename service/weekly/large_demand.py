"""The demand of a large town from what its parts give: the numbers of the town in one piece (``demand_week``)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.point_in_time.records import known_before
from features.store.partitions import Parts
from models.demand.candidates import Homes, Piece, candidates
from models.demand.cells import span_shares
from models.demand.expected import demand_of_parts
from models.demand.intervals import Spread
from models.demand.proposals import Proposals, propose
from models.demand.seats import asked_before
from models.estimators.seasonal_level import Course, course_of, joined_course
from models.scoring.executors import here
from service.weekly.list_week import scored_pieces

Each = Callable[["Asking", Sequence[int]], Iterable]  # as of ``models.scoring.executors``


@dataclass(frozen=True)
class Asking:
    """What demand takes from a part: when its households asked, how many came before past courses, who they are."""

    parts: Parts
    as_of: int
    history: pd.DataFrame  # ``store.read_programme_history``

    def __call__(self, number: int) -> tuple[Course, np.ndarray, Homes]:
        """Of one part."""
        known = known_before(self.parts.own(number, self.as_of), self.as_of)
        return course_of(known), asked_before(known, self.history), Homes.of(known)


def large_demand(
    asking: Asking, scores: Path, spread: Spread | None, each: Each = here
) -> tuple[pd.DataFrame, Proposals, pd.DataFrame]:
    """``demand_ahead``, ``propose`` and ``candidates`` of a town in parts.

    ``scores``: the week's, a row group a part; ``each`` as of ``models.scoring.executors``.
    """
    parts = asking.parts
    courses, asked, homes = zip(*each(asking, range(len(parts))), strict=True)

    def pieces() -> Iterator[Piece]:
        for own, scored in zip(homes, scored_pieces(scores), strict=True):
            yield Piece.of(own, scored)

    shares = span_shares(joined_course(courses), parts.community)
    cells = [one.cells(shares) for one in pieces()]
    demand = demand_of_parts(cells, parts.community, spread)
    known = known_before(parts.own(0, asking.as_of), asking.as_of)
    proposals = propose(demand, known, asking.history, np.sum(asked, axis=0))
    return demand, proposals, candidates(proposals.projects, pieces())
