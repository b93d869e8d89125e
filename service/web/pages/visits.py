"""Pages of the week's visits and of one household, and the outcomes reported on them."""

import re
from collections.abc import Iterable
from datetime import date, timedelta
from functools import partial
from itertools import groupby
from typing import Annotated, Any
from urllib.parse import quote
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Form, Query, Request, Response

from features.language import grid_words, language, say
from service.lists.answers import outcome_names
from service.lists.visit_rows import script
from service.returns.read_requests import CHANNEL
from service.web.api.answers import AsOf
from service.web.api.outcomes import Id, OutcomeName
from service.web.auth.identities import SignedIn, check_csrf
from service.web.base.access import Identity, Role, Scope, permit, sees_risk
from service.web.base.problems import Problem
from service.web.database.tables import Outcome, now
from service.web.intake import outcomes, requests
from service.web.pages.frame import go_to, page
from service.web.published.reading import (
    listed_row,
    note,
    place_in_sight,
    purpose_of,
    rows_in_sight,
    sees_household,
    willing,
)
from service.web.published.state import state_of
from service.web.published.weeks import Served, Week
from service.web.rights import rights

router = APIRouter(include_in_schema=False)
LIST, HOUSEHOLD = "本周走访页 visits page", "住户页 household page"  # why a page reads, in the audit log
TELEPHONE = re.compile(r"(?<!\d)(1[3-9]\d{9}|0\d{2,3}-?\d{7,8})(?!\d)")
Text = Annotated[str | None, Query(max_length=100)]
Row = dict[str, Any]


def listed_week(served: Served, as_of: str | None) -> Week:
    """Return the week of a date, or by default the newest one with lists; raise a 404 problem if it is not served."""
    made = [one for one, week in served.weeks.items() if week.listed]
    return served.week(as_of or max(made, default=None))


def worded(row: Row) -> Row:
    """Return a row of a list with its texts in the current language."""
    return {**row, **row.get("translated", {}).get(language(), {})}


def days_of(week: Week) -> str:
    """Format the week's first and last day."""
    begins = date.fromisoformat(week.as_of)
    return f"{begins:%m-%d}～{begins + timedelta(days=6):%m-%d}"


def results(request: Request, rows: Iterable[Row]) -> tuple[dict[str, Outcome], int]:
    """Return the outcomes that count for the rows, by outreach_id, and the id of the newest outcome of all."""
    with state_of(request).database.reading() as session:
        newest = outcomes.newest(session)
        return outcomes.in_force(session, [row["outreach_id"] for row in rows]), newest


@router.get("/visits")
def visits(
    request: Request,
    asker: SignedIn,
    as_of: AsOf = None,
    grid: Text = None,
    coordinators: bool = False,
    everybody: bool = False,
) -> Response:
    """Show the visits of a week in sight.

    A worker sees their own list, or with ``everybody`` their whole place. Who sees the whole community gets the
    overview of lists, or one ``grid``'s list, or the coordinators'.
    """
    permit(asker, Scope.SCORES)
    request.state.purpose = LIST
    week = listed_week(state_of(request).shelf.served, as_of)
    rows = rows_in_sight(request, asker, week)
    if asker.everywhere and grid is None and not coordinators:
        return _grids(request, asker, week, rows)
    if asker.everywhere:
        rows = [
            row for row in rows if row.get("coordinator") or (not coordinators and row["grid_id"] == grid)
        ]
        rows = [row for row in rows if bool(row.get("coordinator")) == coordinators]
    own = [row for row in rows if asker.worker_id and row["worker_id"] == asker.worker_id]
    shown = rows if everybody or not own else own
    done, newest = results(request, shown)
    if shown:
        note(request, asker, "visits.read", dict.fromkeys(row["household_id"] for row in shown), week.as_of)
    cards = [card(list(of_one), done, week, asker) for _, of_one in groupby(shown, _of_visit)]
    return page(
        request,
        asker,
        "visits.html",
        newest=newest,
        week=week,
        days=days_of(week),
        workers=[(name, list(some)) for name, some in groupby(cards, lambda one: one["worker"])],
        finished=sum(card["finished"] for card in cards),
        total=len(cards),
        title=say("我的走访名单", "My visits")
        if own and not everybody
        else _title(asker, grid, coordinators),
        others=len(rows) > len(shown),
        own=bool(own),
        weeks=_weeks(request, week),
    )


def _of_visit(row: Row) -> tuple[Any, ...]:
    return row["worker_id"], row.get("worker_name"), row["household_id"]


def _title(asker: Identity, grid: str | None, coordinators: bool) -> str:
    if coordinators:
        return say("社区统筹名单", "The coordinators' list")
    grid = grid or asker.grid_id
    return (
        say(f"{grid_words(grid)} 走访", f"Visits, grid {grid}")
        if grid
        else say("本周走访", "This week's visits")
    )


def _weeks(request: Request, week: Week) -> list[str]:
    found = state_of(request).shelf.served.weeks
    return [day for day in sorted(found, reverse=True) if found[day].listed and day != week.as_of][:3]


def card(rows: list[Row], done: dict[str, Outcome], week: Week, asker: Identity) -> Row:
    """Return what the list shows of one household.

    ``rows``: the household's rows of the list. ``done``: outcomes that count, by outreach_id.
    """
    first = rows[0]
    return {
        **{name: first.get(name) or "" for name in ("household_id", "microgrid_id", "contact")},
        "door": TELEPHONE.sub("", first.get("contact") or "").strip(" ，,、"),
        "worker": first.get("worker_name") or first["worker_id"] or "",
        "order": first["visit_order"],
        "random": first["arm"] == "random",
        "tier": first.get("tier") if sees_risk(asker, week.community) else None,
        "needs": [_need(row, done, week) for row in rows],
        "finished": all(row["outreach_id"] in done for row in rows),
    }


def _need(row: Row, done: dict[str, Outcome], week: Week) -> Row:
    needs = week.community.needs
    index = week.community.need_index().get(row["need"])
    held = done.get(row["outreach_id"])
    return {
        **worded(row),
        "name": needs[index].name.here if index is not None else row["need"],
        "done": held,
        "result": outcome_names()[held.outcome] if held else "",
    }


def _grids(request: Request, asker: Identity, week: Week, rows: list[Row]) -> Response:
    """Show to those who see the whole community which lists there are, and how far each has come."""
    with state_of(request).database.reading() as session:
        done = outcomes.in_force_of_week(session, date.fromisoformat(week.as_of))
    lists: dict[str, tuple[set[str], set[str]]] = {}
    for row in rows:
        homes, open_ones = lists.setdefault("" if row.get("coordinator") else row["grid_id"], (set(), set()))
        homes.add(row["household_id"])
        if row["outreach_id"] not in done:
            open_ones.add(row["household_id"])
    return page(
        request,
        asker,
        "grids.html",
        may_accept=Scope.RIGHTS in asker.scopes,
        week=week,
        days=days_of(week),
        lists=[(grid, len(homes), len(homes) - len(left)) for grid, (homes, left) in sorted(lists.items())],
        weeks=_weeks(request, week),
    )


@router.get("/visits/{household_id:path}")
def household(request: Request, asker: SignedIn, household_id: str, as_of: AsOf = None) -> Response:
    """Show one household: why it is listed, what to ask, programmes, and what the visit found."""
    permit(asker, Scope.SCORES)
    request.state.purpose = HOUSEHOLD
    grid, microgrid, *_ = place_in_sight(request, asker, household_id)
    willing(request, household_id)
    week = listed_week(state_of(request).shelf.served, as_of)
    rows = rows_in_sight(request, asker, week)
    here = [row for row in rows if row["household_id"] == household_id]
    if not here:
        raise not_listed()
    done, newest = results(request, here)
    note(request, asker, "visit.read", household_id, week.as_of)
    before, after = _neighbours(rows, here[0])
    return page(
        request,
        asker,
        "household.html",
        week=week,
        newest=newest,
        days=days_of(week),
        grid=grid,
        microgrid=microgrid,
        home=worded(here[0]),
        card=card(here, done, week, asker),
        script=script(week.community),
        choices=list(outcome_names().items()),
        may_undo={row["outreach_id"]: may_undo(asker, done.get(row["outreach_id"])) for row in here},
        token=uuid4().hex,
        zone=ZoneInfo(week.community.community.timezone),
        telephones=TELEPHONE.findall(here[0].get("contact") or ""),
        before=before,
        after=after,
        longest=outcomes.LONGEST_NOTE,
        may_refuse=Scope.REFUSALS in asker.scopes,
        may_ask=Scope.REQUESTS in asker.scopes,
    )


def not_listed() -> Problem:
    """The household stands on no row of the week that the asker sees."""
    return Problem(
        404, "not-listed", say("该户不在这一周的名单上", "this household is not on the week's list")
    )


def may_undo(asker: Identity, held: Outcome | None) -> bool:
    """Tell whether the page offers to undo an outcome; ``outcomes.undo`` decides."""
    return bool(held and not held.taken_at and (held.by == asker.who or asker.role == Role.COORDINATOR))


def _neighbours(rows: list[Row], row: Row) -> tuple[str, str]:
    """Return the households before and after this one on the same list; '' at its ends."""
    key = (row["worker_id"], row.get("worker_name"), bool(row.get("coordinator")))
    same = [
        row for row in rows if (row["worker_id"], row.get("worker_name"), bool(row.get("coordinator"))) == key
    ]
    homes = list(dict.fromkeys(row["household_id"] for row in same))
    place = homes.index(row["household_id"])
    return homes[place - 1] if place else "", homes[place + 1] if place + 1 < len(homes) else ""


@router.post("/outcomes")
def record(
    request: Request,
    asker: SignedIn,
    outreach_id: Annotated[Id, Form()],
    outcome: Annotated[OutcomeName, Form()],
    token: Annotated[str, Form(min_length=1, max_length=60)],
    csrf: Annotated[str, Form(max_length=100)] = "",
    note: Annotated[str, Form(max_length=outcomes.LONGEST_NOTE, pattern=r"^[^\x00]*$")] = "",
) -> Response:
    """Store what a visit found and show the page again, for browsers without a script."""
    permit(asker, Scope.OUTCOMES)
    check_csrf(asker, csrf)
    request.state.purpose = HOUSEHOLD
    visit, week = listed_row(request, asker, outreach_id)
    willing(request, visit["household_id"])
    today = outcomes.today_in(week.community.community.timezone)
    database, purpose = state_of(request).database, purpose_of(request)
    report = outcomes.Report(outcome, f"{token}-{outcome}", note=note.strip())
    row = outcomes.record(database, asker, visit, report, today, purpose)
    if row.undone_at:  # pressed once more on a page from before the undo
        again = outcomes.Report(outcome, uuid4().hex, note=note.strip())
        outcomes.record(database, asker, visit, again, today, purpose)
    return _back_to(visit)


@router.post("/outcomes/nobody")
def nobody_home(
    request: Request,
    asker: SignedIn,
    household_id: Annotated[Id, Form()],
    as_of: Annotated[str, Form(max_length=20)],
    token: Annotated[str, Form(min_length=1, max_length=60)],
    csrf: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Store for every need of a household that has no outcome yet that nobody was met: the page again."""
    permit(asker, Scope.OUTCOMES)
    check_csrf(asker, csrf)
    request.state.purpose = HOUSEHOLD
    place_in_sight(request, asker, household_id)
    willing(request, household_id)
    week = listed_week(state_of(request).shelf.served, as_of)
    rows = [row for row in rows_in_sight(request, asker, week) if row["household_id"] == household_id]
    if not rows:
        raise not_listed()
    done, _ = results(request, rows)
    today = outcomes.today_in(week.community.community.timezone)
    for row in rows:
        if row["outreach_id"] not in done:
            visit, _ = listed_row(request, asker, row["outreach_id"])
            report = outcomes.Report("not_reached", f"{token}-{row['outreach_id']}"[:100])
            outcomes.record(state_of(request).database, asker, visit, report, today, purpose_of(request))
    return go_to(f"/visits/{quote(household_id, safe='')}?as_of={week.as_of}")


@router.post("/requests")
def mention(
    request: Request,
    asker: SignedIn,
    household_id: Annotated[Id, Form()],
    text: Annotated[str, Form(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")],
    token: Annotated[str, Form(min_length=1, max_length=60)],
    csrf: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Store another need that a resident mentioned, in their words, as a request: the page again."""
    permit(asker, Scope.REQUESTS)
    check_csrf(asker, csrf)
    request.state.purpose = HOUSEHOLD
    place_in_sight(request, asker, household_id)
    willing(request, household_id)
    asked = requests.Asked(household_id, now(), None, text.strip(), CHANNEL, None, None)
    requests.add_request(state_of(request).database, asker, asked, token, purpose_of(request))
    return go_to(f"/visits/{quote(household_id, safe='')}")


@router.post("/outcomes/undo")
def undo(
    request: Request,
    asker: SignedIn,
    outreach_id: Annotated[Id, Form()],
    number: Annotated[int, Form(ge=1, le=2**62)],
    csrf: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Undo an outcome and show the page again, for browsers without a script."""
    permit(asker, Scope.OUTCOMES)
    check_csrf(asker, csrf)
    request.state.purpose = HOUSEHOLD
    visit, _ = listed_row(request, asker, outreach_id)
    sees, database = partial(sees_household, request, asker), state_of(request).database
    if outcomes.undo(database, asker, number, sees, purpose_of(request)) is None:
        raise Problem(404, "unknown-outcome", say("没有这条结果", "no such outcome"))
    return _back_to(visit)


@router.post("/refusals")
def refuse(
    request: Request,
    asker: SignedIn,
    household_id: Annotated[Id, Form()],
    csrf: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """Note that a household wants no such visits, and take it off every list at once."""
    permit(asker, Scope.REFUSALS)
    check_csrf(asker, csrf)
    request.state.purpose = HOUSEHOLD
    place_in_sight(request, asker, household_id)
    state = state_of(request)
    begins = rights.refuses_from(state.shelf.served, state.shelf.today())
    rights.refuse(state.database, asker.who, household_id, begins, purpose=purpose_of(request))
    state.restrictions.refresh()
    return go_to("/visits")


@router.post("/refusals/end")
def accept(
    request: Request,
    asker: SignedIn,
    household_id: Annotated[Id, Form()],
    csrf: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """End a household's refusal, noted by mistake or taken back, so that it may be listed again."""
    permit(asker, Scope.RIGHTS)
    check_csrf(asker, csrf)
    request.state.purpose = LIST
    household_id = household_id.strip()
    place_in_sight(request, asker, household_id)
    state = state_of(request)
    today, workspace = state.shelf.today(), state.settings.workspace
    if not rights.accept(workspace, state.database, asker.who, household_id, today, purpose_of(request)):
        raise Problem(404, "no-refusal", say("该户没有登记谢绝", "this household has not refused"))
    state.restrictions.refresh()
    return go_to("/visits")


def _back_to(visit: Row) -> Response:
    if visit.get("withdrawn"):
        return go_to("/visits")
    home = quote(visit["household_id"], safe="")
    return go_to(f"/visits/{home}?as_of={visit['as_of']}#{quote(visit['outreach_id'])}")
