"""Routes that tell whether the service is alive and ready, and its metrics."""

from fastapi import APIRouter, Request, Response

from service.web.base import metrics
from service.web.base.problems import Problem
from service.web.published.state import state_of

router = APIRouter(tags=["运行 operation"])


@router.get("/v1/health", summary="进程是否在运行")
async def health() -> dict[str, str]:
    """Return ``ok``, as long as the process answers."""
    return {"status": "ok"}


@router.get("/v1/ready", summary="数据库和名单是否就绪", responses={503: {"description": "not ready"}})
def ready(request: Request) -> dict[str, str]:
    """Return ``ready`` when the database is reachable and at the newest migration; else answer 503."""
    if not state_of(request).database.ready():
        raise Problem(503, "not-ready", "数据库还没有就绪", "the database is not ready")
    return {"status": "ready"}


@router.get("/metrics", summary="Prometheus 指标", include_in_schema=False)
async def prometheus() -> Response:
    """Return counts and times by route as Prometheus reads them; they say nothing about people."""
    return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")
