"""Plan all partitions of a town: a single one by itself, several with their shares of what the whole town has."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from features.language import UserError
from features.point_in_time.town import summed
from models.scoring.executors import Each
from service.planning.choice import SLACK
from service.planning.group_prices import Search, search_of
from service.planning.parity import GroupSums, joined_sums
from service.planning.planner import Plan, Share
from service.planning.seat_limits import Enrolment, Limit, limits_of
from service.weekly.list_tasks import ListWeek, plan_partition, survey


def plan_town(week: ListWeek, each: Each) -> tuple[ListWeek, list[Plan], Sequence[Share | None]]:
    """Plan the visits of every partition.

    Returns the week (with the counts of the whole town where it has several partitions), the plans, and each
    partition's share (None for a single one). Raises UserError when nobody can visit, or when the parity of the
    settings cannot be met.
    """
    if len(week.town) == 1:
        return week, list(each(partial(plan_partition, week), [(0, None)])), [None]
    surveys = list(each(partial(survey, week), range(len(week.town))))
    counted = replace(week.fitted.town, counts=summed([survey.counts for survey in surveys]))
    week = replace(week, fitted=replace(week.fitted, town=counted))
    sums, pairs = np.sum([survey.p_need for survey in surveys], axis=0)
    usual = np.divide(sums, pairs, out=np.zeros(len(sums)), where=pairs > 0)
    visits = visits_by_partition([survey.worth for survey in surveys], surveys[0].everywhere)
    shares = [Share(number, usual, (), everywhere) for number, everywhere in enumerate(visits)]
    plans, shares = _within_seats(week, shares, each)
    _require_visits(plans)
    parity = week.town.community.outreach.parity
    return week, *(
        (plans, shares) if parity is None else _as_equal(week, plans, shares, search_of(parity), each)
    )


def _within_seats(week: ListWeek, shares: list[Share], each: Each) -> tuple[list[Plan], list[Share]]:
    """Plan, and plan again with limits as long as seats are promised to more households than they can take."""
    while True:
        plans = list(each(partial(plan_partition, week), list(enumerate(shares))))
        limits = limits_by_partition(
            plans[0].seats, [plan.takers for plan in plans], [share.limits for share in shares]
        )
        if limits is None:
            return plans, shares
        shares = [replace(share, limits=quota) for share, quota in zip(shares, limits, strict=True)]


def _as_equal(
    week: ListWeek, plans: list[Plan], shares: list[Share], search: Search, each: Each
) -> tuple[list[Plan], list[Share]]:
    """Plan again with prices of groups, and return the plans of most worth that leave no group of the town short.

    Raises UserError when there are none.
    """
    plain = [_sums_of(plan) for plan in plans]
    best: tuple[float, list[Plan], list[Share]] | None = None
    while True:
        met = search.met
        search = search.after(joined_sums([_sums_of(plan) for plan in plans]))
        value = sum(plan.sums.value for plan in plans)
        if search.met > met and (best is None or value > best[0]):
            best = value, plans, shares
        if search.over and best:
            break
        shares = [replace(share, prices=search.prices) for share in shares]
        plans, shares = _within_seats(week, shares, each)
    pairs = zip(plain, best[1], strict=True)
    return [replace(plan, groups=replace(_sums_of(plan), without=old.within)) for old, plan in pairs], best[2]


def _sums_of(plan: Plan) -> GroupSums:
    assert plan.groups is not None  # where the settings ask for parity
    return plan.groups


def _require_visits(plans: Sequence[Plan]) -> None:
    if not any(len(plan.visits) for plan in plans):
        raise UserError(
            "没有可安排的走访：请检查工作人员表的每周走访户数（weekly_visits）和 community.yaml 的 visits_per_worker",
            "there are no visits to plan: see weekly_visits of workers, and visits_per_worker in community.yaml",
        )


def joined_plan_groups(plans: Sequence[Plan]) -> GroupSums | None:
    """Return what the plans of a town find in each group, or None where the settings ask for no parity."""
    return joined_sums([_sums_of(plan) for plan in plans]) if plans[0].groups else None


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
        wanted = np.array(
            [
                sum(count for within, count in part.items() if limit.concerns(np.array([within]))[0])
                for part in takers
            ]
        )
        if limit.programmes in held or wanted.sum() <= limit.seats + SLACK:
            continue
        for quota, share in zip(quotas, limit.seats * wanted / wanted.sum(), strict=True):
            quota.append(Limit(limit.programmes, float(share)))
    return (
        None
        if [len(limits) for limits in quotas] == [len(limits) for limits in before]
        else [tuple(limits) for limits in quotas]
    )
