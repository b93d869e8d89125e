"""Households that projects may be offered to, from each partition of a town."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from features.contract.community import Community
from features.point_in_time.feedback import refusing_lists, suppressed
from features.point_in_time.records import Known, date_of, known_before, microgrid_numbers
from features.store.partitions import Partitions
from features.store.storage import encoded_texts
from models.demand.cells import cells_by_grid, named_cells, span_shares
from models.demand.expected import demand_of_partitions
from models.demand.intervals import Spread
from models.demand.proposals import RUN, Proposals, propose
from models.demand.seats import asked_before, claimed
from models.estimators.seasonal_level import Course, course_of, joined_course

NAMES_FOR_A_SEAT = 3  # few of those who are offered a seat want it
NEVER = np.iinfo(np.int32).min


@dataclass(frozen=True)
class Homes:
    """Households that are present at the as-of day: their grids, last requests, and which of them must not be listed."""

    community: Community
    as_of: int
    ids: pa.StringArray
    grid: np.ndarray  # int32, position in grid_ids
    grid_ids: np.ndarray  # object str
    microgrid: np.ndarray  # int32, position in microgrid_ids
    microgrid_ids: np.ndarray  # object str
    barred: np.ndarray  # bool [homes, needs]: not to be listed
    last_asked: np.ndarray  # int32 [homes, needs]: day of the last request; NEVER

    @staticmethod
    def of(known: Known) -> "Homes":
        """Collect the present households of a town or of one partition."""
        present, rows = np.flatnonzero(known.present), known.requests
        of_need = rows.need >= 0
        last = np.full((known.household_count, len(known.community.needs)), NEVER, dtype=np.int32)
        days = np.floor(rows.requested[of_need]).astype(np.int32)
        np.maximum.at(last, (rows.household[of_need], rows.need[of_need]), days)
        return Homes(
            community=known.community,
            as_of=known.as_of,
            ids=pa.array(known.household_ids[present], pa.string()),
            grid=known.grid[present],
            grid_ids=known.grid_ids,
            microgrid=known.microgrid[present],
            microgrid_ids=microgrid_numbers(known.microgrid_ids),
            barred=suppressed(known)[present] | refusing_lists(known)[present][:, None],
            last_asked=last[present],
        )


@dataclass(frozen=True)
class Piece:
    """The scores of one partition's households."""

    homes: Homes
    home: np.ndarray  # int64 per scored pair: position in homes
    need: np.ndarray  # int64: position
    p: np.ndarray  # float64: p_request

    @staticmethod
    def of(homes: Homes, scores: pa.Table) -> "Piece":
        """Match scores with households; scores of other households or needs are left out.

        scores: household_id and need as dictionaries, and p_request.
        """
        ids, household_code = encoded_texts(scores["household_id"])
        names, code = encoded_texts(scores["need"])
        home = pd.Index(homes.ids.to_numpy(zero_copy_only=False), dtype=object).get_indexer(ids)[
            household_code
        ]
        need = pd.Index([need.id for need in homes.community.needs]).get_indexer(names)[code]
        matched = (home >= 0) & (need >= 0)
        return Piece(homes, home[matched], need[matched], scores["p_request"].to_numpy()[matched])

    def cells(self, shares: np.ndarray) -> pd.DataFrame:
        """Sum the scores by need, grid and span, see ``cells.named_cells``; ``shares``: of ``cells.span_shares``."""
        homes = self.homes
        grid, grids = homes.grid[self.home], len(homes.grid_ids)
        cells = cells_by_grid(self.need, grid, grids, self.p, homes.community, homes.as_of, shares)
        return named_cells(cells, homes.grid_ids)


def candidates(projects: pd.DataFrame, pieces: Iterable[Piece]) -> pd.DataFrame:
    """Choose the households to offer each proposed project to: three for each seat, the likeliest to ask first.

    Only households of the project's grids that may be listed. Returns project (its position), need, household_id,
    grid_id, microgrid_id, p_request and last_asked (date of its last request of the need, "" without one).
    """
    best: dict[int, pd.DataFrame] = {}
    proposals = {at: row for at, row in enumerate(projects.to_dict("records")) if row["kind"] != RUN}
    for piece in pieces:
        for at, project in proposals.items():
            most = NAMES_FOR_A_SEAT * project["seats"]
            held = best.get(at)
            least = held["p_request"].iloc[-1] if held is not None and len(held) == most else -np.inf
            offered = _offered(piece, project, least, most).assign(project=at)
            both = offered if held is None or not len(held) else pd.concat([held, offered])
            best[at] = both.sort_values(["p_request", "household_id"], ascending=[False, True]).head(most)
    columns = ["project", "need", "household_id", "grid_id", "microgrid_id", "p_request", "last_asked"]
    tables = [candidate for candidate in best.values() if len(candidate)]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def _offered(piece: Piece, project: dict, least: float, most: int) -> pd.DataFrame:
    """Return the ``most`` likeliest pairs to offer a project to, with a p_request of at least ``least``."""
    homes = piece.homes
    need, grids = homes.community.need_index()[project["need"]], [grid for grid, _ in project["grids"]]
    in_grids = np.isin(homes.grid_ids.astype(str), np.array(grids, dtype=str))
    rows = np.flatnonzero((piece.need == need) & (piece.p >= least))
    rows = rows[in_grids[homes.grid[piece.home[rows]]] & ~homes.barred[piece.home[rows], need]]
    if len(rows) > most:
        rows = rows[piece.p[rows] >= np.partition(piece.p[rows], len(rows) - most)[len(rows) - most]]
    home = piece.home[rows]
    return pd.DataFrame(
        {
            "need": project["need"],
            "household_id": homes.ids.take(pa.array(home)).to_numpy(zero_copy_only=False),
            "grid_id": homes.grid_ids[homes.grid[home]],
            "microgrid_id": homes.microgrid_ids[homes.microgrid[home]],
            "p_request": piece.p[rows],
            "last_asked": [
                "" if day == NEVER else str(date_of(day)) for day in homes.last_asked[home, need].tolist()
            ],
        }
    )


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
