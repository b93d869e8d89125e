"""The micro-grids of a week as a heat table: households in red, visits, or expected requests of a need."""

from typing import Any

from features.language import say
from service.web.base.filters import refuse_unless_known
from service.web.published.weeks import Week

SHADES = 6  # classes heat-0 … heat-5 of the style sheet
Row = dict[str, Any]
RED, VISITS = "tier:red", "visits"  # what a heat table may show, besides a need


def choices(week: Week) -> list[tuple[str, str]]:
    """List what the table may show, with its name: households in red only where there are any."""
    red = [(RED, say("红档户数", "households in red"))] if any(area["red"] for area in week.areas) else []
    return [
        *red,
        (VISITS, say("这周走访户数", "households to visit")),
        *((need.id, need.name.here) for need in week.community.needs),
    ]


def heat(week: Week, rows: list[Row], show: str) -> list[dict[str, Any]]:
    """Compute the heat table: each grid with its micro-grids, a number for each, and a shade.

    ``rows``: the lists' rows in sight. ``show``: RED, VISITS or the id of a need. The shade grows with the number per
    household. Raises a 422 problem for anything else to show.
    """
    refuse_unless_known("show", show, [RED, *dict(choices(week))])
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
