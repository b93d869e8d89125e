"""Open the service's database for commands."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.web.database.engine import Database


def service_database(workspace: Path) -> "Database":
    """Open the service's database for a command, which does not serve and so needs no XIANYING_SECRET."""
    from service.web.base.settings import command_settings
    from service.web.database.engine import open_database

    return open_database(command_settings(workspace))


def enter_command(workspace: Path, action: str, detail: str) -> None:
    """Add an audit entry on what a command does, where the workspace has a service.

    ``action``: such as model.promote. ``detail``: such as the version.
    """
    from service.console.operator import operator
    from service.web.audit.log import enter
    from service.web.database.engine import database_of

    with database_of(workspace) as database:
        if database:
            with database.writing() as session:
                enter(session, operator(), action, "", "", detail)
