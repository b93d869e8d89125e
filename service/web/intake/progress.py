"""How far the visits of a week are: by worker and grid, what they found, and where paper and phone disagree."""

from collections.abc import Iterable, Mapping
from typing import Any

from features.language import say
from service.lists.answers import outcome_names
from service.web.intake.counted import Counted
from service.web.published.weeks import Week

Row = dict[str, Any]
COUNTS = ("visits", "homes", "done")


def capacity(week: Week, rows: list[Row], done: Iterable[str]) -> dict[str, list[Row]]:
    """Compute each worker's visits a week, households on the list, and households with all outcomes, by grid.

    ``rows``: the lists' rows in sight. ``done``: outreach_ids with an outcome. The key '' holds the coordinators' list
    and workers who never had a visit; one who handed all visits over stays in the grid.
    """
    done = set(done)
    home = {worker_of(row): row["grid_id"] for row in week.visits}
    workers: dict[tuple[str, str, bool, str], Row] = {}
    for person in week.around.get("workers", []):
        _, name = person_of(person)
        grid = person.get("grid_id") or home.get(person_of(person), "")
        worker = workers.setdefault(_key(person, name, grid), _worker(name))
        worker["grid"] = "" if person["coordinator"] else grid
        worker["visits"] += person["visits"]
    for row in rows:
        _, name = worker_of(row)
        of_worker = workers.setdefault(_key(row, name, row["grid_id"]), _worker(name or row["worker_id"]))
        of_worker["grid"] = "" if row.get("coordinator") else row["grid_id"]
        of_worker["homes"].add(row["household_id"])
        if row["outreach_id"] not in done:
            of_worker["left"].add(row["household_id"])
    grids: dict[str, list[Row]] = {}
    for person in sorted(workers.values(), key=lambda worker: (worker["grid"] == "", worker["grid"])):
        homes = len(person["homes"])
        counts = {"visits": person["visits"], "homes": homes, "done": homes - len(person["left"])}
        grids.setdefault(person["grid"], []).append({"name": person["name"], **counts})
    return grids


def worker_of(row: Row) -> tuple[str, str]:
    """Return the id and the name of the worker of a row of the lists, "" where it has none."""
    return row["worker_id"] or "", row.get("worker_name") or ""


def person_of(worker: Row) -> tuple[str, str]:
    """Return what ``worker_of`` returns, for one of the week's workers."""
    return worker["worker_id"] or "", worker["name"] or ""


def _key(of: Row, name: str, grid: str) -> tuple[str, str, bool, str]:
    """Tell workers apart; without a workers table a name is a micro-grid's, and another grid may number its own so."""
    coordinator = bool(of.get("coordinator"))
    return of["worker_id"] or "", name, coordinator, "" if of["worker_id"] or coordinator else grid


def _worker(name: str | None) -> Row:
    return {
        "name": name or say("社区统筹", "coordinators"),
        "visits": 0,
        "grid": "",
        "homes": set(),
        "left": set(),
    }


def sums(grids: dict[str, list[Row]]) -> list[Row]:
    """Sum up each grid of ``capacity``, and all of them."""
    named = {grid: grid or say("社区统筹", "coordinators") for grid in grids}
    every = [person for people in grids.values() for person in people]
    return [
        {"name": name, "workers": len(people)}
        | {key: sum(person[key] for person in people) for key in COUNTS}
        for name, people in [
            *((named[grid], people) for grid, people in grids.items()),
            (say("合计", "all"), every),
        ]
    ]


def found(done: Mapping[str, Counted], rows: list[Row]) -> list[tuple[str, int, int]]:
    """Count each outcome among targeted and among random visits."""
    arms = {row["outreach_id"]: row["arm"] for row in rows}
    results = [(outcome.outcome, arms[visit]) for visit, outcome in done.items() if visit in arms]
    return [
        (name, results.count((value, "targeted")), results.count((value, "random")))
        for value, name in outcome_names().items()
    ]


def contradictions(done: Mapping[str, Counted], rows: list[Row], week: Week) -> list[Row]:
    """List the visits of which paper and the service say different things, with the outcome that counts first."""
    names, needs = outcome_names(), {need.id: need.name.here for need in week.community.needs}
    return [
        {
            "household_id": outcome.household_id,
            "worker": row.get("worker_name") or row["worker_id"] or "",
            "need": needs.get(outcome.need, outcome.need),
            "counts": names[outcome.outcome],
            "on": outcome.contacted_on,
            "other": names[outcome.other],
            "other_on": outcome.other_on,
        }
        for row in rows
        if (outcome := done.get(row["outreach_id"])) is not None and outcome.other
    ]


def unvisited(rows: list[Row], done: Iterable[str]) -> list[Row]:
    """Count the households of each worker's list and those with an outcome, whatever way it came.

    ``rows``: of an earlier week's lists. ``done``: outreach_ids with an outcome. Returned rows are those of a brief.
    """
    visited = set(done)
    homes: dict[tuple[str, str], dict[str, bool]] = {}
    for row in rows:
        if not row.get("coordinator"):
            name = row.get("worker_name") or row["worker_id"] or ""
            of_worker = homes.setdefault((row["grid_id"], name), {})
            household = row["household_id"]
            of_worker[household] = of_worker.get(household, False) or row["outreach_id"] in visited
    return [
        {"grid_id": grid, "name": name, "listed": len(homes_visited), "visited": sum(homes_visited.values())}
        for (grid, name), homes_visited in sorted(homes.items())
    ]
