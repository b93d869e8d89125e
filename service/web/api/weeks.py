"""Routes that tell which weeks there are, and a feed of those published since."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from service.web.auth.identities import Asker
from service.web.published.state import state_of

router = APIRouter(prefix="/v1/weeks", tags=["周 weeks"])


class WeekSummary(BaseModel):
    """One week that is served."""

    as_of: str = Field(examples=["2025-09-01"])
    model_version: str
    published_at: str
    households: int
    listed: bool = Field(description="名单是否已生成")
    silence_corrected: bool = Field(description="p_need 是否用抽签走访纠正了“不开口”的家庭")


class Event(BaseModel):
    """A week that was published, for the first time or anew."""

    revision: int
    as_of: str
    at: str


class Feed(BaseModel):
    """The weeks published since a revision, and the revision to ask for next."""

    revision: int
    events: list[Event]


@router.get("", summary="有哪些周")
async def weeks(request: Request, asker: Asker) -> list[WeekSummary]:
    """List the weeks that are served, the newest first."""
    served = state_of(request).shelf.served
    return [WeekSummary(**served.weeks[as_of].said) for as_of in sorted(served.weeks, reverse=True)]


@router.get("/feed", summary="新的一周何时发布（拉取）")
async def feed(
    request: Request,
    asker: Asker,
    since: Annotated[int, Query(ge=0, description="上次得到的 revision")] = 0,
) -> Feed:
    """List what was published after revision ``since``. Ask from time to time, with the last answer's revision."""
    served = state_of(request).shelf.served
    events = [Event(**entry) for entry in served.feed if entry["revision"] > since]
    return Feed(revision=served.revision, events=events)
