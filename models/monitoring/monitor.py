"""Monitoring: how fresh the data are, and how past weeks' scores, lists and demand did once their windows had passed.

Every statistic of a town is a sum over its partitions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa

from features.contract.community import Community
from features.contract.tables import OUTCOMES
from features.point_in_time.labels import in_window, label_end, recording_delays, usual_delay
from features.point_in_time.records import Known, day_of
from features.store.storage import encoded_texts
from models.demand.cells import came
from models.demand.expected import TOWN
from models.demand.intervals import LEVELS

MONTH = 28  # days
TABLES = ["households", "residents", "requests", "outreach"]  # in the order in which they are told
TOP = 0.02  # of a need's households: those with the highest p_request

Span = tuple[float, float]


@dataclass(frozen=True)
class TableStates:
    """Freshness and outcomes: of a town, or of the households that live in one partition."""

    # table, last (days), rows (of the newest four weeks) and year (of the one before them)
    freshness: pd.DataFrame
    outcomes: pd.DataFrame  # arm, and a column an outcome: contacts

    @staticmethod
    def of(known: Known) -> "TableStates":
        """Compute freshness and outcomes of ``known``."""
        return TableStates(_freshness(known), outcomes(known))


def _freshness(known: Known) -> pd.DataFrame:
    begins = (
        known.households.valid_from,
        known.residents.valid_from,
        known.requests.requested,
        known.outreach.contacted,
    )
    rows = []
    for table, times in zip(TABLES, begins, strict=True):
        if len(times):
            age = known.as_of - times
            year = ((age > MONTH) & (age <= 14 * MONTH)).sum()
            rows.append((table, float(times.max()), int((age <= MONTH).sum()), int(year)))
    return pd.DataFrame(rows, columns=["table", "last", "rows", "year"])


def freshness(parts: Sequence[TableStates], as_of: int) -> pd.DataFrame:
    """Tell when each table had its last row, and how many came lately; tables without rows are left out.

    parts: ``TableStates`` of every partition. as_of: the as-of day.

    Returns table, last (day), age (days before the as-of date), rows (of the newest four weeks) and usual_rows (mean of
    four weeks over the year before).
    """
    table = pd.concat([part.freshness for part in parts]).groupby("table", as_index=False, sort=False)
    table_ends = table.agg(last=("last", "max"), rows=("rows", "sum"), year=("year", "sum"))
    table_ends = table_ends.sort_values("table", key=lambda names: names.map(TABLES.index), ignore_index=True)
    age, usual = as_of - table_ends["last"], table_ends["year"] / 13
    return table_ends.assign(age=age, usual_rows=usual)[["table", "last", "age", "rows", "usual_rows"]]


def outcomes(known: Known) -> pd.DataFrame:
    """Count contacts by arm and outcome: one row an arm, one column an outcome of the contract; others are left out."""
    rows = known.outreach
    answered = rows.outcome >= 0
    frame = pd.DataFrame(
        {"arm": np.where(rows.random[answered], "random", "targeted"), "outcome": rows.outcome[answered]}
    )
    table = pd.crosstab(frame["arm"], frame["outcome"]).reindex(columns=range(len(OUTCOMES)), fill_value=0)
    table.columns = pd.Index(OUTCOMES)
    return table.reset_index()


def joined_outcomes(parts: Sequence[TableStates]) -> pd.DataFrame:
    """Add up the ``outcomes`` of a town's partitions."""
    return pd.concat([part.outcomes for part in parts]).groupby("arm", as_index=False).sum()


@dataclass(frozen=True)
class PastRequests:
    """Requests before an as-of date, and how late they were recorded: of a town, or of one partition's households."""

    as_of: int  # of the look back
    community: Community
    household_ids: np.ndarray  # object str: of those who asked
    household: np.ndarray  # int64 per request: position in household_ids
    need: np.ndarray  # int16
    requested: np.ndarray  # float64 days
    delays: tuple[np.ndarray, np.ndarray]  # ``labels.recording_delays``

    @staticmethod
    def of(known: Known) -> "PastRequests":
        """Collect the requests made before the as-of date."""
        rows = known.requests
        of_need = rows.need >= 0
        homes, household = np.unique(rows.household[of_need], return_inverse=True)
        ids = known.household_ids[homes].astype(object)
        delays = recording_delays(known)
        return PastRequests(
            known.as_of, known.community, ids, household, rows.need[of_need], rows.requested[of_need], delays
        )

    @staticmethod
    def joined(parts: "Sequence[PastRequests]") -> "PastRequests":
        """Join the requests of a town's partitions."""
        begins = np.cumsum([0, *(len(part.household_ids) for part in parts)])
        return PastRequests(
            parts[0].as_of,
            parts[0].community,
            np.concatenate([part.household_ids for part in parts]),
            np.concatenate([part.household + begin for part, begin in zip(parts, begins[:-1], strict=True)]),
            np.concatenate([part.need for part in parts]),
            np.concatenate([part.requested for part in parts]),
            tuple(map(np.concatenate, zip(*(part.delays for part in parts), strict=True))),  # type: ignore[arg-type]
        )

    @cached_property
    def homes(self) -> pd.Index:
        """Return ``household_ids`` as an index, to look them up."""
        return pd.Index(self.household_ids, dtype=object)

    @cached_property
    def delay(self) -> float:
        """Return the usual recording delay, in days."""
        return usual_delay(*self.delays)

    def passed(self, as_of: int) -> np.ndarray:
        """Tell for which needs the window of ``as_of`` and the usual delay after it have passed: bool [needs]."""
        return label_end(self.community, as_of) + self.delay <= self.as_of

    def within(self, as_of: int) -> "Pairs":
        """Return the pairs that asked in the window of ``as_of``."""
        rows = in_window(self.community, self.need, self.requested, as_of)
        return Pairs.of(self.homes, self.household[rows], self.need[rows], self.community)


@dataclass(frozen=True)
class Pairs:
    """A set of pairs of household and need."""

    homes: pd.Index  # household ids
    there: np.ndarray  # bool [homes and one more, that is none of them, needs]

    @staticmethod
    def of(homes: pd.Index, household: np.ndarray, need: np.ndarray, community: Community) -> "Pairs":
        """Make a set of pairs.

        homes: ids of households, none twice.
        household: int [pairs], position in ``homes``.
        need: int [pairs], position.
        """
        members = np.zeros((len(homes) + 1, len(community.needs)), dtype=bool)
        members[household, need] = True
        return Pairs(homes, members)

    @staticmethod
    def listed(listed: pd.DataFrame | None, community: Community) -> "Pairs":
        """Collect the targeted pairs of outreach.parquet; none without the table."""
        if listed is None:
            return Pairs.of(pd.Index([], dtype=object), np.empty(0, int), np.empty(0, int), community)
        rows = listed[(listed["arm"] == "targeted") & listed["need"].isin(community.need_index())]
        household, homes = pd.factorize(rows["household_id"].to_numpy(dtype=object))
        need = rows["need"].map(community.need_index()).to_numpy(dtype=int)
        return Pairs.of(pd.Index(homes, dtype=object), household, need, community)

    def __getitem__(self, pairs: tuple[pd.Index, np.ndarray, np.ndarray]) -> np.ndarray:
        """Tell which pairs are in the set: bool [pairs]; of ids, positions in them [pairs] and needs [pairs]."""
        ids, home, need = pairs
        return self.there[self.homes.get_indexer(ids)[home], need]


def past_week(
    asked: PastRequests, as_of: int, scores: Iterable[pa.Table], listed: pd.DataFrame | None
) -> pd.DataFrame:
    """Compare one past week's scores with the requests that came, for each need whose window and usual delay have passed.

    asked: the town's requests by now.
    as_of: the day of the past week.
    scores: that week's scores.parquet in pieces, with household_id and need as dictionaries.
    listed: its outreach.parquet; None if no lists were made.

    Returns need, households, predicted and observed number that asked, top and top_asked (size and hits of the top 2%
    by p_request), listed and listed_asked (targeted pairs, and those that asked); empty if no window has passed.
    """
    passed = np.append(asked.passed(as_of), False)  # a need that the settings no longer have
    if not passed.any():
        return pd.DataFrame()
    came, visits = asked.within(as_of), Pairs.listed(listed, asked.community)
    pieces = []
    for piece in scores:
        ids, home = encoded_texts(piece["household_id"])
        names, code = encoded_texts(piece["need"])
        need = pd.Index([need.id for need in asked.community.needs]).get_indexer(names)[code]
        keep = passed[need]
        pairs = ids, home[keep], need[keep]
        p = piece["p_request"].to_numpy()[keep]
        pieces.append((need[keep].astype(np.int16), p, came[pairs], visits[pairs]))
    need, p, hit, targeted = (np.concatenate(column) for column in zip(*pieces, strict=True))
    rows = []
    for at in np.unique(need):
        of_need = np.flatnonzero(need == at)
        top = of_need[_highest(p[of_need], int(np.ceil(TOP * len(of_need))))]
        rows.append(
            {
                "need": asked.community.needs[at].id,
                "households": len(of_need),
                "predicted": p[of_need].sum(),
                "observed": hit[of_need].sum(),
                "top": len(top),
                "top_asked": hit[top].sum(),
                "listed": targeted[of_need].sum(),
                "listed_asked": (hit & targeted)[of_need].sum(),
            }
        )
    return pd.DataFrame(rows)


def _highest(p: np.ndarray, count: int) -> np.ndarray:
    """Return the positions of the ``count`` (at least 1) highest; of those tied at the end, the first."""
    last = np.partition(p, len(p) - count)[len(p) - count]
    above = np.flatnonzero(p > last)
    return np.append(above, np.flatnonzero(p == last)[: count - len(above)])


@dataclass(frozen=True)
class AskingByGrid:
    """Number of households that asked in each of some spans (days, ends exclusive), by the grid where they live now."""

    spans: tuple[Span, ...]
    grid_ids: np.ndarray  # object str
    count: np.ndarray  # int32 [spans, grids, needs]

    @staticmethod
    def of(known: Known, spans: Sequence[Span]) -> "AskingByGrid":
        """Count the households of a town, or of those that live in one partition, see ``models.demand.cells.came``."""
        needs, grids = len(known.community.needs), len(known.grid_ids)
        count = np.zeros((len(spans), grids, needs), dtype=np.int32)
        for at, (begin, end) in enumerate(spans):
            asking = came(known, np.full(needs, begin), np.full(needs, end)) & (known.grid >= 0)[:, None]
            household, need = np.nonzero(asking)
            np.add.at(count[at], (known.grid[household], need), 1)
        inhabited = np.unique(known.grid[known.present])
        return AskingByGrid(tuple(spans), known.grid_ids[inhabited], count[:, inhabited])

    @staticmethod
    def joined(parts: "Sequence[AskingByGrid]") -> "AskingByGrid":
        """Join the counts of a town's partitions; each grid is in one of them."""
        grids = np.concatenate([part.grid_ids for part in parts])
        return AskingByGrid(parts[0].spans, grids, np.concatenate([part.count for part in parts], axis=1))


def spans_told(demand: pd.DataFrame) -> list[Span]:
    """Return the span of each row of demand.csv, in days."""
    days = [[day_of(day) for day in pd.to_datetime(demand[name]).dt.date] for name in ("begins", "ends")]
    return list(zip(*days, strict=True))


def past_demand(asked: PastRequests, seen: AskingByGrid, demand: pd.DataFrame) -> pd.DataFrame:
    """Compare one past week's demand with the households that asked, for spans that have passed, delay included.

    asked: the town's requests by now.
    seen: counts for all spans of ``demand`` that ended before the as-of date.
    demand: that week's demand.csv.

    Households are counted in the grid where they live now. Adds observed, within_80 and within_90 (bool).
    """
    index, spans_of = asked.community.need_index(), spans_told(demand)
    over = np.array([end + asked.delay <= asked.as_of for _, end in spans_of], dtype=bool)
    over &= demand["need"].isin(index).to_numpy()
    table = demand[over].reset_index(drop=True)
    span = {span_told: at for at, span_told in enumerate(seen.spans)}
    grids = {str(name): at for at, name in enumerate(seen.grid_ids)}
    observed = []
    for row, need, grid in zip(np.flatnonzero(over), table["need"], table["grid_id"], strict=True):
        counted = seen.count[span[spans_of[row]], :, index[need]]
        observed.append(
            counted.sum() if grid == TOWN else counted[grids[str(grid)]] if str(grid) in grids else 0
        )
    table = table.assign(observed=np.array(observed, dtype=int))
    for name in LEVELS:
        inside = (table["observed"] >= table[f"low_{name}"]) & (table["observed"] <= table[f"high_{name}"])
        table[f"within_{name}"] = inside
    return table
