"""What the lists themselves do to later data: a need met early leaves no request.

Without this a retrain would read a household that was visited, and helped, as one that did not ask and so did
not need. Random visits change no label here: they are drawn whatever the model says, and teach p_need.
"""

from dataclasses import fields, replace

import numpy as np

from features.contract import OUTCOMES
from features.labels import label_begin, label_end
from features.records import Known, OutreachRows, Records, Rows

NEEDED, NOT_NEEDED = OUTCOMES.index("needed"), OUTCOMES.index("not_needed")


def with_outreach(
    known_now: Known, rows: Rows, as_of: float, label: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Labels corrected by targeted visits known by now (int8), and which rows can be used at all (bool).

    A visit within the label window that found the need makes the label 1: it was met early. A window without a
    request that begins within the need's horizon after such a visit says nothing, because the household was
    being helped, and is not used; unless a later visit, before the window, found no need. Where a targeted
    visit found no need, the label stays what the requests say.
    """
    begin, end = label_begin(known_now.community, as_of), label_end(known_now.community, as_of)
    outreach = known_now.outreach
    targeted = ~outreach.random & (outreach.need >= 0)
    need = np.maximum(outreach.need, 0)
    found = targeted & (outreach.outcome == NEEDED)
    within = found & (outreach.contacted >= begin[need]) & (outreach.contacted < end[need])
    before = (outreach.contacted < begin[need]) & (outreach.contacted >= 2 * begin[need] - end[need])
    last_found = _last(known_now, found & before)
    last_not = _last(known_now, targeted & (outreach.outcome == NOT_NEEDED) & before)
    met = np.zeros(last_found.shape, dtype=bool)
    met[outreach.household[within], outreach.need[within]] = True
    corrected = np.maximum(label, met[rows.household, rows.need]).astype(np.int8)
    helped = (last_found > last_not)[rows.household, rows.need]
    return corrected, (corrected > 0) | ~helped


def without_targeted(records: Records) -> Records:
    """The records as they would read if no targeted visit had been written down.

    A model trained on them takes the silence of a household that was helped for the absence of need: what the
    correction is measured against.
    """
    outreach = records.outreach
    kept = {one.name: getattr(outreach, one.name)[outreach.random] for one in fields(outreach)}
    return replace(records, outreach=OutreachRows(**kept))


def _last(known_now: Known, which: np.ndarray) -> np.ndarray:
    """float64 [households, needs]: time of the latest of these visits; -inf where there is none."""
    outreach = known_now.outreach
    latest = np.full((known_now.household_count, len(known_now.community.needs)), -np.inf)
    np.maximum.at(latest, (outreach.household[which], outreach.need[which]), outreach.contacted[which])
    return latest
