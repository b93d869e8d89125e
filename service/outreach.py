"""Which households to visit next week, and what to ask them: from scores to a plan. Pure, no files.

Any list maker with the signature of ``plan`` can take its place.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.language import say
from features.records import Known, date_of
from service.assignment import Assignment, assign
from service.eligible import eligible_pairs
from service.exploration import exploration_weights
from service.lottery import drawn_by_lot
from service.options import options_of
from service.rounds import classes_of, deal
from service.workers import Workers, workers_of

TIE = 1e-5  # of the highest worth of a visit: what decides between visits of equal worth
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
    pairs["worth"] = pairs["value"]
    pairs["tie"] = draw.permutation(known.household_count)[pairs["household"].to_numpy()]
    spare = workers.frame["visits"].to_numpy().copy()
    drawn = _drawn(pairs[~pairs["sensitive"]], workers, spare, known, draw)
    rest = pairs[~pairs["household"].isin(drawn["household"])]
    coordinated, best_coordinated = _coordinated(rest, workers, spare)
    rest = rest[~rest["household"].isin(coordinated["household"]) & ~rest["sensitive"]]
    targeted, best = _chosen(rest, workers, spare, ~workers.frame["coordinator"].to_numpy())
    chosen = [one for one in (drawn, coordinated, targeted) if len(one)]
    visits = pd.concat(chosen, ignore_index=True) if chosen else targeted
    lines = workers.lines + lines + _unlisted(pairs, workers) + [_optimality(best_coordinated, best)]
    return Plan(_finished(visits, workers, known), lines)


def _drawn(
    pairs: pd.DataFrame, workers: Workers, spare: np.ndarray, known: Known, draw: np.random.Generator
) -> pd.DataFrame:
    """The visits drawn by lot, with chances as the settings say."""
    outreach = known.community.outreach
    weighted = outreach.explore == "weighted"
    pairs = pairs.assign(weight=exploration_weights(pairs, workers.area, known) if weighted else 1.0)
    floor = outreach.explore_floor if weighted else 1.0
    return drawn_by_lot(pairs, workers, spare, outreach.explore_share, draw, floor)


def _optimality(*found: Assignment) -> str:
    """A line on how far the chosen visits may be from the best there are."""
    value, gap = sum(one.value for one in found), max(one.gap for one in found)
    return say(
        f"走访安排：预计价值 {value:.1f}，与最优的差距不超过 {gap:.4%}",
        f"plan: expected value {value:.1f}, optimality gap at most {gap:.4%}",
    )


def _coordinated(pairs: pd.DataFrame, workers: Workers, spare: np.ndarray) -> tuple[pd.DataFrame, Assignment]:
    """Coordinators' visits: households with the highest sensitive needs, asked about their other needs too.

    Without a workers table such a visit also counts against the visits of its micro-grid.
    """
    coordinator = workers.frame["coordinator"].to_numpy()
    pairs = pairs[pairs["household"].isin(pairs.loc[pairs["sensitive"], "household"])]
    pairs = pairs.assign(worth=pairs["worth"].where(pairs["sensitive"], 0.0))
    if not (workers.frame["worker_id"] == "").any():
        return _chosen(pairs, workers, spare, coordinator)
    field = spare[~coordinator]  # without a table the workers stand in the order of the areas
    visits, found = _chosen(pairs, workers, spare, coordinator, most=field)
    homes = visits.drop_duplicates("household")["area"]
    spare[:-1] -= np.bincount(homes, minlength=len(field))
    return visits, found


def _chosen(
    pairs: pd.DataFrame,
    workers: Workers,
    spare: np.ndarray,
    taking: np.ndarray,
    most: np.ndarray | None = None,
) -> tuple[pd.DataFrame, Assignment]:
    """The visits of highest worth that the workers who take part (bool) can make; ``most`` in each area."""
    classes = classes_of(workers, taking)
    options = options_of(pairs)
    worth = options.sums(options.pairs["worth"].to_numpy())
    tie = options.pairs["tie"].to_numpy()[options.asked.max(axis=1)]
    worth = worth + TIE * (worth.max(initial=0.0) or 1.0) * (1 - tie / (tie.max(initial=0) + 1))
    found = assign(options.household, options.area, worth, classes.places(spare, most))
    assert found is not None  # without further constraints no visit at all is a plan too
    which = found.chosen[np.argsort(-worth[found.chosen], kind="stable")]
    homes = pd.DataFrame({"household": options.household[which], "area": options.area[which]})
    worker = deal(homes, classes, spare)
    listed = options.chosen(found.chosen)
    listed = listed.assign(
        worker=listed["household"].map(worker).astype("int64"), arm="targeted", propensity=np.nan
    )
    return listed, found


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
