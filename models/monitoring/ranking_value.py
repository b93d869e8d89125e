"""What another ranking would have found, estimated from visits by lot: inverse propensity, and doubly robust.

A visit by lot tells of its pair what a visit finds, whatever ranking one has in mind; weighed by the inverse of the
probability with which it was drawn, those pairs that a ranking puts on top speak for all that it puts there (Dudik,
Langford, Li: Doubly robust policy evaluation and learning, 2011).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.language import say_line
from features.store.database import open_store
from features.store.sql import held
from models.monitoring.monitor import TOP

REPLICATES, SEED = 500, 0  # of the bootstrap over households
FEWEST = 20  # visits by lot among a ranking's top pairs, below which nothing is said
RANKINGS = ("p_need", "p_request")
HEAVIEST = 20.0  # limit of a weight, where the mean is 1


@dataclass(frozen=True)
class Value:
    """Share of a ranking's top pairs of which a visit finds the need, by two estimators, with 95% intervals."""

    visits: int  # by lot, among these pairs
    inverse_propensity: tuple[float, float, float]  # estimate, low, high
    doubly_robust: tuple[float, float, float]


def lot_visits(workspace: Path, as_of: int) -> pd.DataFrame:
    """Read the visits by lot that met somebody: household_id, need, day, found and weight (inverse propensity)."""
    with open_store(workspace, read_only=True) as connection:
        return connection.execute(f"""
            SELECT household_id, need, epoch_us(contacted_at) / 86400e6 AS day, outcome = 'needed' AS found,
            1 / propensity AS weight FROM {held("outreach", as_of)}
            WHERE arm = 'random' AND outcome IN ('needed', 'not_needed') AND propensity > 0
            ORDER BY day, household_id, need""").df()


def top_pairs(scores: pd.DataFrame, ranking: str) -> pd.DataFrame:
    """Return the pairs of one week that a ranking puts on top of each need: a share of ``TOP`` of the need's pairs."""
    place = scores.groupby("need")[ranking].rank(method="first", ascending=False)
    size = scores.groupby("need")[ranking].transform("size")
    return scores[place <= np.ceil(TOP * size)]


def values(
    weeks: Iterable[tuple[int, pd.DataFrame]],
    visits: pd.DataFrame,
    rankings: tuple[str, ...] = RANKINGS,
) -> Mapping[str, Value]:
    """Estimate what the top pairs of each ranking are worth.

    weeks: as-of day and scores of past weeks: household_id, need, p_need (of which the doubly robust estimator
        starts), and a column for each ranking.
    visits: of ``lot_visits``; those of the seven days from the as-of day count.
    rankings: names of the columns to rank by.
    """
    seen: dict[str, list[pd.DataFrame]] = {ranking: [] for ranking in rankings}
    expected: dict[str, list[np.ndarray]] = {ranking: [] for ranking in rankings}
    for day, scores in weeks:
        drawn = visits[(visits["day"] >= day) & (visits["day"] < day + 7)]
        if not len(drawn):
            continue
        for ranking in rankings:
            top = top_pairs(scores, ranking)
            seen[ranking].append(drawn.merge(top, on=["household_id", "need"]))
            expected[ranking].append(top["p_need"].to_numpy(dtype=np.float64))
    values_found = {}
    for ranking in rankings:
        rows = pd.concat(seen[ranking]) if seen[ranking] else pd.DataFrame()
        if len(rows) >= FEWEST:
            values_found[ranking] = _value(rows, float(np.concatenate(expected[ranking]).mean()))
    return values_found


def _value(rows: pd.DataFrame, expected: float) -> Value:
    """Estimate one ranking's value. ``expected``: mean p_need of all its top pairs."""
    weight = rows["weight"].to_numpy(dtype=np.float64)
    weight = np.minimum(weight / weight.mean(), HEAVIEST)
    found, model = rows["found"].to_numpy(dtype=np.float64), rows["p_need"].to_numpy(dtype=np.float64)
    _, household = np.unique(rows["household_id"].to_numpy(dtype=object).astype(str), return_inverse=True)
    homes = int(household.max()) + 1
    draws = np.random.default_rng(SEED).multinomial(homes, np.full(homes, 1 / homes), size=REPLICATES)
    times = np.vstack([np.ones(len(rows)), draws[:, household]]) * weight
    total = np.maximum(times.sum(axis=1), 1e-12)
    plain, corrected = times @ found / total, expected + times @ (found - model) / total
    return Value(len(rows), _interval(plain), _interval(np.clip(corrected, 0, 1)))


def _interval(replicates: np.ndarray) -> tuple[float, float, float]:
    low, high = np.quantile(replicates[1:], [0.025, 0.975])
    return float(replicates[0]), float(low), float(high)


def value_lines(values: Mapping[str, Value]) -> list[str]:
    """Write what each ranking's top pairs are worth, the doubly robust estimate first."""
    lines = []
    for ranking, value in values.items():
        robust, plain = (
            f"{interval[0]:.0%} [{100 * interval[1]:.0f}, {100 * interval[2]:.0f}]"
            for interval in (value.doubly_robust, value.inverse_propensity)
        )
        lines += say_line(
            f"由抽签走访估计，按 {ranking} 排在前 {TOP:.0%} 的，走访发现需要的占 {robust}"
            f"（只用抽签 {plain}，{value.visits} 次）",
            f"estimated from visits by lot, a visit finds the need of {robust} of the top {TOP:.0%} by {ranking}"
            f" (visits by lot alone {plain}, {value.visits} visits)",
        )
    return lines
