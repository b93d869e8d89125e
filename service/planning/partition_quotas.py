"""What several partitions share of what the whole town has: coordinators' visits, and seats. Pure.

Seats bind the whole town, plans are made by partition. So all partitions are planned first as if seats did not matter;
only of programmes that would then be promised to more than they can take does each partition get a share, in proportion
to those that it would have promised, and is planned again. That is an approximation: within a partition the seats go to
the visits of most worth, between partitions they go by need.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from service.planning.choice import SLACK
from service.planning.seat_limits import Enrolment, Limit, limits_of


def visits_by_partition(worth: Sequence[np.ndarray], visits: Mapping[str, int]) -> list[dict[str, int]]:
    """How many visits each coordinator of the whole town makes in each partition.

    ``worth``: of each partition's households that a coordinator may visit. Together they make as many visits in a
    partition as it has of the town's best; each has neighbouring partitions. What the best leave over goes to the
    partitions in turn.
    """
    total = sum(visits.values())
    part = np.repeat(np.arange(len(worth)), [len(one) for one in worth])
    best = part[np.argsort(-np.concatenate([*worth, np.zeros(0)]), kind="stable")[:total]]
    counts = np.bincount(best, minlength=len(worth))
    counts += (total - len(best)) // len(worth)
    counts[: (total - len(best)) % len(worth)] += 1
    shares: list[dict[str, int]] = []
    left = dict(visits)
    for count in counts.tolist():
        mine = {}
        for worker, own in left.items():
            mine[worker] = min(own, count)
            count -= mine[worker]
        left = {worker: own - mine[worker] for worker, own in left.items()}
        shares.append(mine)
    return shares


def limits_by_partition(
    seats: np.ndarray, takers: Sequence[Mapping[int, float]], before: Sequence[Sequence[Limit]]
) -> list[tuple[Limit, ...]] | None:
    """The seats that each partition may promise; None where the plans keep to what there is.

    ``seats``: left in the town, by programme; ``takers``: of each partition's plan, by the programmes (bits) that can
    serve them; ``before``: the limits within which the partitions were planned, which stay.
    """
    sets = sorted({one for part in takers for one in part})
    nobody = np.zeros((0, 0))
    town = Enrolment(nobody, nobody, nobody, seats)
    held = {one.programmes for one in before[0]} if before else set()
    found = [list(one) for one in before]
    for limit in limits_of(town, pd.DataFrame({"within": sets}, dtype=np.int64)):
        wanted = np.array([_concerned(limit, part) for part in takers])
        if limit.programmes in held or wanted.sum() <= limit.seats + SLACK:
            continue
        for own, share in zip(found, limit.seats * wanted / wanted.sum(), strict=True):
            own.append(Limit(limit.programmes, float(share)))
    return (
        None if [len(one) for one in found] == [len(one) for one in before] else [tuple(one) for one in found]
    )


def _concerned(limit: Limit, takers: Mapping[int, float]) -> float:
    return sum(count for within, count in takers.items() if limit.concerns(np.array([within]))[0])
