"""The settings by which a ledger is read: of its own directory, or else of the workspace."""

from pathlib import Path

from features.contract.community import Community, Identity
from features.contract.settings_file import SETTINGS_FILE, read_community
from features.language import set_language


def ledger_settings(directory: Path, workspace: Path) -> Community | None:
    """Return the community of a directory's community.yaml, or of the workspace's; None where neither is there."""
    for place in (directory, workspace):
        if (path := place / SETTINGS_FILE).is_file():
            return read_community(path).community
    return None


def ledger_zone(directory: Path, workspace: Path) -> str:
    """Return the timezone of a directory's ledgers, and use its language; the usual one without settings."""
    community = ledger_settings(directory, workspace)
    identity = community.community if community else Identity()
    set_language(identity.language)
    return identity.timezone
