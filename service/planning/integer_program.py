"""Choose the week's visits with a mixed-integer linear programme, solved by HiGHS (scipy.optimize.milp).

Each option (a household and the needs to ask about) is a variable of 0 or 1; further variables count the visits that
each class of interchangeable workers makes in an area. Nearly all variables of the linear relaxation are whole. It is
solved first, a small integer programme then settles the variables left undecided, and the optimality gap is
measured against the relaxation.
"""

import ctypes
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, linprog, milp
from scipy.sparse import csc_array, csr_array, hstack, vstack

GAP = 1e-4  # relative optimality gap that needs no further search
LARGE, LARGE_GAP = 5000, 1e-3  # with more options this gap will do: a search among all takes minutes
NODES = 200  # of branch and bound at most: a limit of time would give other lists on a busy machine
NEAR = (0, 300, 1500)  # options beside the undecided ones that may change, in turn
WHOLE = 1e-6  # a variable this close to 0 or 1 is decided


@dataclass(frozen=True)
class Side:
    """Further constraints: low <= matrix @ x + further @ z <= high.

    x is 1 for the chosen options and 0 for the others; z >= 0 are auxiliary variables, for sums that several rows
    share.
    """

    matrix: csr_array  # [rows, options]
    low: np.ndarray
    high: np.ndarray
    further: csr_array | None = None  # [rows, further variables]


@dataclass(frozen=True)
class Places:
    """Who can visit where: classes of interchangeable workers, and the largest number of visits in each area."""

    covers: np.ndarray  # bool, areas x classes
    capacity: np.ndarray  # int per class: visits to spare
    most: np.ndarray | None = None  # int per area


@dataclass(frozen=True)
class Assignment:
    """The chosen options, their total value, and how far it may be from the best there is (relative)."""

    chosen: np.ndarray  # int64 positions of options
    value: float
    gap: float


def assign(
    household: np.ndarray, area: np.ndarray, value: np.ndarray, places: Places, sides: Sequence[Side] = ()
) -> Assignment | None:
    """Choose options of the highest total value, at most one for each household.

    ``household``, ``area``: int [options], positions. ``value``: float64 [options]. ``places``: who can visit where.
    ``sides``: further constraints.

    Returns the chosen options, or None where no choice meets the constraints. The gap is relative, and at most GAP (or
    LARGE_GAP for many options) unless the search ends first.
    """
    if not len(household):
        return Assignment(np.zeros(0, dtype=np.int64), 0.0, 0.0)
    if not sides:
        kept = _contenders(household, area, value, places)
        if len(kept) < len(household):
            best_of = assign(household[kept], area[kept], value[kept], places)
            return best_of and replace(best_of, chosen=kept[best_of.chosen])
    scale = float(np.abs(value).max()) or 1.0
    model = _model(household, area, value / scale, places, sides)
    relaxed = _relaxed(model)
    if relaxed is None:
        return None
    best, bound = None, -float(model.cost @ relaxed.values)
    enough = LARGE_GAP if len(household) > LARGE else GAP
    for near in NEAR:
        best = _settled(model, relaxed, household, near, enough / 2)
        if best is not None and _gap(model, best, bound) <= enough:
            break
    else:
        if len(household) <= LARGE:
            solved = _solve(model, np.ones(len(household), dtype=bool), GAP / 2)
            if solved.x is not None:
                best, bound = solved.x, min(bound, -float(solved.mip_dual_bound))
    if best is None:
        return None
    chosen = np.flatnonzero(best[: len(household)] > 0.5)
    return Assignment(chosen, float(value[chosen].sum()), _gap(model, best, bound))


def _contenders(household: np.ndarray, area: np.ndarray, value: np.ndarray, places: Places) -> np.ndarray:
    """Select the options that can matter where only visits are scarce: int64 positions, ascending.

    Kept are each household's best option; among the areas that the same classes serve, as many of the best options as
    these classes can visit; and of one area no more than its largest number. An option that is left out could always
    be replaced by one of these.
    """
    _, zone = np.unique(places.covers, axis=0, return_inverse=True)
    zone = zone.reshape(-1)
    reach = places.covers.astype(np.int64) @ places.capacity  # per area: visits of the classes that serve it
    falling = np.argsort(-value, kind="stable")
    falling = falling[np.sort(np.unique(household[falling], return_index=True)[1])]
    if places.most is not None:
        falling = falling[_place_within(area[falling]) < places.most[area[falling]]]
    falling = falling[_place_within(zone[area[falling]]) < reach[area[falling]]]
    return np.sort(falling)


def _place_within(group: np.ndarray) -> np.ndarray:
    """Count for each entry the earlier entries of the same group: int64 [entries]."""
    order = np.argsort(group, kind="stable")
    first = np.searchsorted(group[order], group[order])
    place = np.empty(len(group), dtype=np.int64)
    place[order] = np.arange(len(group)) - first
    return place


def thinkable(household: np.ndarray, area: np.ndarray, places: Places, sides: Sequence[Side]) -> bool:
    """Tell whether fractional visits can meet the constraints: a quick test that whole visits must pass too.

    ``household``, ``area``: int [options], positions. ``places``, ``sides``: as in ``assign``.
    """
    return _relaxed(_model(household, area, np.zeros(len(household)), places, sides)) is not None


@dataclass(frozen=True)
class _Model:
    """Minimise cost @ x with low <= matrix @ x <= high and 0 <= x <= upper; the options come first in x."""

    cost: np.ndarray
    upper: np.ndarray
    matrix: csc_array
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class _Relaxed:
    """A vertex of the linear relaxation, and the absolute reduced cost of each variable there."""

    values: np.ndarray
    reduced: np.ndarray


def _model(
    household: np.ndarray, area: np.ndarray, value: np.ndarray, places: Places, sides: Sequence[Side]
) -> _Model:
    options = np.arange(len(household))
    zones, zone = np.unique(places.covers, axis=0, return_inverse=True)  # areas served by the same classes
    flow_zone, flow_class = np.nonzero(zones)
    flows, classes = np.arange(len(flow_zone)), zones.shape[1]
    shared_sums = [0 if side.further is None else side.further.shape[1] for side in sides]
    variables = len(options) + len(flows) + sum(shared_sums)
    several = np.bincount(household)[household] > 1
    homes, home = np.unique(household[several], return_inverse=True)

    def rows(number: int, *parts: tuple[np.ndarray, np.ndarray, float]) -> csc_array:
        data = np.concatenate([np.full(len(row), factor) for row, _, factor in parts])
        row, column = (np.concatenate([part[axis] for part in parts]) for axis in (0, 1))
        return csc_array((data, (row, column)), shape=(number, variables))

    in_zone = (zone.reshape(-1)[area], options, 1.0)
    served = rows(len(zones), in_zone, (flow_zone, len(options) + flows, -1.0))
    made = rows(classes, (flow_class, len(options) + flows, 1.0))
    once = rows(len(homes), (home, options[several], 1.0))
    blocks, high = [served, made, once], [np.zeros(len(zones)), places.capacity, np.ones(len(homes))]
    if places.most is not None:
        blocks.append(rows(len(places.most), (area, options, 1.0)))
        high.append(places.most)
    low = [np.full(len(limits), -np.inf) for limits in high]
    for at, side in enumerate(sides):
        begin = len(flows) + sum(shared_sums[:at])
        blank, after = (csr_array((len(side.low), count)) for count in (begin, sum(shared_sums[at + 1 :])))
        parts = [side.matrix, blank, *([] if side.further is None else [side.further]), after]
        blocks.append(hstack(parts).tocsc())
        low.append(side.low)
        high.append(side.high)
    cost = np.concatenate([-value, np.zeros(variables - len(options))])
    upper = np.concatenate([np.ones(len(options)), np.full(variables - len(options), np.inf)])
    return _Model(cost, upper, vstack(blocks).tocsc(), np.concatenate(low), np.concatenate(high))


def _relaxed(model: _Model) -> _Relaxed | None:
    """Return the best vertex of the relaxation, or None where the relaxation has no solution."""
    above, below = np.isfinite(model.high), np.isfinite(model.low)
    rows = model.matrix.tocsr()
    result = linprog(
        model.cost,
        A_ub=vstack([rows[above], -rows[below]]).tocsc(),
        b_ub=np.concatenate([model.high[above], -model.low[below]]),
        bounds=np.column_stack([np.zeros(len(model.upper)), model.upper]),
        method="highs",
    )
    if result.x is None:
        return None
    return _Relaxed(result.x, np.abs(result.lower.marginals + result.upper.marginals))


def _solve(model: _Model, free: np.ndarray, gap: float, values: np.ndarray | None = None) -> OptimizeResult:
    """Solve the integer programme; options that are not ``free`` (bool) are fixed at their whole ``values``."""
    count = len(free)
    lower, upper, whole = np.zeros(len(model.cost)), model.upper.copy(), np.zeros(len(model.cost))
    whole[:count] = free
    if values is not None:
        lower[:count][~free] = upper[:count][~free] = values[:count][~free]
    with without_output():
        return milp(
            model.cost,
            integrality=whole,
            bounds=Bounds(lower, upper),
            constraints=LinearConstraint(model.matrix, model.low, model.high),
            options={"mip_rel_gap": gap, "node_limit": NODES},
        )


def _settled(
    model: _Model, relaxed: _Relaxed, household: np.ndarray, near: int, gap: float
) -> np.ndarray | None:
    """Return a whole solution near the relaxed one: float64 [variables], or None where there is none.

    Free to change are the options of households that the relaxation leaves undecided, and of the households of the
    ``near`` options with the smallest reduced cost; all other options keep their value.
    """
    count = len(household)
    values = relaxed.values[:count]
    open_options = np.abs(values - np.round(values)) > WHOLE
    if not open_options.any():
        return np.concatenate([np.round(values), relaxed.values[count:]])
    open_options[np.argsort(relaxed.reduced[:count], kind="stable")[:near]] = True
    free = np.isin(household, household[open_options])
    return _solve(model, free, gap, np.round(values)).x


def _gap(model: _Model, solution: np.ndarray, bound: float) -> float:
    reached = -float(model.cost @ solution)
    return max(0.0, bound - reached) / max(abs(reached), 1e-12)


@contextmanager
def without_output() -> Iterator[None]:
    """Discard what is printed to standard output meanwhile; standard error stays as it is.

    HiGHS prints a line when it repairs a solution. Errors are raised as usual.
    """
    if os.name != "posix":
        yield
        return
    buffered = ctypes.CDLL(None)
    sys.stdout.flush()
    buffered.fflush(None)
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        buffered.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
