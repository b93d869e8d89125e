"""Comparison of champion and challenger on the same rows, and the gate that lets a challenger through."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from features.language import say, say_line
from models.evaluation.evaluate import ALL, Validation, interval, resampled, values_of

COMPARED = ("average_precision", "precision_at_capacity", "calibration_error")
LOWER_IS_BETTER = ("calibration_error",)
FEWEST = 20  # positive rows of a need from which a comparison says anything
REFUSED = 0.02  # chance that the gate refuses a challenger that is as good as the champion
SLACK = {"average_precision": 0.0, "precision_at_capacity": 0.0, "calibration_error": 0.002}


@dataclass(frozen=True)
class Decision:
    """Decision whether a challenger may become the champion, with its reasons (lines in the language in force)."""

    allowed: bool
    reasons: list[str]


def compare(
    rows: Validation,
    champion: np.ndarray,
    challenger: np.ndarray,
    needs: Sequence[str],
    capacity: int,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare the scores of two models on the same rows, by need and metric.

    rows: validated rows. champion, challenger: float64 [rows], their probabilities.
    needs: ids, in the order of ``rows.need``. capacity: households that can be visited a week for one need.
    seed: of the resampling.

    Returns need, metric, champion, challenger, difference (challenger minus champion) and the ends low and high of its
    95% interval, which resamples households, the same ones for both. Needs with fewer than FEWEST positive rows are
    left out. The need ALL is the mean of several others.
    """
    weights = resampled(int(rows.household.max()) + 1 if len(rows) else 0, seed=seed)
    table: list[tuple] = []
    together: dict[str, list[tuple[float, float, np.ndarray]]] = {metric: [] for metric in COMPARED}
    for index, need in enumerate(needs):
        of_need = np.flatnonzero(rows.need == index)
        part = rows.take(of_need)
        if part.label.sum() < FEWEST:
            continue
        old = values_of(part, champion[of_need], capacity, True, weights)
        new = values_of(part, challenger[of_need], capacity, True, weights)
        for metric in COMPARED:
            apart = new.replicates[metric] - old.replicates[metric]
            together[metric].append((old.value[metric], new.value[metric], apart))
            table.append(_row(need, metric, *together[metric][-1]))
    if len(table) > len(COMPARED):
        for metric, of_needs in together.items():
            before, after, apart = zip(*of_needs, strict=True)
            table.append(
                _row(ALL, metric, float(np.mean(before)), float(np.mean(after)), np.mean(apart, axis=0))
            )
    columns = ["need", "metric", "champion", "challenger", "difference", "low", "high"]
    return pd.DataFrame(table, columns=columns)


def _row(need: str, metric: str, before: float, after: float, apart: np.ndarray) -> tuple:
    return need, metric, before, after, after - before, *interval(apart)


def gate(comparison: pd.DataFrame | None, names: dict[str, str] | None = None) -> Decision:
    """Allow a challenger unless it is worse for a need, or on the whole, beyond the interval of the difference.

    ``comparison``: what ``compare`` returns; None where there is no champion yet. ``names``: needs' names by id.

    Each interval is as much wider than that of 95% as so many comparisons ask for (Bonferroni): a challenger as good as
    the champion is refused with probability REFUSED at most.
    """
    if comparison is None:
        return Decision(
            True,
            [say("没有能比的旧模型，这一版直接启用", "no champion that can be used: becomes the champion")],
        )
    if comparison.empty:
        line = say(
            "没有两个模型都没学过的数据可比，放行",
            "no rows that neither model had seen to compare on: allowed",
        )
        return Decision(True, [line])
    reasons = []
    wider = float(ndtri(1 - REFUSED / len(comparison)) / ndtri(0.975))
    spoken = {**(names or {}), ALL: say("各项平均", "mean of the needs")}
    row: Any
    for row in comparison.itertuples():
        slack = SLACK[row.metric]
        low, high = (row.difference + wider * (end - row.difference) for end in (row.low, row.high))
        worse = low > slack if row.metric in LOWER_IS_BETTER else high < -slack
        if worse:
            name = spoken.get(row.need, row.need)
            reasons += say_line(
                f"{name}：{_metric(row.metric)}由 {row.champion:.4f} 变为 {row.challenger:.4f}"
                f"（差值在 {low:+.4f} 至 {high:+.4f} 之间，已按同时比较 {len(comparison)} 个数放宽），变差",
                f"{name}: {_metric(row.metric)} went from {row.champion:.4f} to {row.challenger:.4f}"
                f" (difference {low:+.4f} to {high:+.4f}, with {len(comparison)} comparisons allowed for): worse",
            )
    if reasons:
        return Decision(False, reasons)
    count = comparison.loc[comparison["need"] != ALL, "need"].nunique()
    return Decision(
        True,
        [say(f"{count} 项需求都不比正在用的差", f"not worse than the champion for any of {count} needs")],
    )


def _metric(name: str) -> str:
    return {
        "average_precision": say("平均精确率", "average precision"),
        "precision_at_capacity": say("名单命中率", "precision at capacity"),
        "calibration_error": say("校准误差", "calibration error"),
    }[name]
