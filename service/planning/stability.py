"""Carry households from one week's list to the next, or give the cause why they are dropped. Pure."""

import numpy as np
import pandas as pd

from features.language import say, say_line
from features.point_in_time.records import Known, day_of
from features.rows.tables import positions_of
from models.evaluation.capacity import NEEDS_PER_VISIT
from service.planning.eligibility import LeftOut
from service.planning.workers import Workers

KEPT, NEW = "kept", "new"
DROPPED = ("household_id", "grid_id", "microgrid_id", "arm", "cause", "cause_text")


def cause_text(cause: str) -> str:
    """Write the cause why a household is no longer listed, in the current language."""
    texts = {
        "visited": say("已经去过", "was contacted"),
        "refuses": say("谢绝走访", "refuses lists"),
        "feedback": say("反馈说不用再来", "ruled out by feedback"),
        "visits_used_up": say("一年内走访次数已满", "had its visits of a year"),
        "rests": say("近期刚去过", "was contacted lately"),
        "handled": say("诉求正在办", "its request is being handled"),
        "closed": say("报名已截止", "nobody can enrol any more"),
        "lot": say("上周抽签抽到的，只算那一周", "was drawn by lot for that week only"),
        "unserved": say("那个微网格没人走访，或不再评分", "nobody visits there, or it has no score"),
        "others": say("其他住户更需要", "others need a visit more"),
    }
    return texts[cause]


def waiting(before: pd.DataFrame | None, known: Known) -> np.ndarray:
    """Tell which households were chosen for the list before and not contacted since: bool [households].

    Households drawn at random do not count. ``before``: the contract's columns of outreach.parquet of the list before.
    """
    waits = np.zeros(known.household_count, dtype=bool)
    if before is not None and len(before):
        waits[_households(before[before["arm"] == "targeted"], known)] = True
        waits[_contacted_since(before, known)] = False
    return waits


def in_turn(pairs: pd.DataFrame, known: Known) -> pd.DataFrame:
    """Give pairs the worth of a round of visits in turn: the longer nobody came, the more.

    The worth is shared among the needs to ask about, so that households do not differ by their number of needs.

    pairs: eligible pairs with household, need, value, sensitive and status.
    known: what was known on the as-of day.

    Returns the pairs with worth in (0, 1.5], the same sum for each household, and usual 0.
    """
    _, rank = np.unique(days_unvisited(known)[pairs["household"]], return_inverse=True)
    turn = rank + 1.0 + 0.5 * (pairs["status"] == KEPT).to_numpy()
    asked = pairs.groupby(["household", "sensitive"])["need"].transform("size").clip(upper=NEEDS_PER_VISIT)
    return pairs.assign(worth=turn / (rank.max(initial=0) + 1) / asked, usual=0.0)


def days_unvisited(known: Known) -> np.ndarray:
    """Count the days since each household was contacted: float64 [households], inf where it never was."""
    last = np.full(known.household_count, -np.inf)
    np.maximum.at(last, known.outreach.household, known.outreach.contacted)
    return known.as_of - np.floor(last)


def last_worker(before: pd.DataFrame | None, known: Known, workers: Workers) -> np.ndarray:
    """Return the position of the worker who had each household on the list before: int64 [households], -1 for none.

    ``before``: the contract's columns of outreach.parquet of the list before. ``workers``: this week's workers.
    """
    worker_before = np.full(known.household_count, -1, dtype=np.int64)
    if before is not None and len(before):
        place = {worker_id: at for at, worker_id in enumerate(workers.frame["worker_id"]) if worker_id}
        rows = before[before["household_id"].isin(known.household_ids)]
        worker_before[_households(rows, known)] = rows["worker_id"].map(place).fillna(-1).astype(np.int64)
    return worker_before


def _households(rows: pd.DataFrame, known: Known) -> np.ndarray:
    place = positions_of(rows["household_id"], known.household_ids)
    return place[place >= 0]


def _contacted_since(before: pd.DataFrame, known: Known) -> np.ndarray:
    """Return the households (positions) contacted on or after the first day of the list before."""
    since = day_of(pd.Timestamp(before["as_of"].iloc[0]).date())
    return np.unique(known.outreach.household[known.outreach.contacted >= since])


def dropped(
    before: pd.DataFrame | None,
    listed: np.ndarray,
    pairs: pd.DataFrame,
    out: LeftOut,
    workers: Workers,
    known: Known,
) -> pd.DataFrame:
    """Return one row for each household of the list before that is not on this one, with the first cause that applies.

    ``before``: the contract's columns of outreach.parquet of the list before. ``listed``: positions of the households
    on this list. ``pairs``: the eligible pairs, with household and area. ``out``: what may not be listed.

    Returns the columns of ``DROPPED``, sorted by household_id.
    """
    if before is None or not len(before):
        return pd.DataFrame(columns=list(DROPPED))
    homes = before[before["household_id"].isin(known.household_ids)]
    place = positions_of(homes["household_id"], known.household_ids)
    homes = homes.assign(household=place, need_at=homes["need"].map(known.community.need_index()))
    homes = homes[~homes["household"].isin(listed)]
    last_visits = homes.drop_duplicates("household")
    household, last = last_visits["household"].to_numpy(), np.zeros(known.household_count, dtype=bool)
    last[_contacted_since(before, known)] = True
    served = workers.covers[pairs["area"]][:, workers.frame["visits"].to_numpy() > 0].any(axis=1)
    possible = np.isin(household, pairs["household"].to_numpy()[served])
    eligible = np.isin(household, pairs["household"])
    causes = {
        "visited": last[household],
        "refuses": out.refuses[household],
        "feedback": out.suppressed[household].all(axis=1),
        "visits_used_up": out.used_up[household],
        "rests": out.rests[household],
        "handled": ~eligible & _any_of(homes, out.handled)[household],
        "closed": ~eligible & _any_of(homes, out.closed)[household],
        "lot": (last_visits["arm"] == "random").to_numpy(),
        "unserved": ~possible,
        "others": np.ones(len(household), dtype=bool),
    }
    cause = np.array(list(causes), dtype=object)[np.argmax(np.array(list(causes.values())), axis=0)]
    table = last_visits.assign(cause=cause, cause_text=[cause_text(str(name)) for name in cause])
    return table[list(DROPPED)].sort_values("household_id", ignore_index=True)


def _any_of(homes: pd.DataFrame, ruled_out: np.ndarray) -> np.ndarray:
    """Tell for each household whether one of the needs it was listed for is ruled out: bool [households]."""
    homes = homes[homes["need_at"].notna()]
    household, need = homes["household"].to_numpy(), homes["need_at"].to_numpy(dtype=np.int64)
    any_of = np.zeros(len(ruled_out), dtype=bool)
    any_of[household[ruled_out[household, need]]] = True
    return any_of


def stability_lines(table: pd.DataFrame, visits: pd.DataFrame) -> list[str]:
    """Write a line on what became of the list before; none where there was none, or all of it was visited.

    ``table``: what ``dropped`` returns. ``visits``: household_id and status of what is listed.
    """
    kept = visits.loc[visits["status"] == KEPT, "household_id"].nunique()
    left = table[~table["cause"].isin(["visited", "lot"])]
    if not kept and left.empty:
        return []
    counts = left["cause_text"].value_counts(sort=False)
    zh = "，".join(f"{text} {count} 户" for text, count in counts.items())
    en = ", ".join(f"{text}: {count}" for text, count in counts.items())
    return say_line(
        f"上周名单上没走到的：留下 {kept} 户，去掉 {len(left)} 户" + (f"（{zh}）" if zh else ""),
        f"of last week's list, not visited: {kept} households kept, {len(left)} dropped"
        + (f" ({en})" if en else ""),
    )
