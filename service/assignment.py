"""Choosing the week's visits: a mixed-integer linear programme solved with HiGHS (scipy.optimize.milp).

An option (a household and what to ask it) is a variable of 0 or 1, and so many visits of an area fall to
each class of interchangeable workers. Its linear relaxation is almost whole: it is solved first, what it leaves
undecided is settled as a small integer programme, and the optimality gap is measured against the relaxation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import csc_array, csr_array, hstack

GAP = 1e-4  # relative optimality gap that needs no further search
LARGE, LARGE_GAP = 5000, 1e-3  # from so many options on this gap will do: closing it takes minutes
NODES = 500  # of branch and bound at most: a limit of time would give other lists on a busy machine
WHOLE = 1e-6  # a variable this close to 0 or 1 is decided


@dataclass(frozen=True)
class Side:
    """Further constraints: low <= matrix @ x <= high, with x 1 for the chosen options and 0 for others."""

    matrix: csr_array  # [rows, options]
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Places:
    """Who can visit where: classes of interchangeable workers, and how many households an area may give."""

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
    """Choose options of the highest total value, at most one a household; None where the sides forbid all.

    ``household``, ``area``, ``value``: one entry an option.
    """
    if not len(household):
        return Assignment(np.zeros(0, dtype=np.int64), 0.0, 0.0)
    scale = float(np.abs(value).max()) or 1.0
    model = _model(household, area, value / scale, places, sides)
    count = len(household)
    relaxed = _solve(model, np.zeros(model.variables))
    if relaxed.x is None:
        return None
    bound = -float(relaxed.fun)
    best = _rounded(model, relaxed.x, household)
    if best is None or _gap(model, best, bound) > (LARGE_GAP if count > LARGE else GAP):
        whole = np.zeros(model.variables)
        whole[:count] = 1
        searched = _solve(model, whole)
        if searched.x is not None and (best is None or searched.fun < model.cost @ best):
            best = searched.x
        if searched.x is not None:
            bound = min(bound, -float(searched.mip_dual_bound))
    if best is None:
        return None
    chosen = np.flatnonzero(best[:count] > 0.5)
    return Assignment(chosen, float(value[chosen].sum()), _gap(model, best, bound))


@dataclass(frozen=True)
class _Model:
    cost: np.ndarray
    upper: np.ndarray
    constraints: list[LinearConstraint]

    @property
    def variables(self) -> int:
        return len(self.cost)


def _model(
    household: np.ndarray, area: np.ndarray, value: np.ndarray, places: Places, sides: Sequence[Side]
) -> _Model:
    options = np.arange(len(household))
    zones, zone = np.unique(places.covers, axis=0, return_inverse=True)  # areas served by the same classes
    flow_zone, flow_class = np.nonzero(zones)
    flows, classes = np.arange(len(flow_zone)), zones.shape[1]
    variables = len(options) + len(flows)
    homes, home = np.unique(household, return_inverse=True)
    shared = np.bincount(home)[home] > 1

    def rows(number: int, *parts: tuple[np.ndarray, np.ndarray, float]) -> csc_array:
        data = np.concatenate([np.full(len(row), factor) for row, _, factor in parts])
        row, column = (np.concatenate([part[axis] for part in parts]) for axis in (0, 1))
        return csc_array((data, (row, column)), shape=(number, variables))

    in_zone = (zone.reshape(-1)[area], options, 1.0)
    served = rows(len(zones), in_zone, (flow_zone, len(options) + flows, -1.0))
    made = rows(classes, (flow_class, len(options) + flows, 1.0))
    once = rows(len(homes), (home[shared], options[shared], 1.0))
    constraints = [
        LinearConstraint(served, -np.inf, 0),
        LinearConstraint(made, -np.inf, places.capacity),
        LinearConstraint(once, -np.inf, 1),
    ]
    if places.most is not None:
        constraints.append(
            LinearConstraint(rows(len(places.most), (area, options, 1.0)), -np.inf, places.most)
        )
    for side in sides:
        blank = csr_array((len(side.low), len(flows)))
        constraints.append(LinearConstraint(hstack([side.matrix, blank]).tocsc(), side.low, side.high))
    cost = np.concatenate([-value, np.zeros(variables - len(options))])
    upper = np.concatenate([np.ones(len(options)), np.full(variables - len(options), np.inf)])
    return _Model(cost, upper, constraints)


def _solve(
    model: _Model, whole: np.ndarray, lower: np.ndarray | None = None, upper: np.ndarray | None = None
):
    bounds = Bounds(
        np.zeros(model.variables) if lower is None else lower, model.upper if upper is None else upper
    )
    options = {"mip_rel_gap": GAP / 2, "node_limit": NODES}
    result: OptimizeResult = milp(
        model.cost, integrality=whole, bounds=bounds, constraints=model.constraints, options=options
    )
    return result


def _rounded(model: _Model, relaxed: np.ndarray, household: np.ndarray) -> np.ndarray | None:
    """A whole solution near the relaxed one: its decided options stay, the others are settled; None if none."""
    values = relaxed[: len(household)]
    open_homes = np.unique(household[np.abs(values - np.round(values)) > WHOLE])
    if not len(open_homes):
        return np.concatenate([np.round(values), relaxed[len(household) :]])
    fixed = ~np.isin(household, open_homes)
    lower, upper, whole = np.zeros(model.variables), model.upper.copy(), np.zeros(model.variables)
    lower[: len(household)][fixed] = upper[: len(household)][fixed] = np.round(values[fixed])
    whole[: len(household)] = ~fixed
    return _solve(model, whole, lower, upper).x


def _gap(model: _Model, solution: np.ndarray, bound: float) -> float:
    reached = -float(model.cost @ solution)
    return max(0.0, bound - reached) / max(abs(reached), 1e-12)
