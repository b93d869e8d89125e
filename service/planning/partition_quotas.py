"""Share out what the whole town has among several partitions: coordinators' visits, and seats. Pure.

Seats are limited for the whole town, but plans are made by partition. All partitions are planned first as if seats did
not matter. If a set of programmes would then be promised to more households than it can take, each partition gets a
share of its seats in proportion to its own promises, and is planned again. That is an approximation: within a partition
the seats go to the visits of most worth, between partitions they go by the number promised.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from service.planning.choice import SLACK
from service.planning.seat_limits import Enrolment, Limit, limits_of


def visits_by_partition(worth: Sequence[np.ndarray], visits: Mapping[str, int]) -> list[dict[str, int]]:
    """Compute how many visits each coordinator of the whole town makes in each partition.

    ``worth``: for each partition, the worth of the households that a coordinator may visit, float64 [households].
    ``visits``: visits a week by worker_id. A partition gets as many visits as it has households among the town's best;
    the rest go evenly to all partitions. Each coordinator gets neighbouring partitions.

    Returns one mapping of worker_id to visits for each partition.
    """
    total = sum(visits.values())
    part = np.repeat(np.arange(len(worth)), [len(values) for values in worth])
    best = part[np.argsort(-np.concatenate([*worth, np.zeros(0)]), kind="stable")[:total]]
    counts = np.bincount(best, minlength=len(worth))
    counts += (total - len(best)) // len(worth)
    counts[: (total - len(best)) % len(worth)] += 1
    shares: list[dict[str, int]] = []
    left = dict(visits)
    for count in counts.tolist():
        given = {}
        for worker, free in left.items():
            given[worker] = min(free, count)
            count -= given[worker]
        left = {worker: free - given[worker] for worker, free in left.items()}
        shares.append(given)
    return shares


def limits_by_partition(
    seats: np.ndarray, takers: Sequence[Mapping[int, float]], before: Sequence[Sequence[Limit]]
) -> list[tuple[Limit, ...]] | None:
    """Compute the seats that each partition may promise, or None where the plans need no further limit.

    ``seats``: seats left in the town, float64 [programmes]. ``takers``: for each partition's plan, the expected takers
    by the programmes (bits) that can serve them. ``before``: the limits under which the partitions were planned; they
    stay.
    """
    sets = sorted({pair for part in takers for pair in part})
    nobody = np.zeros((0, 0))
    town = Enrolment(nobody, nobody, nobody, seats)
    held = {limit.programmes for limit in before[0]} if before else set()
    quotas = [list(limits) for limits in before]
    for limit in limits_of(town, pd.DataFrame({"within": sets}, dtype=np.int64)):
        wanted = np.array([_concerned(limit, part) for part in takers])
        if limit.programmes in held or wanted.sum() <= limit.seats + SLACK:
            continue
        for quota, share in zip(quotas, limit.seats * wanted / wanted.sum(), strict=True):
            quota.append(Limit(limit.programmes, float(share)))
    return (
        None
        if [len(limits) for limits in quotas] == [len(limits) for limits in before]
        else [tuple(limits) for limits in quotas]
    )


def _concerned(limit: Limit, takers: Mapping[int, float]) -> float:
    return sum(count for within, count in takers.items() if limit.concerns(np.array([within]))[0])
