"""Which households to visit next week, and what to ask them: from scores to a plan. Pure, no files.

Any list maker with the signature of ``plan`` can take its place.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.language import say
from features.records import Known, date_of
from service.lottery import NEEDS_PER_VISIT, drawn_by_lot
from service.workers import Workers, workers_of

HANDLED_DAYS = 365  # an unresolved request older than a year is no longer taken as being handled
COLUMNS = (
    "outreach_id",
    "as_of",
    "worker_id",
    "grid_id",
    "microgrid_id",
    "household_id",
    "need",
    "visit_order",
    "arm",
    "propensity",
    "reason",
    "model_version",
)


@dataclass(frozen=True)
class Plan:
    """The week's visits: one row for each household and need to ask about, and lines that say how it went.

    ``visits`` has the contract's columns of outreach.parquet (``reason`` still empty), and for the pages
    worker (a number for each list), worker_name, role, coordinator (on a coordinators' list) and p_need.
    """

    visits: pd.DataFrame
    lines: list[str]


def plan(scores: pd.DataFrame, known: Known, seed: int = 0) -> Plan:
    """Choose the week's visits from the scores of one as-of date.

    A household is visited at most once a week and asked about at most three needs. A share of the visits
    (``explore_share``) is drawn first, by lot among all eligible households, so that their propensity holds
    for everyone; the others go to the households with the highest sum of severity times p_need. Sensitive
    needs stand only on coordinators' lists. The same input and seed give the same plan.

    ``scores``: the contract's columns of scores.parquet.
    """
    workers = workers_of(known)
    pairs, lines = eligible_pairs(scores, known)
    pairs["area"] = workers.area[pairs["household"].to_numpy()]
    draw = np.random.default_rng([seed, known.as_of])
    pairs["tie"] = draw.permutation(known.household_count)[pairs["household"].to_numpy()]
    spare = workers.frame["visits"].to_numpy().copy()
    drawn = drawn_by_lot(
        pairs[~pairs["sensitive"]], workers, spare, known.community.outreach.explore_share, draw
    )
    rest = pairs[~pairs["household"].isin(drawn["household"])]
    coordinated = _coordinated(rest, workers, spare)
    rest = rest[~rest["household"].isin(coordinated["household"]) & ~rest["sensitive"]]
    targeted = _targeted(rest, workers, spare, ~workers.frame["coordinator"].to_numpy())
    chosen = [one for one in (drawn, coordinated, targeted) if len(one)]
    visits = pd.concat(chosen, ignore_index=True) if chosen else targeted
    return Plan(_finished(visits, workers, known), workers.lines + lines + _unlisted(pairs, workers))


def eligible_pairs(scores: pd.DataFrame, known: Known) -> tuple[pd.DataFrame, list[str]]:
    """The pairs that may be listed, and a line on those that may not.

    Left out: households that refuse lists in the coming week, households contacted within the cool-down, and
    needs for which the household has an open request that someone already handles.

    Returns columns household, need (positions), p_need, value (severity times p_need), usual (the need's
    mean p_need), sensitive, model_version.
    """
    community = known.community
    household = pd.Index(known.records.household_ids).get_indexer(pd.Index(scores["household_id"]))
    need = pd.Index([one.id for one in community.needs]).get_indexer(pd.Index(scores["need"]))
    pairs = pd.DataFrame(
        {
            "household": household,
            "need": need,
            "p_need": scores["p_need"].to_numpy(dtype=np.float64),
            "model_version": scores["model_version"].to_numpy(),
        }
    )[(household >= 0) & (need >= 0)]
    pairs = pairs[known.present[pairs["household"]]]
    severity = np.array([one.severity for one in community.needs])
    pairs["value"] = severity[pairs["need"]] * pairs["p_need"]
    pairs["usual"] = pairs.groupby("need")["p_need"].transform("mean")
    pairs["sensitive"] = np.array([one.sensitive for one in community.needs])[pairs["need"]]
    refuses, rests, handled = _refusing(known), _resting(known), _being_handled(known)
    keep = ~refuses[pairs["household"]] & ~rests[pairs["household"]]
    keep &= ~handled[pairs["household"], pairs["need"]]
    line = say(
        f"不列入名单：{refuses.sum()} 户谢绝，{rests.sum()} 户近期已联系，{handled.sum()} 件诉求正在办理",
        f"not listed: {refuses.sum()} households refuse, {rests.sum()} were contacted lately,"
        f" {handled.sum()} open requests are being handled",
    )
    return pairs[keep].sort_values(["household", "need"], ignore_index=True), [line]


def _refusing(known: Known) -> np.ndarray:
    """bool per household: refuses lists at some time of the coming week, as far as is known by now.

    Refusals recorded after the as-of date count too: a list made again late must respect them.
    """
    rows = known.records.opt_outs
    refuses = known.opted_out.copy()
    now = np.isinf(rows.visible_to) & (rows.begins < known.as_of + 7) & (rows.until > known.as_of)
    refuses[rows.household[now]] = True
    return refuses


def _resting(known: Known) -> np.ndarray:
    """bool per household: contacted within the cool-down before the as-of date."""
    rests = np.zeros(known.household_count, dtype=bool)
    weeks = known.community.outreach.cooldown_weeks
    rests[known.outreach.household[known.outreach.contacted >= known.as_of - 7 * weeks]] = weeks > 0
    return rests


def _being_handled(known: Known) -> np.ndarray:
    """bool, households x needs: an open request.

    A community that never notes when a request was resolved has only open ones: there a request counts as
    open for as long as its need's window.
    """
    rows = known.requests
    open_requests = np.isnan(rows.resolved) & (rows.need >= 0)
    window = np.array([7 * one.horizon_weeks for one in known.community.needs])[rows.need]
    longest = np.full(len(rows), HANDLED_DAYS) if (~np.isnan(rows.resolved)).any() else window
    open_requests &= rows.requested >= known.as_of - longest
    handled = np.zeros((known.household_count, len(known.community.needs)), dtype=bool)
    handled[rows.household[open_requests], rows.need[open_requests]] = True
    return handled


def _coordinated(pairs: pd.DataFrame, workers: Workers, spare: np.ndarray) -> pd.DataFrame:
    """Coordinators' visits: households with the highest sensitive needs, asked about their other needs too.

    Without a workers table such a visit also counts against the visits of its micro-grid.
    """
    coordinator = workers.frame["coordinator"].to_numpy()
    with_sensitive = pairs["household"].isin(pairs.loc[pairs["sensitive"], "household"])
    pairs = pairs[with_sensitive]
    if not (workers.frame["worker_id"] == "").any():
        return _targeted(pairs, workers, spare, coordinator)
    field = spare[~coordinator]  # without a table the workers stand in the order of the areas
    visits = _targeted(pairs, workers, spare, coordinator, limit=field)
    homes = visits.drop_duplicates("household")["area"]
    spare[:-1] -= np.bincount(homes, minlength=len(field))
    return visits


def _targeted(
    pairs: pd.DataFrame,
    workers: Workers,
    spare: np.ndarray,
    allowed: np.ndarray,
    limit: np.ndarray | None = None,
) -> pd.DataFrame:
    """The best households in turn, each to the ``allowed`` worker with visits to spare who covers least.

    Areas covered are nested (a micro-grid in its grid), so that taking the narrowest worker first never costs
    a better household its visit. ``limit``: at most so many households an area.
    """
    asked = _asked_about(pairs)
    sums = asked[asked["sensitive"]] if asked["sensitive"].any() else asked
    value = sums.groupby("household")["value"].sum()
    homes = asked.drop_duplicates("household").set_index("household")[["area", "tie"]]
    homes["value"] = value.reindex(homes.index).fillna(0)
    homes = homes.sort_values(["value", "tie"], ascending=[False, True])
    breadth = workers.covers.sum(axis=0)
    candidates = [
        sorted(np.flatnonzero(row & allowed), key=lambda worker: breadth[worker]) for row in workers.covers
    ]
    left = np.full(len(workers.areas), np.iinfo(np.int64).max) if limit is None else limit.copy()
    worker_of = {}
    for household, area in zip(homes.index, homes["area"], strict=True):
        free = [worker for worker in candidates[area] if spare[worker] > 0]
        if not free or left[area] <= 0:
            continue
        narrowest = [worker for worker in free if breadth[worker] == breadth[free[0]]]
        worker = max(narrowest, key=lambda one: (spare[one], -one))
        spare[worker] -= 1
        left[area] -= 1
        worker_of[household] = worker
    listed = asked[asked["household"].isin(worker_of)]
    return listed.assign(worker=listed["household"].map(worker_of), arm="targeted", propensity=np.nan)


def _asked_about(pairs: pd.DataFrame) -> pd.DataFrame:
    """Up to three needs a household, sensitive first: the strongest, others where more likely than usual."""
    pairs = pairs.sort_values(
        ["household", "sensitive", "value", "need"], ascending=[True, False, False, True]
    )
    first = ~pairs.duplicated("household")
    pairs = pairs[first | (pairs["p_need"] > pairs["usual"])]
    return pairs[pairs.groupby("household").cumcount() < NEEDS_PER_VISIT]


def _finished(visits: pd.DataFrame, workers: Workers, known: Known) -> pd.DataFrame:
    """The chosen pairs with ids, names and the order of visits, in the order of the lists."""
    of_worker = workers.frame.iloc[visits["worker"].to_numpy(dtype=np.int64)].reset_index(drop=True)
    of_area = workers.areas.iloc[visits["area"].to_numpy(dtype=np.int64)].reset_index(drop=True)
    visits = visits.reset_index(drop=True)
    as_of = date_of(known.as_of)
    needs = np.array([one.id for one in known.community.needs], dtype=object)
    visits = visits.assign(
        as_of=as_of,
        worker_id=of_worker["worker_id"],
        worker_name=of_worker["name"],
        role=of_worker["role"],
        coordinator=of_worker["coordinator"],
        grid_id=of_area["grid_id"],
        microgrid_id=of_area["microgrid_id"],
        household_id=known.records.household_ids[visits["household"].to_numpy(dtype=int)],
        need=needs[visits["need"].to_numpy(dtype=int)],
        reason="",
    )
    visits["outreach_id"] = [
        outreach_id(as_of.isoformat(), household, need)
        for household, need in zip(visits["household_id"], visits["need"], strict=True)
    ]
    visits["total"] = visits.groupby("household")["value"].transform("sum")
    visits = visits.sort_values(
        ["coordinator", "grid_id", "worker", "total", "tie", "value", "need"],
        ascending=[True, True, True, False, True, False, True],
    )
    first = ~visits.duplicated("household")
    visits["visit_order"] = first.groupby(visits["worker"]).cumsum().astype("int64")
    extra = ["worker", "worker_name", "role", "coordinator", "p_need"]
    return visits[[*COLUMNS, *extra]].reset_index(drop=True)


def outreach_id(as_of: str, household_id: str, need: str) -> str:
    """The id of one listed pair: the same whenever the same list is made again."""
    digest = hashlib.blake2b("\x1f".join((as_of, household_id, need)).encode(), digest_size=6).hexdigest()
    return f"{as_of.replace('-', '')}-{digest}"


def _unlisted(pairs: pd.DataFrame, workers: Workers) -> list[str]:
    """A line where nobody may see the sensitive needs."""
    if not pairs["sensitive"].any() or workers.frame.loc[workers.frame["coordinator"], "visits"].sum() > 0:
        return []
    return [
        say(
            "敏感需求只列给 coordinator，但 workers 表里没有 weekly_visits 大于 0 的 coordinator，本周未列",
            "sensitive needs are listed for coordinators only; workers has none with weekly_visits above 0",
        )
    ]
