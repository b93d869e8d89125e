"""Routes under /v1."""

from fastapi import APIRouter

from service.web.api import (
    feedback,
    health,
    live,
    models,
    needs,
    outcomes,
    residents,
    scores,
    sessions,
    visits,
    weeks,
)


def routers() -> list[APIRouter]:
    """Return every router of the API."""
    return [
        module.router
        for module in (
            scores,
            health,
            sessions,
            visits,
            weeks,
            needs,
            outcomes,
            feedback,
            live,
            models,
            residents,
        )
    ]
