"""Tell who can visit how many households where: the workers table, or one worker for each micro-grid without it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import csr_array

from features.language import UserError, joined_names, say_line
from features.point_in_time.records import Known, microgrid_numbers
from service.planning.integer_program import Places


@dataclass(frozen=True)
class Workers:
    """The week's workers and the areas they cover.

    An *area* is one micro-grid of one grid; ``area`` holds the area of each household (-1: not known yet).
    """

    # worker_id ("" without a workers table), name, role, grid_id ("": none given), visits, coordinator (bool)
    frame: pd.DataFrame
    covers: np.ndarray  # bool, areas x workers
    areas: pd.DataFrame  # grid_id, microgrid_id, one row an area
    area: np.ndarray  # int32 per household
    idle: tuple[str, ...] = ()  # worker_ids of the table without any area
    bare: int = 0  # areas where nobody of the table visits


def workers_of(known: Known, everywhere: Mapping[str, int] | None = None) -> Workers:
    """Return the community's workers as of the known day, with their visits a week.

    Grid workers and stewards visit in their micro-grid, or in their whole grid where no micro-grid is given;
    coordinators visit in their grid, or everywhere. Without a workers table every micro-grid has one worker,
    and one coordinator visits in the whole community. Raises UserError when nobody has any visits.

    ``everywhere``: given for a partition of a town, the visits made there by those who visit in the whole town, by
    worker_id.
    """
    pairs = np.stack([known.grid, known.microgrid], axis=1)
    distinct, index = np.unique(pairs[known.present], axis=0, return_inverse=True)
    area = np.full(known.household_count, -1, dtype=np.int32)
    area[known.present] = index.reshape(-1)
    areas = pd.DataFrame(
        {
            "grid_id": known.grid_ids[distinct[:, 0]],
            "microgrid_id": microgrid_numbers(known.microgrid_ids[distinct[:, 1]]),
        }
    )
    if known.workers.empty:
        frame, covers = _one_each(areas, known.community.outreach.visits_per_worker)
        workers = Workers(frame, covers, areas, area)
    else:
        frame, covers = _from_table(known, areas)
        workers = Workers(frame, covers, areas, area, *_unplaced(frame, covers))
    if everywhere is not None:
        shared = frame["coordinator"] & frame["worker_id"].isin(everywhere)
        share = frame["worker_id"].map(everywhere)
        return replace(workers, frame=frame.assign(visits=share.where(shared, frame["visits"]).astype(int)))
    if not workers.frame["visits"].any():
        raise UserError(
            "没有可安排的走访：请在工作人员表的每周走访户数（weekly_visits）或 community.yaml 的 visits_per_worker 里"
            "写大于 0 的数",
            "there are no visits to plan: set weekly_visits of workers, or visits_per_worker in"
            " community.yaml, above 0",
        )
    return workers


def _one_each(areas: pd.DataFrame, visits: int) -> tuple[pd.DataFrame, np.ndarray]:
    count = len(areas)
    frame = pd.DataFrame(
        {
            "worker_id": "",
            "name": [*areas["microgrid_id"], ""],
            "role": ["grid_worker"] * count + ["coordinator"],
            "grid_id": [*areas["grid_id"], ""],
            "visits": visits,
            "coordinator": [False] * count + [True],
        }
    )
    return frame, np.hstack([np.eye(count, dtype=bool), np.ones((count, 1), dtype=bool)])


def _from_table(known: Known, areas: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    table = known.workers.sort_values("worker_id", kind="stable")
    coordinator = (table["role"] == "coordinator").to_numpy()
    visits = pd.to_numeric(table["weekly_visits"]).fillna(known.community.outreach.visits_per_worker)
    frame = pd.DataFrame(
        {
            "worker_id": table["worker_id"].to_numpy(),
            "name": np.where(table["name"].isna(), table["worker_id"], table["name"]),
            "role": table["role"].to_numpy(),
            "grid_id": table["grid_id"].fillna("").to_numpy(),
            "visits": visits.astype(int).to_numpy(),
            "coordinator": coordinator,
        }
    )
    return frame, _covered(table, areas)


def _covered(table: pd.DataFrame, areas: pd.DataFrame) -> np.ndarray:
    """Tell where each worker of the table visits: bool [areas, workers]."""
    covers = np.ones((len(areas), len(table)), dtype=bool)
    for column in ("grid_id", "microgrid_id"):
        given = table[column].notna().to_numpy()
        same = areas[column].to_numpy(dtype=object)[:, None] == table[column].to_numpy(dtype=object)[None, :]
        covers &= same | ~given[None, :]
    placed = table[["grid_id", "microgrid_id"]].notna().any(axis=1) | (table["role"] == "coordinator")
    return covers & placed.to_numpy()[None, :]


def visiting_everywhere(known: Known) -> dict[str, int]:
    """Return the visits a week of the coordinators who visit in the whole community, by worker_id.

    Without a workers table there is one, whose worker_id is "".
    """
    table, usual = known.workers, known.community.outreach.visits_per_worker
    if table.empty:
        return {"": usual}
    table = table[(table["role"] == "coordinator") & table[["grid_id", "microgrid_id"]].isna().all(axis=1)]
    visits = pd.to_numeric(table["weekly_visits"]).fillna(usual).astype(int)
    return dict(sorted(zip(table["worker_id"], visits, strict=True)))


def _unplaced(frame: pd.DataFrame, covers: np.ndarray) -> tuple[tuple[str, ...], int]:
    """Return the workers who cannot visit anywhere, and the number of areas where nobody visits."""
    idle = frame["worker_id"].to_numpy()[~covers.any(axis=0)]
    field = ~frame["coordinator"].to_numpy()
    return tuple(map(str, idle)), int((~covers[:, field].any(axis=1)).sum())


def unplaced_lines(idle: Sequence[str], bare: int) -> list[str]:
    """Write lines on workers who cannot visit anywhere, and on areas where nobody visits."""
    lines = []
    if len(idle):
        names = joined_names(idle[:5])
        lines += say_line(
            f"工作人员表里 {len(idle)} 人没有对上网格或微网格，没排走访：{names}",
            f"workers: {len(idle)} have no grid or micro-grid with households and get no list: {names}",
        )
    if bare:
        lines += say_line(
            f"{bare} 个微网格没有人走访：工作人员表里没写",
            f"{bare} micro-grids have no worker in workers",
        )
    return lines


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
    for home, before, same_class in zip(homes["household"], last, last_class == class_of, strict=True):
        if before >= 0 and same_class and spare[before] > 0:
            worker[home] = before
            spare[before] -= 1
    free = (worker == -1).to_numpy()
    for class_number in np.unique(class_of[free]):
        members = np.flatnonzero(classes.of_worker == class_number)
        of_class = homes[free & (class_of == class_number)].sort_values(["area", "household"])
        worker[of_class["household"].to_numpy()] = np.repeat(members, _loads(len(of_class), members, spare))
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
    counts = np.round(result.x).astype(int)
    class_of = np.full(len(area), -1, dtype=np.int64)
    for number in np.unique(area):
        homes = np.flatnonzero(area == number)
        left = {int(flow_class[at]): int(counts[at]) for at in np.flatnonzero(flow_area == number)}
        for home in homes:
            if left.get(int(last_class[home]), 0) > 0:
                class_of[home] = last_class[home]
                left[int(last_class[home])] -= 1
        rest = homes[class_of[homes] == -1]
        class_of[rest] = np.repeat(list(left), list(left.values()))
    return class_of


def _loads(count: int, members: np.ndarray, spare: np.ndarray) -> np.ndarray:
    """Deal ``count`` visits, each to the member with most to spare; return int64 [members] and reduce ``spare``."""
    loads = np.zeros(len(members), dtype=np.int64)
    for _ in range(count):
        chosen = int(np.argmax(spare[members]))
        loads[chosen] += 1
        spare[members[chosen]] -= 1
    return loads
