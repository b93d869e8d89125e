"""Pages for people: workers, coordinators, data staff and auditors."""

from fastapi import FastAPI

from service.web.pages import (
    audit,
    frame,
    household,
    household_forms,
    models,
    outcome_forms,
    overview,
    reference,
    sign_in,
    static,
    visits,
)

MODULES = (
    sign_in,
    overview,
    visits,
    household,
    outcome_forms,
    household_forms,
    models,
    audit,
    reference,
    static,
)


def add_pages(app: FastAPI) -> None:
    """Add the pages to an application that already has the API's routes and error handlers."""
    for module in MODULES:
        app.include_router(module.router)
    frame.errors_as_pages(app)
    app.add_middleware(frame.Spoken)
