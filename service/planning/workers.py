"""Tell who can visit how many households where: the workers table, or one worker for each micro-grid without it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.language import UserError, say
from features.point_in_time.records import Known, microgrid_numbers


@dataclass(frozen=True)
class Workers:
    """The week's workers and the areas they cover.

    An *area* is one micro-grid of one grid; ``area`` holds the area of each household (-1: not known yet).
    """

    frame: pd.DataFrame  # worker_id ("" without a workers table), name, role, visits, coordinator (bool)
    covers: np.ndarray  # bool, areas x workers
    areas: pd.DataFrame  # grid_id, microgrid_id, one row an area
    area: np.ndarray  # int32 per household
    idle: tuple[str, ...] = ()  # worker_ids of the table without any area
    bare: int = 0  # areas where nobody of the table visits

    @property
    def lines(self) -> list[str]:
        """Write what is wrong with the workers table."""
        return unplaced_lines(self.idle, self.bare)


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
        here = frame["worker_id"].map(everywhere)
        return replace(workers, frame=frame.assign(visits=here.where(shared, frame["visits"]).astype(int)))
    if not workers.frame["visits"].any():
        raise UserError(
            say(
                "没有可安排的走访：请在 workers 的 weekly_visits 或 community.yaml 的 visits_per_worker 里写大于 0 的数",
                "there are no visits to plan: set weekly_visits of workers, or visits_per_worker in"
                " community.yaml, above 0",
            )
        )
    return workers


def _one_each(areas: pd.DataFrame, visits: int) -> tuple[pd.DataFrame, np.ndarray]:
    count = len(areas)
    frame = pd.DataFrame(
        {
            "worker_id": "",
            "name": [*areas["microgrid_id"], ""],
            "role": ["grid_worker"] * count + ["coordinator"],
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
        names = say("、", ", ").join(idle[:5])
        lines.append(
            say(
                f"workers 表里 {len(idle)} 人没有对应的网格或微网格，未安排走访：{names}",
                f"workers: {len(idle)} have no grid or micro-grid with households and get no list: {names}",
            )
        )
    if bare:
        lines.append(
            say(f"{bare} 个微网格在 workers 表里没有人走访", f"{bare} micro-grids have no worker in workers")
        )
    return lines
