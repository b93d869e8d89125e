"""Models that other communities lend, read from their workspaces."""

from collections.abc import Iterable
from pathlib import Path

from features.store.sharing import sharing_community
from models.registry.registry import champion
from models.training.borrow import Neighbour


def lent_models(workspaces: Iterable[Path]) -> list[Neighbour]:
    """Read the champion of each workspace, in their order.

    Raises UserError where a community has not agreed in its settings, and NoChampion where it has no model.
    """
    lent = []
    for workspace in workspaces:
        name, _ = sharing_community(workspace, "model")
        in_force = champion(workspace)
        lent.append(Neighbour(name, in_force.version, in_force.model))
    return lent
