"""Expected demand: calibrated probabilities summed by need, grid and span of time, with intervals."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.contract.community import Community
from features.point_in_time.records import Known, Rows, date_of
from features.rows.tables import positions_of
from models.demand.intervals import Spread, unknown_spread, with_intervals
from models.demand.periods import SPANS, WINDOW

TOWN = ""  # grid_id of a row for the whole community
WINDOWS = "window"  # span of a row for a need's own window; months are named as 2025-09
KEYS = ["need", "span"]


def demand_of_partitions(
    cells: list[pd.DataFrame], community: Community, spread: Spread | None
) -> pd.DataFrame:
    """Compute ``demand_table`` from the cells of a town's partitions.

    cells: what ``models.demand.cells.named_cells`` returns, one table a partition.
    spread: of the model; None for the usual one.
    """
    table = pd.concat(cells, ignore_index=True).sort_values(["span", "need", "grid"], ignore_index=True)
    ids = table["grid"].to_numpy(dtype=object)
    grids = np.unique(ids)
    return demand_table(table.assign(grid=np.searchsorted(grids, ids)), grids, community, spread)


def demand_table(
    cells: pd.DataFrame,
    grid_ids: np.ndarray,
    community: Community,
    spread: Spread | None,
    wanted: Sequence[int] = range(SPANS),
) -> pd.DataFrame:
    """Tell how many households will ask for each need: in its window, in the rest of this month, and in the next three.

    cells: what ``expected_cells`` returns; grid is a position in ``grid_ids``.
    spread: of the model, from its backtest; None for the usual one.
    wanted: positions of the spans to return.

    Returns rows for every grid and for the whole community, in the order of the needs: need, grid_id ("" for the whole
    community), span ("window" or a month as 2025-09), begins, ends (dates, ends exclusive), households (that can have
    the need), expected, low_80, high_80, low_90, high_90.
    """
    cells = cells[cells["households"] > 0]
    sums = {name: (name, "sum") for name in ("households", "expected", "variance")}
    ends = {name: (name, "first") for name in ("begins", "ends")}
    town = cells.groupby(KEYS, as_index=False).agg(**sums, **ends).assign(grid=-1)
    town, cells = (frame[frame["span"].isin(wanted)] for frame in (town, cells))
    spread = spread or unknown_spread(len(community.needs))
    table = pd.concat([with_intervals(town, spread, grids=False), with_intervals(cells, spread, grids=True)])
    table = table.sort_values(["need", "span", "grid"], ignore_index=True)
    begins = [date_of(day) for day in table["begins"]]
    columns = {
        "need": np.array([need.id for need in community.needs], dtype=object)[table["need"]],
        "grid_id": np.append(grid_ids, TOWN).astype(object)[table["grid"]],
        "span": [
            WINDOWS if span == WINDOW else f"{begin:%Y-%m}"
            for span, begin in zip(table["span"], begins, strict=True)
        ],
        "begins": begins,
        "ends": [date_of(day) for day in table["ends"]],
    }
    numbers = ["households", "expected", "low_80", "high_80", "low_90", "high_90"]
    return pd.DataFrame(columns | {name: table[name].to_numpy() for name in numbers})


def own_windows(demand: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows for the needs' own windows, without ``span``."""
    return demand[demand["span"] == WINDOWS].drop(columns="span").reset_index(drop=True)


def pairs_of(scores: pd.DataFrame, known: Known) -> tuple[Rows, np.ndarray]:
    """Return the pairs of a table of scores whose household is in a grid, and their p_request: float64 [pairs]."""
    household = positions_of(scores["household_id"], known.household_ids)
    need = positions_of(scores["need"], known.community.need_index())
    placed = (household >= 0) & (need >= 0) & (known.grid[household] >= 0)
    rows = Rows(household[placed].astype(np.int32), need[placed].astype(np.int16))
    return rows, scores["p_request"].to_numpy(dtype=np.float64)[placed]
