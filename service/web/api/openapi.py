"""The description of the API for other systems: how a request is signed in, and a name for every operation."""

from collections import Counter
from functools import cache
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from service.web.auth.identities import COOKIE

SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "xy_…",
        "description": "API 密钥：xianying keys create 名称 --scope scores:read，显示一次",
    },
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "网页登录"},
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF-Token",
        "description": "网页登录时，非 GET 请求还要带上",
    },
}
OPEN = ("health", "ready", "open_session")  # routes that anybody may call
SIGNED_IN: list[dict[str, list[str]]] = [{"key": []}, {"session": [], "csrf": []}]
PATH = "/v1/openapi.json"


def describe(app: FastAPI) -> None:
    """Let the application describe its API with security schemes, operation ids and where the key goes.

    Anybody may ask for it, so it is put into JSON once: doing so for each request would keep all others waiting.
    """

    @cache
    def openapi() -> dict[str, Any]:
        return _described(app)

    @cache
    def encoded() -> bytes:
        return orjson.dumps(openapi())

    async def answer(request: Request) -> Response:
        return Response(encoded(), media_type="application/json")

    app.openapi = openapi  # type: ignore[method-assign]
    app.add_route(PATH, answer, include_in_schema=False)


def _described(app: FastAPI) -> dict[str, Any]:
    description = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description="请求头 Authorization: Bearer xy_…；出错时是 application/problem+json。"
        " Send Authorization: Bearer xy_...; errors are application/problem+json (RFC 9457).",
        routes=app.routes,
    )
    description.setdefault("components", {})["securitySchemes"] = SCHEMES
    routes = [route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
    times = Counter(route.name for route in routes)
    for route in routes:
        for method in route.methods or ():
            operation = description["paths"][route.path_format][method.lower()]
            operation["security"] = [] if route.name in OPEN else SIGNED_IN
            operation["operationId"] = (
                route.name if times[route.name] == 1 else f"{route.name}_{route.path.split('/')[2]}"
            )
    return description
