"""Run the service: uvicorn with one or more processes, and logs as JSON without personal data."""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from features.contract.settings_file import SETTINGS_FILE
from features.language import set_language
from features.store.reader import read_settings as read_community
from service.web.app import create_app
from service.web.base.settings import read_settings
from service.web.connections import BoundedConnection, bounds
from service.web.database.engine import open_database

GRACE = 20  # seconds in which requests under way may end


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
