"""Figures of a retrain: calibration, comparison of rankers by list length and fold, and important features.

Drawn without a display and with a bundled Chinese font (Noto Sans SC), so that no text ever comes out as empty boxes.
Figures are in the language in force.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator
from pylopdf_fonts_zh_cn import sans_path

from features.language import language, say

_PERCENT = FuncFormatter(lambda value, _: f"{100 * value:g}%")
_GREY = "#9aa0a6"
MOST_FEATURES = 10  # in one panel


@contextmanager
def chinese_text() -> Iterator[None]:
    """Set fonts and style inside a block, so that figures drawn and saved there show Chinese on every machine."""
    path = str(sans_path())
    name = font_manager.FontProperties(fname=path).get_name()
    if name not in {font.name for font in font_manager.fontManager.ttflist}:
        font_manager.fontManager.addfont(path)
    style: dict[Any, Any] = {
        "font.family": [name, "DejaVu Sans"],
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titley": 1.0,  # otherwise every tick is measured to see whether it is in the title's way
    }
    with matplotlib.rc_context(style):
        yield


def as_png(figure: Figure, dpi: int = 100) -> bytes:
    """Render a figure as PNG (call it inside ``chinese_text``)."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=dpi)
    return buffer.getvalue()


def draw_reliability(axes: Axes, reliability: pd.DataFrame) -> None:
    """Draw the predicted against the observed share of each bin, with the number of rows in a bin.

    Columns predicted, observed, count; one row a bin.
    """
    axes.set_title(say("预测概率与实际比例", "Predicted and observed share"))
    axes.set_ylabel(say("实际申请比例", "Observed share"))
    axes.xaxis.set_major_formatter(_PERCENT)
    axes.yaxis.set_major_formatter(_PERCENT)
    if reliability.empty:
        return
    count = reliability["count"].median()
    axes.set_xlabel(
        say(
            f"预测概率（每点约 {count:.0f} 户次）", f"Predicted probability (a point: about {count:.0f} rows)"
        )
    )
    top = 1.08 * max(float(reliability[["predicted", "observed"]].max().max()), 1e-4)
    axes.plot([0, top], [0, top], color=_GREY, linewidth=1, linestyle="--")
    axes.plot(reliability["predicted"], reliability["observed"], color="C0", marker="o", markersize=4)
    axes.set_xlim(0, top)
    axes.set_ylim(0, top)


def draw_lift(axes: Axes, lift: pd.DataFrame, names: Mapping[str, str], legend: bool = True) -> None:
    """Draw lift by list length, one line a ranker.

    lift: columns ranker, share (of the households that can have the need), lift.
    names: the rankers' names by id, the model's first.
    """
    axes.set_title(say("名单越短，命中是随机的几倍", "Hits compared with a random list"))
    axes.set_xlabel(say("名单长度（占家庭比例）", "List length (share of households)"))
    axes.set_ylabel(say("倍数", "Lift"))
    if lift.empty:
        # a logarithmic axis needs something to show
        nothing = say("最新一段没有诉求", "no requests in the newest fold")
        axes.text(0.5, 0.5, nothing, ha="center", transform=axes.transAxes, fontsize=8)
        return
    for ranker, name in names.items():
        rows = lift[lift["ranker"] == ranker].sort_values("share")
        if len(rows):
            main = ranker == next(iter(names))
            axes.plot(
                rows["share"],
                rows["lift"],
                label=name,
                marker=".",
                linewidth=2.2 if main else 1,
                zorder=3 if main else 2,
            )
    axes.axhline(1, color=_GREY, linewidth=1, linestyle="--")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(_PERCENT)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    if legend and axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, frameon=False)


def draw_folds(axes: Axes, folds: pd.DataFrame, names: Mapping[str, str], title: str) -> None:
    """Draw one metric over the validation folds with its interval, one colour a ranker.

    folds: columns ranker, fold (label on the axis), value, low, high.
    names: the rankers' names by id, in the order of the legend.
    """
    axes.set_title(title)
    axes.set_xlabel(say("验证时段", "Validation fold"))
    order = list(dict.fromkeys(folds["fold"]))
    drawn = [ranker for ranker in names if (folds["ranker"] == ranker).any()]
    for index, ranker in enumerate(drawn):
        rows = folds[folds["ranker"] == ranker]
        at = np.array([order.index(fold) for fold in rows["fold"]]) + 0.12 * (index - (len(drawn) - 1) / 2)
        value = rows["value"].to_numpy(float)
        below, above = value - rows["low"].to_numpy(float), rows["high"].to_numpy(float) - value
        spread = np.nan_to_num(np.clip(np.vstack([below, above]), 0, None))
        axes.errorbar(at, value, yerr=spread, fmt="o", markersize=4, capsize=2, label=names[ranker])
    axes.set_xticks(range(len(order)), [str(fold) for fold in order])
    axes.yaxis.set_major_formatter(_PERCENT)
    if drawn:
        axes.set_ylim(0, 1.4 * axes.get_ylim()[1])  # room for the legend
        axes.legend(fontsize=7, frameon=False, ncols=3, loc="upper left")


def draw_groups(
    axes: Axes, rows: pd.DataFrame, measure: str, names: Mapping[str, str], title: str, fair: float = 1.0
) -> None:
    """Draw a ratio of each group with its interval.

    rows: columns group, and the measure with its ``_low`` and ``_high``.
    names: the groups' names by id; other groups are left out.
    fair: where a second line is drawn, beside the one at 1.
    """
    axes.set_title(title)
    rows = rows[rows["group"].isin(names) & rows[measure].notna()].iloc[::-1]
    value = rows[measure].to_numpy(float)
    spread = np.vstack([value - rows[f"{measure}_low"], rows[f"{measure}_high"] - value])
    spread = np.nan_to_num(np.clip(spread, 0, None))
    axes.errorbar(value, range(len(rows)), xerr=spread, fmt="o", markersize=4, capsize=2)
    for at in {1.0, fair}:
        axes.axvline(at, color=_GREY, linewidth=1, linestyle="--" if at == 1 else ":")
    axes.set_yticks(range(len(rows)), [names[row] for row in rows["group"]], fontsize=7)
    axes.set_xlim(0, max(2.0, 1.1 * float(value.max(initial=0))))


def draw_importance(axes: Axes, importance: pd.DataFrame) -> None:
    """Draw the ten most important features.

    Columns meaning (the feature in words) and gain.
    """
    axes.set_title(say("模型最看重什么", "What the model looks at"))
    axes.set_xlabel(say("占全部增益的比例", "Share of total gain"))
    total = max(float(importance["gain"].sum()), 1e-12)
    rows = importance.nlargest(MOST_FEATURES, "gain").iloc[::-1]
    longest = 36 if language() == "zh" else 70  # letters, Chinese ones being twice as wide
    axes.barh(range(len(rows)), rows["gain"] / total, color="#a8c7ea")
    for place, text in enumerate(rows["meaning"]):
        short = text if len(text) <= longest else text[: longest - 1] + "…"
        axes.text(0.01, place, short, transform=axes.get_yaxis_transform(), va="center", fontsize=7)
    axes.set_yticks([])
    axes.xaxis.set_major_formatter(_PERCENT)


def draw_trials(axes: Axes, trials: pd.DataFrame) -> None:
    """Draw the losses of a search for parameters, trial by trial, relative to the first, and the best so far.

    Columns trial, state (``complete`` or ``pruned``), loss; the first trial has the usual parameters.
    """
    axes.set_title(say("各组参数的损失与默认参数之差", "Loss of each trial against the usual parameters"))
    axes.set_xlabel(say("第几组", "Trial"))
    axes.yaxis.set_major_formatter(_PERCENT)
    complete = trials[trials["state"] == "complete"]
    short = trials.loc[trials["state"] == "pruned", "trial"]
    change = complete["loss"] / complete["loss"].iloc[0] - 1
    best = say("至今最好", "best so far")
    axes.plot(complete["trial"], change, "o", markersize=4, label=say("完整", "complete"))
    axes.step(complete["trial"], change.cummin(), where="post", label=best)
    where, name = axes.get_xaxis_transform(), say("提前停止", "cut short")
    axes.plot(short, np.full(len(short), 0.02), "|", color=_GREY, transform=where, label=name)
    axes.legend(fontsize=7, frameon=False)


def draw_parameters(axes: Axes, importance: pd.DataFrame) -> None:
    """Draw how much the losses of trials depend on each parameter.

    Columns parameter, share; empty if there were too few trials.
    """
    axes.set_title(say("损失取决于哪些参数", "What the loss depends on"))
    rows = importance.sort_values("share")
    axes.barh(rows["parameter"], rows["share"], color="#a8c7ea")
    axes.tick_params(axis="y", labelsize=7)
    axes.xaxis.set_major_formatter(_PERCENT)


def panels(
    count: int, columns: int = 2, width: float = 5.0, height: float = 3.6
) -> tuple[Figure, list[Axes]]:
    """Make an empty figure with panels, and return it with the axes of the panels.

    count: of panels. columns: panels side by side. width, height: of a panel, in inches.

    Margins are fixed: matplotlib's own search for them doubles the time of a figure.
    """
    columns = min(columns, max(count, 1))
    rows = -(-max(count, 1) // columns)
    figure = Figure(figsize=(width * columns, height * rows))
    left, right, bottom, top = 0.65, 0.15, 0.55, 0.6
    axes = figure.subplots(
        rows,
        columns,
        squeeze=False,
        gridspec_kw={
            "left": left / (width * columns),
            "right": 1 - right / (width * columns),
            "bottom": bottom / (height * rows),
            "top": 1 - top / (height * rows),
            "wspace": (left + right) / (width - left - right),
            "hspace": (bottom + top - 0.2) / (height - bottom - top),
        },
    )
    for axis in axes.flat:
        axis.locator_params(nbins=4)  # ticks take longer to draw than all else
    for spare in axes.flat[count:]:
        spare.set_visible(False)
    return figure, list(axes.flat[:count])
