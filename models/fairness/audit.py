"""Audits of who is left out: groups' shares of lists against their shares of what the lists are for.

That is their shares of requests, of the needs that random visits found, or of the need expected this week.
``models.fairness.lines`` describes the results.
"""

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
    """Audit the model's lists at capacity, on the newest fold of each need, against the requests that came.

    records: all records. known: what is known now. rows: validated rows. seed: of the resampling.

    Returns the table of ``group_shares``. Groups are those of ``known``, each with its members on the row's day.
    """
    newest = np.zeros(len(rows), dtype=bool)
    for need in np.unique(rows.need):
        of_need = rows.need == need
        newest |= of_need & (rows.fold == rows.fold[of_need].max())
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
    """Audit p_need, fitted without the household, against what random visits found, weighted by inverse propensity.

    records: all records. known: what is known now.
    held_out: household, need (positions), as_of (day), found, weight, p_need. seed: of the resampling.

    Of each need's visits the tenth with the highest p_need counts as listed. Returns the table of ``group_shares``.
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
    """Tell how far each visit is among the TOP of its need by score: float64 [visits] in [0, 1]; ties at the end share.

    score: float64 [visits], higher first. need: int [visits]. weight: float64 [visits], by which the TOP is measured.
    """
    listed = np.empty(len(score))
    for at in _each(need):
        listed[at] = listed_at(score[at], TOP, weight[at])
    return listed


def listed_pairs(scores: pd.DataFrame, listed: pd.DataFrame, known: Known) -> Audited | None:
    """Return the pairs by which a week's list is audited against the need expected by p_need; None without scores or a
    list.

    scores: the columns of scores.parquet. listed: household_id and need of the pairs on the list.
    """
    household = positions_of(scores["household_id"], known.household_ids)
    matched = household >= 0
    scores, household = scores[matched], household[matched]
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
    """Return the day by whose groups a ``day`` is audited: the end of its BLOCK of days, counted from the as-of day."""
    return known.as_of - BLOCK * ((known.as_of - day) // BLOCK)


def _each(*keys: np.ndarray) -> Iterable[np.ndarray]:
    """Return the positions of the rows of each combination of keys."""
    _, inverse = np.unique(np.stack(keys), axis=1, return_inverse=True)
    inverse = inverse.reshape(-1)
    order = np.argsort(inverse, kind="stable")
    return np.split(order, np.cumsum(np.bincount(inverse))[:-1])


def _members(records: Records, household: np.ndarray, day: np.ndarray, ids: tuple[str, ...]) -> np.ndarray:
    """Tell which rows are members of the groups with these ids, as known on the row's day: bool [rows, groups]."""
    members = members_then(partial(known_before, records), household, day)
    none = np.zeros(len(household), dtype=bool)
    return np.column_stack([members.get(identifier, none) for identifier in ids]).reshape(
        len(household), len(ids)
    )


def members_then(
    then: Callable[[int], Known], household: np.ndarray, day: np.ndarray
) -> dict[str, np.ndarray]:
    """Tell which rows' households were members of each group, as known on the row's day: bool [rows] by the group's id.

    then: gives what was known at a day. household: int [rows]. day: int [rows].

    A group has an entry if it existed on any of the days.
    """
    members: dict[str, np.ndarray] = {}
    for as_of in np.unique(day):
        groups = membership(then(int(as_of)))
        on = np.flatnonzero(day == as_of)
        for at, group in enumerate(groups.ids):
            members_of = members.setdefault(group, np.zeros(len(household), dtype=bool))
            members_of[on] = groups.member[household[on], at]
    return members
