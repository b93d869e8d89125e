"""Who may see what: every permission and every row-level rule of the service is defined here.

An ``Identity`` is whoever asks. ``permit`` checks what it may do at all, ``sees_place`` whose households it sees, and
``sees_need`` which needs. What the asker may not see does not exist for them: routes answer 404 for a household out of
sight, as for one that does not exist.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from features.contract.community import Community


class Role(StrEnum):
    """The role of a person, or MACHINE for a client, whose key has scopes of its own."""

    GRID_WORKER = "grid_worker"
    COORDINATOR = "coordinator"
    DATA_STAFF = "data_staff"
    AUDITOR = "auditor"
    MACHINE = "machine"


class Scope(StrEnum):
    """One permission."""

    SCORES = "scores:read"  # scores, lists and explanations of households
    SENSITIVE = "sensitive:read"  # sensitive needs among them, and the risk tier that they enter
    LIVE = "live:score"  # score posted records
    OUTCOMES = "outcomes:write"
    REQUESTS = "requests:write"
    SUMMARIES = "summaries:read"  # needs and expected demand; nothing about one household
    MODELS = "models:read"
    REFUSALS = "refusals:write"  # note that a household refuses automated listing
    RIGHTS = "rights:write"  # exports, corrections, deletions, ending a refusal
    AUDIT = "audit:read"


SCOPES: dict[Role, frozenset[Scope]] = {
    Role.GRID_WORKER: frozenset(
        {Scope.SCORES, Scope.OUTCOMES, Scope.REQUESTS, Scope.REFUSALS, Scope.SUMMARIES}
    ),
    Role.COORDINATOR: frozenset(Scope) - {Scope.AUDIT},
    Role.DATA_STAFF: frozenset({Scope.SUMMARIES, Scope.MODELS, Scope.LIVE}),
    Role.AUDITOR: frozenset({Scope.SUMMARIES, Scope.MODELS, Scope.AUDIT}),
    Role.MACHINE: frozenset(),
}
PLACED = frozenset({Role.GRID_WORKER})  # roles that see their own grid or micro-grid only


class Forbidden(Exception):
    """Raised when the asker lacks a permission."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope.value)
        self.scope = scope


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: a person or a machine client."""

    who: str  # user:LOGIN or key:ID, as in the audit log
    role: Role
    scopes: frozenset[Scope]
    grid_id: str | None = None
    microgrid_id: str | None = None
    worker_id: str | None = None
    name: str = ""
    csrf: str = ""  # of a person's session; forms and unsafe requests must carry it
    session: str = ""  # hash of the session's token

    @property
    def everywhere(self) -> bool:
        """Tell whether it sees the whole community."""
        return self.role not in PLACED and self.grid_id is None and self.microgrid_id is None

    @property
    def sensitive(self) -> bool:
        """Tell whether it sees sensitive needs."""
        return Scope.SENSITIVE in self.scopes


def permit(identity: Identity, *scopes: Scope) -> None:
    """Raise Forbidden unless the identity has all of these."""
    for scope in scopes:
        if scope not in identity.scopes:
            raise Forbidden(scope)


def permit_everywhere(identity: Identity, *scopes: Scope) -> None:
    """Raise Forbidden unless the identity has all of these and sees the whole community.

    For what cannot be restricted to a place.
    """
    permit(identity, *scopes)
    if not identity.everywhere:
        raise Forbidden(scopes[0])


def sees_place(identity: Identity, grid_id: str, microgrid_id: str) -> bool:
    """Tell whether the asker sees households of this place.

    Who has a grid, a micro-grid or both sees the households that match them; a grid worker with neither sees none.
    """
    if identity.everywhere:
        return True
    if identity.grid_id is None and identity.microgrid_id is None:
        return False
    return identity.grid_id in (None, grid_id) and identity.microgrid_id in (None, microgrid_id)


def sees_need(identity: Identity, sensitive: bool) -> bool:
    """Tell whether the asker sees a need; sensitive ones are for coordinators."""
    return not sensitive or identity.sensitive


def mixed_risk(community: Community) -> bool:
    """Tell whether a sensitive need may have raised a household's risk and tier."""
    return any(need.sensitive and need.severity >= 3 for need in community.needs)


def sees_risk(identity: Identity, community: Community) -> bool:
    """Tell whether the asker sees households' risk and tier: only if they see every need that can raise them."""
    return sees_need(identity, mixed_risk(community))


def machine_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Return the scopes with these names. Raises ValueError for a name that does not exist."""
    return frozenset(Scope(name) for name in names)
