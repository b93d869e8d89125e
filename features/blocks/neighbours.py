"""Block: what the neighbours in the grid and micro-grid ask for of late, leaving the household itself out.

Their requests are compared with those of households with the same attributes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.blocks.areas import Area, by_area, fit_area
from features.blocks.catalogue import listed
from features.blocks.similar import similar_factors, similar_ratio
from features.contract.need_kinds import FEWEST_TOLD, Telling
from features.language import say
from features.point_in_time.cohort import eligible
from features.point_in_time.records import Known, Rows
from features.point_in_time.remembered import remembered
from features.point_in_time.row_index import Grouped
from features.point_in_time.schema import Schema
from features.point_in_time.town import TownSummary
from features.point_in_time.town_summary import asked, days_observed, overlap, rate
from features.units import YEAR_OF_WEEKS

WINDOWS = (28, 91, 364)  # days
RECENT, LONG = 28, 364
_RATIOS = [
    f"{kind}_ratio_{days}_days | 本{zh}邻居近{days}天申请次数与同类家庭之比（收缩）"
    f" | Neighbours' requests in the {en} over similar households' in {days} days, shrunk"
    f" | {days} days | ratio | {'neighbours_recent' if days < LONG else 'neighbours_long'}{suffix}"
    for days in WINDOWS
    for kind, zh, en, suffix in (("grid", "网格", "grid", "_grid"), ("microgrid", "微网格", "micro-grid", ""))
]
FEATURES = listed(
    "requests",
    "neighbours",
    *_RATIOS,
    "microgrid_requests_all_time | 本微网格邻居每户年申请次数（收缩） | Neighbours' requests per household-year in the micro-grid, shrunk | all time | requests a year | neighbours_long",
    "microgrid_recent_ratio | 本微网格邻居近28天申请次数与往常之比（收缩） | Neighbours' requests in the micro-grid over those usual there, shrunk | 28 days | ratio | neighbours_recent",
    "microgrid_asking_28_days | 本微网格近28天申请的邻居户数 | Neighbours in the micro-grid who asked | 28 days | households | neighbours_recent",
    "grid_asking_28_days | 本网格近28天申请的邻居户数 | Neighbours in the grid who asked | 28 days | households | neighbours_recent_grid",
)


@dataclass(frozen=True)
class Window:
    """One window's rates: those of the town, and those of areas over what the level above leads to expect."""

    rates: np.ndarray  # [needs] requests per eligible household and day
    grids: Area
    microgrids: Area


@dataclass(frozen=True)
class NeighbourTown:
    """The rates of each window by its days, and how many households of each area asked recently."""

    windows: dict[int, Window]
    all_time: Window  # whatever the households' attributes
    recent: Area  # micro-grids in the recent window, over what they usually ask
    asking_grid: np.ndarray  # [grids, needs]
    asking_microgrid: np.ndarray  # [micro-grids, needs]


@dataclass(frozen=True)
class Own:
    """Eligible pairs' requests in a window, and their exposure weighted by similar households: [households, needs]
    each.
    """

    count: np.ndarray
    similar: np.ndarray  # days of exposure times the ratio of similar households to the town


def _own(known: Known, similar: np.ndarray, days: float) -> Own:
    able = eligible(known)
    exposure = able * overlap(days_observed(known), 0, days)[:, None]
    return Own(asked(known).count(0, days) * able, exposure * similar)


def summarise(known: Known, schema: Schema, fitted: NeighbourTown | None = None) -> NeighbourTown:
    """Compute requests and expectations of every grid and micro-grid.

    ``known``: the whole town, or a part of it in whole grids. ``fitted``: an earlier summary, whose rates, strengths and
    dispersions are kept; only the areas' sums are then those of ``known``.
    """
    similar = similar_ratio(known, schema, similar_factors(known, schema))
    own = {days: _own(known, similar, days) for days in WINDOWS}
    windows = {days: _window(known, own[days], fitted.windows[days] if fitted else None) for days in WINDOWS}
    plain = _own(known, np.ones(similar.shape), np.inf)
    usual, recent = _ratios(windows[LONG], known, own[LONG])[1], own[RECENT]
    asking = (recent.count > 0).astype(float)
    return NeighbourTown(
        windows=windows,
        all_time=_window(known, plain, fitted.all_time if fitted else None),
        recent=fit_area(
            known,
            "microgrid",
            recent.count,
            recent.similar * windows[RECENT].rates * usual,
            fitted.recent if fitted else None,
        ),
        asking_grid=by_area(known, "grid", asking),
        asking_microgrid=by_area(known, "microgrid", asking),
    )


def _window(known: Known, own: Own, fitted: Window | None = None) -> Window:
    rates = fitted.rates if fitted else rate(own.count.sum(0), own.similar.sum(0))
    expected = own.similar * rates
    grids = fit_area(known, "grid", own.count, expected, fitted.grids if fitted else None)
    expected = expected * grids.besides(known.grid, own.count, expected)
    microgrids = fit_area(known, "microgrid", own.count, expected, fitted.microgrids if fitted else None)
    return Window(rates, grids, microgrids)


def _ratios(window: Window, known: Known, own: Own) -> tuple[np.ndarray, np.ndarray]:
    """Compute requests over similar households' for the grid and the micro-grid: float64 [households, needs] each."""
    expected = own.similar * window.rates
    grids = window.grids.besides(known.grid, own.count, expected)
    return grids, grids * window.microgrids.besides(known.microgrid, own.count, expected * grids)


def block(known: Known, rows: Rows, town: TownSummary, schema: Schema) -> dict[str, np.ndarray]:
    """Compute the block's columns for the pairs ``rows`` as of ``known.as_of``.

    ``town`` gives the areas' rates (``town.parts["neighbours"]``) and the factors of attributes. Returns float32
    [len(rows)] by feature name: ratios (1 = as similar households), requests a year, and numbers of households; NaN for
    a household without grid or micro-grid.
    """
    table = town.parts["neighbours"]
    similar = similar_ratio(known, schema, town.similar_factors)
    columns: dict[str, np.ndarray] = {}
    own = {days: _own(known, similar, days) for days in WINDOWS}
    for days in WINDOWS:
        grids, microgrids = _ratios(table.windows[days], known, own[days])
        columns[f"grid_ratio_{days}_days"], columns[f"microgrid_ratio_{days}_days"] = grids, microgrids
    plain = _own(known, np.ones(similar.shape), np.inf)
    columns["microgrid_requests_all_time"] = (
        _ratios(table.all_time, known, plain)[1] * table.all_time.rates * YEAR_OF_WEEKS
    )
    recent = own[RECENT]
    usual = recent.similar * table.windows[RECENT].rates * columns[f"microgrid_ratio_{LONG}_days"]
    columns["microgrid_recent_ratio"] = table.recent.besides(known.microgrid, recent.count, usual)
    own_asking = (recent.count > 0) & table.recent.holds_household
    columns["microgrid_asking_28_days"] = table.asking_microgrid[known.microgrid] - own_asking
    columns["grid_asking_28_days"] = table.asking_grid[known.grid] - own_asking
    placed = ((known.microgrid >= 0) & (known.grid >= 0))[rows.household]
    return {
        name: np.where(placed, values[rows.household, rows.need], np.nan).astype(np.float32)
        for name, values in columns.items()
    }


def requests_near(known: Known, household: int, need: int, days: float, kind: str) -> np.ndarray:
    """List the requests that neighbours made for a need lately: int64 rows of ``known.requests``.

    Neighbours are the other households that live now in the same grid or micro-grid. ``days``: how far back requests
    count. ``kind``: ``grid`` or ``microgrid``.
    """
    where = known.area(kind)
    if where[household] < 0:
        return np.zeros(0, dtype=np.int64)
    rows, by_cell = _requests_by_cell(known, days, kind)
    near = rows[by_cell.of(int(where[household]) * len(known.community.needs) + need)]
    return near[known.requests.household[near] != household]


@remembered
def _requests_by_cell(known: Known, days: float, kind: str) -> tuple[np.ndarray, Grouped]:
    """Group the rows of ``known.requests`` within so many days by area and need."""
    where = known.area(kind)
    needs, requests = len(known.community.needs), known.requests
    rows = np.flatnonzero((requests.need >= 0) & (requests.requested >= known.as_of - days))
    cell = where[requests.household[rows]].astype(np.int64) * needs + requests.need[rows]
    rows, cell = rows[cell >= 0], cell[cell >= 0]
    return rows, Grouped(cell, needs * (int(where.max(initial=-1)) + 1))


def households_near(known: Known, household: int, kind: str) -> int:
    """Count the other households in the same grid or micro-grid (``kind``); 0 where the household is in none."""
    where = known.area(kind)
    return int(_households_by_area(known, kind)[where[household]]) - 1 if where[household] >= 0 else 0


@remembered
def _households_by_area(known: Known, kind: str) -> np.ndarray:
    where = known.area(kind)
    return np.bincount(where[known.present & (where >= 0)])


def _neighbours_asking(known: Known, household: int, need: int, days: float, kind: str) -> int:
    """Count other households now in the same grid or micro-grid that asked for this need lately."""
    near = requests_near(known, household, need, days, kind)
    return len(np.unique(known.requests.household[near]))


def _fact(zh: str, en: str, days: float, kind: str) -> Callable[[Known, Schema, int, int], str]:
    def fact(known: Known, schema: Schema, household: int, need: int) -> str:
        count = _neighbours_asking(known, household, need, days, kind)
        near = households_near(known, household, kind)
        return say(zh.format(near, count), en.format(count, near)) if count >= FEWEST_TOLD else ""

    return fact


KIND = ("邻居申请", "neighbours' requests")  # what reasons of this block are called
FACTS: dict[str, Callable[[Known, Schema, int, int], str]] = {
    "neighbours_recent": _fact(
        "本微网格邻居{}户，近一个月有{}户申请过",
        "{} of {} neighbours in this micro-grid asked within four weeks",
        28,
        "microgrid",
    ),
    "neighbours_recent_grid": _fact(
        "本网格邻居{}户，近一个月有{}户申请过",
        "{} of {} neighbours in this grid asked within four weeks",
        28,
        "grid",
    ),
    "neighbours_long": _fact(
        "本微网格邻居{}户，近一年有{}户申请过",
        "{} of {} neighbours in this micro-grid asked within a year",
        YEAR_OF_WEEKS,
        "microgrid",
    ),
    "neighbours_long_grid": _fact(
        "本网格邻居{}户，近一年有{}户申请过",
        "{} of {} neighbours in this grid asked within a year",
        YEAR_OF_WEEKS,
        "grid",
    ),
}
TELLING = dict.fromkeys(FACTS, Telling("neighbours", "list"))
