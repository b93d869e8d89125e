"""Who is left out: the groups' shares of a model's lists against their shares of requests, of the needs that
random visits found, and of the need expected this week; and in words which groups get clearly less."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from features.groups import Groups, membership
from features.language import say
from features.records import Known, Records, known_before
from models.baselines import MODEL
from models.capacity import capacity_of_need
from models.evaluate import ALL, Validation, resampled
from models.group_shares import COLUMNS, Audited, group_shares, listed_at

REQUESTS, VISITS, WEEK = "requests", "random_visits", "week"
TOP = 0.1  # of the random visits: those with the highest p_need count as listed
FEWEST = 20  # requests, or needs, of a group from which its shares say anything
FAIR = 0.8  # a group's share of a list over its share of need, below which it gets clearly less (four fifths)
BLOCK = 28  # days of visits whose groups are told as of one day


def audit_requests(records: Records, known: Known, rows: Validation, seed: int = 0) -> pd.DataFrame:
    """The model's lists at capacity on the newest fold of each need against the requests that came.

    Columns as of ``group_shares``. Groups are those of ``known``, each with its members of the row's day.
    """
    newest = np.zeros(len(rows), dtype=bool)
    for need in np.unique(rows.need):
        mine = rows.need == need
        newest |= mine & (rows.fold == rows.fold[mine].max())
    rows = rows.take(newest)
    if not len(rows):
        return pd.DataFrame(columns=list(COLUMNS))
    score = rows.scores[MODEL].astype(np.float64)
    listed = np.empty(len(rows))
    for at in _each(rows.need, rows.as_of):
        listed[at] = listed_at(score[at], capacity_of_need(known) / len(at))
    ids = membership(known).ids
    audited = Audited(
        household=rows.household,
        positive=rows.label.astype(np.float64),
        listed=listed,
        visits=listed,
        predicted=score,
        weight=np.ones(len(rows)),
        member=_members(records, rows.household, rows.as_of, ids),
    )
    return group_shares(audited, ids, REQUESTS, resampled(known.household_count, seed=seed))


def audit_visits(records: Records, known: Known, held_out: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """p_need, fitted without the household, against what random visits found; weighted by inverse propensity.

    ``held_out``: household, need (positions), as_of (day), found, weight, p_need. A tenth of each need's visits,
    those with the highest p_need, counts as listed.
    """
    if held_out.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    household, need, as_of = (held_out[one].to_numpy() for one in ("household", "need", "as_of"))
    p_need, weight = (held_out[one].to_numpy(dtype=np.float64) for one in ("p_need", "weight"))
    listed = np.empty(len(held_out))
    for at in _each(need):
        listed[at] = listed_at(p_need[at], TOP, weight[at])
    block_end = known.as_of - BLOCK * ((known.as_of - as_of) // BLOCK)
    ids = membership(known).ids
    audited = Audited(
        household=household,
        positive=held_out["found"].to_numpy(dtype=np.float64),
        listed=listed,
        visits=listed,
        predicted=p_need,
        weight=weight,
        member=_members(records, household, block_end, ids),
    )
    return group_shares(audited, ids, VISITS, resampled(known.household_count, seed=seed))


def audit_list(scores: pd.DataFrame, listed: pd.DataFrame, known: Known, seed: int = 0) -> pd.DataFrame:
    """A week's list against the need expected by p_need.

    ``scores``: the contract's scores.parquet; ``listed``: household_id and need of the pairs on the list. Shares of
    the list are shares of the households visited.
    """
    household = pd.Index(known.records.household_ids).get_indexer(pd.Index(scores["household_id"]))
    there = household >= 0
    scores, household = scores[there], household[there]
    if not len(scores) or not len(listed):
        return pd.DataFrame(columns=list(COLUMNS))
    pairs = pd.MultiIndex.from_frame(scores[["household_id", "need"]].astype(str))
    on = pairs.isin(pd.MultiIndex.from_frame(listed[["household_id", "need"]].astype(str)))
    asked = np.bincount(household[on], minlength=known.household_count)[household]
    groups = membership(known)
    p_need = scores["p_need"].to_numpy(dtype=np.float64)
    audited = Audited(
        household=household,
        positive=p_need,
        listed=on.astype(np.float64),
        visits=on / np.maximum(asked, 1),
        predicted=np.full(len(scores), np.nan),
        weight=np.ones(len(scores)),
        member=groups.member[household],
    )
    return group_shares(audited, groups.ids, WEEK, resampled(known.household_count, seed=seed))


def _each(*keys: np.ndarray) -> Iterable[np.ndarray]:
    """Positions of the rows of each combination of keys."""
    _, inverse = np.unique(np.stack(keys), axis=1, return_inverse=True)
    inverse = inverse.reshape(-1)
    order = np.argsort(inverse, kind="stable")
    return np.split(order, np.cumsum(np.bincount(inverse))[:-1])


def _members(records: Records, household: np.ndarray, day: np.ndarray, ids: tuple[str, ...]) -> np.ndarray:
    """bool [rows, groups]: of the groups with these ids, as known at each row's day."""
    member = np.zeros((len(household), len(ids)), dtype=bool)
    place = {one: at for at, one in enumerate(ids)}
    for one in np.unique(day):
        then = membership(known_before(records, int(one)))
        on = np.flatnonzero(day == one)
        for at, group in enumerate(then.ids):
            if group in place:
                member[on, place[group]] = then.member[household[on], at]
    return member


def underestimated(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of groups of which less than FAIR of what was observed had been predicted, and not by chance."""
    low = (table["predicted_over_observed"] < FAIR) & (table["predicted_over_observed_high"] < 1)
    return table[low & (table["positives"] >= FEWEST) & (table["group"] != ALL)]


def clearly_less(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of groups whose share of the list is below FAIR of their share of need, and not by chance."""
    less = (table["list_over_need"] < FAIR) & (table["list_over_need_high"] < 1)
    return table[less & (table["positives"] >= FEWEST)]


def group_lines(table: pd.DataFrame, groups: Groups) -> list[str]:
    """For each audit a sentence on every group that clearly gets less than its share, or that none does; and on
    every group whose requests or needs are underestimated."""
    names = dict(zip(groups.ids, groups.names, strict=True))
    lines = []
    for audit in dict.fromkeys(table["audit"]):
        own = table[table["audit"] == audit]
        less, low = (one.to_dict("records") for one in (clearly_less(own), underestimated(own)))
        lines += [_less_line(names[row["group"]].here, row) for row in less]
        lines += [_low_line(names[row["group"]].here, row) for row in low]
        if not less:
            lines.append(
                say(
                    f"{against(audit)}：没有哪个群体的名单份额明显偏低",
                    f"{against(audit)}: no group gets clearly less than its share of the list",
                )
            )
    return [*lines, *groups.left_out]


def against(audit: str) -> str:
    """What an audit compares, in words."""
    return {
        REQUESTS: say("名单与申请相比", "list against requests"),
        VISITS: say("名单与随机走访发现的需要相比", "list against needs found by random visits"),
        WEEK: say("本周名单与预计需要相比", "this week's list against expected need"),
    }[audit]


def _low_line(name: str, row: Mapping) -> str:
    value, low, high = (row[f"predicted_over_observed{end}"] for end in ("", "_low", "_high"))
    what = counted(row["audit"])
    return say(
        f"{name}的{what}被低估：预测只有实际的 {value:.0%}（95% 区间 {low:.0%} 至 {high:.0%}）",
        f"{name}: {what} are underestimated, {value:.0%} of those observed (95% interval {low:.0%} to {high:.0%})",
    )


def counted(audit: str) -> str:
    """What the list is for, in words."""
    return say("申请", "requests") if audit == REQUESTS else say("需要", "needs")


def _less_line(name: str, row: Mapping) -> str:
    low, high = row["list_over_need_low"], row["list_over_need_high"]
    of_need, of_list, ratio = row["share_of_need"], row["share_of_list"], row["list_over_need"]
    title = against(row["audit"])
    what = counted(row["audit"])
    return say(
        f"{title}：{name}占{what}的 {of_need:.1%}，只占名单的 {of_list:.1%}"
        f"（比值 {ratio:.2f}，95% 区间 {low:.2f} 至 {high:.2f}），明显偏低",
        f"{title}: {name} has {of_need:.1%} of the {what} and only {of_list:.1%} of the list"
        f" (ratio {ratio:.2f}, 95% interval {low:.2f} to {high:.2f}): clearly less",
    )
