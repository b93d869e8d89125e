"""What the application holds while it runs, with its types."""

from typing import Any, cast

from starlette.requests import Request

from service.web.audit.drain import Drain
from service.web.audit.journal import Journal
from service.web.auth.identities import AccessState
from service.web.published.restrictions import Restrictions
from service.web.published.weeks import Shelf


class ServiceState(AccessState):
    """The application's ``state``: settings from the beginning, the rest from the start to the end of serving."""

    journal: Journal
    drain: Drain
    shelf: Shelf
    restrictions: Restrictions
    issuer: Any  # Authlib's client of the single sign-on, where one is configured


def state_of(request: Request) -> ServiceState:
    """Return what the application holds that a request came to."""
    return cast(ServiceState, request.app.state)
