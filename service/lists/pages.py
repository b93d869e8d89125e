"""Make printable pages: a list for each grid, and the week's overview with its plots. Self-contained HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from features.contract.community import TIERS, Community
from features.language import joined_names, microgrid_words, say
from models.demand.whole_numbers import whole_parts
from service.console.operator import mark
from service.lists.answers import feedback_names, outcome_names
from service.lists.needs_tables import range_words
from service.lists.visit_rows import as_rows

if TYPE_CHECKING:
    from service.lists.feedback_week import FeedbackWeek

MOST_BESIDE = 40  # grids that are drawn as bars, and stand beside one another in a table; more stand below
OF_HOUSEHOLD = ("household_id", "microgrid_id", "contact", "members", "last_contact")
OF_NEED = ("need_name", "paper", "programme", "ask")
SHOWN = (*OF_HOUSEHOLD, *OF_NEED, "worker", "worker_name", "visit_order", "arm", "status")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("service"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals["say"] = say
    environment.globals["mark"] = mark
    environment.globals["microgrid_words"] = microgrid_words
    return environment


def render(template: str, **values: Any) -> str:
    """Render a template of this package."""
    return _environment().get_template(template).render(**values)


def week(as_of: date) -> str:
    """Write the week that begins on a date."""
    until = as_of + timedelta(days=6)
    return say(f"{as_of} 至 {until}", f"{as_of} to {until}")


@dataclass(frozen=True)
class Section:
    """What one stage did, in lines."""

    title: str
    lines: Sequence[str]


def data_staff_page(community: Community, sections: Sequence[Section], as_of: date) -> str:
    """Render what every stage did as HTML, for those who look after data and models."""
    title = say(
        f"{community.community.name} · 程序做了哪些事", f"{community.community.name} · what every stage did"
    )
    return render("data_staff.html", title=title, subtitle=week(as_of), sections=sections)


def grid_page(title: str, script: str, visits: pd.DataFrame, as_of: date, notes: Sequence[str] = ()) -> str:
    """Render the page of one grid: a section for each worker, a card for each household.

    title, script: heading, and what to say at the door.
    visits: described visits (``visit_rows.describe``) in the order of the lists.
    as_of: first day of the week.
    notes: what stands below the title.

    Returns HTML.
    """
    workers: dict[int, dict[str, list[dict[Any, Any]]]] = {}  # rows of each household, by worker
    for row in as_rows(visits, SHOWN):
        workers.setdefault(row["worker"], {}).setdefault(row["household_id"], []).append(row)
    subtitle = say(f"走访名单 · {week(as_of)}", f"Visits · {week(as_of)}")
    return render(
        "grid.html",
        title=title,
        subtitle=subtitle,
        script=script,
        notes=list(notes),
        workers=[
            {
                "name": next(iter(homes.values()))[0]["worker_name"] or say("社区统筹", "coordinators"),
                "visits": [_card(rows) for rows in homes.values()],
            }
            for homes in workers.values()
        ],
        outcomes=list(outcome_names().values()),
        feedback=list(feedback_names().values()),
    )


def _card(rows: Sequence[Mapping[Any, Any]]) -> dict[str, Any]:
    first = rows[0]
    return {
        **{name: first[name] for name in OF_HOUSEHOLD},
        "order": int(first["visit_order"]),
        "random": first["arm"] == "random",
        "kept": first["status"] == "kept",
        "needs": [{name: row[name] for name in OF_NEED} for row in rows],
    }


def overview_page(
    community: Community,
    visits: pd.DataFrame,
    tiers: pd.DataFrame,
    demand: pd.DataFrame,
    seats: pd.DataFrame,
    files: dict[str, dict[str, str]],
    lines: Sequence[str],
    as_of: date,
    feedback: "FeedbackWeek",
) -> str:
    """Render the week's overview: visits and tiers by grid, demand against seats, sums of feedback, notes.

    community: settings.
    visits: described visits.
    tiers: columns grid_id and tier, one row a household; empty without needs of severity 3.
    demand: expected households, from ``models.demand.expected``.
    seats: demand beside seats, from ``models.demand.programmes.against_seats``.
    files: names of workbook and page by grid, and by "" for the coordinators.
    lines: notes to print.
    as_of: first day of the week.
    feedback: the week's feedback.

    Returns HTML.
    """
    grids = _grid_rows(visits, tiers, files)
    names = {need.id: need.name.here for need in community.needs}
    needs = [need_row(names, {**row}) for row in seats.to_dict("records")]
    few = len(grids) <= MOST_BESIDE
    by_grid = _needs_by_grid(demand, names)
    by_grid = by_grid if few else by_grid.T
    return render(
        "overview.html",
        title=say(f"{community.community.name} · 先应一周概览", f"{community.community.name} · overview"),
        subtitle=week(as_of),
        tiers=[_tier_name(tier) for tier in TIERS] if len(tiers) else [],
        grids=grids,
        needs=needs,
        need_top=max([row["reach"] for row in needs], default=0) or 1,
        by_grid_of=say("需求", "need") if few else say("网格", "grid"),
        by_grid_head=list(by_grid.columns),
        by_grid=[{"name": name, "values": row.tolist()} for name, row in by_grid.iterrows()],
        lines=lines,
        feedback=feedback,
        feedback_file=files.get("", {}).get("workbook"),
    )


def _needs_by_grid(demand: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Tabulate the whole households expected of each need (rows, by their names) in each grid (columns)."""
    table = pd.crosstab(demand["need"], demand["grid_id"], demand["expected"], aggfunc="sum").fillna(0)
    table = table.drop(columns="").reindex([name for name in names if name in table.index]).rename(names)
    whole = np.array([whole_parts(row) for row in table.to_numpy()], dtype=np.int64).reshape(table.shape)
    return pd.DataFrame(whole, table.index, table.columns)


def _tier_name(tier: str) -> str:
    names = {"red": say("红", "red"), "yellow": say("黄", "yellow"), "green": say("绿", "green")}
    return names[tier]


def _grid_rows(
    visits: pd.DataFrame, tiers: pd.DataFrame, files: dict[str, dict[str, str]]
) -> list[dict[str, Any]]:
    """Make one row a grid, and one for the coordinators' lists if there are any."""
    key = visits["grid_id"].where(~visits["coordinator"], "")
    counts = tiers.groupby(["grid_id", "tier"]).size().to_dict() if len(tiers) else {}
    of_grid = dict(tuple(visits.groupby(key)))
    rows = []
    for grid in [*sorted({*of_grid, *tiers["grid_id"]} - {""}), *([""] if "" in of_grid else [])]:
        here = of_grid.get(grid, visits[:0])
        homes = here.drop_duplicates("household_id")
        numbers = [counts.get((grid, tier), 0) for tier in TIERS]
        rows.append(
            {
                "name": grid or say("社区统筹", "coordinators"),
                "households": len(homes),
                "random": int((homes["arm"] == "random").sum()),
                "needs": len(here),
                "tiers": (numbers if grid else [""] * len(TIERS)) if len(tiers) else [],
                "files": files.get(grid),
            }
        )
    return rows


def need_row(names: dict[str, str], row: Mapping[Any, Any]) -> dict[str, Any]:
    """Show a need's demand beside its seats, as a bar and in words; ``row`` comes from ``against_seats``."""
    no_seats = bool(np.isnan(row["seats"]))
    return {
        "window": f"{row['begins']:%m-%d}～{row['ends'] - timedelta(days=1):%m-%d}",
        "expected": f"{row['expected']:.0f}",
        "range": range_words(row),
        "programmes": joined_names(row["programmes"]) or say("这段时间没有项目", "none in the window"),
        "seats": "" if no_seats else f"{row['seats']:.0f}",
        **bar(names[row["need"]], row, None if no_seats else row["seats"]),
    }


def bar(name: str, row: Mapping[Any, Any], seats: float | None) -> dict[str, Any]:
    """Make a bar of ``charts.html``: households expected with their 90% interval, and a mark at the seats left.

    name: of the need. row: expected, low_90 and high_90. seats: None where no programme has any.

    Returns the bar; its ``reach`` is the largest number drawn.
    """
    expected, interval = row["expected"], (row["low_90"], row["high_90"])
    text = f"{expected:.0f}"
    if seats is not None:
        text += say(f"，剩余名额 {seats:.0f}", f", {seats:.0f} seats left")
    reach = max(expected, interval[1], seats or 0)
    return {
        "name": name,
        "value": expected,
        "text": text,
        "interval": interval,
        "mark": seats,
        "reach": reach,
    }
