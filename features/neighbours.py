"""Block: what the neighbours in the micro-grid and grid ask for, leaving the household itself out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.catalogue import Feature
from features.cohort import eligible
from features.language import say
from features.records import Known, Rows
from features.schema import Schema
from features.town import YEAR, Town, asked, days_observed, overlap, prior_strength, rate, shrunk

WINDOWS: dict[str, float] = {"28_days": 28, "91_days": 91, "364_days": YEAR, "all_time": np.inf}
RECENT, LONG = "28_days", "364_days"
FEWEST_TOLD = 3  # households; fewer neighbours could be recognised by a worker's words


@dataclass(frozen=True)
class Area:
    """Requests and exposure of the eligible households of each micro-grid, or each grid."""

    count: np.ndarray  # [areas, needs]
    exposure: np.ndarray  # [areas, needs] eligible household-days
    strength: np.ndarray  # [needs] prior strength of an area's ratio to the level above


@dataclass(frozen=True)
class Window:
    """One window's rates, over the town and its areas."""

    rates: np.ndarray  # [needs] requests per eligible household and day
    dispersion: np.ndarray  # [needs] variance of a household's count over its expectation, at least 1
    grids: Area
    microgrids: Area


@dataclass(frozen=True)
class NeighbourTown:
    """All windows, and how many households of each area asked recently."""

    windows: dict[str, Window]
    everything: Window  # all needs over all time as if one need, exposure in expected requests
    asking_grid: np.ndarray  # [grids, needs]
    asking_microgrid: np.ndarray  # [micro-grids, needs]


def summarise(known: Known, schema: Schema) -> NeighbourTown:
    """Counts and exposures of every grid and micro-grid."""
    past, able = asked(known), eligible(known)
    days = days_observed(known)
    windows = {}
    for name, length in WINDOWS.items():
        windows[name] = _window(known, past.count(0, length) * able, able * overlap(days, 0, length)[:, None])
    asking = (past.count(0, WINDOWS[RECENT]) > 0) & able
    every = past.total() * able
    expected = (able * days[:, None]) @ windows["all_time"].rates
    everything = _window(known, every.sum(1, keepdims=True), expected[:, None])
    return NeighbourTown(
        windows, everything, _by_area(known, "grid", asking), _by_area(known, "microgrid", asking)
    )


def _by_area(known: Known, kind: str, values: np.ndarray) -> np.ndarray:
    """[areas, needs] sums of [households, needs] over the households now in each grid or micro-grid."""
    where = known.grid if kind == "grid" else known.microgrid
    areas = len(known.records.grid_ids if kind == "grid" else known.records.microgrid_ids)
    here = where >= 0
    return np.stack(
        [np.bincount(where[here], values[here, need], areas) for need in range(values.shape[1])], axis=1
    )


def _window(known: Known, count: np.ndarray, exposure: np.ndarray) -> Window:
    rates = rate(count.sum(0), exposure.sum(0))
    expected = exposure * rates
    noise = (count - expected) ** 2
    dispersion = np.maximum(rate(noise.sum(0), expected.sum(0)), 1.0)
    areas = {}
    for kind in ("grid", "microgrid"):
        total, mean, spread = (_by_area(known, kind, values) for values in (count, expected, noise))
        strength = [
            prior_strength(total[:, need], mean[:, need], spread[:, need]) for need in range(len(rates))
        ]
        areas[kind] = Area(total, _by_area(known, kind, exposure), np.array(strength))
    return Window(rates, dispersion, areas["grid"], areas["microgrid"])


def features(schema: Schema) -> list[Feature]:
    """The block's features, in order."""
    rows = []
    for name, length in WINDOWS.items():
        zh, en = (
            ("历来", "so far")
            if np.isinf(length)
            else (f"近{length:.0f}天", f"in the last {length:.0f} days")
        )
        window = "all time" if np.isinf(length) else f"{length:.0f} days"
        fact = "neighbours_recent" if length < YEAR else "neighbours_long"
        rows += [
            (
                f"microgrid_requests_{name}",
                f"本微网格邻居{zh}每户年申请次数（收缩）",
                f"Neighbours' requests per household-year in the micro-grid {en}, shrunk",
                window,
                fact,
            ),
            (
                f"microgrid_ratio_{name}",
                f"本微网格邻居{zh}申请频率与全社区之比（收缩）",
                f"Neighbours' requests in the micro-grid over the town's {en}, shrunk",
                window,
                fact,
            ),
            (
                f"grid_ratio_{name}",
                f"本网格邻居{zh}申请频率与全社区之比（收缩）",
                f"Neighbours' requests in the grid over the town's {en}, shrunk",
                window,
                f"{fact}_grid",
            ),
        ]
    rows += [
        (
            "microgrid_recent_ratio",
            "本微网格近28天申请与往常之比（收缩）",
            "Neighbours' requests in the last 28 days over those usual in the micro-grid, shrunk",
            "28 days",
            "neighbours_recent",
        ),
        (
            "microgrid_asking_28_days",
            "本微网格近28天申请的邻居户数",
            "Neighbours in the micro-grid who asked",
            "28 days",
            "neighbours_recent",
        ),
        (
            "grid_asking_28_days",
            "本网格近28天申请的邻居户数",
            "Neighbours in the grid who asked",
            "28 days",
            "neighbours_recent_grid",
        ),
        (
            "microgrid_all_needs_ratio",
            "本微网格邻居各项申请频率与全社区之比（收缩）",
            "Neighbours' requests of all kinds over the town's, shrunk",
            "all time",
            "",
        ),
    ]
    return [Feature(name, zh, en, "requests", window, fact) for name, zh, en, window, fact in rows]


def block(known: Known, rows: Rows, town: Town, schema: Schema) -> dict[str, np.ndarray]:
    """The block's columns for these pairs: float32 arrays of ``len(rows)``."""
    past, able, table = asked(known), eligible(known), town.parts["neighbours"]
    days = days_observed(known)
    pick = (rows.household, rows.need)
    where = Where(rows.need, known.grid[rows.household], known.microgrid[rows.household])
    columns: dict[str, np.ndarray] = {}
    for name, length in WINDOWS.items():
        window = table.windows[name]
        own = Own((past.count(0, length) * able)[pick], (able * overlap(days, 0, length)[:, None])[pick])
        grids = _ratio(window, "grids", where, own, np.ones(len(rows)))
        microgrids = grids * _ratio(window, "microgrids", where, own, grids)
        columns[f"microgrid_requests_{name}"] = microgrids * window.rates[rows.need] * YEAR
        columns[f"microgrid_ratio_{name}"] = microgrids
        columns[f"grid_ratio_{name}"] = grids
        if name == RECENT:
            recent = own
    columns["microgrid_recent_ratio"] = _ratio(
        table.windows[RECENT], "microgrids", where, recent, columns[f"microgrid_ratio_{LONG}"]
    )
    asking = recent.count > 0
    columns["microgrid_asking_28_days"] = table.asking_microgrid[where.microgrid, rows.need] - asking
    columns["grid_asking_28_days"] = table.asking_grid[where.grid, rows.need] - asking
    columns["microgrid_all_needs_ratio"] = _all_needs_ratio(
        known, table, past.total() * able, able * days[:, None]
    )[rows.household]
    unplaced = (where.grid < 0) | (where.microgrid < 0)
    return {name: np.where(unplaced, np.nan, values).astype(np.float32) for name, values in columns.items()}


@dataclass(frozen=True)
class Where:
    """Need, grid and micro-grid of each pair."""

    need: np.ndarray
    grid: np.ndarray
    microgrid: np.ndarray


@dataclass(frozen=True)
class Own:
    """Each pair's own part of its areas' requests and exposure."""

    count: np.ndarray
    exposure: np.ndarray


def _ratio(window: Window, kind: str, where: Where, own: Own, usual: np.ndarray) -> np.ndarray:
    """Neighbours' requests over those expected at ``usual`` times the town's rate, shrunk to 1."""
    area, place = (window.grids, where.grid) if kind == "grids" else (window.microgrids, where.microgrid)
    pick = (place, where.need)
    spread = window.dispersion[where.need]
    expected = (area.exposure[pick] - own.exposure) * window.rates[where.need] * usual
    return shrunk((area.count[pick] - own.count) / spread, expected / spread, area.strength[where.need])


def _all_needs_ratio(
    known: Known, table: NeighbourTown, count: np.ndarray, exposure: np.ndarray
) -> np.ndarray:
    """Per household: neighbours' requests for anything over those expected in the micro-grid, shrunk to 1."""
    window, rates = table.everything, table.windows["all_time"].rates
    own = Own(count.sum(1), exposure @ rates)
    first = np.zeros(len(own.count), dtype=int)
    return _ratio(window, "microgrids", Where(first, known.grid, known.microgrid), own, np.ones(len(first)))


def _neighbours_asking(known: Known, household: int, need: int, days: float, kind: str) -> int:
    """Households other than this one, now in its grid or micro-grid, that asked for this need lately."""
    where = known.grid if kind == "grid" else known.microgrid
    requests = known.requests
    hit = requests.household[(requests.need == need) & (requests.requested >= known.as_of - days)]
    hit = np.unique(hit)
    return int(((where[hit] == where[household]) & (hit != household)).sum()) if where[household] >= 0 else 0


def _fact(zh: str, en: str, days: float, kind: str) -> Callable[[Known, Schema, int, int], str]:
    def fact(known: Known, schema: Schema, household: int, need: int) -> str:
        count = _neighbours_asking(known, household, need, days, kind)
        return say(zh.format(count), en.format(count)) if count >= FEWEST_TOLD else ""

    return fact


FACTS: dict[str, Callable[[Known, Schema, int, int], str]] = {
    "neighbours_recent": _fact(
        "本小区（微网格）近一个月{}户申请",
        "{} households of this micro-grid asked within four weeks",
        28,
        "microgrid",
    ),
    "neighbours_recent_grid": _fact(
        "本网格近一个月{}户申请", "{} households of this grid asked within four weeks", 28, "grid"
    ),
    "neighbours_long": _fact(
        "本小区（微网格）近一年{}户申请",
        "{} households of this micro-grid asked within a year",
        YEAR,
        "microgrid",
    ),
    "neighbours_long_grid": _fact(
        "本网格近一年{}户申请", "{} households of this grid asked within a year", YEAR, "grid"
    ),
}
