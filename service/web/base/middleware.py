"""What surrounds every request: its id, security headers, limits on its body, metrics and a log line."""

import logging
import re
import time
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes
from uuid import uuid4

import orjson
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.web.base import metrics
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
REFUSED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
ESCAPED = re.compile(rb"\\[bfu]")  # escapes in JSON that may stand for refused characters
FORM = b"application/x-www-form-urlencoded"
LONGEST_HEADER = 8000  # bytes of one header's value


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
            route = getattr(scope.get("route"), "path", "") or "other"
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


def acceptable(text: str) -> bool:
    """Tell whether a text has none of the refused characters."""
    return not REFUSED.search(text)


def acceptable_bytes(content: bytes) -> bool:
    """Tell whether bytes are an acceptable text in UTF-8."""
    try:
        return acceptable(content.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def acceptable_address(path: bytes, query: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    """Tell whether all texts of a request before its body are acceptable, also after percent-decoding.

    ``path``, ``query``: as sent. ``headers``: pairs of name and value.
    """
    values = [value for _, value in headers]
    text = b"\n".join([path + query, *values])  # a line's end is no refused character
    if len(text) > LONGEST_HEADER and max(map(len, values), default=0) > LONGEST_HEADER:
        return False
    if not (path.isascii() and query.isascii() and acceptable(text.decode("latin-1"))):
        return False
    return b"%" not in text or all(
        acceptable_bytes(unquote_to_bytes(part)) for part in (path, query, *values) if b"%" in part
    )


def acceptable_body(kind: bytes, content: bytes) -> bool:
    """Tell whether all texts of a body are acceptable: a form's fields, or JSON including its escapes.

    ``kind``: the content type, in lower case.
    """
    if kind.startswith(FORM):
        pairs = parse_qsl(content.decode("latin-1"), keep_blank_values=True, errors="surrogateescape")
        return all(acceptable(text) for pair in pairs for text in pair)
    if not acceptable_bytes(content):
        return False
    if b"\\" not in content:
        return True
    try:
        return _texts_acceptable(orjson.loads(content))
    except orjson.JSONDecodeError:  # no JSON, or what only other readers take for it, such as NaN
        return not ESCAPED.search(content)


def _texts_acceptable(value: Any) -> bool:
    """Tell whether all texts in a value are acceptable, however deep it is nested."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if not acceptable(item):
                return False
        elif isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list):
            waiting += item
    return True
