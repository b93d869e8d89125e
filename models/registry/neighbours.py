"""Models that other communities lend, read from their workspaces."""

from collections.abc import Iterable
from pathlib import Path

from features.contract.settings_file import SETTINGS_FILE
from features.language import UserError, say
from features.store.reader import read_settings
from models.registry.registry import champion
from models.training.borrow import Neighbour


def lent_models(workspaces: Iterable[Path]) -> list[Neighbour]:
    """Read the champion of each workspace, in their order.

    Raises UserError where a community has not agreed in its settings, and NoChampion where it has no model.
    """
    lent = []
    for workspace in workspaces:
        community = read_settings(workspace)
        name = community.community.name or workspace.name
        if not community.sharing.model:
            raise UserError(
                say(
                    f"{name}（{workspace}）没有同意出借模型：须在其 {SETTINGS_FILE} 写 sharing: {{model: true}} 再导入",
                    f"{name} ({workspace}) has not agreed to lend its model: it must write sharing: {{model: true}} into"
                    f" its {SETTINGS_FILE} and ingest it",
                )
            )
        found = champion(workspace)
        lent.append(Neighbour(name, found.version, found.model))
    return lent
