"""Comparison of champion and challenger on the same rows, and the gate that lets a challenger through."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.language import say
from models.evaluation.evaluate import Validation, interval, resampled, values_of

COMPARED = ("average_precision", "precision_at_capacity", "calibration_error")
LOWER_IS_BETTER = ("calibration_error",)
FEWEST = 20  # positive rows of a need from which a comparison says anything
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
    left out.
    """
    weights = resampled(int(rows.household.max()) + 1 if len(rows) else 0, seed=seed)
    table = []
    for index, need in enumerate(needs):
        of_need = np.flatnonzero(rows.need == index)
        part = rows.take(of_need)
        if part.label.sum() < FEWEST:
            continue
        old = values_of(part, champion[of_need], capacity, True, weights)
        new = values_of(part, challenger[of_need], capacity, True, weights)
        for metric in COMPARED:
            low, high = interval(new.replicates[metric] - old.replicates[metric])
            before, after = old.value[metric], new.value[metric]
            table.append((need, metric, before, after, after - before, low, high))
    columns = ["need", "metric", "champion", "challenger", "difference", "low", "high"]
    return pd.DataFrame(table, columns=columns)


def gate(comparison: pd.DataFrame | None, names: dict[str, str] | None = None) -> Decision:
    """Allow a challenger unless it is worse for a need beyond the interval of the difference.

    ``comparison``: what ``compare`` returns; None where there is no champion yet. ``names``: needs' names by id.
    """
    if comparison is None:
        return Decision(
            True,
            [say("还没有启用过模型，这一版直接启用", "no champion that can be used: becomes the champion")],
        )
    if comparison.empty:
        line = say(
            "没有两个模型都未见过的数据可比，放行",
            "no rows that neither model had seen to compare on: allowed",
        )
        return Decision(True, [line])
    reasons = []
    row: Any
    for row in comparison.itertuples():
        slack = SLACK[row.metric]
        worse = row.low > slack if row.metric in LOWER_IS_BETTER else row.high < -slack
        if worse:
            name = (names or {}).get(row.need, row.need)
            reasons.append(
                say(
                    f"{name}：{_metric(row.metric)}由 {row.champion:.4f} 变为 {row.challenger:.4f}"
                    f"（差的95%区间 {row.low:+.4f} 至 {row.high:+.4f}），变差",
                    f"{name}: {_metric(row.metric)} went from {row.champion:.4f} to {row.challenger:.4f}"
                    f" (95% interval of the difference {row.low:+.4f} to {row.high:+.4f}): worse",
                )
            )
    if reasons:
        return Decision(False, reasons)
    count = comparison["need"].nunique()
    return Decision(
        True,
        [say(f"{count} 项需求都不比正式模型差", f"not worse than the champion for any of {count} needs")],
    )


def _metric(name: str) -> str:
    return {
        "average_precision": say("平均精确率", "average precision"),
        "precision_at_capacity": say("名单命中率", "precision at capacity"),
        "calibration_error": say("校准误差", "calibration error"),
    }[name]
