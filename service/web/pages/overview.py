"""The coordinator's overview: micro-grids as a heat table, capacity and progress, demand, complaints."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Annotated, Any

import pandas as pd
from fastapi import APIRouter, Query, Request, Response

from features.language import language, say
from features.point_in_time.records import day_of
from models.demand.programmes import against_seats
from service.lists.answers import outcome_names
from service.lists.pages import need_row
from service.web.api.answers import AsOf
from service.web.api.needs import sees_total
from service.web.auth.identities import SignedIn
from service.web.base.access import Identity, Scope, permit, sees_need, sees_place
from service.web.base.problems import Problem
from service.web.intake.counted import Counted
from service.web.pages.cards import days_of, listed_week, results
from service.web.pages.frame import page
from service.web.published.reading import note, rows_in_sight
from service.web.published.state import state_of
from service.web.published.weeks import Week

router = APIRouter(include_in_schema=False)
PURPOSE = "概览页 overview page"  # why it reads, in the audit log
SHADES = 6  # classes heat-0 … heat-5 of the style sheet
Row = dict[str, Any]
COUNTS = ("visits", "homes", "done")
RED, VISITS = "tier:red", "visits"  # what a heat table may show, besides a need


@router.get("/overview")
def overview(
    request: Request,
    asker: SignedIn,
    as_of: AsOf = None,
    show: Annotated[str, Query(max_length=100)] = RED,
) -> Response:
    """Show one week of the community, or of the place to which the asker is restricted."""
    permit(asker, Scope.SCORES, Scope.SENSITIVE)
    request.state.purpose = PURPOSE
    week = listed_week(state_of(request).shelf.served, as_of)
    rows = rows_in_sight(request, asker, week)
    done = results(request, rows)
    finished = [row["outreach_id"] for row in rows if done.finished(row)]
    feedback = week.around.get("feedback", {}).get(language())
    said = _in_sight(request, asker, feedback, "said")
    agreed = _in_sight(request, asker, feedback, "agreed")
    households = [one["household_id"] for one in said + agreed]
    if households:
        note(request, asker, "feedback.read", dict.fromkeys(households), week.as_of)
    needs, grids = _demand(week, asker), capacity(_around(week, asker, rows), rows, finished)
    return page(
        request,
        asker,
        "overview.html",
        week=week,
        days=days_of(week),
        weeks=[as_of_date for as_of_date in state_of(request).shelf.served.weeks if as_of_date != week.as_of],
        heat=heat(_around(week, asker, rows), rows, show),
        shown=show,
        choices=_choices(week),
        outcomes=_found(done.outcomes, rows),
        workers=[one for some in grids.values() for one in some],
        grids=_sums(grids),
        needs=needs,
        need_top=max([row["reach"] for row in needs], default=0) or 1,
        feedback=feedback if asker.everywhere else {"counts": [], "marks": {"all": 0}, "quality": []},
        said=said,
        agreed=agreed,
    )


def _around(week: Week, asker: Identity, rows: list[Row]) -> Week:
    """Return the week with only the micro-grids in sight, and the workers who have visits there."""
    if asker.everywhere:
        return week
    areas = [area for area in week.areas if sees_place(asker, area["grid_id"], area["microgrid_id"])]
    here = {(row["worker_id"] or "", row.get("worker_name") or "") for row in rows}
    workers = [
        worker
        for worker in week.around.get("workers", [])
        if (worker["worker_id"] or "", worker["name"] or "") in here
    ]
    return replace(week, areas=areas, around={**week.around, "workers": workers})


def _choices(week: Week) -> list[tuple[str, str]]:
    return [
        (RED, say("红色户数", "households in red")),
        (VISITS, say("本周走访户数", "households to visit")),
        *((need.id, need.name.here) for need in week.community.needs),
    ]


def heat(week: Week, rows: list[Row], show: str) -> list[dict[str, Any]]:
    """Compute the heat table: each grid with its micro-grids, a number for each, and a shade.

    ``rows``: the lists' rows in sight. ``show``: RED, VISITS or the id of a need. The shade grows with the number per
    household. Raises a 404 problem for anything else to show.
    """
    if show not in dict(_choices(week)):
        raise Problem(404, "unknown-need", say("没有这项需求", "no such need"))
    visits: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        visits.setdefault((row["grid_id"], row["microgrid_id"]), set()).add(row["household_id"])
    cells: dict[str, list[Row]] = {}
    for area in week.areas:
        if show == RED:
            value = float(area["red"])
        elif show == VISITS:
            value = float(len(visits.get((area["grid_id"], area["microgrid_id"]), ())))
        else:
            value = area["expected"].get(show, 0.0)
        share = value / area["households"] if area["households"] else 0.0
        cell = {
            "name": area["microgrid_id"],
            "households": area["households"],
            "value": value,
            "share": share,
        }
        cells.setdefault(area["grid_id"], []).append(cell)
    top = max((cell["share"] for some in cells.values() for cell in some), default=0.0) or 1.0
    for cell in (cell for some in cells.values() for cell in some):
        cell["shade"] = min(SHADES - 1, int(SHADES * cell["share"] / top)) if cell["value"] else 0
    return [{"grid": grid, "cells": some} for grid, some in cells.items()]


def capacity(week: Week, rows: list[Row], done: Iterable[str]) -> dict[str, list[Row]]:
    """Compute each worker's visits a week, households on the list, and households with all outcomes, by grid.

    ``rows``: the lists' rows in sight. ``done``: outreach_ids with an outcome. The key '' holds the coordinators' list
    and workers without a visit.
    """
    done = set(done)
    found: dict[tuple[str, str, bool], Row] = {}
    for one in week.around.get("workers", []):
        found[one["worker_id"], one["name"], one["coordinator"]] = {
            "name": one["name"] or say("社区统筹", "coordinators"),
            "visits": one["visits"],
            "grid": "",
            "homes": set(),
            "left": set(),
        }
    for row in rows:
        coordinator = bool(row.get("coordinator"))
        mine = found.get((row["worker_id"] or "", row.get("worker_name") or "", coordinator))
        if mine is None:
            continue
        mine["grid"] = "" if coordinator else row["grid_id"]
        mine["homes"].add(row["household_id"])
        if row["outreach_id"] not in done:
            mine["left"].add(row["household_id"])
    grids: dict[str, list[Row]] = {}
    for one in sorted(found.values(), key=lambda worker: (worker["grid"] == "", worker["grid"])):
        homes = len(one["homes"])
        counts = {"visits": one["visits"], "homes": homes, "done": homes - len(one["left"])}
        grids.setdefault(one["grid"], []).append({"name": one["name"], **counts})
    return grids


def _sums(grids: dict[str, list[Row]]) -> list[Row]:
    """Sum up each grid of ``capacity``, and all of them."""
    named = {grid: grid or say("社区统筹", "coordinators") for grid in grids}
    every = [one for some in grids.values() for one in some]
    return [
        {"name": name, "workers": len(some)} | {key: sum(one[key] for one in some) for key in COUNTS}
        for name, some in [
            *((named[grid], some) for grid, some in grids.items()),
            (say("合计", "all"), every),
        ]
    ]


def _found(done: dict[str, Counted], rows: list[Row]) -> list[tuple[str, int, int]]:
    """Count each outcome among targeted and among random visits."""
    arms = {row["outreach_id"]: row["arm"] for row in rows}
    here = [(held.outcome, arms[one]) for one, held in done.items() if one in arms]
    return [
        (name, here.count((value, "targeted")), here.count((value, "random")))
        for value, name in outcome_names().items()
    ]


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
