"""What the application holds while it runs, with its types."""

from typing import TYPE_CHECKING, Any, cast

from starlette.requests import Request

if TYPE_CHECKING:
    from service.web.audit.journal import Journal
    from service.web.audit.log import Drain
    from service.web.auth.identities import Identities
    from service.web.base.limiting import Limits
    from service.web.base.settings import Settings
    from service.web.database.engine import Database
    from service.web.published.weeks import Shelf
    from service.web.rights.restrictions import Restrictions


class ServiceState:
    """The application's ``state``: settings from the beginning, the rest from the start to the end of serving."""

    settings: "Settings"
    database: "Database"
    limits: "Limits"
    identities: "Identities"
    journal: "Journal"
    drain: "Drain"
    shelf: "Shelf"
    restrictions: "Restrictions"
    issuer: Any  # Authlib's client of the single sign-on, where one is configured


def state_of(request: Request) -> ServiceState:
    """Return what the application holds that a request came to."""
    return cast(ServiceState, request.app.state)
