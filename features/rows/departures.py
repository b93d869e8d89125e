"""Find who moved away or died, and ids that were given out again, from the rows known at a date."""

import numpy as np

from features.contract.tables import DEPARTED, OUTCOMES
from features.rows.tables import HouseholdRows, OutreachRows

SAME_DAY = 1.0  # days between an end and the next row within which that row still follows it


def left_on(households: HouseholdRows, outreach: OutreachRows, last: np.ndarray) -> np.ndarray:
    """Find since when households are there no longer.

    households: rows of one point in time.
    outreach: visits; one that finds that all have left ends a household of which no later row begins.
    last: int64 per household, its latest row; -1 where none.

    Returns float64 days per household, inf where it is there.
    """
    left = np.full(len(last), np.inf)
    if not len(households):
        return left
    left = np.where(last >= 0, ends_of_rows(households)[last], np.inf)
    visits = np.flatnonzero(departed(outreach.outcome))
    begins = np.where(last >= 0, households.valid_from[last], np.inf)
    visits = visits[outreach.contacted[visits] >= begins[outreach.household[visits]]]
    np.minimum.at(left, outreach.household[visits], outreach.contacted[visits])
    return left


def departed(outcome: np.ndarray) -> np.ndarray:
    """Tell which outcomes mean that nobody is to be visited there any more: bool per outcome."""
    return np.isin(outcome, [OUTCOMES.index(outcome) for outcome in DEPARTED])


def ends_of_rows(households: HouseholdRows) -> np.ndarray:
    """Return until when each row holds: float64 days per row, inf where open.

    An end after the beginning of the household's next row also ends that row, unless that row has an end of its own.
    """
    until = households.valid_until
    if not np.isfinite(until).any():
        return until
    order = np.lexsort((households.visible_from, households.valid_from, households.household))
    until = until[order]
    whose, begins = households.household[order], households.valid_from[order]
    follows = whose[1:] == whose[:-1]
    while True:
        passed = (
            follows & np.isinf(until[1:]) & np.isfinite(until[:-1]) & (until[:-1] > begins[1:] + SAME_DAY)
        )
        if not passed.any():
            break
        until[1:][passed] = until[:-1][passed]
    ends = np.empty_like(until)
    ends[order] = until
    return ends


def begun_anew(households: HouseholdRows, count: int) -> tuple[np.ndarray, np.ndarray] | tuple[None, None]:
    """float64 per household, twice: since when the present one has its number, and when another one with it had ended
    before; -inf elsewhere. None where no number began again."""
    if not np.isfinite(households.valid_until).any():
        return None, None
    order = np.lexsort((households.visible_from, households.valid_from, households.household))
    until, begins = ends_of_rows(households)[order], households.valid_from[order]
    whose = households.household[order]
    anew = np.flatnonzero((whose[1:] == whose[:-1]) & (until[:-1] + SAME_DAY < begins[1:])) + 1
    if not len(anew):
        return None, None
    began, ended = np.full(count, -np.inf), np.full(count, -np.inf)
    began[whose[anew]], ended[whose[anew]] = begins[anew], until[anew - 1]
    return began, ended
