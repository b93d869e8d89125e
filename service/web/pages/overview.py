"""The coordinator's page: what to decide, what changed, who did not visit, what grows, who is left out."""

from collections.abc import Container, Sequence
from dataclasses import replace
from datetime import date
from typing import Annotated, Any

import pandas as pd
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from features.language import language, say
from features.point_in_time.records import day_of
from models.demand.programmes import against_seats
from service.brief.brief import EMPTY, Brief, of_grids, read_projects
from service.brief.decisions import CHECK, LISTS, MONTH, PROJECTS, decisions
from service.brief.words import left_out, month, tables
from service.lists.pages import need_row
from service.web.api.answers import AsOf
from service.web.api.needs import sees_total
from service.web.auth.identities import SignedIn
from service.web.base.access import Identity, Scope, permit, sees_need, sees_place
from service.web.database.tables import ENDS_RECORDED, NewRequest, Refusal, Remark
from service.web.intake.progress import capacity, contradictions, found, person_of, sums, unvisited, worker_of
from service.web.intake.remarks import Said
from service.web.intake.results import results
from service.web.pages.cards import days_of, listed_week, said_words
from service.web.pages.frame import page
from service.web.pages.heat import choices, heat
from service.web.published.reading import note, rows_in_sight
from service.web.published.state import state_of
from service.web.published.weeks import Week
from service.weekly.week_directory import week_directory

router = APIRouter(include_in_schema=False)
PURPOSE = "概览页 overview page"  # why it reads, in the audit log
MOST = 200  # the newest of what came in
Row = dict[str, Any]


@router.get("/overview")
def overview(
    request: Request,
    asker: SignedIn,
    as_of: AsOf = None,
    show: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """Show one week of the community, or of the place to which the asker is restricted."""
    permit(asker, Scope.SCORES, Scope.SENSITIVE)
    request.state.purpose = PURPOSE
    week = listed_week(request, asker, as_of)
    rows = rows_in_sight(request, asker, week)
    done = results(request, rows)
    feedback = week.around.get("feedback", {}).get(language())
    remarks = _in_sight(request, asker, feedback, "said")
    agreed = _in_sight(request, asker, feedback, "agreed")
    differing = contradictions(done.outcomes, rows, week)
    new = _arrived(request, asker, {row["household_id"] for row in rows})
    named = [row["household_id"] for row in remarks + agreed + differing + new]
    if named:
        note(request, asker, "feedback.read", dict.fromkeys(named), week.as_of)
    around = _around(week, asker, rows)
    finished = [row["outreach_id"] for row in rows if done.finished(row)]
    offered = choices(around)
    shown = show or offered[0][0]
    needs, grids = _demand(week, asker), capacity(around, rows, finished)
    return page(
        request,
        asker,
        "overview.html",
        week=week,
        days=days_of(week),
        weeks=[as_of_date for as_of_date in state_of(request).shelf.served.weeks if as_of_date != week.as_of],
        **_brief_values(request, asker, week, (len(agreed), len(differing))),
        differing=differing,
        heat=heat(around, rows, shown),
        shown=shown,
        choices=offered,
        outcomes=found(done.outcomes, rows),
        workers=[worker for of_grid in grids.values() for worker in of_grid],
        grids=sums(grids),
        needs=needs,
        need_top=max([row["reach"] for row in needs], default=0) or 1,
        feedback=feedback if asker.everywhere else {"counts": [], "marks": {"all": 0}, "quality": []},
        said=remarks,
        agreed=agreed,
        new=new,
    )


@router.get("/month")
def month_page(request: Request, asker: SignedIn, as_of: AsOf = None) -> Response:
    """Show the four weeks before a week by grid and worker, beside the office's targets."""
    permit(asker, Scope.SCORES, Scope.SENSITIVE)
    week = listed_week(request, asker, as_of)
    brief = brief_in_sight(week, asker)
    return page(request, asker, "month.html", week=week, days=days_of(week), month=month(brief))


def brief_in_sight(week: Week, asker: Identity) -> Brief:
    """Return the part of a week's brief that is about places in the asker's sight."""
    brief = week.around.get("brief") or EMPTY
    if asker.everywhere:
        return brief
    whole_grid = asker.grid_id is not None and asker.microgrid_id is None
    return of_grids(brief, [asker.grid_id] if whole_grid and asker.grid_id else [])


def _brief_values(request: Request, asker: Identity, week: Week, counts: tuple[int, int]) -> dict[str, Any]:
    """Return what the upper part of the page shows.

    ``counts``: numbers of visits promised for the week, and of visits of which paper and phone disagree.
    """
    brief = {**brief_in_sight(week, asker), "unvisited": _last_week(request, asker, week)}
    home = week_directory(state_of(request).settings.workspace, date.fromisoformat(week.as_of))
    projects = read_projects(home) if asker.everywhere else []
    lists = f"/visits?as_of={week.as_of}"
    return {
        "decisions": decisions(brief, projects, week.community, *counts),
        "places": {
            PROJECTS: ("#demand", say("看需求与名额", "See demand and seats")),
            LISTS: (lists, say("打开名单", "Open the lists")),
            MONTH: (f"/month?as_of={week.as_of}", say("看近四周", "See the month")),
            CHECK: ("#differing", say("看是哪几户", "See which")),
        },
        "tables": tables(brief, week.community),
        "left_out": left_out(brief),
    }


def _last_week(request: Request, asker: Identity, week: Week) -> list[Row]:
    """Count what was visited of the lists before, with everything that has come in by now."""
    served = state_of(request).shelf.served
    before = max(
        (day for day, other_week in served.weeks.items() if other_week.listed and day < week.as_of),
        default=None,
    )
    if before is None:
        return brief_in_sight(week, asker)["unvisited"]
    rows = rows_in_sight(request, asker, served.weeks[before])
    done = results(request, rows)
    return unvisited(rows, [row["outreach_id"] for row in rows if done.finished(row)])


def _around(week: Week, asker: Identity, rows: list[Row]) -> Week:
    """Return the week with only the micro-grids in sight, and the workers of the grid or with visits there."""
    if asker.everywhere:
        return week
    areas = [area for area in week.areas if sees_place(asker, area["grid_id"], area["microgrid_id"])]
    here = {worker_of(row) for row in rows}
    workers = [worker for worker in week.around.get("workers", []) if _is_around(worker, asker, here)]
    return replace(week, areas=areas, around={**week.around, "workers": workers})


def _is_around(worker: Row, asker: Identity, here: set[tuple[str, str]]) -> bool:
    """Tell whether a worker of the week is of the asker's grid or, in a part of it, among those with visits there."""
    grid = worker.get("grid_id")
    if grid and asker.grid_id not in (None, grid):
        return False
    of_whole_grid = asker.microgrid_id is None and grid == asker.grid_id
    return of_whole_grid or person_of(worker) in here


def _demand(week: Week, asker: Identity) -> list[Row]:
    """Compare needs' demand with seats, as on the printed overview; for the whole community, as the seats are."""
    rows = [
        row
        for row in week.demand
        if sees_total(asker, row["grid_id"]) and sees_need(asker, row["need"] in week.sensitive)
    ]
    if not rows:
        return []
    frame = pd.DataFrame(rows)
    for name in ("begins", "ends"):
        frame[name] = [date.fromisoformat(number) for number in frame[name]]
    left = week.around.get("seats_left", {})
    table = against_seats(frame, week.community, day_of(date.fromisoformat(week.as_of)), left)
    names = {need.id: need.name.here for need in week.community.needs}
    return [need_row(names, {**row}) for row in table.to_dict("records")]


def _in_sight(request: Request, asker: Identity, feedback: Row | None, name: str) -> list[Row]:
    """Return the feedback of households in sight that are neither deleted nor refusing."""
    state = state_of(request)
    rows = []
    for row in (feedback or {}).get(name, []):
        place = state.shelf.served.place(row["household_id"])
        listed = state.restrictions.listed(row["household_id"])
        if listed and (sees_place(asker, place[0], place[1]) if place else asker.everywhere):
            rows.append(row)
    return rows


def _arrived(request: Request, asker: Identity, listed: Container[str]) -> list[Row]:
    """List what workers noted on their phones and the records do not hold yet, the newest first.

    Only for those who see the whole community. Households that are being deleted are left out. ``listed``: households
    of the week's lists, which have a page.
    """
    if not asker.everywhere:
        return []
    state = state_of(request)
    with state.database.reading() as session:
        refusals = _waiting(session, Refusal, ENDS_RECORDED.is_not(True))
        remarks, requests = _waiting(session, Remark), _waiting(session, NewRequest)
    refused = say(
        "不要再来（已不上名单；记错了在“走访”页收回）",
        "no more visits (on no list; ended on the page of visits)",
    )
    last = {row.household_id: row for row in refusals}  # once, however often it was noted
    found = [
        *(
            (home, refused, row.by, row.at)
            for home, row in last.items()
            if home in state.restrictions.refusing
        ),
        *((row.household_id, _remark(row), row.by, row.recorded_at) for row in remarks),
        *((row.household_id, _asked(row), row.by, row.recorded_at) for row in requests),
    ]
    zone = state.shelf.now().tzinfo
    return [
        {
            "household_id": household,
            "grid_id": (state.shelf.served.place(household) or ("",))[0],
            "words": words,
            "by": by.removeprefix("user:"),
            "when": f"{when.astimezone(zone):%m-%d %H:%M}",
            "listed": household in listed,
        }
        for household, words, by, when in sorted(found, key=lambda one: one[3], reverse=True)
        if household not in state.restrictions.deleted
    ]


def _waiting(session: Session, table: Any, *only: ColumnElement[bool]) -> Sequence[Any]:
    """Return a table's newest rows that the records do not hold yet."""
    rows = select(table).where(table.drained_at.is_(None), *only).order_by(table.id.desc()).limit(MOST)
    return session.scalars(rows).all()


def _remark(row: Remark) -> str:
    return say("，", ", ").join(said_words(Said(row.kind, row.satisfaction, row.next_visit)))


def _asked(row: NewRequest) -> str:
    return say("别的需要：", "another need: ") + (row.text or row.need or "")
