"""Routes for what is said beside an outcome, and for visits that one worker hands to another."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import uuid4

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, model_validator

from service.web.api.answers import NOT_FOUND
from service.web.api.outcomes import CONFLICT, Id, IdempotencyKey
from service.web.auth.identities import Asker
from service.web.base.access import Scope, permit
from service.web.base.problems import Problem
from service.web.intake import reassignments, remarks
from service.web.published.reading import listed_row, place_in_sight, purpose_of, rows_in_sight, willing
from service.web.published.state import state_of

router = APIRouter(prefix="/v1", tags=["结果与诉求 outcomes and requests"])
Kind = Literal["wrong_person", "already_helped", "satisfied"]


class FeedbackIn(BaseModel):
    """What was said of one row of a list; at least one of the three."""

    outreach_id: Id = Field(examples=["20250901-1a2b3c4d5e6f"])
    kind: Kind | None = Field(None, description="人不对、已有帮扶；satisfied 收回前两种")
    satisfaction: Annotated[int, Field(ge=1, le=5)] | None = None
    next_visit: date | None = Field(None, description="约好再来的日子")

    @model_validator(mode="after")
    def _says_something(self) -> "FeedbackIn":
        if self.kind is None and self.satisfaction is None and self.next_visit is None:
            raise ValueError("kind, satisfaction or next_visit must be given")
        return self


class FeedbackOut(BaseModel):
    """A remark as it is stored."""

    id: int
    outreach_id: str
    household_id: str
    need: str
    kind: Kind | None
    satisfaction: int | None
    next_visit: date | None
    by: str
    recorded_at: datetime


class ReassignmentIn(BaseModel):
    """A household of a week's lists, and the worker who visits it from now on."""

    household_id: Id = Field(examples=["h00042"])
    as_of: date = Field(description="名单的周一", examples=["2025-09-01"])
    worker_id: Id | Literal[""] = Field(description="同事的工号；空着就是收回，还归名单上那位")


class ReassignmentOut(ReassignmentIn):
    """A visit as it was handed over."""

    id: int
    worker_name: str
    by: str


@router.post("/feedback", status_code=201, summary="登记居民反馈", responses={**NOT_FOUND, **CONFLICT})
def post_feedback(
    request: Request, body: FeedbackIn, asker: Asker, idempotency_key: IdempotencyKey = None
) -> FeedbackOut:
    """Store what was said beside an outcome. Sent again with the same Idempotency-Key it is stored once."""
    permit(asker, Scope.OUTCOMES)
    visit, _ = listed_row(request, asker, body.outreach_id)
    willing(request, visit["household_id"])
    remark = remarks.Said(body.kind, body.satisfaction, body.next_visit)
    token = idempotency_key or uuid4().hex
    row = remarks.add_remark(state_of(request).database, asker, visit, remark, token, purpose_of(request))
    return FeedbackOut.model_validate(row, from_attributes=True)


@router.post("/reassignments", status_code=201, summary="把一户转给同事走访", responses=NOT_FOUND)
def post_reassignment(request: Request, body: ReassignmentIn, asker: Asker) -> ReassignmentOut:
    """Let a colleague visit a household in a week. Sent again it changes nothing, and the answer is the same."""
    permit(asker, Scope.OUTCOMES)
    place = place_in_sight(request, asker, body.household_id)
    willing(request, body.household_id)
    state = state_of(request)
    week = state.shelf.served.week(body.as_of.isoformat())
    if all(row["household_id"] != body.household_id for row in rows_in_sight(request, asker, week)):
        raise Problem(404, "not-listed", "这一户不在这周的名单上", "this household is not on the week's list")
    households = {body.household_id: place}
    (row,) = reassignments.reassign(
        state.database, asker, week, households, body.worker_id, purpose_of(request)
    )
    state.restrictions.refresh()
    return ReassignmentOut.model_validate(row, from_attributes=True)
