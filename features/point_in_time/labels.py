"""Labels: whether the household asked for the need in [as_of + lead, as_of + lead + horizon)."""

import numpy as np
import pandas as pd

from features.contract.community import Community
from features.point_in_time.records import Known, Rows
from features.point_in_time.remembered import remembered
from features.units import WEEK

DELAY_QUANTILE = 0.95
DELAY_HALF_LIFE = 182.0  # days after which a request counts half in the usual delay
DELAY_RIPE = 28.0  # days; of younger requests the slow ones are still missing


def label_begin(community: Community, as_of: float) -> np.ndarray:
    """Return the day on which each need's label window begins: float64 [needs]."""
    return as_of + WEEK * np.array([need.lead_weeks for need in community.needs], dtype=np.float64)


def label_end(community: Community, as_of: float) -> np.ndarray:
    """Return the day on which each need's label window has ended: float64 [needs]."""
    horizon = np.array([need.horizon_weeks for need in community.needs], dtype=np.float64)
    return label_begin(community, as_of) + WEEK * horizon


def window_days(community: Community) -> np.ndarray:
    """Return the days that each need's label window has: float64 [needs]."""
    return label_end(community, 0) - label_begin(community, 0)


def labels(known_now: Known, rows: Rows, as_of: float) -> np.ndarray:
    """Compute each pair's label by what is known now: int8 [len(rows)], 1 where the household asked within the window.

    A request counts by ``requested_at``, however late it was recorded. Labels are complete only for needs for which
    ``usable`` holds. ``known_now``: as of a later day. ``rows``: the pairs. ``as_of``: the day from which the window
    counts.
    """
    requests = known_now.requests
    within = in_window(known_now.community, requests.need, requests.requested, as_of)
    asked = np.zeros((known_now.household_count, len(known_now.community.needs)), dtype=np.int8)
    asked[requests.household[within], requests.need[within]] = 1
    return asked[rows.household, rows.need]


def in_window(community: Community, need: np.ndarray, requested: np.ndarray, as_of: float) -> np.ndarray:
    """Tell which requests are for a known need and were made within its window of ``as_of``: bool per request.

    ``need``: int per request, -1 unknown. ``requested``: float64 days per request.
    """
    begin, end = label_begin(community, as_of), label_end(community, as_of)
    place = np.maximum(need, 0)
    return (need >= 0) & (requested >= begin[place]) & (requested < end[place])


@remembered
def usual_recording_delay(known: Known) -> float:
    """Estimate the days within which 95 % of requests are recorded, newer ones weighing more; 0 without requests.

    A request counts by its first recording, even if it was corrected later.
    """
    return usual_delay(*recording_delays(known))


def recording_delays(known: Known) -> tuple[np.ndarray, np.ndarray]:
    """Compute each request's delay until it was first recorded, and its age at the as-of day: float64 days each."""
    every = known.recordings
    first = np.flatnonzero(~pd.Series(every.request_id).duplicated())  # rows are in order of recording
    delay = np.maximum(every.visible_from[first] - every.requested[first], 0)
    return delay, known.as_of - every.requested[first]


def usual_delay(delay: np.ndarray, age: np.ndarray) -> float:
    """Compute ``usual_recording_delay`` from ``recording_delays``."""
    if not len(delay):
        return 0.0
    if (age >= DELAY_RIPE).any():
        delay, age = delay[age >= DELAY_RIPE], age[age >= DELAY_RIPE]
    order = np.argsort(delay)
    weight = np.cumsum(np.exp2(-age[order] / DELAY_HALF_LIFE))
    reached = np.searchsorted(weight, DELAY_QUANTILE * weight[-1])
    return float(delay[order][min(reached, len(order) - 1)])


def usable(known_now: Known, as_of: float) -> np.ndarray:
    """Tell for which needs the label window of ``as_of`` and the usual recording delay have passed: bool [needs]."""
    return label_end(known_now.community, as_of) + usual_recording_delay(known_now) <= known_now.as_of
