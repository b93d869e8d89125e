"""Hand households of a week's lists from one worker to another."""

from collections.abc import Iterable, Mapping
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

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
    households: Mapping[str, Place],
    worker_id: str,
    purpose: str = "",
) -> list[Reassignment]:
    """Let another worker visit households in a week: all of them, or none; one that has them already keeps them.

    ``households``: where each lives, by id. ``worker_id``: who takes over; "" gives them back to the list's own worker.
    ``purpose``: for the audit log. Raises a problem unless that is one of the ``colleagues`` of every household.
    """
    back = {} if worker_id else {"": ""}
    named = {place: colleagues(database, week, place) | back for place in {*households.values()}}
    if any(worker_id not in names for names in named.values()):
        raise Problem(
            422,
            "unknown-worker",
            "这位同事不走访这一片，请选别人",
            "this colleague does not visit here: choose another",
        )
    as_of = date.fromisoformat(week.as_of)
    detail = f"{week.as_of} {worker_id}".strip()
    with database.writing() as session:
        rows = _newest(session, as_of, households)
        for household_id, place in households.items():
            if household_id in rows and rows[household_id].worker_id == worker_id:
                continue  # sent again
            row = rows[household_id] = Reassignment(
                household_id=household_id,
                as_of=as_of,
                worker_id=worker_id,
                worker_name=named[place][worker_id],
                by=identity.who,
            )
            session.add(row)
            enter(session, identity.who, "visit.reassign", household_id, purpose, detail)
        session.flush()
    return [rows[household_id] for household_id in households]


def _newest(session: Session, as_of: date, households: Iterable[str]) -> dict[str, Reassignment]:
    """Return the row that counts for each household of a week that was handed over, by its id."""
    handed = select(Reassignment).where(
        Reassignment.as_of == as_of, Reassignment.household_id.in_(list(households))
    )
    return {row.household_id: row for row in session.scalars(handed.order_by(Reassignment.id))}
