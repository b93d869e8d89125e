"""Errors as RFC 9457 problem details, in the language in force."""

import logging
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException

from features.language import UserError, say
from service.web.base.access import Forbidden

KIND = "application/problem+json"
log = logging.getLogger("xianying")


REFUSALS = frozenset(  # kinds by which somebody is kept from what is not theirs
    {"forbidden", "csrf", "refuses-listing", "unknown-household", "unknown-visit", "unknown-outcome"}
)


class Problem(Exception):
    """An error answer: HTTP status, a type that stays the same, a title in two languages, and what to do."""

    def __init__(
        self,
        status: int,
        kind: str,
        zh: str,
        en: str,
        detail: str = "",
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        title = say(zh, en)
        super().__init__(title)
        self.status, self.headers, self.kind = status, headers or {}, kind
        self.content = {
            "type": f"urn:xianying:{kind}",
            "title": title,
            "status": status,
            **({"detail": detail} if detail else {}),
            **more,
        }


def answer(problem: Problem) -> JSONResponse:
    """Convert a problem into a response."""
    return JSONResponse(problem.content, problem.status, problem.headers, media_type=KIND)


def unknown_household() -> Problem:
    """Return the same problem for a household that does not exist and for one that the asker does not see."""
    return Problem(404, "unknown-household", "没有这一户", "no such household")


def not_signed_in() -> Problem:
    """Return the problem for a request without a valid key or session."""
    return Problem(
        401,
        "not-signed-in",
        "请先登录，或给出有效的 API 密钥",
        "sign in, or send a valid API key",
        headers={"WWW-Authenticate": 'Bearer realm="xianying"'},
    )


def no_such_address() -> Problem:
    """Return the problem for an address at which nothing is served."""
    return Problem(404, "http", "没有这个地址", "no such address")


def outdated_page() -> Problem:
    """Return the problem for a form without its session's token."""
    return Problem(403, "csrf", "页面过期了，请刷新再试", "the page is outdated: reload it")


def wrong_letters() -> Problem:
    """Return the problem for a text with characters that are not allowed (``service.web.base.middleware``)."""
    return Problem(
        422,
        "invalid",
        "内容里有不允许的字符（控制字符、方向符号或残缺的字符），或某一项太长",
        "the request has characters that no text may have (controls, directions, halves), or a header is too long",
    )


def too_large() -> Problem:
    """Return the problem for a request that is too large."""
    return Problem(413, "too-large", "内容太大", "the request is too large")


def _forbidden(error: Forbidden) -> Problem:
    return Problem(403, "forbidden", "没有权限", "not allowed", scope=error.scope.value)


def _invalid(error: RequestValidationError) -> Problem:
    mistakes = [
        {"where": ".".join(map(str, problem["loc"])), "message": problem["msg"]}
        for problem in error.errors()[:20]
    ]
    first = f"{mistakes[0]['where']}: {mistakes[0]['message']}" if mistakes else ""
    return Problem(422, "invalid", "填的内容不对", "the request is not valid", detail=first, errors=mistakes)


def _storage(error: Exception) -> Problem:
    """Return the problem for a failed database or disk: nothing was stored, and the client may send it again."""
    log.error("storage failed: %s", type(getattr(error, "orig", None) or error).__name__)
    return Problem(
        503,
        "storage-failed",
        "数据库或磁盘出错，什么都没有保存，请稍后重发",
        "the database or disk failed; nothing was stored: send it again later",
        headers={"Retry-After": "5"},
    )


def add_handlers(app: FastAPI, note_refusal: Callable[[Request, Problem], None]) -> None:
    """Turn every error into a problem; ``note_refusal`` is called for those by which somebody was kept out."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> JSONResponse:
        if error.kind in REFUSALS:
            note_refusal(request, error)
        return answer(error)

    @app.exception_handler(Forbidden)
    async def _not_allowed(request: Request, error: Forbidden) -> JSONResponse:
        return await _problem(request, _forbidden(error))

    @app.exception_handler(RequestValidationError)
    async def _not_valid(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(_invalid(error))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        if error.status_code == 413:
            return answer(too_large())
        if error.status_code == 404:
            return answer(no_such_address())
        title = {
            400: ("填的内容不对", "the request is not valid"),
            405: ("不支持这种方法", "no such method"),
        }
        words = title.get(error.status_code, ("这一步做不了", "the request cannot be handled"))
        detail, headers = str(error.detail), dict(error.headers or {})
        return answer(Problem(error.status_code, "http", *words, detail, headers))

    @app.exception_handler(UserError)
    async def _user(request: Request, error: UserError) -> JSONResponse:
        return answer(Problem(409, "not-possible", str(error), str(error)))

    @app.exception_handler(DBAPIError)
    async def _database(request: Request, error: DBAPIError) -> JSONResponse:
        return answer(_storage(error))

    @app.exception_handler(OSError)
    async def _system(request: Request, error: OSError) -> JSONResponse:
        return answer(_storage(error))
