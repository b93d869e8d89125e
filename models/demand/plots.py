"""Figures of demand: months ahead with their intervals, and where it is expected."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from features.contract.community import Community
from features.language import say
from models.demand.expected import TOWN, WINDOWS
from models.demand.whole_numbers import whole_parts
from models.evaluation.plots import as_png, chinese_text, panels

MOST_GRIDS = 100  # in the figure; all are in the tables

_INK, _BAND, _SOFT = "#1d4f91", "#a8c7ea", "#d9e6f5"


def months_figure(demand: pd.DataFrame, community: Community) -> bytes:
    """Draw the households expected each month with 80% and 90% intervals, a panel a need; return PNG.

    ``demand``: what ``models.demand.expected.demand_table`` returns. Numbers are scaled to a month of 30 days, so that
    the rest of a month can be compared with whole months.
    """
    town = demand[(demand["grid_id"] == TOWN) & (demand["span"] != WINDOWS)]
    needs = [need for need in community.needs if (town["need"] == need.id).any()]
    with chinese_text():
        figure, axes = panels(len(needs), columns=4, width=3.2, height=2.6)
        for axis, need in zip(axes, needs, strict=True):
            rows = town[town["need"] == need.id]
            days = (pd.to_datetime(rows["ends"]) - pd.to_datetime(rows["begins"])).dt.days.to_numpy()
            scale = 30 / days
            place = np.arange(len(rows))
            for level, colour in (("90", _SOFT), ("80", _BAND)):
                low, high = rows[f"low_{level}"] * scale, rows[f"high_{level}"] * scale
                axis.bar(place, high - low, bottom=low, width=0.8, color=colour)
            axis.plot(place, rows["expected"] * scale, color=_INK, marker="o", markersize=4)
            axis.set_xticks(place, [span[2:] for span in rows["span"]], fontsize=11)
            axis.set_ylim(bottom=0)
            axis.tick_params(axis="y", labelsize=11)
            axis.set_title(need.name.here, fontsize=13)
        return as_png(figure, dpi=110)


def grids_figure(demand: pd.DataFrame, community: Community) -> bytes:
    """Draw the households expected in each need's window, by grid; return PNG.

    Numbers are households; colours compare a grid's share of households that ask with the mean of all grids. A town of
    more than ``MOST_GRIDS`` grids shows those in which most are expected.
    """
    rows = demand[(demand["grid_id"] != TOWN) & (demand["span"] == WINDOWS)]
    rate = rows.assign(rate=rows["expected"] / rows["households"])
    needs = [need for need in community.needs if (rows["need"] == need.id).any()]
    order = [need.id for need in needs]
    rates = rate.pivot_table("rate", "need", "grid_id").loc[order]
    counts = rows.pivot_table("expected", "need", "grid_id").loc[order].fillna(0)
    usual = rates.div(rates.mean(axis=1), axis=0)  # needs are compared with themselves only
    if len(counts.columns) > MOST_GRIDS:
        most = counts.sum().nlargest(MOST_GRIDS).index.sort_values()
        rates, counts, usual = rates[most], counts[most], usual[most]
    with chinese_text():
        figure = Figure(figsize=(2.4 + 0.8 * len(rates.columns), 0.7 + 0.42 * len(order)))
        axes = figure.add_axes((0.18, 0.02, 0.8, 0.9))
        axes.imshow(usual, cmap="Blues", vmin=0, vmax=2.5, aspect="auto")
        axes.set_xticks(range(len(rates.columns)), rates.columns, fontsize=12)
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(order)), [need.name.here for need in needs], fontsize=12)
        axes.tick_params(length=0)
        whole = np.array([whole_parts(row) for row in counts.to_numpy()])
        for (row, column), count in np.ndenumerate(whole):
            dark = usual.to_numpy()[row, column] > 1.6
            axes.text(column, row, str(count), ha="center", va="center", fontsize=12,
                      color="white" if dark else "black")  # fmt: skip
        return as_png(figure, dpi=110)


def draw_coverage(axes: Axes, table: pd.DataFrame, names: dict[str, str]) -> None:
    """Draw the share of 90% intervals that held for windows, with its interval, a line a need and place.

    table: what ``models.demand.backtest.told_by_need`` returns.
    names: by the values of its column ``need``, in the order in which they are drawn.
    """
    window = table[table["span"] == "window"].set_index(["place", "need"])
    drawn = [need for need in names if ("community", need) in window.index]
    places = {"community": say("全社区", "community"), "grid": say("各网格", "grids")}
    for shift, (place, name) in enumerate(places.items()):
        rows = window.loc[place].loc[drawn]
        height = np.arange(len(rows)) + 0.3 * (shift - 0.5)
        reach = [rows["within_90"] - rows["low_90"], rows["high_90"] - rows["within_90"]]
        axes.errorbar(rows["within_90"], height, xerr=np.abs(reach), fmt="o", markersize=4, label=name)
    axes.axvline(0.9, color="#9aa0a6", linewidth=1, linestyle="--")
    for line, need in enumerate(drawn):
        axes.text(0.01, line, names[need], transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    axes.set_yticks([])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.02)
    axes.set_title(say("落在 90% 区间内的比例", "Share within the 90% interval"))
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(0.15, 1))
