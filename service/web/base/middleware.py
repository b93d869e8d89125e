"""What surrounds every request: its id, security headers, limits on its body, metrics and a log line."""

import logging
import time
from itertools import count
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.web.base import metrics
from service.web.base.alphabet import acceptable_address, acceptable_body
from service.web.base.problems import answer, too_large, wrong_letters
from service.web.base.settings import Settings

log = logging.getLogger("xianying.access")
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)
POLICY = (
    b"content-security-policy",
    b"default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; object-src 'none';"
    b" base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
)
STRICT = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
BODILESS = ("GET", "HEAD", "OPTIONS")
NO_STORE = (b"cache-control", b"no-store")
KEEPING = frozenset({b"cache-control", b"etag"})  # headers of an answer that says itself how it is kept


_prefix = uuid4().hex[:8]
_numbers = count(1)


def request_id() -> str:
    """Return a request's id, different from that of any other process's request."""
    return f"{_prefix}{next(_numbers):x}"


def security_headers(settings: Settings) -> list[tuple[bytes, bytes]]:
    """Return the headers that every answer carries."""
    return [*HEADERS, POLICY, *([STRICT] if settings.secure else [])]


def log_request(
    log: logging.Logger, number: str, method: str, route: str, status: int, seconds: float
) -> None:
    """Write a log line on a request, with its duration ``seconds``.

    ``route``: the route's pattern, never the path, which may name a household.
    """
    if log.isEnabledFor(logging.INFO):
        fields = {
            "id": number,
            "method": method,
            "route": route,
            "status": status,
            "ms": round(seconds * 1000, 2),
        }
        log.info("", extra={"fields": fields})


class Frame:
    """The outermost middleware, as pure ASGI: Starlette's BaseHTTPMiddleware costs more than the fastest answers."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.largest = settings.largest_body
        self.headers = security_headers(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 500
        number = request_id()
        scope.setdefault("state", {})["request_id"] = number

        async def framed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = message.get("headers", ())
                headers = message["headers"] = [*given, *self.headers, (b"x-request-id", number.encode())]
                if KEEPING.isdisjoint([name for name, _ in given]):
                    headers.append(NO_STORE)
            await send(message)

        try:
            if _announced(scope) > self.largest:
                await answer(too_large())(scope, receive, framed)
            elif not acceptable_address(scope["raw_path"], scope["query_string"], scope["headers"]):
                await answer(wrong_letters())(scope, receive, framed)
            elif scope["method"] in BODILESS:
                await self.app(scope, receive, framed)
            else:
                await self._with_body(scope, self._limited(receive), framed)
        finally:
            seconds = time.perf_counter() - begin
            route = _route(scope)
            metrics.observe(scope["method"], route, status, seconds)
            log_request(log, number, scope["method"], route, status, seconds)

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the whole body and check its characters before anything else looks at it."""
        messages, more = [], True
        try:
            while more:
                messages.append(await receive())
                more = messages[-1]["type"] == "http.request" and messages[-1].get("more_body", False)
        except HTTPException:
            await answer(too_large())(scope, receive, send)
            return
        kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
        if not acceptable_body(kind.lower(), b"".join(message.get("body", b"") for message in messages)):
            await answer(wrong_letters())(scope, receive, send)
            return

        async def again() -> Message:
            return messages.pop(0) if messages else await receive()

        await self.app(scope, again, send)

    def _limited(self, receive: Receive) -> Receive:
        """Wrap ``receive`` so that a body without a stated length cannot exceed the limit either."""
        got = 0

        async def limited() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > self.largest:
                raise HTTPException(413)  # of the kind that FastAPI lets through while it reads a body
            return message

        return limited


def _announced(scope: Scope) -> int:
    """Return the length of the body that the request states, or 0."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


def _route(scope: Scope) -> str:
    """Return the route's pattern, never the path itself, which may name a household."""
    return getattr(scope.get("route"), "path", "") or "other"
