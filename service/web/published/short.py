"""A short way for the two requests that other systems send by the thousand.

It leaves out the framework's routing and validation, and nothing else: the same functions decide and log. Whatever
is not plain, or is refused, goes the ordinary way, which says why.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.web.base import metrics
from service.web.base.access import Forbidden, Identity
from service.web.base.middleware import log_request, request_id, security_headers
from service.web.base.problems import Problem
from service.web.base.settings import Settings
from service.web.published.live_features import Together, as_answer, rows_asked
from service.web.published.stored import answer_of

BEFORE, AFTER = "/v1/households/", "/scores"
SCORES, FEATURES = "/v1/households/{household_id}/scores", "/v1/live/features"
ORDINARY = (b"cookie", b"if-none-match", b"transfer-encoding")  # headers that the ordinary way looks at


class Short:
    """Pure ASGI, around everything else."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.off = settings.audit_durability == "disk"  # such an answer waits for the disk anyway
        self.largest = settings.largest_body
        self.together = Together()
        self.headers = [
            (b"content-type", b"application/json"),
            *security_headers(settings),
            (b"cache-control", b"no-store"),
        ]
        self.log = logging.getLogger("xianying.access")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or hand it on."""
        if scope["type"] != "http" or self.off or scope["query_string"]:
            return await self.app(scope, receive, send)
        path: str = scope["path"]
        begin, content, route = time.perf_counter(), None, SCORES
        if scope["method"] == "GET" and path.startswith(BEFORE) and path.endswith(AFTER):
            content = self._scores(scope, path[len(BEFORE) : -len(AFTER)])
        elif scope["method"] == "POST" and path == FEATURES:
            route = FEATURES
            content, receive = await self._features(scope, receive)
        if content is None:
            return await self.app(scope, receive, send)
        number = request_id()
        headers = [
            *self.headers,
            (b"content-length", str(len(content)).encode()),
            (b"x-request-id", number.encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})
        seconds = time.perf_counter() - begin
        metrics.observe(scope["method"], route, 200, seconds)
        log_request(self.log, number, scope["method"], route, 200, seconds)
        return None

    def _scores(self, scope: Scope, household_id: str) -> bytes | None:
        """Stored scores; None where the ordinary way has to say why not."""
        if "/" in household_id or len(household_id) > 100:
            return None
        purpose = None
        for name, value in scope["headers"]:
            if name == b"x-purpose":
                purpose = value.decode("latin-1")
        return _answered(scope, lambda state, who: answer_of(state, who, household_id, None, purpose))

    async def _features(self, scope: Scope, receive: Receive) -> tuple[bytes | None, Receive]:
        """Scores of rows of features; and how the body is read again, which the ordinary way may have to do."""
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if not length.isdigit() or int(length) > self.largest:
            return None, receive
        messages: list[Message] = []
        more = True
        while more:
            message = await receive()
            messages.append(message)
            more = message["type"] == "http.request" and message.get("more_body", False)
        body = b"".join(one.get("body", b"") for one in messages)
        asked = _answered(scope, lambda state, who: rows_asked(state, who, body, None))
        content = as_answer(await self.together.p_request(asked)) if asked else None

        async def again() -> Message:
            return messages.pop(0) if messages else await receive()

        return content, again


Answer = TypeVar("Answer")


def _answered(scope: Scope, answer: Callable[[Any, Identity], Answer]) -> Answer | None:
    """The answer to a key that was seen lately; None where it is another's, or was refused."""
    token = b""
    for name, value in scope["headers"]:
        if name == b"authorization":
            token = value
        elif name in ORDINARY:
            return None
    if token[:7] not in (b"Bearer ", b"bearer "):
        return None
    state = scope["app"].state
    identity = state.identities.remembered(token[7:].decode("latin-1"))
    if identity is None:
        return None
    try:
        state.limits.count(identity.who)
        return answer(state, identity)
    except (Problem, Forbidden, OSError):
        return None
