"""Tables and the plot of the benchmark beside peers."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure


def figures(found: dict[str, dict]) -> pd.DataFrame:
    """A row a contestant: seconds by the clock and of processors, peak memory, the mean ROC AUC of its nine models."""
    rows = [
        {"contestant": name}
        | {key: round(one[key], 1) for key in ("wall_s", "cpu_s", "peak_mb", "server_peak_mb")}
        | {"mean AUC": round(float(np.mean(one["roc_auc"])), 4)}
        for name, one in found.items()
    ]
    return pd.DataFrame(rows)


def ratios(found: dict[str, dict]) -> pd.DataFrame:
    """A row a contestant. Beside each way to run Triage: how many times as fast it is, by the clock and by processor
    seconds, and its share of the memory."""
    bases = {name: one for name, one in found.items() if name.startswith("triage")}
    rows = []
    for name, one in found.items():
        row: dict[str, object] = {"contestant": name}
        for base, other in bases.items():
            row[f"times {base}"] = round(other["wall_s"] / one["wall_s"], 1)
            row[f"times {base}, CPU"] = round(other["cpu_s"] / one["cpu_s"], 1)
            row[f"memory of {base}"] = round(one["peak_mb"] / other["peak_mb"], 2)
        rows.append(row)
    return pd.DataFrame(rows)


def markdown(frame: pd.DataFrame) -> str:
    """The table for a page."""
    lines = [list(frame.columns), ["---"] * frame.shape[1], *frame.astype(str).values.tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plot(frame: pd.DataFrame, households: int, path: Path) -> None:
    """Bars: times as fast as each way to run Triage."""
    bases = [column for column in frame if column.startswith("times ") and "CPU" not in column]
    figure = Figure(figsize=(4 * len(bases), 2.6), layout="constrained")
    for axes, base in zip(figure.subplots(1, len(bases), sharey=True, squeeze=False)[0], bases, strict=True):
        bars = axes.barh(frame["contestant"], frame[base], color="#4477aa")
        axes.bar_label(bars, padding=3)
        axes.set(xlabel=f"{base}, {households:,} households", xscale="log")
        axes.margins(x=0.15)
        axes.spines[["top", "right"]].set_visible(False)
    axes.invert_yaxis()
    figure.savefig(path, dpi=100)
