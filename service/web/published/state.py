"""The types of what the application holds while it runs."""

from typing import Any, cast

from starlette.requests import Request

from service.web.audit.drain import Drain
from service.web.audit.journal import Journal
from service.web.auth.identities import AccessState
from service.web.published.restrictions import Restrictions
from service.web.published.weeks import Shelf


class ServiceState(AccessState):
    """The application's ``state``: the settings from the beginning, all else while it serves."""

    journal: Journal
    drain: Drain
    shelf: Shelf
    restrictions: Restrictions
    issuer: Any  # Authlib's client of the single sign-on, where one is configured


def state_of(request: Request) -> ServiceState:
    """Return the application's state for a request."""
    return cast(ServiceState, request.app.state)
