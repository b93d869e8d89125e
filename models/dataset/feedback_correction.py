"""What the lists themselves do to later data: a need met early leaves no request.

Without this a retrain would read a household that was visited, and helped, as one that did not ask and so did
not need. Yet to count every need found as a request would be wrong too: lists find above all what would not
have been asked about. How much of it would have been, visits that met nobody tell: they leave the need as it
is. Random visits change no label here: they are drawn whatever the model says, and teach p_need.
"""

from dataclasses import fields, replace

import numpy as np

from features.contract.tables import OUTCOMES
from features.point_in_time.labels import label_begin, label_end, usual_recording_delay
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
    """Labels corrected by targeted visits known by now (int8), and which rows can be used at all (bool).

    A visit after the as-of day and before the window's end that found the need stands for a request in the
    window: it was met early. Of such visits the share ``would_have_asked`` makes a label of 1, drawn by their
    number; the other rows are not used, for what the household would have done is not known. A visit that
    found no need leaves the label as the requests have it, and so does one before the as-of day: what it
    found is among the features.
    """
    end = label_end(known_now.community, as_of)
    outreach = known_now.outreach
    need = np.maximum(outreach.need, 0)
    found = _targeted(known_now) & (outreach.outcome == NEEDED)
    found &= (outreach.contacted >= as_of) & (outreach.contacted < end[need])
    drawn = _drawn(known_now)
    met = np.zeros((2, known_now.household_count, len(end)), dtype=bool)
    met[drawn[found].astype(int), outreach.household[found], need[found]] = True
    unknown, early = met[:, rows.household, rows.need]
    corrected = np.maximum(label, early).astype(np.int8)
    return corrected, (corrected > 0) | ~unknown


@remembered
def would_have_asked(known_now: Known) -> float:
    """Estimate the share of the needs found by targeted visits that would have become a request within a label window.

    More pairs ask after a visit that met nobody than after one that met someone, because of the needs that
    stayed; over the share of needs found among those met, the difference is the share wanted. A request
    counts by its chance to lie in a window of the need's horizon that holds the visit at a random place. The
    estimate is weighed with ``USUAL_SHARE`` by how uncertain both are.
    """
    outreach = known_now.outreach
    horizon = label_end(known_now.community, 0) - label_begin(known_now.community, 0)
    length = horizon[np.maximum(outreach.need, 0)]
    ripe = _targeted(known_now) & (
        outreach.contacted + length + usual_recording_delay(known_now) <= known_now.as_of
    )
    someone = ripe & np.isin(outreach.outcome, (NEEDED, NOT_NEEDED))
    nobody = ripe & (outreach.outcome == NOT_REACHED)
    found = float(np.mean(outreach.outcome[someone] == NEEDED)) if someone.any() else 0.0
    if found == 0 or nobody.sum() < 2:
        return USUAL_SHARE
    asked = np.maximum(1 - _days_to_request(known_now) / length, 0)
    more = asked[nobody].mean() - asked[someone].mean()
    variance = (asked[nobody].var(ddof=1) / nobody.sum() + asked[someone].var() / someone.sum()) / found**2
    trust = SPREAD**2 / (SPREAD**2 + variance)
    return float(np.clip(trust * more / found + (1 - trust) * USUAL_SHARE, LEAST_SHARE, 1))


def _days_to_request(known_now: Known) -> np.ndarray:
    """float64 per visit: days until the pair's next request, inf where none is known."""
    outreach, requests = known_now.outreach, known_now.requests
    needs, told = len(known_now.community.needs), requests.need >= 0
    pair = requests.household[told].astype(np.float64) * needs + requests.need[told]
    times = np.sort(pair * FAR + requests.requested[told])
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
    """The records as they would read if no targeted visit had been written down.

    A model trained on them takes the silence of a household that was helped for the absence of need: what the
    correction is measured against.
    """
    outreach = records.outreach
    kept = {field.name: getattr(outreach, field.name)[outreach.random] for field in fields(outreach)}
    return replace(records, outreach=OutreachRows(**kept))
