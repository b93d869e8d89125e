"""Residents' rights: knowing why they are listed, refusing, a copy of their data, correction and deletion."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import or_, select

from features.contract.community import Community
from features.ingest.erasure import rows_of_household, values_of_attribute
from features.language import UserError, joined_names, say
from features.point_in_time.schema import kind_of, readable
from features.store.reader import read_settings
from service.web.audit.log import about, enter
from service.web.database.engine import Database
from service.web.database.tables import (
    ENDS_RECORDED,
    OF_HOUSEHOLD,
    Correction,
    Deletion,
    Entry,
    Refusal,
    now,
)
from service.web.published.from_records import refusing_on
from service.web.published.weeks import Served

FIXED = frozenset({"household_id", "grid_id", "microgrid_id", "valid_from", "known_from", "superseded_at"})


def why_listed(served: Served, household_id: str, refuses: bool) -> list[str]:
    """Write for the resident whether and why the household stands on a list, and what it can do.

    ``refuses``: whether it refuses automated listing.
    """
    lines = []
    for as_of in sorted(served.weeks, reverse=True):
        week = served.weeks[as_of]
        rows = [
            row for row in week.visits if row["household_id"] == household_id and not row.get("withdrawn")
        ]
        lines += [_listed_line(row, week.community, as_of) for row in rows]
    if not lines:
        weeks = joined_names(sorted(served.weeks))
        lines.append(
            say(f"这一户不在名单上（{weeks}）。", f"This household is on no list ({weeks}).")
            if weeks
            else say("还没有生成过名单。", "No list has been made yet.")
        )
    if refuses:
        lines.append(say("这一户说过不要再来，不上名单。", "The household refuses automated listing."))
    return [*lines, *_what_is_used()]


def _listed_line(row: dict[str, Any], community: Community, as_of: str) -> str:
    need = next((need.name.here for need in community.needs if need.id == row["need"]), row["need"])
    if row["arm"] == "random":
        return say(
            f"{as_of} 一周：{need}。抽签抽到的，跟评分无关。",
            f"Week of {as_of}: {need}. Drawn by lot, whatever the score.",
        )
    return say(
        f"{as_of} 一周：{need}。上名单的依据：{row.get('why') or row['reason']}。",
        f"Week of {as_of}: {need}. Listed because: {row.get('why') or row['reason']}.",
    )


def _what_is_used() -> list[str]:
    """Say what lists are made from, and what a household may do."""
    return [
        say(
            "用到的信息：您家在社区登记的情况、以前跟社区提过的事、以前走访的结果，还有本网格和同类家庭一共申请过几次。",
            "What is used: what your household registered with the community, what it asked for, what visits found, and"
            " how often the grid and similar households asked (sums only).",
        ),
        say(
            "评分只用来定先去问谁，不影响您享受任何服务；上不上门、帮不帮，由工作人员定。",
            "Scores only say whom to ask first. No service depends on them, and people decide whom to visit and help.",
        ),
        say(
            "您可以：谢绝以后再上名单（马上生效）；要一份自己的资料；更正写错的；要求删除。对处理结果不满意，可以向社区或网信部门投诉。",
            "You may refuse automated listing from now on (at once), ask for a copy of your data, have mistakes corrected"
            " and have it deleted; you may complain to the community or to the authority.",
        ),
    ]


def refuses_from(served: Served, today: date) -> date:
    """Return the day from which a refusal noted today holds.

    That is the newest week's first day if that is earlier: its list may be made once more.
    """
    return min([today, *([date.fromisoformat(served.newest.as_of)] if served.newest else [])])


def refuse(
    database: Database, by: str, household_id: str, begins: date, until: date | None = None, purpose: str = ""
) -> None:
    """Note that a household refuses automated listing; it leaves every list that the service shows at once.

    ``by``: who notes it. ``begins``, ``until``: first day, and the day from which the refusal no longer holds (None:
    until further notice). ``purpose``: for the audit log. Raises UserError when ``until`` is not after ``begins``.
    """
    if until is not None and until <= begins:
        raise UserError("until 要晚于今天", "until must be later than today")
    with database.writing() as session:
        session.add(Refusal(household_id=household_id, begins_on=begins, until=until, by=by))
        enter(session, by, "resident.refuse", household_id, purpose)


def accept(
    workspace: Path, database: Database, by: str, household_id: str, today: date, purpose: str = ""
) -> int:
    """End a household's refusals, also those that the records hold; how many there were."""
    recorded = household_id in refusing_on(workspace, today)
    with database.writing() as session:
        refusals = select(Refusal).where(Refusal.household_id == household_id)
        rows = list(session.scalars(refusals.where(or_(Refusal.until.is_(None), Refusal.until > today))))
        for row in rows:
            row.until, row.drained_at = today, None
        if recorded and session.scalar(refusals.where(ENDS_RECORDED, Refusal.drained_at.is_(None))) is None:
            session.add(Refusal(household_id=household_id, begins_on=today, until=today, by=by))
        elif not rows:
            return 0
        enter(session, by, "resident.accept", household_id, purpose)
        return max(1, len(rows))


def export(
    workspace: Path, database: Database, served: Served, by: str, household_id: str, purpose: str = ""
) -> dict[str, Any]:
    """Return everything stored about a household: records, scores, lists, outcomes, and who looked at it.

    ``by``: who asks. ``purpose``: for the audit log, whose entry on this export is included.
    """
    from service.planning.planner import COLUMNS

    with database.writing() as session:
        enter(session, by, "resident.export", household_id, purpose)
    with database.reading() as session:
        came_in = {
            table.__tablename__: [_plain(row) for row in session.scalars(_of(table, household_id))]
            for table in OF_HOUSEHOLD
        }
    weeks = {}
    for as_of, week in served.weeks.items():
        if household_id in week.places:
            listed = [
                {name: row.get(name) for name in (*COLUMNS, "why")}
                for row in week.visits
                if row["household_id"] == household_id
            ]
            weeks[as_of] = {"scores": json.loads(week.answer(household_id, True)), "lists": listed}
    return {
        "household_id": household_id,
        "made_at": now().isoformat(timespec="seconds"),
        "records": rows_of_household(workspace, household_id),
        "service": came_in,
        "weeks": weeks,
        "looked_at": looked_at(database, household_id),
    }


def looked_at(database: Database, household_id: str) -> list[dict[str, str]]:
    """List the audit log's entries on a household: at, who, action and purpose, the oldest first."""
    entries = select(Entry).where(about(household_id)).order_by(Entry.number)
    with database.reading() as session:
        return [
            {"at": entry.at, "who": entry.who, "action": entry.action, "purpose": entry.purpose}
            for entry in session.scalars(entries)
        ]


def _of(table: Any, household_id: str) -> Any:
    return select(table).where(table.household_id == household_id).order_by(table.id)


def _plain(row: Any) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in row.__table__.columns if column.key != "token"}


def correct(
    workspace: Path,
    database: Database,
    by: str,
    household_id: str,
    attribute: str,
    value: str | None,
    purpose: str = "",
) -> None:
    """Note the right value of an attribute; records and scores have it from the next command on.

    ``by``: who notes it. ``value``: None for not known. ``purpose``: for the audit log. Raises UserError when the
    household has no such attribute, or when the value cannot be read as one.
    """
    stored = rows_of_household(workspace, household_id).get("households", [])
    names = [name for name in (stored[0] if stored else {}) if name not in FIXED]
    if attribute not in names:
        listed = joined_names(names)
        raise UserError(
            f"没有属性 {attribute}，只有 {listed}", f"no attribute {attribute}; there are {listed}"
        )
    _refuse_unreadable(workspace, attribute, value)
    with database.writing() as session:
        session.add(Correction(household_id=household_id, attribute=attribute, value=value, by=by))
        enter(session, by, "resident.correct", household_id, purpose, attribute)


def _refuse_unreadable(workspace: Path, attribute: str, value: str | None) -> None:
    """Raise UserError for a value that does not fit the attribute's type, as it would count as not known."""
    if value is None:
        return
    values = values_of_attribute(workspace, attribute)
    kind = kind_of(attribute, list(values.values()), list(values))
    if readable(kind, value):
        return
    forms = {
        "number": say("一个数，如 3", "a number such as 3"),
        "boolean": say("是或否", "yes or no"),
        "birth": say(
            "出生年份或日期，如 1950 或 1950-03-01", "a year or date of birth such as 1950 or 1950-03-01"
        ),
        "date": say("日期，如 2024-03-01", "a date such as 2024-03-01"),
    }
    form = forms[kind]
    raise UserError(
        f"{attribute}：应是{form}，不能是“{value}”", f"{attribute}: must be {form}, not '{value}'"
    )


def ask_deletion(database: Database, by: str, household_id: str, purpose: str = "") -> None:
    """Hide a household at once; its data are removed when the workspace next takes what came in.

    ``by``: who asks. ``purpose``: for the audit log.
    """
    with database.writing() as session:
        waiting = session.scalar(select(Deletion.id).where(Deletion.household_id == household_id))
        if waiting is None:
            session.add(Deletion(household_hash="", household_id=household_id, by=by))
        enter(session, by, "resident.ask_deletion", household_id, purpose)


def deletion_waits(database: Database, household_id: str) -> bool:
    """Tell whether a household's deletion was asked for and is not yet complete."""
    with database.reading() as session:
        return bool(session.scalar(select(Deletion.id).where(Deletion.household_id == household_id)))


def known_household(workspace: Path, household_id: str) -> None:
    """Raise UserError when there are no records, or none of the household."""
    read_settings(workspace)
    if not any(rows_of_household(workspace, household_id).values()):
        raise UserError(f"没有户号 {household_id} 的记录", f"nothing is held of household {household_id}")
