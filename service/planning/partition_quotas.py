"""What the parts of a town share of what the whole town has: coordinators' visits, and seats. Pure.

Seats bind the whole town, plans are made by part. So all parts are planned first as if seats did not matter; only of
programmes that would then be promised to more than they can take does each part get a share, in proportion to those
that it would have promised, and is planned again. That is an approximation: within a part the seats go to the visits
of most worth, between parts they go by need. A town in one part never comes here.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from service.planning.choice import SLACK
from service.planning.seat_limits import Enrolment, Limit, limits_of


def visits_by_part(worth: Sequence[np.ndarray], visits: Mapping[str, int]) -> list[dict[str, int]]:
    """How many visits each coordinator of the whole town makes in each part.

    ``worth``: of each part's households that a coordinator may visit. Together they make as many visits in a part as it
    has of the town's best; each has neighbouring parts. What the best leave over goes to the parts in turn.
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


def limits_by_part(
    seats: np.ndarray, takers: Sequence[Mapping[int, float]], before: Sequence[Sequence[Limit]]
) -> list[tuple[Limit, ...]] | None:
    """The seats that each part may promise; None where the plans keep to what there is.

    ``seats``: left in the town, by programme; ``takers``: of each part's plan, by the programmes (bits) that can serve
    them; ``before``: the limits within which the parts were planned, which stay.
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
