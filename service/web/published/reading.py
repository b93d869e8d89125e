"""Read about households: only those in sight, and never without an entry in the audit log."""

import logging
from collections.abc import Callable, Iterable
from urllib.parse import unquote

from fastapi import Request

from service.web.base.access import Identity, Scope, permit, sees_need, sees_place
from service.web.base.filters import refuse_unless_known
from service.web.base.problems import Problem, unknown_household
from service.web.published.state import state_of
from service.web.published.weeks import Place, Week, sees_row

LONGEST_PURPOSE = 200
log = logging.getLogger("xianying")


def _microgrids(request: Request, identity: Identity, week: Week) -> list[str]:
    """List the micro-grids of the grid that the query names, or of all; grids may use the same numbers."""
    within = request.query_params.get("grid_id")
    return sorted({number for grid, number in week.areas_in_sight(identity) if within in (None, grid)})


def _workers(request: Request, identity: Identity, week: Week) -> list[str]:
    """List who has visits in sight, and for whoever sees everything also those who have none this week."""
    every = week.around.get("workers", []) if identity.everywhere else []
    rows = rows_in_sight(request, identity, week)
    return sorted({row["worker_id"] for row in [*rows, *every] if row["worker_id"]})


# which values the asker may name in a query of any route that is about a week
VALUES: dict[str, Callable[[Request, Identity, Week], list[str]]] = {
    "need": lambda request, identity, week: needs_in_sight(identity, week),
    "grid_id": lambda request, identity, week: week.grids_in_sight(identity),
    "microgrid_id": _microgrids,
    "worker_id": _workers,
}


def needs_in_sight(identity: Identity, week: Week) -> list[str]:
    """List the ids of the needs of a week that the asker sees."""
    return [need.id for need in week.community.needs if sees_need(identity, need.sensitive)]


def week_asked(request: Request, identity: Identity, as_of: str | None) -> Week:
    """Return the week of a date, by default the newest; call it after ``permit``, as a refusal lists what is in sight.

    Raises a 404 problem for a week that is not served, and a 422 problem that says what there is for a value of the
    query that does not exist in the week or in the asker's sight. A route says itself what an empty value means.
    """
    week = state_of(request).shelf.served.week(as_of)
    for name, value in request.query_params.multi_items():
        if name in VALUES and value:
            refuse_unless_known(name, value, VALUES[name](request, identity, week))
    return week


def purpose_of(request: Request) -> str:
    """Return why somebody asks: the header X-Purpose (percent-encoded UTF-8), else the page's purpose, else ''."""
    given = request.headers.get("x-purpose")
    return (given and unquote(given)[:LONGEST_PURPOSE]) or request.scope["state"].get("purpose", "")


def place_in_sight(request: Request, identity: Identity, household_id: str) -> Place:
    """Return where a household lives. Raises a 404 problem when it is unknown, deleted or out of the asker's sight."""
    place = _place_seen(request, identity, household_id)
    if place is None:
        raise unknown_household()
    return place


def sees_household(request: Request, identity: Identity, household_id: str) -> bool:
    """Tell whether the asker sees a household: it is known, not deleted, and in a place in sight."""
    return _place_seen(request, identity, household_id) is not None


def _place_seen(request: Request, identity: Identity, household_id: str) -> Place | None:
    state = state_of(request)
    place = state.shelf.served.place(household_id)
    if place is None or household_id in state.restrictions.deleted:
        return None
    return place if sees_place(identity, place[0], place[1]) else None


def willing(request: Request, household_id: str) -> None:
    """Raise a 403 problem when a household refuses automated listing, as its scores are shown to nobody."""
    if household_id in state_of(request).restrictions.refusing:
        raise Problem(
            403,
            "refuses-listing",
            "这一户说过不要再来：名单上没有，也不登记结果",
            "this household refuses automated listing: no scores, lists or outcomes",
        )


def _write(
    request: Request, identity: Identity, action: str, households: str | Iterable[str], detail: str
) -> None:
    if isinstance(households, str):
        subject = households
    else:
        names = list(households)
        subject = "\n".join(["", *names, ""]) if names else ""
    state_of(request).journal.write(identity.who, action, subject, purpose_of(request), detail)


def note_refusal(request: Request, problem: Problem) -> None:
    """Enter in the audit log that somebody signed in was denied something; nothing was shown."""
    identity = getattr(request.state, "identity", None)
    if identity is None:
        return
    route = getattr(request.scope.get("route"), "path", "")
    detail = f"{problem.kind} {request.method} {route} {problem.content.get('scope', '')}".strip()
    try:
        _write(request, identity, "refused", request.path_params.get("household_id", ""), detail)
    except OSError as error:
        log.error("a refusal could not be entered in the audit log: %s", type(error).__name__)


def note(
    request: Request, identity: Identity, action: str, households: str | Iterable[str], detail: str = ""
) -> None:
    """Enter a read in the audit log; without the entry nothing may be answered (OSError).

    Waits for the disk where every entry must survive a power cut before its answer leaves.
    """
    _write(request, identity, action, households, detail)
    if state_of(request).settings.audit_durability == "disk":
        state_of(request).journal.flush()


async def note_on_loop(
    request: Request, identity: Identity, action: str, households: str | Iterable[str], detail: str = ""
) -> None:
    """As ``note``, in the event loop, which does not wait meanwhile."""
    _write(request, identity, action, households, detail)
    if state_of(request).settings.audit_durability == "disk":
        await state_of(request).journal.durable()


def rows_in_sight(request: Request, identity: Identity, week: Week) -> list[dict]:
    """Return the rows of a week's lists that the asker may see now.

    Their households neither refuse nor are deleted, and are in sight both in that week and now. Visits that were
    handed over stand at the end of the other worker's list.
    """
    permit(identity, Scope.SCORES)
    restrictions, rows = state_of(request).restrictions, []
    for row in week.visits_in_sight(identity):
        household = row["household_id"]
        if sees_household(request, identity, household) and restrictions.listed(household):
            rows.append(restrictions.reassigned(row))
    return _in_order(rows, week) if restrictions.taken_over else rows


def _in_order(rows: list[dict], week: Week) -> list[dict]:
    """Put visits that were handed over at the end of the list of the worker who took them over."""
    moved = [row for row in rows if row is not week.by_outreach_id[row["outreach_id"]]]
    households = {row["household_id"] for row in moved}

    def worker(row: dict) -> tuple:
        return row["worker_id"], row.get("worker_name")

    last: dict[tuple, int] = {}
    for row in rows:
        if row["household_id"] not in households:
            last[worker(row)] = max(last.get(worker(row), 0), row["visit_order"])
    orders: dict[str, int] = {}
    for row in moved:
        if row["household_id"] not in orders:
            orders[row["household_id"]] = last[worker(row)] = last.get(worker(row), 0) + 1
        row["visit_order"] = orders[row["household_id"]]
    place = {worker_id: number for number, worker_id in enumerate(dict.fromkeys(map(worker, rows)))}

    def position(row: dict) -> tuple[bool, int, int]:
        return bool(row.get("coordinator")), place[worker(row)], row["visit_order"]

    return sorted(rows, key=position) if moved else rows


def listed_row(request: Request, identity: Identity, outreach_id: str) -> tuple[dict, Week]:
    """Return a row of any week's list, with its week; a withdrawn row too, as it may be on paper or on a phone.

    Raises a 404 problem when there is no such row in sight.
    """
    served = state_of(request).shelf.served
    for week in reversed(served.weeks.values()):
        row = week.by_outreach_id.get(outreach_id)
        if row and sees_household(request, identity, row["household_id"]) and sees_row(identity, row, week):
            return state_of(request).restrictions.reassigned(row), week
    raise Problem(404, "unknown-visit", "名单上没有这一条", "it is on no list")
