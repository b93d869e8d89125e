"""Store outcomes of visits: all are kept, the last that was not undone counts, and one sent twice counts once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.returns.visit_dates import near_week, usual_date, yet_to_come
from service.web.audit.log import enter
from service.web.base.access import Identity, Role
from service.web.base.problems import Problem
from service.web.database.engine import Database
from service.web.database.tables import Outcome, now
from service.web.intake.once import store_once

LONGEST_NOTE = 2000


@dataclass(frozen=True)
class Report:
    """What somebody reports about one visit. ``token`` is made by the client: the same one is stored once."""

    outcome: str
    token: str
    contacted_on: date | None = None
    note: str = ""
    written_on: date | None = None  # earlier than today where there was no connection


def today_in(timezone: str) -> date:
    """Return today's date in the community.

    ``timezone``: its IANA name.
    """
    return datetime.now(ZoneInfo(timezone)).date()


def record(
    database: Database,
    identity: Identity,
    visit: dict[str, Any],
    report: Report,
    today: date,
    purpose: str = "",
) -> Outcome:
    """Store an outcome of one row of a list; for a token sent before, return the outcome stored then.

    ``visit``: the row as served. ``report``: without a date the visit counts as made today, or on the nearest day of
    the list's week. ``today``: in the community. ``purpose``: for the audit log. Raises a problem for an impossible
    date, or for a token that was used for something else.
    """
    as_of = date.fromisoformat(visit["as_of"])
    contacted = report.contacted_on or usual_date(as_of, min(today, report.written_on or today))
    if not near_week(contacted, as_of) or yet_to_come(contacted, as_of, today):
        raise Problem(
            422, "wrong-date", f"走访日期 {contacted} 不对，请检查", f"the date {contacted} cannot be right"
        )
    row = Outcome(
        **{name: visit[name] for name in ("outreach_id", "household_id", "need", "arm", "propensity")},
        as_of=as_of,
        worker_id=visit["worker_id"] or identity.worker_id,
        outcome=report.outcome,
        contacted_on=contacted,
        note=report.note[:LONGEST_NOTE],
        by=identity.who,
        token=report.token,
    )
    entry = ("outcome.write", purpose, row.outreach_id)
    return store_once(database, row, Outcome.token == report.token, ("outreach_id", "outcome", "note"), entry)


def undo(
    database: Database,
    identity: Identity,
    number: int,
    in_sight: Callable[[str], bool],
    purpose: str = "",
) -> Outcome | None:
    """Undo an outcome and return it; None where there is none that this identity may undo.

    People and clients may undo what they reported, a coordinator any outcome. ``number``: id of the outcome.
    ``in_sight``: tells whether the asker sees a household, by its id. ``purpose``: for the audit log. Raises a problem
    once the workspace's records have taken it: from then on only another outcome corrects it.
    """
    with database.writing() as session:
        row = session.scalar(select(Outcome).where(Outcome.id == number).with_for_update())
        if row is None or (row.by != identity.who and identity.role != Role.COORDINATOR):
            return None
        if not in_sight(row.household_id):
            return None
        if row.undone_at:
            return row
        if row.taken_at:
            raise Problem(
                409,
                "recorded-already",
                "这条已经存进记录，撤不回了；请再登记一次对的",
                "it is in the records: report the right outcome instead",
            )
        row.undone_at = now()
        enter(session, identity.who, "outcome.undo", row.household_id, purpose, row.outreach_id)
        return row


def newest(session: Session) -> int:
    """Return the id of the outcome stored last, or 0 before the first."""
    return session.scalar(select(func.max(Outcome.id))) or 0
