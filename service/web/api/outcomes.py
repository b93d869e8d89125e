"""Outcomes of visits and new requests, from pages and other systems."""

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Literal
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, Path, Request
from pydantic import BaseModel, Field, StringConstraints, model_validator

from service.web.api.answers import NOT_FOUND, AsOf, problem
from service.web.auth.identities import Asker
from service.web.base.access import Scope, permit
from service.web.base.filters import refuse_unless_known
from service.web.base.problems import Problem
from service.web.database.tables import NewRequest, Outcome, now
from service.web.intake import outcomes, requests
from service.web.intake.counted import counted
from service.web.published.reading import (
    listed_row,
    needs_in_sight,
    note,
    place_in_sight,
    purpose_of,
    rows_in_sight,
    sees_household,
    week_asked,
    willing,
)
from service.web.published.state import state_of

router = APIRouter(prefix="/v1", tags=["结果与诉求 outcomes and requests"])
CONFLICT: dict[int | str, dict[str, Any]] = {409: problem("这个 Idempotency-Key 用过了，或已入库不能撤销")}
EARLIEST = 1990
LATEST = timedelta(minutes=10)  # a clock may run ahead by so much
OutcomeName = Literal["needed", "not_needed", "declined", "not_reached", "moved_away", "deceased"]
Id = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]+$")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=100,
        description="由客户端生成；同一个键重发只算一次",
    ),
]


class OutcomeIn(BaseModel):
    """What a visit found."""

    outreach_id: Id = Field(examples=["20250901-1a2b3c4d5e6f"])
    outcome: OutcomeName
    contacted_on: date | None = Field(None, description="走访日期，默认记下的那天；最晚为名单当周最后一天")
    written_on: date | None = Field(None, description="在手机上记下的那天，默认今天")
    note: Annotated[str, StringConstraints(max_length=outcomes.LONGEST_NOTE, pattern=r"^[^\x00]*$")] = ""


class OutcomeOut(BaseModel):
    """An outcome as it is stored; one that came on paper has no id and nobody who sent it."""

    id: int | None
    outreach_id: str
    household_id: str
    need: str
    outcome: OutcomeName
    contacted_on: date
    note: str
    by: str
    recorded_at: datetime | None
    undone: bool
    other: str = Field("", description="纸质表与手机登记不一致时，不作数的那个结果")


class RequestIn(BaseModel):
    """A request of a household: its need by id, or in words."""

    household_id: Id = Field(examples=["h00042"])
    requested_at: datetime = Field(examples=["2025-09-01T09:30:00+08:00"])
    need: Id | None = Field(None, examples=["summer_childcare"])
    text: Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")] | None = (
        None
    )
    channel: Annotated[str, StringConstraints(max_length=50, pattern=r"^[^\x00]*$")] | None = None
    resolved_at: datetime | None = None
    satisfaction: Annotated[int, Field(ge=1, le=5)] | None = None
    request_id: Id | None = Field(
        None, description="对方系统里的编号：同一编号重发只算一次；本服务另行编号，见回答"
    )

    @model_validator(mode="after")
    def _says_something(self) -> "RequestIn":
        if self.need is None and not (self.text and self.text.strip()):
            raise ValueError("need or text must be given")
        return self


class RequestOut(BaseModel):
    """A request as it is stored."""

    request_id: str
    household_id: str
    need: str | None
    requested_at: datetime
    recorded_at: datetime


def outcome_out(row: Outcome) -> OutcomeOut:
    """Convert a stored outcome into an answer."""
    shown = {name: getattr(row, name) for name in OutcomeOut.model_fields if name not in ("undone", "other")}
    return OutcomeOut(**shown, undone=row.undone_at is not None)


@router.post("/outcomes", status_code=201, summary="登记一次走访的结果", responses={**NOT_FOUND, **CONFLICT})
def post_outcome(
    request: Request, body: OutcomeIn, asker: Asker, idempotency_key: IdempotencyKey = None
) -> OutcomeOut:
    """Store what a visit found. Sent again with the same Idempotency-Key it is stored once."""
    permit(asker, Scope.OUTCOMES)
    visit, week = listed_row(request, asker, body.outreach_id)
    willing(request, visit["household_id"])
    report = outcomes.Report(
        body.outcome, idempotency_key or uuid4().hex, body.contacted_on, body.note, body.written_on
    )
    today = outcomes.today_in(week.community.community.timezone)
    row = outcomes.record(state_of(request).database, asker, visit, report, today, purpose_of(request))
    return outcome_out(row)


@router.get("/outcomes", summary="一周名单上已登记的结果", responses=NOT_FOUND)
def get_outcomes(request: Request, asker: Asker, as_of: AsOf = None) -> list[OutcomeOut]:
    """List the outcomes that count for the rows in sight of a week's lists, whatever way they came."""
    week = week_asked(request, asker, as_of)
    rows = rows_in_sight(request, asker, week)
    with state_of(request).database.reading() as session:
        outcomes = counted(session, state_of(request).settings.workspace, rows)
    if outcomes:
        note(
            request,
            asker,
            "outcomes.read",
            {outcome.household_id: None for outcome in outcomes.values()},
            week.as_of,
        )
    # of the fields, those of OutcomeOut are taken
    return [OutcomeOut(**{**vars(outcome), "undone": False}) for outcome in outcomes.values()]


@router.delete("/outcomes/{number}", summary="撤销刚登记的结果", responses={**NOT_FOUND, **CONFLICT})
def delete_outcome(
    request: Request, number: Annotated[int, Path(ge=1, le=2**62)], asker: Asker
) -> OutcomeOut:
    """Undo an outcome that the asker reported (a coordinator: any in sight), until the records have taken it."""
    permit(asker, Scope.OUTCOMES)
    row = outcomes.undo(
        state_of(request).database,
        asker,
        number,
        partial(sees_household, request, asker),
        purpose_of(request),
    )
    if row is None:
        raise Problem(404, "unknown-outcome", "没有这条结果", "no such outcome")
    return outcome_out(row)


@router.post("/requests", status_code=201, summary="登记一条新诉求", responses={**NOT_FOUND, **CONFLICT})
def post_request(
    request: Request, body: RequestIn, asker: Asker, idempotency_key: IdempotencyKey = None
) -> RequestOut:
    """Store a request. Sent again with the same Idempotency-Key or request_id it is stored once."""
    permit(asker, Scope.REQUESTS)
    place_in_sight(request, asker, body.household_id)
    week = week_asked(request, asker, None)
    community = week.community
    # whoever hears of a sensitive need must be able to report it: writing shows nothing
    if body.need is not None and body.need not in community.need_index():
        refuse_unless_known("need", body.need, needs_in_sight(asker, week))
    asked = dict(body)
    zone = ZoneInfo(community.community.timezone)
    for name in ("requested_at", "resolved_at"):
        asked[name] = _moment(asked[name], zone)
    row = requests.add_request(
        state_of(request).database,
        asker,
        requests.SentRequest(**asked),
        idempotency_key or uuid4().hex,
        purpose_of(request),
    )
    return request_out(row)


def request_out(row: NewRequest) -> RequestOut:
    """Convert a stored request into an answer."""
    return RequestOut.model_validate(row, from_attributes=True)


def _moment(value: datetime | None, zone: ZoneInfo) -> datetime | None:
    """Return the time in UTC, in the community's timezone if none is given; raise a problem for an impossible one."""
    if value is None:
        return None
    if not EARLIEST <= value.year <= now().year + 1:
        raise _wrong_time(value)
    value = value.replace(tzinfo=zone) if value.tzinfo is None else value
    if value > now() + LATEST:
        raise _wrong_time(value)
    return value.astimezone(UTC)


def _wrong_time(value: datetime) -> Problem:
    return Problem(422, "wrong-time", f"时间 {value} 不对", f"the time {value} cannot be right")
