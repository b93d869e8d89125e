"""Backtest of demand: how far past counts scattered, and how many past intervals held, by need."""

import numpy as np
import pandas as pd

from features.language import say
from features.point_in_time.records import Known, Records
from models.demand.cells import past_cells
from models.demand.intervals import (
    LEVELS,
    Spread,
    fit_spread,
    reaches_far,
    town_cells,
    unknown_spread,
    windows_apart,
    with_intervals,
)
from models.demand.periods import WINDOW
from models.evaluation.baselines import MODEL
from models.evaluation.evaluate import ALL, Validation
from models.evaluation.share_intervals import wilson

PLACES = {False: "community", True: "grid"}
SPANS_TOLD = {True: "window", False: "month"}


def backtest_demand(
    records: Records, known_now: Known, validation: Validation | None
) -> tuple[Spread, pd.DataFrame]:
    """Fit the spread of demand to past out-of-time predictions, and count how often intervals made without them held.

    validation: the validated rows of a retrain; None or empty if nothing was validated.

    Returns the spread (the usual one without validated rows) and the table of ``told_by_need``, empty without rows.
    """
    needs = [need.id for need in known_now.community.needs]
    if validation is None or not len(validation):
        return unknown_spread(len(needs)), told_by_need(pd.DataFrame(), needs)
    p = validation.scores[MODEL].astype(np.float64)
    cells = past_cells(records, known_now, validation.household, validation.need, validation.as_of, p)
    return fit_spread(cells, len(needs)), told_by_need(held_out(cells, len(needs)), needs)


def held_out(cells: pd.DataFrame, needs: int) -> pd.DataFrame:
    """Give past cells (``models.demand.cells.past_cells``) intervals that were fitted on other days.

    For each as-of day the spread is fitted on cells of days so far away that their spans do not overlap. Adds the
    column ``grids``: True for cells by grid, False for the whole town.
    """
    parts = []
    for day in np.unique(cells["as_of"]) if len(cells) else ():
        apart = (cells["as_of"] - day).abs() >= cells["ends"] - cells["begins"]
        spread, of_day = fit_spread(cells[apart], needs), cells[cells["as_of"] == day]
        for grids, rows in ((False, town_cells(of_day)), (True, of_day)):
            parts.append(with_intervals(rows, spread, grids).assign(grids=grids))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def hard_to_foresee(validation: Validation, spread: Spread) -> np.ndarray:
    """Tell for which needs an interval made today reaches far beyond chance: bool [needs].

    validation: the validated rows of a retrain; the whole community is expected to ask as in the newest fold.
    spread: fitted to past windows, see ``backtest_demand``.
    """
    newest = validation.take(validation.fold == len(validation.folds) - 1)
    p, needs = newest.scores[MODEL].astype(np.float64), len(spread.level)
    windows = max(len(np.unique(newest.as_of)), 1) * validation.share
    expected, variance = (np.bincount(newest.need, asks, needs) / windows for asks in (p, p * (1 - p)))
    cells = {"need": np.arange(needs), "span": WINDOW, "expected": expected, "variance": variance}
    town = with_intervals(pd.DataFrame(cells).assign(households=np.inf), spread, grids=False)
    return reaches_far(expected, town["low_90"].to_numpy(), town["high_90"].to_numpy())


def told_by_need(past: pd.DataFrame, needs: list[str]) -> pd.DataFrame:
    """Compute the share of ``observed`` counts within their intervals: one row a need, and one over all (``all``).

    past: what ``held_out`` returns. needs: the needs' ids in their order.

    Columns need, place ("community", "grid"), span ("window", "month"), expected (mean), observed (mean), cells,
    windows (number of windows that do not overlap, summed over places), and for 80 and 90: within_80, low_80 and
    high_80 (the share within, and its 95% Wilson interval for ``windows`` trials).
    """
    columns = ["need", "place", "span", "expected", "observed", "cells", "windows"]
    columns += [f"{name}_{level}" for level in LEVELS for name in ("within", "low", "high")]
    if not len(past):
        return pd.DataFrame(columns=columns)
    for name in LEVELS:
        inside = (past["observed"] >= past[f"low_{name}"]) & (past["observed"] <= past[f"high_{name}"])
        past = past.assign(**{f"within_{name}": inside.astype(float)})
    past = past.assign(
        place=past["grids"].map(PLACES),
        span=(past["span"] == WINDOW).map(SPANS_TOLD),
        month=past["span"],
    )
    rows = []
    past["need"] = np.array(needs, dtype=object)[past["need"]]
    for (need, place, span), rows_of_need in past.groupby(["need", "place", "span"]):
        rows.append({"need": need, "place": place, "span": span, **_shares(rows_of_need)})
    table = pd.DataFrame(rows)
    for (place, span), rows_of_need in past.groupby(["place", "span"]):
        windows = table.loc[(table["place"] == place) & (table["span"] == span), "windows"].sum()
        rows.append({"need": ALL, "place": place, "span": span, **_shares(rows_of_need, windows)})
    return pd.DataFrame(rows)[columns]


def _shares(rows: pd.DataFrame, windows: float | None = None) -> dict[str, float]:
    if windows is None:
        places = max(len(rows) / len(rows[["as_of", "month"]].drop_duplicates()), 1)
        windows = places * windows_apart(rows)
    shares = {
        "expected": rows["expected"].mean(),
        "observed": rows["observed"].mean(),
        "cells": len(rows),
        "windows": windows,
    }
    for name in LEVELS:
        share = float(rows[f"within_{name}"].mean())
        shares[f"within_{name}"] = share
        shares[f"low_{name}"], shares[f"high_{name}"] = wilson(share * windows, windows)
    return shares


def as_metrics(table: pd.DataFrame | None, need: str) -> pd.DataFrame:
    """Return a need's rows of ``told_by_need`` as metrics of a ranker ``demand``, in the columns of ``evaluate``."""
    if table is None or table.empty:
        return pd.DataFrame(columns=["ranker", "fold", "metric", "value", "low", "high"])
    table = table[table["need"] == need]
    parts = [
        pd.DataFrame(
            {
                "ranker": "demand",
                "fold": "",
                "metric": f"within_{name}/" + table["span"] + "/" + table["place"],
                "value": table[f"within_{name}"],
                "low": table[f"low_{name}"],
                "high": table[f"high_{name}"],
            }
        )
        for name in LEVELS
    ]
    return pd.concat(parts, ignore_index=True)


def coverage_rows(table: pd.DataFrame | None, names: dict[str, str]) -> list[dict[str, str]]:
    """Describe how many 90% intervals of windows held: texts name, community and grid; one row a need, then one for all.

    names: the needs' names by their ids.
    """
    if table is None or table.empty:
        return []
    window = table[table["span"] == SPANS_TOLD[True]].set_index(["need", "place"]).to_dict("index")
    rows = []
    for need, name in {**names, ALL: say("全部", "all")}.items():
        if (need, PLACES[False]) in window:
            rows.append(
                {"name": name, **{place: _spoken(window[(need, place)]) for place in PLACES.values()}}
            )
    return rows


def _spoken(row: dict) -> str:
    return f"{100 * row['within_90']:.0f}% [{100 * row['low_90']:.0f}, {100 * row['high_90']:.0f}]"
