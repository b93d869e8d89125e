"""Forms about a household itself: another need, a visit for a colleague, a refusal and its end."""

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Form, Request, Response

from service.returns.read_requests import CHANNEL
from service.web.api.outcomes import Id
from service.web.base.access import Identity, Scope
from service.web.base.problems import Problem
from service.web.intake import reassignments, requests
from service.web.pages.cards import listed_week
from service.web.pages.frame import go_to
from service.web.pages.household import Reporter, form, not_listed
from service.web.pages.visits import LIST
from service.web.published.reading import place_in_sight, purpose_of, rows_in_sight, willing
from service.web.published.state import state_of
from service.web.rights import rights

router = APIRouter(include_in_schema=False)


@router.post("/requests")
def mention(
    request: Request,
    asker: Annotated[Identity, form(Scope.REQUESTS)],
    household_id: Annotated[Id, Form()],
    text: Annotated[str, Form(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")],
    token: Annotated[str, Form(min_length=1, max_length=60)],
) -> Response:
    """Store another need that a resident mentioned, in their words, as a request: the page again."""
    place_in_sight(request, asker, household_id)
    willing(request, household_id)
    asked = requests.SentRequest(household_id, None, None, text.strip(), CHANNEL, None, None)
    requests.add_request(state_of(request).database, asker, asked, token, purpose_of(request))
    return go_to(f"/visits/{quote(household_id, safe='')}")


@router.post("/reassignments")
def reassign(
    request: Request,
    asker: Reporter,
    household_id: Annotated[list[Id], Form(min_length=1, max_length=500)],
    as_of: Annotated[str, Form(max_length=20)],
    worker_id: Annotated[Id | Literal[""], Form()] = "",
) -> Response:
    """Let a colleague visit households this week, or nobody but the list's own worker: back to the list."""
    households = {one: place_in_sight(request, asker, one) for one in household_id}
    for one in households:
        willing(request, one)
    state = state_of(request)
    week = listed_week(request, asker, as_of)
    if not {*households} <= {row["household_id"] for row in rows_in_sight(request, asker, week)}:
        raise not_listed()
    reassignments.reassign(state.database, asker, week, households, worker_id, purpose_of(request))
    state.restrictions.refresh()
    return go_to(f"/visits?as_of={week.as_of}" + (f"&handed_over={len(households)}" if worker_id else ""))


@router.post("/refusals")
def refuse(
    request: Request,
    asker: Annotated[Identity, form(Scope.REFUSALS)],
    household_id: Annotated[Id, Form()],
) -> Response:
    """Note that a household wants no such visits, and take it off every list at once."""
    place_in_sight(request, asker, household_id)
    state = state_of(request)
    begins = rights.refuses_from(state.shelf.served, state.shelf.today())
    rights.refuse(state.database, asker.who, household_id, begins, purpose=purpose_of(request))
    state.restrictions.refresh()
    return go_to("/visits")


@router.post("/refusals/end")
def accept(
    request: Request,
    asker: Annotated[Identity, form(Scope.RIGHTS, LIST)],
    household_id: Annotated[Id, Form()],
) -> Response:
    """End a household's refusal, noted by mistake or taken back, so that it may be listed again."""
    household_id = household_id.strip()
    place_in_sight(request, asker, household_id)
    state = state_of(request)
    today, workspace = state.shelf.today(), state.settings.workspace
    if not rights.accept(workspace, state.database, asker.who, household_id, today, purpose_of(request)):
        raise Problem(404, "no-refusal", "这一户没有登记过谢绝", "this household has not refused")
    state.restrictions.refresh()
    return go_to("/visits")
