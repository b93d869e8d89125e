"""Routes under /v1."""

from fastapi import APIRouter

from service.web.api import health, sessions


def routers() -> list[APIRouter]:
    """Every router of the API."""
    return [health.router, sessions.router]
