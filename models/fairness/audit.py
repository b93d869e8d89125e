"""Who is left out: the groups' shares of a model's lists against their shares of requests, of the needs that
random visits found, and of the need expected this week. ``models.fairness.lines`` says it in words."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pandas as pd

from features.blocks.groups import membership
from features.point_in_time.records import Known, Records, known_before
from features.rows.tables import positions_of
from models.evaluation.baselines import MODEL
from models.evaluation.capacity import capacity_of_need
from models.evaluation.evaluate import Validation, resampled
from models.fairness.shares import COLUMNS, Audited, group_shares, listed_at

REQUESTS, VISITS, WEEK_LIST, MADE = "requests", "random_visits", "week", "visits_made"
TOP = 0.1  # of the random visits: those with the highest p_need count as listed
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
        listed[at] = listed_at(score[at], capacity_of_need(known) * rows.share / len(at))
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
    household, need, as_of = (held_out[column].to_numpy() for column in ("household", "need", "as_of"))
    p_need, weight = (held_out[column].to_numpy(dtype=np.float64) for column in ("p_need", "weight"))
    listed = listed_in_each(p_need, need, weight)
    ids = membership(known).ids
    audited = Audited(
        household=household,
        positive=held_out["found"].to_numpy(dtype=np.float64),
        listed=listed,
        visits=listed,
        predicted=p_need,
        weight=weight,
        member=_members(records, household, block_end(known, as_of), ids),
    )
    return group_shares(audited, ids, VISITS, resampled(known.household_count, seed=seed))


def listed_in_each(score: np.ndarray, need: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """float64 in [0, 1] per visit: among the TOP of its need, by weight."""
    listed = np.empty(len(score))
    for at in _each(need):
        listed[at] = listed_at(score[at], TOP, weight[at])
    return listed


def audit_list(scores: pd.DataFrame, listed: pd.DataFrame, known: Known, seed: int = 0) -> pd.DataFrame:
    """A week's list against the need expected by p_need.

    ``scores``: the contract's scores.parquet; ``listed``: household_id and need of the pairs on the list. Shares of
    the list are shares of the households visited.
    """
    audited = listed_pairs(scores, listed, known)
    if audited is None:
        return pd.DataFrame(columns=list(COLUMNS))
    groups = membership(known)
    return group_shares(audited, groups.ids, WEEK_LIST, resampled(known.household_count, seed=seed))


def listed_pairs(scores: pd.DataFrame, listed: pd.DataFrame, known: Known) -> Audited | None:
    """What ``audit_list`` is made of; None without scores or a list."""
    household = positions_of(scores["household_id"], known.household_ids)
    there = household >= 0
    scores, household = scores[there], household[there]
    if not len(scores) or not len(listed):
        return None
    pairs = pd.MultiIndex.from_frame(scores[["household_id", "need"]].astype(str))
    on = pairs.isin(pd.MultiIndex.from_frame(listed[["household_id", "need"]].astype(str)))
    asked = np.bincount(household[on], minlength=known.household_count)[household]
    p_need = scores["p_need"].to_numpy(dtype=np.float64)
    return Audited(
        household=household,
        positive=p_need,
        listed=on.astype(np.float64),
        visits=on / np.maximum(asked, 1),
        predicted=np.full(len(scores), np.nan),
        weight=np.ones(len(scores)),
        member=membership(known).member[household],
    )


def block_end(known: Known, day: np.ndarray) -> np.ndarray:
    """The day, a multiple of BLOCK before the as-of day, as of which groups of a day are told."""
    return known.as_of - BLOCK * ((known.as_of - day) // BLOCK)


def _each(*keys: np.ndarray) -> Iterable[np.ndarray]:
    """Positions of the rows of each combination of keys."""
    _, inverse = np.unique(np.stack(keys), axis=1, return_inverse=True)
    inverse = inverse.reshape(-1)
    order = np.argsort(inverse, kind="stable")
    return np.split(order, np.cumsum(np.bincount(inverse))[:-1])


def _members(records: Records, household: np.ndarray, day: np.ndarray, ids: tuple[str, ...]) -> np.ndarray:
    """bool [rows, groups]: of the groups with these ids, as known at each row's day."""
    found = members_then(partial(known_before, records), household, day)
    none = np.zeros(len(household), dtype=bool)
    return np.column_stack([found.get(identifier, none) for identifier in ids]).reshape(
        len(household), len(ids)
    )


def members_then(
    then: Callable[[int], Known], household: np.ndarray, day: np.ndarray
) -> dict[str, np.ndarray]:
    """bool per row, by the id of every group that there was on any of the days: a member as known at the row's day.

    ``then`` gives what was known at a day.
    """
    found: dict[str, np.ndarray] = {}
    for as_of in np.unique(day):
        groups = membership(then(int(as_of)))
        on = np.flatnonzero(day == as_of)
        for at, group in enumerate(groups.ids):
            mine = found.setdefault(group, np.zeros(len(household), dtype=bool))
            mine[on] = groups.member[household[on], at]
    return found
