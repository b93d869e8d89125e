"""The demand of a large town from sums over its parts: the numbers of the town in one piece (``demand_week``)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from features.feedback import suppressed
from features.parts import Parts
from features.records import Known, known_before
from models.demand import demand_of_parts, pairs_of
from models.demand_cells import cells_of_part, span_shares
from models.demand_spread import Spread
from models.engine import here
from models.level import Course, course_of, joined_course
from models.proposals import Proposals, candidates, likeliest, propose
from models.seats import asked_before

Each = Callable[[Callable[[int], Any], Sequence[int]], Iterable]  # as of ``models.engine``


@dataclass(frozen=True)
class Town:
    """What the tasks have in common."""

    parts: Parts
    as_of: int
    scores: Path  # the week's, a row group a part
    history: pd.DataFrame  # ``store.read_programme_history``

    def known(self, number: int) -> Known:
        """What was known of the households that live in a part."""
        return known_before(self.parts.own(number, self.as_of), self.as_of)

    def scores_of(self, number: int) -> pd.DataFrame:
        """The scores of a part."""
        with pq.ParquetFile(self.scores) as file:
            return file.read_row_group(number).to_pandas()


@dataclass(frozen=True)
class Asking:
    """When the households of a part asked, and how many of them came before past courses."""

    town: Town

    def __call__(self, number: int) -> tuple[Course, np.ndarray]:
        """Of one part."""
        known = self.town.known(number)
        return course_of(known), asked_before(known, self.town.history)


@dataclass(frozen=True)
class Expecting:
    """The cells of a part."""

    town: Town
    shares: np.ndarray  # ``demand_cells.span_shares`` of the town

    def __call__(self, number: int) -> pd.DataFrame:
        """Of one part."""
        known = self.town.known(number)
        return cells_of_part(known, *pairs_of(self.town.scores_of(number), known), self.shares)


@dataclass(frozen=True)
class Naming:
    """Candidates of a part for the town's projects."""

    town: Town
    projects: pd.DataFrame

    def __call__(self, number: int) -> pd.DataFrame:
        """Of one part."""
        known = self.town.known(number)
        return candidates(self.projects, self.town.scores_of(number), suppressed(known), known)


def large_demand(
    town: Town, spread: Spread | None, each: Each = here
) -> tuple[pd.DataFrame, Proposals, pd.DataFrame]:
    """``demand_ahead``, ``propose`` and ``candidates`` of a town in parts; ``each`` as of ``models.engine``."""
    parts, numbers = town.parts, range(len(town.parts))
    courses, asked = zip(*each(Asking(town), numbers), strict=True)
    shares = span_shares(joined_course(courses), parts.community)
    demand = demand_of_parts(list(each(Expecting(town, shares), numbers)), parts.community, spread)
    proposals = propose(demand, town.known(0), town.history, np.sum(asked, axis=0))
    named = pd.concat(each(Naming(town, proposals.projects), numbers), ignore_index=True)
    return demand, proposals, likeliest(named, proposals.projects)
