"""Seats of programmes: how many are left, and how many of those who ask take one."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from features.contract.community import Programme
from features.point_in_time.records import Known
from features.point_in_time.remembered import remembered
from features.units import WEEK
from models.dataset.feedback_correction import NEEDED
from models.demand.cells import came
from models.demand.programmes import opening, runs_now

# households of whom each takes a seat, as which the assumption counts before any history
PRIOR_TAKE_UP = 10.0
MOST_TAKE_UP = 2.0


def seats_left(
    programme: Programme,
    known: Known,
    history: pd.DataFrame | None = None,
    claims: Mapping[str, int] | None = None,
) -> int | None:
    """Seats that are not taken yet; None for a programme without a number of seats.

    Taken are those that are told (``seats_told``) or, where none are, the households that have asked since the
    programme opened (``claims``, by programme; counted in ``known`` unless given).
    """
    seats, taken = seats_told(programme, known, history)
    if seats is None:
        return None
    if taken is None:
        taken = claimed(programme, known) if claims is None else claims[programme.id]
    return max(0, seats - taken)


def all_seats_left(known: Known, history: pd.DataFrame | None = None) -> dict[str, int | None]:
    """``seats_left`` of every programme, by its id."""
    return {programme.id: seats_left(programme, known, history) for programme in known.community.programmes}


def seats_told(
    programme: Programme, known: Known, history: pd.DataFrame | None = None
) -> tuple[int | None, int | None]:
    """Return a programme's seats and how many of them are taken; None for a number that nobody has told.

    history: past and present courses (``features.store.reader.read_programme_history``); its newest course counts if it
    is the one that runs now, otherwise the settings do.
    """
    present = _present_course(programme, known, history)
    seats, taken = programme.seats, programme.seats_taken
    if present is not None:
        if present["seats"].notna().any():
            seats = int(present["seats"].max())
        if present["enrolled"].notna().any():
            taken = int(present["enrolled"].sum())
    return seats, taken


def _present_course(programme: Programme, known: Known, history: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the rows of a programme's newest course if it belongs to the run that is open now, else None."""
    if history is None or not runs_now(programme, known):
        return None
    courses = history[history["programme_id"] == programme.id]
    courses = courses[courses["opened"] == courses["opened"].max()]
    began = opening(programme, known.as_of)
    return courses if len(courses) and courses["opened"].max() >= began else None


def claimed(programme: Programme, known: Known) -> int:
    """Count the town's households that asked for one of a programme's needs, or that a visit found to need it, since
    it opened; none while it is not open."""
    return _claimed(known, programme.id)


@remembered
def _claimed(known: Known, programme_id: str) -> int:
    if known.town is not None:
        return known.town.town_counts.claimed[programme_id]
    programme = next(programme for programme in known.community.programmes if programme.id == programme_id)
    if not runs_now(programme, known):
        return 0
    since, index = opening(programme, known.as_of), known.community.need_index()
    served = [index[need] for need in programme.needs]
    asked, visits = known.requests, known.outreach
    needed = visits.outcome == NEEDED
    households = np.concatenate(
        [
            asked.household[(asked.requested >= since) & np.isin(asked.need, served)],
            visits.household[needed & (visits.contacted >= since) & np.isin(visits.need, served)],
        ]
    )
    return len(np.unique(households))


def found(programme: Programme, known: Known) -> int:
    """Count the town's households that visits found to need what a programme offers, since it opened; none while it
    is not open."""
    return _found(known, programme.id)


@remembered
def _found(known: Known, programme_id: str) -> int:
    if known.town is not None:
        return known.town.town_counts.found[programme_id]
    programme = next(programme for programme in known.community.programmes if programme.id == programme_id)
    if not runs_now(programme, known):
        return 0
    index, visits = known.community.need_index(), known.outreach
    met = (visits.outcome == NEEDED) & (visits.contacted >= opening(programme, known.as_of))
    met &= np.isin(visits.need, [index[need] for need in programme.needs])
    return len(np.unique(visits.household[met]))


def take_up(known: Known, history: pd.DataFrame, asked: np.ndarray | None = None) -> np.ndarray:
    """Estimate the seats asked for by each household that asks for a need: float64 [needs], 0.05 to 2.

    known: what is known at the as-of day.
    history: past courses (``features.store.reader.read_programme_history``).
    asked: float64 [needs], the sum of ``asked_before`` over a town's partitions; by default that of ``known``.

    Computed from past courses: residents enrolled and waiting over the households that came within one horizon of the
    need before the opening. Without a history it is 1.
    """
    taken = np.full(len(known.community.needs), PRIOR_TAKE_UP)
    for need, row in _past_courses(known, history):
        taken[need] += row["enrolled"] + np.nan_to_num(row["waiting"])
    asked = PRIOR_TAKE_UP + (asked_before(known, history) if asked is None else asked)
    return np.clip(taken / asked, 0.05, MOST_TAKE_UP)


def asked_before(known: Known, history: pd.DataFrame) -> np.ndarray:
    """Count the households that came within one horizon of the need before a past course opened: float64 [needs]."""
    needs = known.community.needs
    asked, horizon = np.zeros(len(needs)), np.array([WEEK * need.horizon_weeks for need in needs])
    for need, row in _past_courses(known, history):
        end = np.full(len(needs), row["opened"])
        asked[need] += came(known, end - horizon, end)[:, need].sum()
    return asked


def _past_courses(known: Known, history: pd.DataFrame) -> list[tuple[int, dict[Hashable, Any]]]:
    """Return the rows of the history with a known enrolment, each with the position of its need."""
    index = known.community.need_index()
    enrolled = history[history["need"].isin(index) & history["enrolled"].notna()]
    return [(index[row["need"]], row) for row in enrolled.to_dict("records")]
