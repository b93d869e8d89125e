"""Build the application: what it holds while it runs, its middleware and its routes."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from service.web import api
from service.web.api.answers import ALWAYS
from service.web.api.openapi import describe
from service.web.audit import journal as journals
from service.web.audit.anchor import DIRECTORY
from service.web.audit.drain import Drain
from service.web.auth.identities import CHECKED_AT_ONCE, Identities
from service.web.auth.sign_in import end_lacking
from service.web.base import metrics
from service.web.base.limiting import Limits
from service.web.base.middleware import Frame
from service.web.base.problems import add_handlers
from service.web.base.settings import Settings
from service.web.database.engine import Database, open_database
from service.web.hooks.outbox import send_due
from service.web.pages import add_pages
from service.web.published.reading import note_refusal
from service.web.published.restrictions import Restrictions
from service.web.published.state import ServiceState
from service.web.published.weeks import Shelf
from service.weekly.week_directory import read_alarms

log = logging.getLogger("xianying")
# spans and measures of FastAPI's own name paths, which name households; an environment variable would send them away
SILENT: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def create_app(settings: Settings) -> FastAPI:
    """Build the application. ``app.state`` holds settings, database, identities, journal and weeks while it runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = await run_in_threadpool(open_database, settings)
        hold(app, settings, database)
        drain = partial(app.state.drain.everything, app.state.journal)
        own = (partial(refresh, app), drain, partial(preload, app))
        # apart: an address that answers slowly must not keep refusals waiting
        others = (partial(send_due, settings.workspace),)
        tasks = [asyncio.create_task(_keep_up(app, works)) for works in (own, others)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await run_in_threadpool(let_go, app)

    app = FastAPI(
        title="先应 Xianying",
        summary="未呼先应：每周走访名单、各户需求概率和走访结果",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry=SILENT,
    )
    app.state = ServiceState()  # type: ignore[assignment]  # typed, and read faster than Starlette's
    app.state.settings = settings
    add_handlers(app, note_refusal)
    add_api(app)
    describe(app)
    add_pages(app)
    if settings.single_sign_on:
        from service.web.pages.single_sign_on import add_single_sign_on

        add_single_sign_on(app, settings)
    app.add_middleware(Frame, settings=settings)
    return app


def add_api(app: FastAPI) -> None:
    """Add the routes under /v1, in one list: a router that is included is asked twice for each request."""
    for module in api.MODULES:
        for route in module.router.routes:
            if isinstance(route, APIRoute):
                route.responses = {**ALWAYS, **route.responses}
            app.router.routes.append(route)


def hold(app: FastAPI, settings: Settings, database: Database) -> None:
    """Put into ``app.state`` what the application holds while it runs, and read what is there by now.

    ``settings``: the service's. ``database``: opened with them. Journals of ended processes are read into the database.
    """
    directory = settings.workspace / DIRECTORY
    app.state.database = database
    if settings.second_factor_roles:
        end_lacking(database, settings.second_factor_roles)
    app.state.limits = Limits(settings.rate, settings.sign_in_rate)
    app.state.identities = Identities(database, settings.identity_seconds)
    app.state.signing_in = CapacityLimiter(CHECKED_AT_ONCE)
    app.state.journal = journals.Journal(directory)
    app.state.drain = Drain(database, directory)
    # what ended processes left; and this one's journal is noted
    app.state.drain.everything(app.state.journal)
    app.state.shelf = Shelf(settings.workspace)
    app.state.restrictions = Restrictions(settings.workspace, database, app.state.shelf.today)
    refresh(app)


def refresh(app: FastAPI) -> None:
    """Look for a newly published week, and for refusals and deletions."""
    app.state.shelf.refresh()
    app.state.restrictions.refresh()
    metrics.alarms(alarm["kind"] for alarm in read_alarms(app.state.settings.workspace))


def let_go(app: FastAPI) -> None:
    """Move the last audit entries into the database, and close everything."""
    app.state.journal.close()
    try:
        app.state.drain.everything()
    except Exception as error:  # they stay in the journal for the next start
        log.warning("audit entries wait in the journal: %s", type(error).__name__)
    app.state.database.engine.dispose()


def preload(app: FastAPI) -> None:
    """Load the model of the newest week, if the settings ask for it."""
    newest = app.state.shelf.served.newest
    if app.state.settings.preload and newest:
        _ = newest.live


async def _keep_up(app: FastAPI, works: Iterable[Callable[[], object]]) -> None:
    """Look for news, move audit entries into the database, preload the model or tell others, again and again."""
    while True:
        await asyncio.sleep(app.state.settings.refresh_seconds)
        for work in works:
            try:
                await run_in_threadpool(work)
            except Exception as error:  # tried again next time; the log says so
                log.warning("keeping up failed: %s", type(error).__name__)
