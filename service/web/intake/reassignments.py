"""Hand a household of a week's lists from one worker to another."""

from datetime import date

from sqlalchemy import select

from features.language import say
from service.web.audit.log import enter
from service.web.base.access import PLACED, Identity, Role
from service.web.base.problems import Problem
from service.web.database.engine import Database
from service.web.database.tables import Reassignment, User
from service.web.published.weeks import Place, Week


def colleagues(database: Database, week: Week, place: Place) -> dict[str, str]:
    """Return the workers who may take over a household that lives in a place: names by worker_id.

    They have visits in its grid in this week, or an account that sees the place. Somebody whose account does not see
    it is left out: the visit would be on nobody's phone.
    """
    grid, microgrid, *_ = place
    with database.reading() as session:
        accounts = list(session.scalars(select(User).where(User.worker_id.is_not(None), User.active)))
    blind = {user.worker_id for user in accounts if not _sees(user, grid, microgrid)}
    workers = {
        row["worker_id"]: row.get("worker_name") or row["worker_id"]
        for row in week.visits
        if row["grid_id"] == grid and row["worker_id"] and not row.get("coordinator")
    }
    workers |= {user.worker_id: user.name or user.login for user in accounts if user.worker_id not in workers}
    return {worker: name for worker, name in sorted(workers.items()) if worker and worker not in blind}


def _sees(user: User, grid: str, microgrid: str) -> bool:
    """Tell whether a person's account sees a place, by the rule of ``sees_place``."""
    if user.role in PLACED and not (user.grid_id or user.microgrid_id):
        return False
    return user.role in (Role.GRID_WORKER, Role.COORDINATOR) and (
        user.grid_id in (None, grid) and user.microgrid_id in (None, microgrid)
    )


def reassign(
    database: Database,
    identity: Identity,
    week: Week,
    household: tuple[str, Place],
    worker_id: str,
    purpose: str = "",
) -> Reassignment:
    """Let another worker visit a household in a week.

    ``household``: its id and where it lives. ``worker_id``: who takes over. ``purpose``: for the audit log. Raises a
    problem unless that is one of its ``colleagues``.
    """
    household_id, place = household
    names = colleagues(database, week, place)
    if worker_id not in names:
        raise Problem(
            422,
            "unknown-worker",
            say("这位同事不走访这一片，请选别人", "this colleague does not visit here: choose another"),
        )
    as_of = date.fromisoformat(week.as_of)
    row = Reassignment(
        household_id=household_id,
        as_of=as_of,
        worker_id=worker_id,
        worker_name=names[worker_id],
        by=identity.who,
    )
    with database.writing() as session:
        session.add(row)
        session.flush()
        enter(session, identity.who, "visit.reassign", household_id, purpose, f"{week.as_of} {worker_id}")
    return row
