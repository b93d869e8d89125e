"""Routes on needs and expected demand; they say nothing about one household."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from service.web.api.answers import NOT_FOUND, AsOf
from service.web.auth.identities import Asker
from service.web.base.access import Identity, Scope, permit, sees_need
from service.web.published.reading import week_asked

router = APIRouter(prefix="/v1", tags=["需求 needs"])


class NeedSummary(BaseModel):
    """A need as community.yaml has it."""

    id: str
    name: dict[str, str] = Field(examples=[{"zh": "暑期托管", "en": "Summer childcare"}])
    horizon_weeks: float
    lead_weeks: float
    severity: int
    sensitive: bool


class Demand(BaseModel):
    """Households expected to ask for a need within its window; ``grid_id`` is '' for the whole community."""

    need: str
    grid_id: str
    begins: str
    ends: str
    households: int
    expected: float
    low_80: float
    high_80: float
    low_90: float
    high_90: float


@router.get("/needs", summary="有哪些需求", responses=NOT_FOUND)
async def needs(request: Request, asker: Asker, as_of: AsOf = None) -> list[NeedSummary]:
    """List the needs in force in a week; sensitive ones only for those who may see them."""
    permit(asker, Scope.SUMMARIES)
    community = week_asked(request, asker, as_of).community
    return [
        NeedSummary(**need.model_dump(include=set(NeedSummary.model_fields)))
        for need in community.needs
        if sees_need(asker, need.sensitive)
    ]


def sees_total(asker: Identity, grid_id: str) -> bool:
    """Tell whether the asker sees a grid's total: that of their own grid, and everybody that of the whole community."""
    return asker.everywhere or grid_id in ("", asker.grid_id)


@router.get("/demand", summary="预计各需求有多少户申请", responses=NOT_FOUND)
async def demand(
    request: Request,
    asker: Asker,
    as_of: AsOf = None,
    need: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
    grid_id: Annotated[str | None, Query(max_length=100, description="空字符串为全社区")] = None,
) -> list[Demand]:
    """List the expected number of households by need and grid, with intervals."""
    permit(asker, Scope.SUMMARIES)
    week = week_asked(request, asker, as_of)
    return [
        Demand(**row)
        for row in week.demand
        if need in (None, row["need"])
        and grid_id in (None, row["grid_id"])
        and sees_total(asker, row["grid_id"])
        and sees_need(asker, row["need"] in week.sensitive)
    ]
