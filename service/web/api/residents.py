"""Routes for residents' rights, as a coordinator enters them for a household."""

from datetime import date
from typing import Annotated

import orjson
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, StringConstraints

from service.web.api.answers import NOT_FOUND, HouseholdId
from service.web.auth.identities import Asker
from service.web.base.access import Identity, Scope, permit
from service.web.published.reading import note, place_in_sight, purpose_of
from service.web.published.state import ServiceState, state_of
from service.web.rights import rights

router = APIRouter(prefix="/v1/residents/{household_id}", tags=["居民权利 residents"], responses=NOT_FOUND)


class Why(BaseModel):
    """The answer in sentences that can be read out."""

    household_id: str
    lines: list[str]


class RefusalIn(BaseModel):
    """The end of a refusal; without it the refusal holds until further notice."""

    until: date | None = Field(None, examples=["2026-12-31"])


class CorrectionIn(BaseModel):
    """The right value of an attribute."""

    attribute: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(examples=["children"])
    value: Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")] | None = Field(
        examples=["2"]
    )


def _permitted(request: Request, asker: Identity, household_id: str, *scopes: Scope) -> ServiceState:
    """Return the application's state. Raises a problem where the asker lacks a scope, or does not see the household."""
    permit(asker, *scopes)
    place_in_sight(request, asker, household_id)
    return state_of(request)


@router.get("/why", summary="为什么上了名单（可以念给居民听）")
def why(request: Request, household_id: HouseholdId, asker: Asker) -> Why:
    """Say whether and why a household is listed, what is used, and what it may do."""
    state = _permitted(request, asker, household_id, Scope.RIGHTS, Scope.SENSITIVE)
    refuses = household_id in state.restrictions.refusing
    lines = rights.why_listed(state.shelf.served, household_id, refuses)
    note(request, asker, "resident.why", household_id)
    return Why(household_id=household_id, lines=lines)


@router.post("/refusal", status_code=204, summary="谢绝上名单，马上生效")
def refuse(request: Request, household_id: HouseholdId, asker: Asker, body: RefusalIn) -> Response:
    """Take the household off every list from now on; its scores are shown to nobody."""
    state = _permitted(request, asker, household_id, Scope.REFUSALS)
    begins = rights.refuses_from(state.shelf.served, state.shelf.today())
    rights.refuse(state.database, asker.who, household_id, begins, body.until, purpose_of(request))
    state.restrictions.refresh()
    return Response(status_code=204)


@router.delete("/refusal", status_code=204, summary="收回谢绝")
def accept(request: Request, household_id: HouseholdId, asker: Asker) -> Response:
    """End the household's refusals, so that it may be listed again."""
    state = _permitted(request, asker, household_id, Scope.RIGHTS)
    today, workspace = state.shelf.today(), state.settings.workspace
    rights.accept(workspace, state.database, asker.who, household_id, today, purpose_of(request))
    state.restrictions.refresh()
    return Response(status_code=204)


@router.get(
    "/export",
    summary="一户的全部资料（查阅、复制）",
    responses={200: {"content": {"application/json": {}}}},
    response_class=Response,
)
def export(request: Request, household_id: HouseholdId, asker: Asker) -> Response:
    """Return the household's records, scores, lists and outcomes, and who looked at them."""
    state = _permitted(request, asker, household_id, Scope.RIGHTS, Scope.SENSITIVE)
    workspace, served, purpose = state.settings.workspace, state.shelf.served, purpose_of(request)
    data = rights.export(workspace, state.database, served, asker.who, household_id, purpose)
    return Response(orjson.dumps(data, default=str), media_type="application/json")


@router.post("/corrections", status_code=202, summary="更正一项登记信息")
def correct(request: Request, household_id: HouseholdId, asker: Asker, body: CorrectionIn) -> Response:
    """Note a correction; records and scores have it from the next command on the workspace."""
    state = _permitted(request, asker, household_id, Scope.RIGHTS)
    workspace, purpose = state.settings.workspace, purpose_of(request)
    rights.correct(workspace, state.database, asker.who, household_id, body.attribute, body.value, purpose)
    return Response(status_code=202)


@router.delete("", status_code=202, summary="删除一户：马上不再显示，随后从全部数据里删掉")
def erase(request: Request, household_id: HouseholdId, asker: Asker) -> Response:
    """Hide the household at once; the next command on the workspace removes it from records, weeks and lists."""
    state = _permitted(request, asker, household_id, Scope.RIGHTS)
    rights.ask_deletion(state.database, asker.who, household_id, purpose_of(request))
    state.restrictions.refresh()
    return Response(status_code=202)
