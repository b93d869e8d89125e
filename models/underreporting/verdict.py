"""Is a model needed? Judged by needs that random visits found, those without a request included."""

from typing import Any

import numpy as np
import pandas as pd

from features.language import say
from models.evaluation.baselines import GRID_AVERAGE, RANKERS, REQUEST_COUNT, REQUEST_COUNT_ALL, SAME_SEASON
from models.evaluation.evaluate import interval, resampled
from models.fairness.audit import listed_in_each
from models.underreporting.comparison import REQUEST

NEED = "p_need"
SIMPLE = (SAME_SEASON, REQUEST_COUNT, REQUEST_COUNT_ALL, GRID_AVERAGE)
FEWEST = 20  # needs found by random visits from which anything is concluded
ALL, SILENT = "all", "silent"  # visits: all, and those to pairs that had not asked for half a year
COLUMNS = ["among", "ranker", "visits", "found", "recall", "low", "high", "gain", "gain_low", "gain_high"]


def found_at_the_top(held_out: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Compute the share of the needs found that are in the top tenth of p_need, p_request and the simple rankers.

    ``held_out``: what ``models.training.learn_p_need.held_out_visits`` returns. The top is a tenth of each need's
    visits, by weight; ties are broken at random.

    Returns COLUMNS; among: ``all`` visits, or those to ``silent`` pairs; gain: of p_need over the ranker. 95% intervals
    resample households.
    """
    silent, draws = held_out[held_out["silent"]], resampled(int(held_out["household"].max()) + 1, seed=seed)
    rows = [row for among, part in ((ALL, held_out), (SILENT, silent)) for row in _rows(among, part, draws)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(among: str, visits: pd.DataFrame, draws: np.ndarray) -> list[tuple]:
    if not visits["found"].any():
        return []
    household = visits["household"].to_numpy()
    need, weight = visits["need"].to_numpy(), visits["weight"].to_numpy(dtype=np.float64)
    needed = weight * visits["found"].to_numpy()
    whole = np.column_stack([np.ones(len(draws)), draws])

    def total(value: np.ndarray) -> np.ndarray:
        return np.bincount(household, value, len(whole)) @ whole

    every = total(needed)
    recall = {
        ranker: total(listed_in_each(visits[ranker].to_numpy(dtype=np.float64), need, weight) * needed)
        / np.where(every > 0, every, np.nan)
        for ranker in (NEED, REQUEST, *SIMPLE)
    }
    rows = []
    for ranker, value in recall.items():
        gain = recall[NEED] - value
        ends = (*interval(value[1:]), gain[0], *interval(gain[1:]))
        rows.append((among, ranker, len(visits), int(visits["found"].sum()), value[0], *ends))
    return rows


def found_lines(table: pd.DataFrame | None) -> list[str]:
    """Compare p_need with the best simple ranker, in a line over all visits and one over silent pairs.

    There is no line where too few needs were found.
    """
    if table is None:
        return []
    parts = [table[table["among"] == among] for among in (ALL, SILENT)]
    return [_line(part) for part in parts if len(part) and part["found"].iloc[0] >= FEWEST]


def _line(table: pd.DataFrame) -> str:
    rows: dict[str, Any] = {row["ranker"]: row for row in table.to_dict("records")}
    ours, best = rows[NEED], max((rows[rule] for rule in SIMPLE), key=lambda row: row["recall"])
    name = say(*RANKERS[best["ranker"]])
    gain, low, high = (100 * best[column] for column in ("gain", "gain_low", "gain_high"))
    how = say("分不出高下", "no clear difference")
    if low > 0:
        how = say("按需要排更好", "p_need is better")
    elif high < 0:
        how = say("对照方法更好", "the baseline is better")
    silent = ours["among"] == SILENT
    where = say("在半年未申请的家庭里", " where nobody had asked for half a year") if silent else ""
    return say(
        f"按抽签走访{where}发现的 {ours['found']} 项需要检验：",
        f"judged by {ours['found']} needs that random visits found{where}: ",
    ) + say(
        f"按上门发现需要的可能排在前一成的住户占其中 {ours['recall']:.0%}，按“{name}”排的占 {best['recall']:.0%}，"
        f"相差 {gain:+.0f} 个百分点（95% 区间 {low:+.0f} 至 {high:+.0f}），{how}",
        f"the tenth with the highest p_need has {ours['recall']:.0%} of them, the tenth by “{name.lower()}”"
        f" {best['recall']:.0%}, a difference of {gain:+.0f} points (95% interval {low:+.0f} to {high:+.0f}): {how}",
    )
