"""The service's database, as commands open it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.web.database.engine import Database


def service_database(workspace: Path) -> "Database":
    """Open the service's database for a command, which answers to nobody."""
    from service.web.base.settings import command_settings
    from service.web.database.engine import open_database

    return open_database(command_settings(workspace))
