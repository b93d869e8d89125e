"""Pages of the week's visits: a worker's list, or which lists there are."""

from itertools import groupby
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from features.language import grid_words, say
from service.web.api.answers import AsOf
from service.web.auth.identities import SignedIn
from service.web.base.access import Identity, Scope, permit
from service.web.base.filters import refuse_unless_known
from service.web.intake import reassignments
from service.web.intake.results import Results, results
from service.web.pages.cards import Row, card, days_of, listed_week
from service.web.pages.frame import page
from service.web.published.reading import note, rows_in_sight
from service.web.published.state import state_of
from service.web.published.weeks import Week

router = APIRouter(include_in_schema=False)
LIST = "本周走访页 visits page"  # why it reads, in the audit log
Text = Annotated[str | None, Query(min_length=1, max_length=100)]


@router.get("/visits")
def visits(
    request: Request,
    asker: SignedIn,
    as_of: AsOf = None,
    grid: Text = None,
    coordinators: bool = False,
    everybody: bool = False,
    handed_over: Annotated[int | None, Query(ge=1, le=500)] = None,
) -> Response:
    """Show the visits of a week in sight.

    A worker sees their own list, or with ``everybody`` their whole place. Who sees the whole community gets the
    overview of lists, or one ``grid``'s list, or the coordinators'. ``handed_over``: how many households have just been
    handed to a colleague.
    """
    permit(asker, Scope.SCORES)
    request.state.purpose = LIST
    week = listed_week(request, asker, as_of)
    rows = rows_in_sight(request, asker, week)
    if asker.everywhere and grid is None and not coordinators:
        return _grids(request, asker, week, rows, handed_over)
    if asker.everywhere:
        rows = _of_list(rows, grid, coordinators, week.grids_in_sight(asker))
    assigned = [row for row in rows if asker.worker_id and row["worker_id"] == asker.worker_id]
    own = bool(assigned) or _works(asker, week)
    mine = own and not everybody
    shown = assigned if mine else rows
    given = _given(asker, rows)
    done = results(request, [*shown, *given])
    if shown:
        note(request, asker, "visits.read", dict.fromkeys(row["household_id"] for row in shown), week.as_of)
    return page(
        request,
        asker,
        "visits.html",
        newest=done.newest,
        week=week,
        days=days_of(week),
        **_by_worker(_cards(shown, done, week, asker)),
        title=say("我的走访名单", "My visits") if mine else _title(asker, grid, coordinators),
        others=len(rows) > len(shown),
        given=_cards(given, done, week, asker),
        own=own,
        colleagues=_colleagues(request, asker, week, shown) if grid else {},
        weeks=_weeks(request, week),
        handed_over=handed_over,
    )


def _works(asker: Identity, week: Week) -> bool:
    """Tell whether the asker is one of the week's workers, whose own list may be empty."""
    workers = week.around.get("workers", [])
    return bool(asker.worker_id) and any(worker["worker_id"] == asker.worker_id for worker in workers)


def _given(asker: Identity, rows: list[Row]) -> list[Row]:
    """Return the rows that the asker has handed to a colleague, who may not have visited them yet."""
    if asker.everywhere:
        return []
    return [row for row in rows if row.get("given_by") == asker.who and row["worker_id"] != asker.worker_id]


def _cards(rows: list[Row], done: Results, week: Week, asker: Identity) -> list[Row]:
    """Return a card for each household of these rows, which stand together."""
    return [card(list(of_one), done, week, asker) for _, of_one in groupby(rows, _of_visit)]


def _by_worker(cards: list[Row]) -> dict[str, Any]:
    """Group the cards by worker, and count them and those on which nothing is left to ask."""
    return {
        "workers": [(name, list(some)) for name, some in groupby(cards, lambda card: card["worker"])],
        "finished": sum(card["finished"] for card in cards),
        "total": len(cards),
    }


def _of_list(rows: list[Row], grid: str | None, coordinators: bool, grids: list[str]) -> list[Row]:
    """Return the rows of a grid's list, or of the coordinators'. Raises a 422 problem for a grid not among ``grids``."""
    if grid is not None:
        refuse_unless_known("grid", grid, grids)
    if coordinators:
        return [row for row in rows if row.get("coordinator")]
    return [row for row in rows if row["grid_id"] == grid and not row.get("coordinator")]


def _of_visit(row: Row) -> tuple[Any, ...]:
    return row["worker_id"], row.get("worker_name"), row["household_id"]


def _colleagues(request: Request, asker: Identity, week: Week, rows: list[Row]) -> dict[str, str]:
    """Return who may take over the visits of one worker of a grid's list, for those who see the whole community."""
    place = (
        state_of(request).shelf.served.place(rows[0]["household_id"]) if rows and asker.everywhere else None
    )
    return reassignments.colleagues(state_of(request).database, week, place) if place else {}


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
    published = state_of(request).shelf.served.weeks
    return [day for day in sorted(published, reverse=True) if published[day].listed and day != week.as_of][:3]


def _grids(
    request: Request, asker: Identity, week: Week, rows: list[Row], handed_over: int | None
) -> Response:
    """Show to those who see the whole community which lists there are, and how far each has come."""
    done = results(request, rows)
    lists: dict[str, tuple[set[str], set[str]]] = {}
    for row in rows:
        homes, open_ones = lists.setdefault("" if row.get("coordinator") else row["grid_id"], (set(), set()))
        homes.add(row["household_id"])
        if not done.finished(row):
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
        handed_over=handed_over,
    )
