"""Models that other communities lend, read from their workspaces."""

from collections.abc import Iterable
from pathlib import Path

from features.language import UserError
from features.store.reader import sharing_community
from models.registry.champion import NoChampion
from models.registry.registry import champion
from models.training.borrow import Neighbour


def lent_models(workspaces: Iterable[Path]) -> list[Neighbour]:
    """Read the champion of each workspace, in their order.

    Raises UserError, which names the community, where one has not agreed in its settings or has no model that can be
    used.
    """
    lent = []
    for workspace in workspaces:
        name, _ = sharing_community(workspace, "model")
        try:
            in_force = champion(workspace)
        except NoChampion as error:
            raise UserError(f"{name} ({workspace}): {error}") from error
        lent.append(Neighbour(name, in_force.version, in_force.model))
    return lent
