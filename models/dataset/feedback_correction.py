"""Correction of labels for what visits changed: a need that a visit met leaves no request.

Without it a retrain would read a household that was visited, and helped, as one that did not ask and so did not need.
Yet to count every need found as a request would be wrong too: lists find above all needs that nobody would have asked
about. Visits that met nobody tell how many would have been asked about, because they leave the need as it is. Random
visits change no label here: they are drawn whatever the model says, and are what p_need is trained on.
"""

from dataclasses import fields, replace

import numpy as np

from features.contract.tables import OUTCOMES
from features.point_in_time.labels import label_end, usual_recording_delay, window_days
from features.point_in_time.records import Known, Records, Rows
from features.point_in_time.remembered import remembered
from features.rows.tables import OutreachRows
from models.dataset.out_of_time import stable_hash

NEEDED, NOT_NEEDED, NOT_REACHED = (
    OUTCOMES.index(outcome) for outcome in ("needed", "not_needed", "not_reached")
)
USUAL_SHARE, SPREAD = 0.5, 0.25  # of needs found that would have been asked about, before any evidence
LEAST_SHARE = 0.02
FAR = 1e6  # days: longer than any record


def with_outreach(
    known_now: Known, rows: Rows, as_of: float, label: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Correct labels for the targeted visits that are known by now, and tell which rows can be used.

    rows: the pairs of household and need.
    as_of: the as-of day of the rows.
    label: int8 [rows], 1 where the household asked in its window.

    Returns the corrected labels, int8 [rows], and bool [rows], True for the rows that can be used. A visit after the
    as-of day and before the window's end that found the need stands for a request in the window. The share
    ``would_have_asked`` of these visits, drawn by their ids, gives a label of 1; the rows of the others cannot be used,
    because nobody knows what the household would have done. A visit that found no need leaves the label as it is, and
    so does one before the as-of day: what it found is among the features.
    """
    end = label_end(known_now.community, as_of)
    outreach = known_now.outreach
    need = np.maximum(outreach.need, 0)
    needed = _targeted(known_now) & (outreach.outcome == NEEDED)
    needed &= (outreach.contacted >= as_of) & (outreach.contacted < end[need])
    drawn = _drawn(known_now)
    met = np.zeros((2, known_now.household_count, len(end)), dtype=bool)
    met[drawn[needed].astype(int), outreach.household[needed], need[needed]] = True
    unknown, early = met[:, rows.household, rows.need]
    corrected = np.maximum(label, early).astype(np.int8)
    return corrected, (corrected > 0) | ~unknown


@remembered
def would_have_asked(known_now: Known) -> float:
    """Estimate the share of the needs found by targeted visits that would have become a request within a label window.

    More pairs ask after a visit that met nobody than after one that met someone, because their need was not met. This
    difference, divided by the share of visits that found a need among those that met someone, estimates the share. A
    request counts by the chance that a label window which holds the visit, at a random place, also holds the request.
    The estimate is averaged with ``USUAL_SHARE``, each weighted by its precision; the result is at least
    ``LEAST_SHARE``.
    """
    outreach = known_now.outreach
    horizon = window_days(known_now.community)
    length = horizon[np.maximum(outreach.need, 0)]
    ripe = _targeted(known_now) & (
        outreach.contacted + length + usual_recording_delay(known_now) <= known_now.as_of
    )
    someone = ripe & np.isin(outreach.outcome, (NEEDED, NOT_NEEDED))
    nobody = ripe & (outreach.outcome == NOT_REACHED)
    share = float(np.mean(outreach.outcome[someone] == NEEDED)) if someone.any() else 0.0
    if share == 0 or nobody.sum() < 2:
        return USUAL_SHARE
    asked = np.maximum(1 - _days_to_request(known_now) / length, 0)
    more = asked[nobody].mean() - asked[someone].mean()
    variance = (asked[nobody].var(ddof=1) / nobody.sum() + asked[someone].var() / someone.sum()) / share**2
    trust = SPREAD**2 / (SPREAD**2 + variance)
    return float(np.clip(trust * more / share + (1 - trust) * USUAL_SHARE, LEAST_SHARE, 1))


def _days_to_request(known_now: Known) -> np.ndarray:
    """Compute the days from each visit to the pair's next request: float64 [visits]; inf where none is known."""
    outreach, requests = known_now.outreach, known_now.requests
    needs, of_need = len(known_now.community.needs), requests.need >= 0
    pair = requests.household[of_need].astype(np.float64) * needs + requests.need[of_need]
    times = np.sort(pair * FAR + requests.requested[of_need])
    visit = (outreach.household.astype(np.float64) * needs + outreach.need) * FAR + outreach.contacted
    following = np.append(times, -FAR)[np.searchsorted(times, visit)]
    return np.where(following // FAR == visit // FAR, following - visit, np.inf)


@remembered
def _drawn(known_now: Known) -> np.ndarray:
    """Draw which visits that found a need count as a request: bool [visits]. The draw depends on the visit only."""
    chance = stable_hash(known_now.outreach.outreach_id) / 2.0**64
    return chance < would_have_asked(known_now)


def _targeted(known_now: Known) -> np.ndarray:
    return ~known_now.outreach.random & (known_now.outreach.need >= 0)


def without_targeted(records: Records) -> Records:
    """Return the records without their targeted visits, to measure what the correction of labels is worth.

    A model trained on them reads a household that was helped, and so did not ask, as one without the need.
    """
    outreach = records.outreach
    kept = {field.name: getattr(outreach, field.name)[outreach.random] for field in fields(outreach)}
    return replace(records, outreach=OutreachRows(**kept))
