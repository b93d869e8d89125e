"""Whether a community has agreed that others may have something of it."""

from pathlib import Path
from typing import Literal

from features.contract.community import Community
from features.contract.settings_file import SETTINGS_FILE
from features.language import UserError
from features.store.reader import read_settings

GIVES = {
    "model": ("出借模型", "lend its model"),
    "figures": ("给出合计", "give its sums"),
}


def sharing_community(workspace: Path, what: Literal["model", "figures"]) -> tuple[str, Community]:
    """Return a community's name and settings. Raises UserError where they do not say that it shares ``what``."""
    community = read_settings(workspace)
    name = community.community.name or workspace.name
    if not getattr(community.sharing, what):
        zh, en = GIVES[what]
        raise UserError(
            f"{name}（{workspace}）没有同意{zh}：要在它的 {SETTINGS_FILE} 写 sharing: {{{what}: true}} 再导入",
            f"{name} ({workspace}) has not agreed to {en}: it must write sharing: {{{what}: true}} into its"
            f" {SETTINGS_FILE} and ingest it",
        )
    return name, community
