"""Make one page with plots of the month's needs, projects and resources."""

import base64
from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from features.contract.community import Community
from features.language import say
from features.ornament import ornament
from models.demand.expected import TOWN, WINDOWS
from models.demand.plots import grids_figure, months_figure
from models.demand.proposals import Proposals
from service.lists.needs_tables import Sheet
from service.lists.pages import bar, render


def needs_page(
    demand: pd.DataFrame,
    proposals: Proposals,
    sheets: Sequence[Sheet],
    coverage: Sheet,
    community: Community,
    as_of: date,
) -> str:
    """Render the month's page as HTML: bars of needs against seats left, tables, months ahead, grids, and coverage.

    ``demand``, ``proposals``: of ``models.demand.candidates.town_demand``. ``sheets``: tables of needs, projects and
    resources. ``coverage``: the table of ``coverage_sheet``.
    """
    needs, lines = _bars(demand, proposals, community), list[str]()
    months, grids = (
        base64.b64encode(ornament(name, partial(draw, demand, community), b"", lines)).decode()
        for name, draw in (
            (("各月需求图", "the figure of months ahead"), months_figure),
            (("各网格需求图", "the figure of grids"), grids_figure),
        )
    )
    return render(
        "needs_list.html",
        title=say(f"{community.community.name} · 需求清单", f"{community.community.name} · needs"),
        subtitle="; ".join([say(f"{as_of} 测算", f"as of {as_of}"), *lines]),
        needs=needs,
        need_top=max([row["reach"] for row in needs], default=0) or 1,
        sheets=sheets,
        months=months,
        grids=grids,
        coverage=coverage,
    )


def _bars(demand: pd.DataFrame, proposals: Proposals, community: Community) -> list[dict[str, Any]]:
    window = demand[(demand["span"] == WINDOWS) & (demand["grid_id"] == TOWN)].set_index("need")
    seats = proposals.needs.set_index("need")["seats"]
    programmes = {need for programme in community.programmes for need in programme.needs}
    rows = []
    for need in community.needs:
        if need.id not in window.index:
            continue
        left = float(seats[need.id])
        of_programmes = None if np.isnan(left) or need.id not in programmes else left
        rows.append(bar(need.name.here, window.loc[need.id].to_dict(), of_programmes))
    return rows
