"""Proposals of projects from demand, seats and funds: what to open, where, for how many, by when, and who pays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from features.contract.community import Fund, Need, Programme
from features.point_in_time.records import Known, date_of
from features.units import WEEK
from models.demand.expected import TOWN, WINDOWS
from models.demand.programmes import next_opening, programmes_for, runs_now
from models.demand.seats import seats_left, seats_told, take_up
from models.demand.whole_numbers import whole_parts

MOST_OF_IT = 0.8  # of what no seat serves, that the grids named hold
ENROLMENT_WEEKS = 2.0  # of a programme that is not in the settings yet
RUN, EXTEND, OPEN = "run", "extend", "open"


@dataclass(frozen=True)
class Proposals:
    """Tables for the lists of needs, projects and resources.

    needs: need, take_up, wanted, wanted_low, wanted_high (seats asked for in the need's window, 80%), seats
    (left in programmes that run then; NaN where a programme has no number), spare (of these, wanted by nobody),
    served, unserved; one row a need.
    projects: need, kind (run, extend, open), programme (id, of another season where one is to be opened; or ""),
    grids (ids and seats wanted, most wanted first), whole_grids (the same in whole seats, rounded as in other lists),
    seats, low, high, begins (date), tell_by (date; None where people can join at any time), fund, organiser, cost (yuan,
    NaN unknown), short_of_money (bool), missing (yuan that the fund does not have; never planned).
    programmes: programme, left (seats; NaN without a number), told (bool: how many are taken is known, or it
    is not open yet; else whoever asked since it opened), wanted, whole_wanted (the sum of its needs' whole numbers, as
    lists show them). funds: fund, budget, spent, planned, left.
    """

    needs: pd.DataFrame
    projects: pd.DataFrame
    programmes: pd.DataFrame
    funds: pd.DataFrame


def propose(
    demand: pd.DataFrame,
    known: Known,
    history: pd.DataFrame,
    asked: np.ndarray | None = None,
    claims: Mapping[str, int] | None = None,
) -> Proposals:
    """Proposals from ``demand`` (``models.demand.expected.demand_table``) and the programmes' ``history``.

    ``asked``: of ``models.demand.seats.take_up``; ``claims``: of ``seats_left``; with both ``known`` may be any part of
    the town.
    Seats left in programmes that run within a need's window are shared among all who want them, in proportion.
    What is left over is proposed as a project where it reaches the community's ``projects.smallest``; the most
    severe needs are given money first.
    """
    window = demand[demand["span"] == WINDOWS]
    taken = dict(zip(known.community.need_index(), take_up(known, history, asked), strict=True))
    grids = window[window["grid_id"] != TOWN]
    seats = grids["expected"] * grids["need"].map(taken)
    wanted = pd.Series(seats.to_numpy(), index=pd.MultiIndex.from_frame(grids[["need", "grid_id"]]))
    served, programmes = _fill_seats(wanted, known, history, claims)
    unserved = wanted - sum(served.values(), 0 * wanted)
    needs = _needs(window[window["grid_id"] == TOWN], taken, wanted, unserved, programmes, known)
    projects = _running(programmes, wanted, served, known) + _missing(needs, unserved, known)
    funded, funds = _with_money(projects, known)
    return Proposals(needs, funded, programmes, funds)


def _window(need: Need, known: Known) -> tuple[float, float]:
    begins = known.as_of + WEEK * need.lead_weeks
    return begins, begins + WEEK * need.horizon_weeks


def _serving(known: Known) -> dict[str, list[Programme]]:
    """Return the programmes that run within each need's window, by the need's id."""
    return {
        need.id: programmes_for(known.community, need.id, *_window(need, known))
        for need in known.community.needs
    }


def _covered(wanted: pd.Series, programme: Programme, serving: dict[str, list[Programme]]) -> np.ndarray:
    """Tell which cells a programme serves within the need's window: bool [(need, grid) cells]."""
    needs = [need for need, programmes in serving.items() if programme in programmes]
    covered = wanted.index.get_level_values("need").isin(needs)
    if programme.grids:
        covered = covered & wanted.index.get_level_values("grid_id").isin(programme.grids)
    return np.asarray(covered)


def _fill_seats(
    wanted: pd.Series, known: Known, history: pd.DataFrame, claims: Mapping[str, int] | None
) -> tuple[dict[str, pd.Series], pd.DataFrame]:
    """Share out the seats left: the seats of each programme by (need, grid), and the programmes with seats left and
    wanted."""
    serving, unserved, rows = _serving(known), wanted.copy(), []
    served = {}
    for programme in known.community.programmes:
        covered = _covered(wanted, programme, serving)
        _, taken = seats_told(programme, known, history)
        seats = seats_left(programme, known, history, claims)
        left = np.nan if seats is None else float(seats)
        asked = float(unserved[covered].sum())
        of_needs = unserved[covered].groupby(level="need").sum()
        share = 1.0 if np.isnan(left) else min(1.0, left / asked) if asked else 0.0
        served[programme.id] = (share * unserved).where(covered, 0.0)
        unserved = unserved - served[programme.id]
        rows.append(
            {
                "programme": programme.id,
                "left": left,
                "told": taken is not None or not runs_now(programme, known),
                "wanted": asked,
                "whole_wanted": int(of_needs.round().sum()),
            }
        )
    return served, pd.DataFrame(rows, columns=["programme", "left", "told", "wanted", "whole_wanted"])


def _needs(
    town: pd.DataFrame,
    taken: dict[str, float],
    wanted: pd.Series,
    unserved: pd.Series,
    programmes: pd.DataFrame,
    known: Known,
) -> pd.DataFrame:
    left = programmes.set_index("programme")["left"]
    spare = (left - programmes.set_index("programme")["wanted"]).clip(lower=0).fillna(np.inf)
    rows = []
    for row in town.to_dict("records"):
        need = row["need"]
        serving = _serving(known)[need]
        rows.append(
            {
                "need": need,
                "take_up": taken[need],
                "wanted": float(wanted[need].sum()),
                "wanted_low": row["low_80"] * taken[need],
                "wanted_high": row["high_80"] * taken[need],
                "seats": float(sum(left[programme.id] for programme in serving)) if serving else np.nan,
                "spare": float(sum(spare[programme.id] for programme in serving)),
                "served": float(wanted[need].sum() - unserved[need].sum()),
                "unserved": float(unserved[need].sum()),
            }
        )
    names = [
        "need", "take_up", "wanted", "wanted_low", "wanted_high", "seats", "spare", "served", "unserved",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def _running(
    programmes: pd.DataFrame, wanted: pd.Series, served: dict[str, pd.Series], known: Known
) -> list[dict]:
    """Make a row for each programme and need that it serves within the need's window."""
    rows, serving = [], _serving(known)
    for programme, row in zip(known.community.programmes, programmes.to_dict("records"), strict=True):
        covered = _covered(wanted, programme, serving)
        for need in known.community.needs:
            cells = covered & (wanted.index.get_level_values("need") == need.id)
            seats = float(served[programme.id][cells].sum())
            if not cells.any() or (row["left"] == 0):
                continue
            begins = next_opening(programme, _window(need, known)[0])
            rows.append(
                _row(need, RUN, programme, _largest(wanted[cells]), seats, seats, seats, begins, known)
            )
    return rows


def _missing(needs: pd.DataFrame, unserved: pd.Series, known: Known) -> list[dict]:
    """List a project, to extend a programme or open one, for each need of which enough is not served."""
    rows, serving = [], _serving(known)
    for row in needs.to_dict("records"):
        if row["unserved"] < known.community.projects.smallest:
            continue
        need = known.community.needs[known.community.need_index()[row["need"]]]
        running = next(iter(serving[need.id]), None)
        begins = _window(need, known)[0]
        if running:
            begins = next_opening(running, begins)
        programme = running or next(
            (programme for programme in known.community.programmes if need.id in programme.needs), None
        )
        low, high = (max(row[column] - row["served"], 0.0) for column in ("wanted_low", "wanted_high"))
        kind = EXTEND if running else OPEN
        grids = _largest(unserved[need.id])
        rows.append(_row(need, kind, programme, grids, row["unserved"], low, high, begins, known))
    return rows


def _largest(wanted: pd.Series) -> list[tuple[str, float, int]]:
    """Return the grids that want most, until they hold MOST_OF_IT of all: the seats wanted, and as whole ones.

    Those of all grids add up, so that every list says the same of a grid.
    """
    by_grid = wanted.groupby(level="grid_id").sum()
    whole = dict(zip(map(str, by_grid.index), whole_parts(by_grid), strict=True))
    by_grid = by_grid.sort_values(ascending=False, kind="stable")
    before = by_grid.cumsum() - by_grid
    kept = by_grid[(before < MOST_OF_IT * by_grid.sum()) & (by_grid > 0)]
    return [(str(grid), float(value), whole[str(grid)]) for grid, value in kept.items()]


def _row(
    need: Need,
    kind: str,
    programme: Programme | None,
    grids: list[tuple[str, float, int]],
    seats: float,
    low: float,
    high: float,
    begins: float,
    known: Known,
) -> dict:
    notice = WEEK * (programme.enrolment_weeks if programme else ENROLMENT_WEEKS)
    if kind != RUN:  # nobody can be told on the day on which the list is made
        begins = max(begins, known.as_of + WEEK + notice)
    count = round(seats)
    cost = programme.cost_per_seat if programme else None
    return {
        "need": need.id,
        "kind": kind,
        "programme": programme.id if programme else "",
        "grids": [(grid, value) for grid, value, _ in grids],
        "whole_grids": [(grid, whole) for grid, _, whole in grids],
        "seats": count,
        "low": int(np.floor(low)),
        "high": int(np.ceil(high)),
        "begins": date_of(begins),
        "tell_by": _tell_by(programme, begins, notice, known),
        "fund": programme.fund if programme else "",
        "organiser": programme.organiser if programme else "",
        "cost": np.nan if cost is None else cost * count,
        "severity": need.severity,
    }


def _tell_by(programme: Programme | None, begins: float, notice: float, known: Known) -> date | None:
    """Return the last day to tell residents: within the week where less than the notice is left; None where people can
    join at any time, as it is open."""
    if begins - notice > known.as_of:
        return date_of(begins - notice)
    if programme is None or runs_now(programme, known):
        return None
    return date_of(min(begins, known.as_of + WEEK))


def _with_money(projects: list[dict], known: Known) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Choose a fund for each project; return the projects, and the funds with what is planned and left."""
    columns = [
        "need", "kind", "programme", "grids", "whole_grids", "seats", "low", "high", "begins", "tell_by", "fund",
        "organiser", "cost", "short_of_money", "missing",
    ]  # fmt: skip
    left = {fund.id: fund.budget - fund.spent for fund in known.community.funds}
    planned = dict.fromkeys(left, 0.0)
    order = {RUN: 0, EXTEND: 1, OPEN: 1}
    rows = []
    for row in sorted(
        projects, key=lambda project: (order[project["kind"]], -project["severity"], -project["seats"])
    ):
        fund = row["fund"] or ("" if row["kind"] == RUN else _fund_for(row["need"], known, left))
        cost = float(np.nan_to_num(row["cost"]))
        paid = min(cost, max(left[fund], 0.0)) if fund else cost
        if fund:
            left[fund] -= paid
            planned[fund] += paid
        rows.append({**row, "fund": fund, "short_of_money": paid < cost, "missing": cost - paid})
    funds = [
        {
            "fund": fund.id,
            "budget": fund.budget,
            "spent": fund.spent,
            "planned": planned[fund.id],
            "left": left[fund.id],
        }
        for fund in known.community.funds
    ]
    names = ["fund", "budget", "spent", "planned", "left"]
    return pd.DataFrame(rows, columns=columns), pd.DataFrame(funds, columns=names)


def _fund_for(need: str, known: Known, left: dict[str, float]) -> str:
    """Choose the fund that may pay for a need, preferring one that names it, then the fullest; "" without one."""

    def rank(fund: Fund) -> tuple[bool, float]:
        return need in fund.needs, left[fund.id]

    able = [fund for fund in known.community.funds if not fund.needs or need in fund.needs]
    able = [fund for fund in able if left[fund.id] > 0]
    return max(able, key=rank).id if able else ""
