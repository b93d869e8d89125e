"""Run the service: uvicorn with one or more processes, and logs as JSON without personal data."""

import asyncio
import json
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from features.contract.settings_file import SETTINGS_FILE
from features.language import set_language
from features.store.reader import read_settings as read_community
from service.web.app import create_app
from service.web.base.settings import read_settings
from service.web.database.engine import open_database

GRACE = 20  # seconds in which requests under way may end
LARGEST_HEAD = 64 * 1024  # bytes before the body
KEEP_ALIVE = 15  # seconds between requests of one connection


class JsonLines(logging.Formatter):
    """A log formatter: one JSON object on each line, with time, level, logger, message and further fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line; of an error it names only type and place, as its text may hold a resident's data."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "log": record.name,
            **({"message": record.getMessage()} if record.msg else {}),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            line["error"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace and trace.tb_next:
                trace = trace.tb_next
            if trace:
                line["where"] = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        return json.dumps(line, ensure_ascii=False)


def logging_configuration(level: str) -> dict[str, object]:
    """Return the configuration for logging.config: JSON lines on standard error.

    uvicorn's own access log stays off, as its paths may name households. ``level``: a name such as info.
    """
    plain = {"handlers": ["lines"], "level": level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "service.web.run.JsonLines"}},
        "handlers": {
            "lines": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
        },
        "loggers": {
            "uvicorn": plain,
            "uvicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
            "xianying": plain,
        },
    }


def from_environment() -> FastAPI:
    """Build the application in a process of uvicorn, with texts in the community's language."""
    settings = read_settings()
    if (settings.workspace / SETTINGS_FILE).is_file():
        set_language(read_community(settings.workspace).community.language)
    BoundedConnection.seconds, BoundedConnection.most = settings.request_seconds, settings.connections
    return create_app(settings)


def serve(workspace: Path) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are answered first."""
    os.environ["XIANYING_WORKSPACE"] = str(workspace)
    settings = read_settings()
    open_database(settings).engine.dispose()  # migrated once, and an error is told before any process starts
    sys.stderr.flush()
    uvicorn.run(
        "service.web.run:from_environment",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers if settings.workers > 1 else None,
        log_config=logging_configuration(settings.log_level),
        access_log=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=GRACE,
        server_header=False,
        **bounds(settings.connections),
        date_header=True,
    )


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection, with limits on how long a client may take to send and to read.

    ``seconds`` and ``most`` are set once a process, before it serves. Beyond ``most`` connections uvicorn answers 503;
    beyond twice as many a connection is closed before anything is read.
    """

    seconds: ClassVar[float] = 30
    most: ClassVar[int] = 500
    _begun: float | None = None  # when the client began to send its request; None between requests
    # looks whether the client still sends a request that began long ago
    _sending: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None  # the client: our answer
    _head = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time limit for a request."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > 2 * self.most:
            self.transport.abort()
            return
        self._await_request()

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request; abort when the bytes before the body are too many."""
        self._head += len(data)
        super().data_received(data)
        if self._head > LARGEST_HEAD:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Start the time limit for the rest of the request."""
        super().on_message_begin()
        if self._begun is None:
            self._await_request()

    def on_headers_complete(self) -> None:
        """Stop counting bytes: the body has a limit of its own (``XIANYING_LARGEST_BODY``)."""
        super().on_headers_complete()
        self._head = -(1 << 62)

    def on_message_complete(self) -> None:
        """Stop the time limit, as the request is complete."""
        self._head = 0
        self._begun = None
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Start the time limit for the client to read what it asked for."""
        super().pause_writing()
        self._end_in_time()

    def resume_writing(self) -> None:
        """Stop the time limit, as the client reads, unless the connection is to close."""
        super().resume_writing()
        if not self.transport.is_closing():
            _cancel(self._reading)

    def on_response_complete(self) -> None:
        """Go on with the next request; limit the time for the rest of the last answer of a connection."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._end_in_time()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that nobody uses, also when its client does not read the rest of an answer."""
        super().timeout_keep_alive_handler()
        self._end_in_time()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel both time limits."""
        _cancel(self._sending)
        _cancel(self._reading)
        super().connection_lost(exc)

    def _end_in_time(self) -> None:
        """Abort a connection that waits for its client to read: closing alone would wait for ever."""
        _cancel(self._reading)
        self._reading = self.loop.call_later(self.seconds, self.transport.abort)

    def _await_request(self) -> None:
        """Note when a request begins. One timer serves many requests: setting one for each costs more than an answer."""
        self._begun = self.loop.time()
        if self._sending is None:
            self._sending = self.loop.call_later(self.seconds, self._look)

    def _look(self) -> None:
        """Abort a request that is not complete in time; look again when a younger one may be too late."""
        self._sending = None
        if self._begun is None:
            return
        left = self._begun + self.seconds - self.loop.time()
        if left <= 0:
            self.transport.abort()
        else:
            self._sending = self.loop.call_later(left, self._look)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def bounds(most: int) -> dict[str, Any]:
    """Return uvicorn's options for this connection: the class, how many at most, and how long one may be idle."""
    return {"http": BoundedConnection, "limit_concurrency": most, "timeout_keep_alive": KEEP_ALIVE}
