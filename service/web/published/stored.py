"""Stored scores of one household: the rules of what is answered, on whichever way the request came."""

from typing import Any

from service.web.base.access import Identity, Scope, permit, sees_place
from service.web.base.problems import unknown_household
from service.web.published.reading import purpose_from, refuses_listing


def answer_of(
    state: Any, identity: Identity, household_id: str, as_of: str | None, purpose: str | None
) -> bytes:
    """The JSON of a household's scores, entered in the audit log before it is returned.

    Raises a problem or Forbidden where it may not be shown, and OSError where the entry could not be written.
    """
    permit(identity, Scope.SCORES)
    served, restrictions = state.shelf.served, state.restrictions
    place = served.place(household_id)
    if place is None or household_id in restrictions.deleted or not sees_place(identity, place[0], place[1]):
        raise unknown_household()
    if household_id in restrictions.refusing:
        raise refuses_listing()
    week = served.week(as_of)
    if household_id not in week.places:
        raise unknown_household()
    state.journal.write(identity.who, "scores.read", household_id, purpose_from(purpose), week.as_of)
    return week.answer(household_id, identity.sensitive)
