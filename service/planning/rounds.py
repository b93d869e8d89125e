"""Deal the chosen households out to the workers who visit them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import csr_array

from service.planning.integer_program import Places
from service.planning.workers import Workers


@dataclass(frozen=True)
class Classes:
    """Classes of interchangeable workers, who cover the same areas; the class that covers least comes first."""

    of_worker: np.ndarray  # int per worker, -1 for those who take no part
    covers: np.ndarray  # bool, areas x classes

    def places(self, spare: np.ndarray, most: np.ndarray | None = None) -> Places:
        """Return where the classes can visit; ``spare``: visits that each worker can still make, int [workers]."""
        taking = self.of_worker >= 0
        capacity = np.bincount(
            self.of_worker[taking], weights=spare[taking], minlength=self.covers.shape[1]
        ).astype(np.int64)
        return Places(self.covers, capacity, most)


def classes_of(workers: Workers, taking: np.ndarray) -> Classes:
    """Return the classes of the workers who take part; ``taking``: bool [workers]."""
    of_worker = np.full(len(taking), -1, dtype=np.int64)
    covers, index = np.unique(workers.covers[:, taking], axis=1, return_inverse=True)
    order = np.argsort(covers.sum(axis=0), kind="stable")
    of_worker[taking] = np.argsort(order)[index.reshape(-1)]
    return Classes(of_worker, covers[:, order])


def deal(homes: pd.DataFrame, classes: Classes, spare: np.ndarray) -> pd.Series:
    """Return the worker of each household, and subtract their visits from ``spare`` in place.

    ``homes``: household, area, last_worker (-1: none), in order of their worth; no more than the classes can visit.
    ``spare``: visits that each worker can still make, int [workers]. Where the numbers allow it a household keeps its
    last worker; else the best households of an area go to the workers who cover least (stewards know their doors).
    Within a class each worker gets neighbouring households, and visits to spare end up as equal as possible.
    """
    worker = pd.Series(-1, index=homes["household"].to_numpy())
    if homes.empty:
        return worker
    last = homes["last_worker"].to_numpy()
    last_class = np.where(last >= 0, classes.of_worker[last], -1)
    class_of = _class_of(homes["area"].to_numpy(), last_class, classes.places(spare))
    for home, one, mine in zip(homes["household"], last, last_class == class_of, strict=True):
        if one >= 0 and mine and spare[one] > 0:
            worker[home] = one
            spare[one] -= 1
    free = (worker == -1).to_numpy()
    for class_number in np.unique(class_of[free]):
        members = np.flatnonzero(classes.of_worker == class_number)
        mine = homes[free & (class_of == class_number)].sort_values(["area", "household"])
        worker[mine["household"].to_numpy()] = np.repeat(members, _loads(len(mine), members, spare))
    return worker


def _class_of(area: np.ndarray, last_class: np.ndarray, places: Places) -> np.ndarray:
    """Return the class that visits each household: int64 [households]; those that cover least serve all they can."""
    flow_area, flow_class = np.nonzero(places.covers)
    flows = np.arange(len(flow_area))
    areas, classes = places.covers.shape
    given = csr_array((np.ones(len(flows)), (flow_area, flows)), shape=(areas, len(flows)))
    made = csr_array((np.ones(len(flows)), (flow_class, flows)), shape=(classes, len(flows)))
    breadth = places.covers.sum(axis=0)
    result = linprog(
        breadth[flow_class] / max(1, breadth.max(initial=1)),
        A_ub=made,
        b_ub=places.capacity,
        A_eq=given,
        b_eq=np.bincount(area, minlength=areas),
        method="highs-ds",  # a vertex of a transport problem is whole
    )
    found = np.round(result.x).astype(int)
    class_of = np.full(len(area), -1, dtype=np.int64)
    for number in np.unique(area):
        here = np.flatnonzero(area == number)
        left = {int(flow_class[at]): int(found[at]) for at in np.flatnonzero(flow_area == number)}
        for home in here:
            if left.get(int(last_class[home]), 0) > 0:
                class_of[home] = last_class[home]
                left[int(last_class[home])] -= 1
        rest = here[class_of[here] == -1]
        class_of[rest] = np.repeat(list(left), list(left.values()))
    return class_of


def _loads(count: int, members: np.ndarray, spare: np.ndarray) -> np.ndarray:
    """Deal ``count`` visits, each to the member with most to spare; return int64 [members] and reduce ``spare``."""
    loads = np.zeros(len(members), dtype=np.int64)
    for _ in range(count):
        one = int(np.argmax(spare[members]))
        loads[one] += 1
        spare[members[one]] -= 1
    return loads
