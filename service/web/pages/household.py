"""The page of one household to visit: why it is listed, what to ask, and what the visit found."""

from datetime import date
from typing import Annotated, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, Request, Response

from service.lists.answers import feedback_names, outcome_names
from service.lists.visit_rows import script
from service.returns.read_feedback import LATEST, SOONEST
from service.web.api.answers import AsOf
from service.web.auth.identities import SignedIn, check_csrf
from service.web.base.access import Identity, Role, Scope, permit
from service.web.base.problems import Problem
from service.web.intake import outcomes, reassignments, remarks
from service.web.intake.counted import Counted
from service.web.intake.results import results
from service.web.pages.cards import TELEPHONE, Row, card, days_of, listed_week, worded
from service.web.pages.frame import page
from service.web.published.reading import note, place_in_sight, rows_in_sight, willing
from service.web.published.state import state_of
from service.web.published.weeks import Week

router = APIRouter(include_in_schema=False)
HOUSEHOLD = "住户页 household page"  # why it reads, in the audit log


@router.get("/visits/{household_id:path}")
def household(request: Request, asker: SignedIn, household_id: str, as_of: AsOf = None) -> Response:
    """Show one household: why it is listed, what to ask, programmes, and what the visit found."""
    permit(asker, Scope.SCORES)
    request.state.purpose = HOUSEHOLD
    grid, microgrid, *_ = place_in_sight(request, asker, household_id)
    willing(request, household_id)
    week = listed_week(request, asker, as_of)
    rows = rows_in_sight(request, asker, week)
    here = [row for row in rows if row["household_id"] == household_id]
    if not here:
        raise not_listed()
    done = results(request, here)
    note(request, asker, "visit.read", household_id, week.as_of)
    before, after = _neighbours(rows, here[0])
    return page(
        request,
        asker,
        "household.html",
        week=week,
        newest=done.newest,
        days=days_of(week),
        grid=grid,
        microgrid=microgrid,
        home=worded(here[0]),
        card=card(here, done, week, asker),
        script=script(week.community),
        choices=list(outcome_names().items()),
        may_undo={row["outreach_id"]: may_undo(asker, done.outcomes.get(row["outreach_id"])) for row in here},
        earliest=date.fromisoformat(week.as_of) - SOONEST,
        latest=date.fromisoformat(week.as_of) + LATEST,
        remarks={kind: feedback_names()[kind] for kind in remarks.KINDS},
        colleagues=_colleagues(request, week, here[0]),
        token=uuid4().hex,
        zone=ZoneInfo(week.community.community.timezone),
        telephones=TELEPHONE.findall(here[0].get("contact") or ""),
        before=before,
        after=after,
        longest=outcomes.LONGEST_NOTE,
        may_refuse=Scope.REFUSALS in asker.scopes,
        may_ask=Scope.REQUESTS in asker.scopes,
    )


def form(scope: Scope, purpose: str = HOUSEHOLD) -> Any:
    """Return the dependency that gives who sends a form, with the permission and the session's token.

    ``purpose``: why it writes, in the audit log.
    """

    def sender(
        request: Request, asker: SignedIn, csrf: Annotated[str, Form(max_length=100)] = ""
    ) -> Identity:
        permit(asker, scope)
        check_csrf(asker, csrf)
        request.state.purpose = purpose
        return asker

    return Depends(sender)


Reporter = Annotated[Identity, form(Scope.OUTCOMES)]


def not_listed() -> Problem:
    """The household stands on no row of the week that the asker sees."""
    return Problem(404, "not-listed", "这一户不在这周的名单上", "this household is not on the week's list")


def may_undo(asker: Identity, outcome: Counted | None) -> bool:
    """Tell whether the page offers to undo an outcome; ``outcomes.undo`` decides."""
    return bool(
        outcome
        and outcome.id
        and not outcome.taken_at
        and (outcome.by == asker.who or asker.role == Role.COORDINATOR)
    )


def _colleagues(request: Request, week: Week, row: Row) -> dict[str, str]:
    """Return who may take this visit over, but for whoever has it."""
    place = state_of(request).shelf.served.place(row["household_id"])
    names = reassignments.colleagues(state_of(request).database, week, place) if place else {}
    return {worker: name for worker, name in names.items() if worker != row["worker_id"]}


def _neighbours(rows: list[Row], row: Row) -> tuple[str, str]:
    """Return the households before and after this one on the same list; '' at its ends."""
    key = (row["worker_id"], row.get("worker_name"), bool(row.get("coordinator")))
    same = [
        row for row in rows if (row["worker_id"], row.get("worker_name"), bool(row.get("coordinator"))) == key
    ]
    homes = list(dict.fromkeys(row["household_id"] for row in same))
    place = homes.index(row["household_id"])
    return homes[place - 1] if place else "", homes[place + 1] if place + 1 < len(homes) else ""
