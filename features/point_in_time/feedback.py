"""What feedback brings about at once: which households and needs are not to be listed, and for how long."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from features.contract.tables import FEEDBACK
from features.point_in_time.records import Known
from features.rows.tables import FeedbackRows, OptOutRows
from features.units import WEEK

WRONG_PERSON_WEEKS = 26


def current(rows: FeedbackRows, kind: str) -> np.ndarray:
    """Find the rows of one kind of feedback as they stand now, without corrected ones: int64, ascending.

    ``kind``: one of ``contract.FEEDBACK``.
    """
    return np.flatnonzero(np.isinf(rows.visible_to) & (rows.kind == FEEDBACK.index(kind)))


def refusing(known: Known) -> np.ndarray:
    """Tell which households asked not to be contacted any more, or are there no longer: bool [households]."""
    refuses = np.zeros(known.household_count, dtype=bool)
    rows = known.objections.feedback
    refuses[rows.household[current(rows, "do_not_contact")]] = True
    return refuses | (known.objections.left_on <= known.as_of + WEEK)


def refusing_lists(known: Known) -> np.ndarray:
    """Tell which households refuse lists at some time of the coming week: bool [households].

    Refusals recorded after the as-of date count too: a list made again late must respect them.
    """
    rows = known.objections.opt_outs
    refuses = known.opted_out.copy()
    now = np.isinf(rows.visible_to) & (rows.begins < known.as_of + WEEK) & (rows.until > known.as_of)
    refuses[rows.household[now]] = True
    return refuses


def also_refusing(known: Known, households: Collection[str]) -> Known:
    """Add refusals of lists that came after the records were read; ``households``: ids, also of other partitions."""
    if not households:
        return known
    refused = np.flatnonzero(np.isin(known.household_ids.astype(str), list(households)))
    always = np.full(len(refused), np.inf)
    new = OptOutRows(-always, always, refused.astype(np.int32), -always, always)
    held = known.objections.opt_outs
    columns = (np.concatenate([getattr(new, name), getattr(held, name)]) for name in vars(new))
    return replace(known, objections=replace(known.objections, opt_outs=OptOutRows(*columns)))


def suppressed(known: Known) -> np.ndarray:
    """Tell which pairs are not to be listed because of what residents or workers said: bool [households, needs].

    ``do_not_contact``: the household, until another feedback with the same id takes it back.
    ``wrong_person``: the need (all needs where none was named) for 26 weeks, or until the household's or its
    residents' data change. ``already_helped``: the need for its horizon. Feedback counts from the moment
    it was recorded, whatever the as-of date: a list made again must respect it.
    """
    rows, needs = known.objections.feedback, known.community.needs
    suppress = np.repeat(refusing(known)[:, None], len(needs), axis=1)
    wrong = current(rows, "wrong_person")
    wrong = wrong[known.as_of < rows.recorded[wrong] + WEEK * WRONG_PERSON_WEEKS]
    wrong = wrong[~(_last_change(known)[rows.household[wrong]] > rows.recorded[wrong])]
    suppress |= _pairs(rows, wrong, suppress.shape)
    helped = current(rows, "already_helped")
    for need, need_entry in enumerate(needs):
        about = helped[np.isin(rows.need[helped], (need, -1))]
        rests = known.as_of < rows.recorded[about] + WEEK * need_entry.horizon_weeks
        suppress[rows.household[about[rests]], need] = True
    return suppress


def _pairs(rows: FeedbackRows, at: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Mark the pairs that the feedback rows at positions ``at`` are about: bool [households, needs]."""
    pairs = np.zeros(shape, dtype=bool)
    whole = rows.need[at] == -1
    pairs[rows.household[at[whole]]] = True
    rows_of_need = at[rows.need[at] >= 0]
    pairs[rows.household[rows_of_need], rows.need[rows_of_need]] = True
    return pairs


def _last_change(known: Known) -> np.ndarray:
    """Find when each household's newest row or that of a resident became known: float64 days; -inf where none."""
    last = np.full(known.household_count, -np.inf)
    for rows in (known.households, known.residents):
        np.maximum.at(last, rows.household, rows.visible_from)
    return last
