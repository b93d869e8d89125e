"""Labels: did the household ask for the need in [as_of + lead, as_of + lead + horizon)?"""

import numpy as np
import pandas as pd

from features.contract import Community
from features.records import Known, Rows, remember

WEEK = 7.0
DELAY_QUANTILE = 0.95
DELAY_HALF_LIFE = 182.0  # days after which a request counts half in the usual delay
DELAY_RIPE = 28.0  # days; of younger requests the slow ones are still missing


def label_begin(community: Community, as_of: float) -> np.ndarray:
    """float64 day per need at which its label window begins."""
    return as_of + WEEK * np.array([need.lead_weeks for need in community.needs], dtype=np.float64)


def label_end(community: Community, as_of: float) -> np.ndarray:
    """float64 day per need at which its label window has ended."""
    horizon = np.array([need.horizon_weeks for need in community.needs], dtype=np.float64)
    return label_begin(community, as_of) + WEEK * horizon


def labels(known_now: Known, rows: Rows, as_of: float) -> np.ndarray:
    """int8 per row: 1 where the household asked within the window of ``as_of``, by what is known now.

    ``requested_at`` counts, however late it was recorded. Only rows for which ``usable`` holds are complete.
    """
    requests = known_now.requests
    begin, end = label_begin(known_now.community, as_of), label_end(known_now.community, as_of)
    need = np.maximum(requests.need, 0)
    within = (requests.need >= 0) & (requests.requested >= begin[need]) & (requests.requested < end[need])
    asked = np.zeros((known_now.household_count, len(begin)), dtype=np.int8)
    asked[requests.household[within], requests.need[within]] = 1
    return asked[rows.household, rows.need]


def usual_recording_delay(known: Known) -> float:
    """Days within which 95 of 100 requests are recorded, newer requests counting more; 0 without requests.

    A request counts by its first recording, also where it was corrected later.
    """
    return remember(known, "usual recording delay", lambda: _usual_recording_delay(known))


def _usual_recording_delay(known: Known) -> float:
    every = known.records.requests
    end = int(np.searchsorted(every.visible_from, known.as_of, side="left"))
    if not end:
        return 0.0
    first = np.flatnonzero(~pd.Series(every.request_id[:end]).duplicated())  # rows are in order of recording
    delay = np.maximum(every.visible_from[first] - every.requested[first], 0)
    age = known.as_of - every.requested[first]
    if (age >= DELAY_RIPE).any():
        delay, age = delay[age >= DELAY_RIPE], age[age >= DELAY_RIPE]
    order = np.argsort(delay)
    weight = np.cumsum(np.exp2(-age[order] / DELAY_HALF_LIFE))
    reached = np.searchsorted(weight, DELAY_QUANTILE * weight[-1])
    return float(delay[order][min(reached, len(order) - 1)])


def usable(known_now: Known, as_of: float) -> np.ndarray:
    """bool per need: the label window of ``as_of`` and the usual recording delay after it have passed."""
    return label_end(known_now.community, as_of) + usual_recording_delay(known_now) <= known_now.as_of
