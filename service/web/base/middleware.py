"""What surrounds every request: its id, security headers, a limit on bodies, metrics and a line in the log."""

import logging
import time
from itertools import count
from uuid import uuid4

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.web.base import metrics
from service.web.base.problems import answer, too_large
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
NO_STORE = (b"cache-control", b"no-store")


_prefix = uuid4().hex[:8]
_numbers = count(1)


def request_id() -> str:
    """A number for a request, unlike that of any other process's request."""
    return f"{_prefix}{next(_numbers):x}"


def security_headers(settings: Settings) -> list[tuple[bytes, bytes]]:
    """Headers that every answer carries."""
    return [*HEADERS, POLICY, *([STRICT] if settings.secure else [])]


def log_request(
    log: logging.Logger, number: str, method: str, route: str, status: int, seconds: float
) -> None:
    """A line in the log: never a path, which may name a household."""
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
    """Pure ASGI, as Starlette's BaseHTTPMiddleware costs more than the fastest answers."""

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
                headers = message["headers"] = [*message.get("headers", ()), *self.headers]
                headers.append((b"x-request-id", number.encode()))
                if not any(name in (b"cache-control", b"etag") for name, _ in headers):
                    headers.append(NO_STORE)
            await send(message)

        try:
            if _announced(scope) > self.largest:
                await answer(too_large())(scope, receive, framed)
            else:
                await self.app(scope, self._limited(receive), framed)
        finally:
            seconds = time.perf_counter() - begin
            route = _route(scope)
            metrics.observe(scope["method"], route, status, seconds)
            log_request(log, number, scope["method"], route, status, seconds)

    def _limited(self, receive: Receive) -> Receive:
        """A body that does not say how long it is must not go on for ever either."""
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
    """Bytes that the request says it has; 0 where it does not say."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


def _route(scope: Scope) -> str:
    """The route's pattern: never the path itself, which may name a household."""
    return getattr(scope.get("route"), "path", "") or "other"
