"""Routes for stored scores of one household or several, as the week's batch computed them."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.web.api.answers import NOT_FOUND
from service.web.auth.identities import Asker, current_identity
from service.web.base.access import Scope, permit
from service.web.base.problems import unknown_household
from service.web.published.reading import note_on_loop, place_in_sight, sees_household, willing
from service.web.published.state import state_of

router = APIRouter(prefix="/v1", tags=["评分 scores"])
JSON = "application/json"
MOST = 1000
EXAMPLE: dict[str, Any] = {
    "household_id": "h00042",
    "as_of": "2025-09-01",
    "grid_id": "g03",
    "microgrid_id": "m017",
    "model_version": "3",
    "silence_corrected": True,
    "risk": 0.0213,
    "tier": "yellow",
    "scores": [{"need": "summer_childcare", "p_request": 0.0412, "p_need": 0.0633, "rank": 87}],
}


class Score(BaseModel):
    """One need of a household."""

    need: str
    p_request: float = Field(description="本户在窗口期内提出申请的概率")
    p_need: float = Field(description="这一周上门会发现需要的概率")
    rank: int = Field(description="1 为该需求最先走访")


class HouseholdScores(BaseModel):
    """A household's scores of one week; risk and tier only where the asker may see them."""

    household_id: str
    as_of: str
    grid_id: str
    microgrid_id: str
    model_version: str
    silence_corrected: bool = Field(
        description="p_need 是否用抽签走访纠正了“不开口”的家庭；否则等于 p_request"
    )
    risk: float | None = None
    tier: str | None = None
    scores: list[Score]

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})


class Batch(BaseModel):
    """Households to look up."""

    household_ids: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=100)]],
        Field(min_length=1, max_length=MOST, examples=[["h00042", "h00043"]]),
    ]
    as_of: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = Field(
        None, description="哪一周（默认最新）", examples=["2025-09-01"]
    )


class BatchScores(BaseModel):
    """Scores of those in sight, and the ids of the others."""

    households: list[HouseholdScores]
    unknown: list[str]


# Other systems send this request by the thousand, and FastAPI's reading of declared parameters takes two fifths of its
# time: the parameters are described here, and read from the request.
PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "household_id",
        "in": "path",
        "required": True,
        "description": "户号",
        "schema": {"type": "string", "minLength": 1, "maxLength": 100, "examples": ["h00042"]},
    },
    {
        "name": "as_of",
        "in": "query",
        "description": "哪一周的周一（默认最新一周）",
        "schema": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$", "examples": ["2025-09-01"]},
    },
]


class ReadsItself(APIRoute):
    """A route whose function takes the request as it is."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the function itself, for which FastAPI need not look for parameters."""
        return self.endpoint


async def household_scores(request: Request) -> Response:
    """Return the scores of one household: those of the newest week, or of the week of ``as_of``."""
    asker = await current_identity(request)
    permit(asker, Scope.SCORES)
    household_id = request.path_params["household_id"]
    place_in_sight(request, asker, household_id)
    willing(request, household_id)
    as_of = request.query_params.get("as_of") if request.scope["query_string"] else None
    week = state_of(request).shelf.served.week(as_of)
    if household_id not in week.places:
        raise unknown_household()
    await note_on_loop(request, asker, "scores.read", household_id, week.as_of)
    return Response(week.answer(household_id, asker.sensitive), media_type=JSON)


router.add_api_route(
    "/households/{household_id}/scores",
    household_scores,
    summary="一户的评分",
    responses={200: {"model": HouseholdScores}, **NOT_FOUND},
    openapi_extra={"parameters": PARAMETERS},
    route_class_override=ReadsItself,
)


@router.post(
    "/scores/batch",
    summary="多户的评分",
    responses={200: {"model": BatchScores}, **NOT_FOUND},
)
async def batch(request: Request, body: Batch, asker: Asker) -> Response:
    """Return scores of up to 1,000 households; ``unknown`` names those unknown, out of sight or refusing."""
    permit(asker, Scope.SCORES)
    restrictions = state_of(request).restrictions
    week = state_of(request).shelf.served.week(body.as_of)
    scores, unknown = {}, []
    for household in body.household_ids:
        seen = sees_household(request, asker, household) and restrictions.listed(household)
        if seen and household in week.places:
            scores[household] = week.answer(household, asker.sensitive)
        else:
            unknown.append(household)
    if scores:
        await note_on_loop(request, asker, "scores.read", scores, week.as_of)
    content = b'{"households":[' + b",".join(scores.values()) + b'],"unknown":' + orjson.dumps(unknown) + b"}"
    return Response(content, media_type=JSON)
