"""Live scores of records that another system posts, and explanations of a household's scores."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from zoneinfo import ZoneInfo

import numpy as np
import orjson
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field, StringConstraints, field_validator
from starlette.concurrency import run_in_threadpool

from features.language import say
from service.web.api.answers import NOT_FOUND, AsOf, HouseholdId
from service.web.api.outcomes import Id, OutcomeName
from service.web.auth.identities import Asker
from service.web.base.access import Identity, Scope, permit, sees_need, sees_place, sees_risk
from service.web.base.filters import refuse_unless_known
from service.web.base.problems import Problem, unknown_household
from service.web.published.reading import needs_in_sight, note, place_in_sight, week_asked, willing
from service.web.published.state import state_of
from service.web.published.weeks import Week

if TYPE_CHECKING:
    from service.web.published.live import Live

router = APIRouter(prefix="/v1", tags=["实时评分与解释 live"])
MOST_ROWS, MOST_CELLS = 500, 2_000_000
Attributes = Annotated[
    dict[
        Annotated[str, StringConstraints(min_length=1, max_length=100)],
        Annotated[str, StringConstraints(max_length=500)] | bool | int | float | None,
    ],
    Field(max_length=200),
]
Moment = datetime | date
EARLIEST, LATEST = 1900, 2200


class _Row(BaseModel):
    @field_validator("*")
    @classmethod
    def _possible(cls, value: Any) -> Any:
        if isinstance(value, date) and not EARLIEST <= value.year <= LATEST:
            raise ValueError("year out of range")
        return value


class HouseholdRow(_Row):
    """What was registered about the household from a time on."""

    grid_id: Id = Field(examples=["g03"])
    microgrid_id: Id = Field(examples=["m017"])
    valid_from: Moment = Field(examples=["2019-03-01"])
    attributes: Attributes = Field(default_factory=dict, examples=[{"children": 1, "income": "low"}])


class ResidentRow(_Row):
    """What was registered about a resident from a time on."""

    resident_id: Id
    valid_from: Moment
    birth_year: Annotated[int, Field(ge=1900, le=2100)] | None = None
    birth_date: date | None = None
    attributes: Attributes = Field(default_factory=dict)


class RequestRow(_Row):
    """A request of the household."""

    requested_at: Moment
    need: Id | None = None
    text: Annotated[str, StringConstraints(max_length=2000)] | None = None
    recorded_at: Moment | None = None
    resolved_at: Moment | None = None
    satisfaction: Annotated[float, Field(ge=1, le=5)] | None = None


class OutreachRow(_Row):
    """A visit to the household."""

    need: Id
    contacted_at: Moment
    arm: Literal["targeted", "random"] = "targeted"
    outcome: OutcomeName | None = None


class PostedHousehold(BaseModel):
    """One household with its attributes and history."""

    household_id: Id = Field(examples=["new-1"])
    households: Annotated[list[HouseholdRow], Field(min_length=1, max_length=MOST_ROWS)]
    residents: Annotated[list[ResidentRow], Field(max_length=MOST_ROWS)] = []
    requests: Annotated[list[RequestRow], Field(max_length=MOST_ROWS)] = []
    outreach: Annotated[list[OutreachRow], Field(max_length=MOST_ROWS)] = []


def _live_of(week: Week) -> "Live":
    """Return the week's model and town. Raises a problem when the week was published without them."""
    if week.live is None:
        raise Problem(
            409, "not-live", "请先运行 xianying score", "run xianying score first", detail=week.as_of
        )
    return week.live


@router.post("/live/scores", summary="给传来的一户记录即时评分", responses=NOT_FOUND)
def live_scores(request: Request, body: PostedHousehold, asker: Asker, as_of: AsOf = None) -> Response:
    """Score the posted records as of a week's date, with the same features as the week's batch.

    Nothing is stored. Attributes left out are unknown, as empty cells are; ``unknown_attributes`` names posted ones that
    the community does not have, which count for nothing. ``rank`` is where the household would stand among all. If the
    week already knows the household, its posted rows count instead of its stored ones, and it is left out of its
    neighbours' sums, as in the batch.
    """
    from features.point_in_time.posted_household import Posted

    permit(asker, Scope.LIVE)
    week = week_asked(request, asker, as_of)
    live = _live_of(week)
    posted = Posted(
        body.household_id,
        *([row.model_dump() for row in rows] for rows in (body.households, body.residents)),
        *([row.model_dump() for row in rows] for rows in (body.requests, body.outreach)),
    )
    row = posted.row_known(live.state.as_of, ZoneInfo(week.community.community.timezone))
    if row is None:
        raise Problem(
            422,
            "not-known-yet",
            f"valid_from 要早于 {week.as_of}",
            f"valid_from must lie before {week.as_of}",
        )
    if not sees_place(asker, row["grid_id"], row["microgrid_id"]):
        raise unknown_household()
    in_town = _is_in_town(request, asker, week, body.household_id)
    _known_needs(body, asker, week)
    score = live.score(posted, str(row["grid_id"]), in_town)
    note(request, asker, "live.score", body.household_id, week.as_of)
    scores = [
        {"need": need, "p_request": round(float(p), 8), "p_need": round(float(q), 8), "rank": int(rank)}
        for need, p, q, rank in zip(score.needs, score.p_request, score.p_need, score.rank, strict=True)
        if sees_need(asker, need in week.sensitive)
    ]
    level = {"risk": round(score.risk, 8), "tier": score.tier} if sees_risk(asker, week.community) else {}
    head = {
        "household_id": body.household_id,
        "as_of": week.as_of,
        "model_version": live.state.version,
        "silence_corrected": live.model.visited is not None,
    }
    unknown = live.unknown_attributes(posted, str(row["grid_id"]))
    head |= {"unknown_attributes": unknown} if unknown else {}
    return Response(orjson.dumps({**head, **level, "scores": scores}), media_type="application/json")


def _is_in_town(request: Request, asker: Identity, week: Week, household_id: str) -> bool:
    """Tell whether the week knows a household that the asker sees.

    One of another place counts as new, like a number that nobody has: the answer must not tell that it is there.
    Raises a problem for a household in sight whose deletion waits, and for one that refuses and is in sight or has come
    since the newest week, so that nobody knows whose sight it is in.
    """
    place = state_of(request).shelf.served.place(household_id)
    if place:
        if not sees_place(asker, place[0], place[1]):
            return False
        place_in_sight(request, asker, household_id)
    willing(request, household_id)
    return household_id in week.places


def _known_needs(body: PostedHousehold, asker: Identity, week: Week) -> None:
    """Raise a 422 problem for a row about a need that the community does not have: nothing is left out in silence."""
    for need in [*(row.need for row in body.requests), *(row.need for row in body.outreach)]:
        if need and need not in week.community.need_index():
            refuse_unless_known("need", need, needs_in_sight(asker, week))


class FeatureRows(BaseModel):
    """Rows of features as the registered model takes them (MLflow's ``dataframe_split``)."""

    columns: list[str] = Field(
        description="need 和模型的全部特征名", examples=[["need", "requests_364_days"]]
    )
    data: list[list[str | float | None]]


@router.get("/live/features", summary="模型需要哪些特征列", responses=NOT_FOUND)
async def feature_names(request: Request, asker: Asker, as_of: AsOf = None) -> list[str]:
    """List the columns that ``POST /v1/live/features`` takes, besides ``need``."""
    permit(asker, Scope.LIVE)
    return _live_of(week_asked(request, asker, as_of)).columns


@router.post(
    "/live/features",
    summary="给算好的特征行评分（与 mlflow models serve 的输入相同）",
    responses={**NOT_FOUND, 200: {"content": {"application/json": {"example": {"p_request": [0.0412]}}}}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["dataframe_split"],
                        "properties": {"dataframe_split": FeatureRows.model_json_schema()},
                    }
                }
            },
        }
    },
)
async def live_features(request: Request, asker: Asker, as_of: AsOf = None) -> Response:
    """Compute p_request of each row of features, at the week's level; a row holds a need and the model's columns."""
    permit(asker, Scope.LIVE)
    week = state_of(request).shelf.served.week(as_of)
    live = _live_of(week)
    needs, matrix = _matrix(await request.body(), live.columns)
    known = needs_in_sight(asker, week)
    for need in dict.fromkeys(needs):
        refuse_unless_known("need", need, known)
    # nothing says whose rows they are, so there is nothing to log
    p_request = await run_in_threadpool(live.p_request, matrix, needs)
    return Response(orjson.dumps({"p_request": p_request.tolist()}), media_type="application/json")


def _matrix(body: bytes, names: list[str]) -> tuple[list[str], np.ndarray]:
    """Read needs and the float32 [rows, features] matrix from a body; raise a problem for a wrong one."""
    try:
        given = orjson.loads(body)["dataframe_split"]
        columns, data = list(given["columns"]), list(given["data"])
        place = columns.index("need")
        needs = [str(row[place]) for row in data]
        if columns[:place] + columns[place + 1 :] == names:
            plain = (
                [row[1:] for row in data] if place == 0 else [row[:place] + row[place + 1 :] for row in data]
            )
        else:
            order = [columns.index(name) for name in names]
            plain = [[row[index] for index in order] for row in data]
        if len(data) * len(names) > MOST_CELLS:
            raise _wrong_rows(say("行数太多", "too many rows"))
        matrix = np.array(plain, dtype=np.float32).reshape(len(needs), len(names))
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise _wrong_rows(
            say(
                "要有 dataframe_split：columns（need 和模型的特征）与 data",
                "dataframe_split with columns (need and the model's features) and data is needed",
            )
        ) from error
    return needs, matrix


def _wrong_rows(words: str) -> Problem:
    return Problem(422, "invalid", "填的内容不对", "the request is not valid", detail=words)


class ReasonOut(BaseModel):
    """A reason that raised a score."""

    text: str = Field(examples=["去年6月申请过暑期托管"])
    kind: str = Field(examples=["history"])
    evidence: str = Field(examples=["诉求 2024.6.3 R12"])


class Explanation(BaseModel):
    """Why a household has its score for a need."""

    household_id: str
    as_of: str
    need: str
    reasons: list[ReasonOut]


@router.get("/households/{household_id}/explanation", summary="为什么是这个分数", responses=NOT_FOUND)
def explanation(
    request: Request,
    household_id: HouseholdId,
    asker: Asker,
    need: Annotated[str, Query(min_length=1, max_length=100, examples=["summer_childcare"])],
    as_of: AsOf = None,
) -> Explanation:
    """List the reasons that raised one score, the strongest first, each with its source rows."""
    permit(asker, Scope.SCORES)
    place_in_sight(request, asker, household_id)
    willing(request, household_id)
    week = state_of(request).shelf.served.week(as_of)
    if not sees_need(asker, need in week.sensitive):
        raise _no_score()
    try:
        told_reasons = _live_of(week).explain(household_id, need, week.places[household_id][0])
    except KeyError as error:
        raise _no_score() from error
    note(request, asker, "explanation.read", household_id, f"{week.as_of} {need}")
    reasons = [ReasonOut(text=entry.text, kind=entry.kind, evidence=entry.evidence) for entry in told_reasons]
    return Explanation(household_id=household_id, as_of=week.as_of, need=need, reasons=reasons)


def _no_score() -> Problem:
    return Problem(404, "no-score", "这一户没有这项需求的评分", "this household has no score for this need")
