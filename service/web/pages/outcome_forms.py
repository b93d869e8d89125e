"""Forms of a household's page about what a visit found, for browsers without a script; the script uses the API."""

from datetime import date
from functools import partial
from typing import Annotated
from urllib.parse import quote
from uuid import uuid4
from zlib import crc32

from fastapi import APIRouter, Form, Request, Response

from service.web.api.feedback import Kind
from service.web.api.outcomes import Id, OutcomeName
from service.web.base.problems import Problem
from service.web.intake import outcomes, remarks
from service.web.intake.results import results
from service.web.pages.cards import Row, listed_week
from service.web.pages.frame import go_to
from service.web.pages.household import Reporter, not_listed
from service.web.published.reading import (
    listed_row,
    place_in_sight,
    purpose_of,
    rows_in_sight,
    sees_household,
    willing,
)
from service.web.published.state import state_of

router = APIRouter(include_in_schema=False)


@router.post("/outcomes")
def record(
    request: Request,
    asker: Reporter,
    outreach_id: Annotated[Id, Form()],
    outcome: Annotated[OutcomeName, Form()],
    token: Annotated[str, Form(min_length=1, max_length=60)],
    note: Annotated[str, Form(max_length=outcomes.LONGEST_NOTE, pattern=r"^[^\x00]*$")] = "",
) -> Response:
    """Store what a visit found and show the page again, for browsers without a script."""
    visit, week = listed_row(request, asker, outreach_id)
    willing(request, visit["household_id"])
    today = outcomes.today_in(week.community.community.timezone)
    database, purpose = state_of(request).database, purpose_of(request)
    pressed = f"{token}-{outcome}-{crc32(note.strip().encode()):x}"  # with another note it is another report
    report = outcomes.Report(outcome, pressed, note=note.strip())
    row = outcomes.record(database, asker, visit, report, today, purpose)
    if row.undone_at:  # pressed once more on a page from before the undo
        again = outcomes.Report(outcome, uuid4().hex, note=note.strip())
        outcomes.record(database, asker, visit, again, today, purpose)
    return _back_to(visit)


@router.post("/outcomes/nobody")
def nobody_home(
    request: Request,
    asker: Reporter,
    household_id: Annotated[Id, Form()],
    as_of: Annotated[str, Form(max_length=20)],
    token: Annotated[str, Form(min_length=1, max_length=60)],
) -> Response:
    """Store for every need of a household that has no outcome yet that nobody was met: the page again."""
    place_in_sight(request, asker, household_id)
    willing(request, household_id)
    week = listed_week(request, asker, as_of)
    rows = [row for row in rows_in_sight(request, asker, week) if row["household_id"] == household_id]
    if not rows:
        raise not_listed()
    done = results(request, rows)
    today = outcomes.today_in(week.community.community.timezone)
    for row in rows:
        if not done.finished(row):
            visit, _ = listed_row(request, asker, row["outreach_id"])
            report = outcomes.Report("not_reached", f"{token}-{row['outreach_id']}"[:100])
            outcomes.record(state_of(request).database, asker, visit, report, today, purpose_of(request))
    return go_to(f"/visits/{quote(household_id, safe='')}?as_of={week.as_of}")


@router.post("/feedback")
def say_of(
    request: Request,
    asker: Reporter,
    outreach_id: Annotated[Id, Form()],
    token: Annotated[str, Form(min_length=1, max_length=60)],
    kind: Annotated[Kind | None, Form()] = None,
    satisfaction: Annotated[int | None, Form(ge=1, le=5)] = None,
    next_visit: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Store what was said beside the outcome, and show the page again."""
    visit, _ = listed_row(request, asker, outreach_id)
    willing(request, visit["household_id"])
    remark = remarks.Said(kind, satisfaction, day_of_form(next_visit))
    if remark != remarks.Said():
        database, given = state_of(request).database, f"{token}-{kind}-{satisfaction}-{next_visit}"[:100]
        remarks.add_remark(database, asker, visit, remark, given, purpose_of(request))
    return _back_to(visit)


def day_of_form(text: str) -> date | None:
    """Read the value of a form's date; None for an empty one. Raises a 422 problem for anything else."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise Problem(422, "wrong-date", "日期不对，请检查", "the date cannot be right") from error


@router.post("/outcomes/undo")
def undo(
    request: Request,
    asker: Reporter,
    outreach_id: Annotated[Id, Form()],
    number: Annotated[int, Form(ge=1, le=2**62)],
) -> Response:
    """Undo an outcome and show the page again, for browsers without a script."""
    visit, _ = listed_row(request, asker, outreach_id)
    sees, database = partial(sees_household, request, asker), state_of(request).database
    if outcomes.undo(database, asker, number, sees, purpose_of(request)) is None:
        raise Problem(404, "unknown-outcome", "没有这条结果", "no such outcome")
    return _back_to(visit)


def _back_to(visit: Row) -> Response:
    if visit.get("withdrawn"):
        return go_to("/visits")
    home = quote(visit["household_id"], safe="")
    return go_to(f"/visits/{home}?as_of={visit['as_of']}#{quote(visit['outreach_id'])}")
