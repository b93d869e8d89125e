"""Store what is said of a visit beside its outcome: wrong person, already helped, a mark, a day to come again."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.returns.read_feedback import LATEST, SOONEST
from service.web.base.access import Identity
from service.web.base.problems import Problem
from service.web.database.engine import Database
from service.web.database.tables import Remark
from service.web.intake.once import store_once

KINDS = ("wrong_person", "already_helped", "satisfied")  # the last one takes back what was said before
CLOSES = frozenset(KINDS[:2])  # nothing is left to ask then


@dataclass(frozen=True)
class Said:
    """What was said; None where nothing was. ``satisfaction``: from 1 to 5."""

    kind: str | None = None
    satisfaction: int | None = None
    next_visit: date | None = None


def add_remark(
    database: Database,
    identity: Identity,
    visit: dict[str, Any],
    remark: Said,
    token: str,
    purpose: str = "",
) -> Remark:
    """Store a remark on one row of a list; for a token sent before, return the remark stored then.

    ``visit``: the row as served. ``token``: made by the client. ``purpose``: for the audit log. Raises a problem for a
    day to come again that is too far off, or for a token that was used for something else.
    """
    as_of = date.fromisoformat(visit["as_of"])
    if remark.next_visit is not None and not as_of - SOONEST <= remark.next_visit <= as_of + LATEST:
        raise Problem(
            422,
            "wrong-date",
            f"再来的日子 {remark.next_visit} 不对，请检查",
            f"the day {remark.next_visit} to come again cannot be right",
        )
    about = {name: visit[name] for name in ("outreach_id", "household_id", "need")} | vars(remark)
    row = Remark(**about, by=identity.who, token=token)
    entry = ("feedback.write", purpose, row.outreach_id)
    return store_once(database, row, Remark.token == token, about, entry)


def in_force(session: Session, outreach_ids: Iterable[str]) -> dict[str, Said]:
    """Return what was said last of each kind on each row of a list, by outreach_id; rows without a word are left out."""
    rows = session.scalars(
        select(Remark).where(Remark.outreach_id.in_(list(outreach_ids))).order_by(Remark.id)
    )
    remarks: dict[str, dict[str, Any]] = {}
    for row in rows:
        given = {name: getattr(row, name) for name in ("kind", "satisfaction", "next_visit")}
        remarks.setdefault(row.outreach_id, {}).update(
            {name: value for name, value in given.items() if value is not None}
        )
    return {outreach_id: Said(**given) for outreach_id, given in remarks.items()}
