"""Intervals of demand: how far counts scatter around their expectation, fitted to past out-of-time predictions.

A sum of calibrated probabilities is uncertain in three ways: each household asks or does not (this variance is known),
the whole town may ask more or less than expected (level), and so may a single grid (place). The last two are factors
around one, whose standard deviations are fitted to past windows: observed counts against the counts expected by models
that had not seen these windows.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import bdtrik, betainc, betaincc, nbdtrik, ndtri, stdtrit

from models.demand.periods import SPANS

FILE = "demand_spread.json"
LEVELS = {"80": 0.8, "90": 0.9}
USUAL_LEVEL, USUAL_PLACE = 0.3, 0.2  # standard deviations before anything was observed
WEIGHT_OF_USUAL = 4.0  # windows, as which these count
WEIGHT_OF_OTHERS = 8.0  # windows, as which the other needs count for one need
FEWEST_EXPECTED = 1.0  # households, below which a count tells nothing of a factor
STEP = 28.0  # days between backtested dates
WIDEST = 3.0
FAR = np.log(4 / 3)  # half of an interval's width, in logarithms: from three quarters to four thirds


@dataclass(frozen=True)
class Spread:
    """Standard deviations of the factors, as shares of the expected number, and the number of windows behind them."""

    level: np.ndarray  # float64 [needs, SPANS]
    place: np.ndarray  # float64 [needs, SPANS]
    freedom: np.ndarray  # float64 [needs, SPANS]

    def save(self, directory: Path) -> None:
        """Write the spread into one file of a model's directory."""
        content = {name: value.tolist() for name, value in vars(self).items()}
        (directory / FILE).write_text(json.dumps(content), encoding="utf-8")

    @staticmethod
    def load(directory: Path) -> "Spread | None":
        """Read what ``save`` wrote; return None if there is no such file."""
        path = directory / FILE
        if not path.is_file():
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
        return Spread(**{name: np.array(value) for name, value in content.items()})


def unknown_spread(needs: int) -> Spread:
    """Return the usual spread, for models without a backtest."""
    shape = (needs, SPANS)
    return Spread(np.full(shape, USUAL_LEVEL), np.full(shape, USUAL_PLACE), np.full(shape, WEIGHT_OF_USUAL))


def town_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """Sum past cells (``models.demand.cells.past_cells``) over grids: one row by as_of, need and span."""
    sums = {name: (name, "sum") for name in ("households", "expected", "variance", "observed")}
    ends = {name: (name, "first") for name in ("begins", "ends")}
    return cells.groupby(["as_of", "need", "span"], as_index=False).agg(**sums, **ends)


def fit_spread(cells: pd.DataFrame, needs: int) -> Spread:
    """Fit the spread of each need and span to past cells (``models.demand.cells.past_cells``).

    Needs lend each other strength: a need's own variance counts by the number of its windows that do not overlap, that
    of all needs as ``WEIGHT_OF_OTHERS`` more.
    """
    spread = unknown_spread(needs)
    if not len(cells):
        return spread
    town = town_cells(cells)
    town = town[town["expected"] >= FEWEST_EXPECTED]
    grids = _beside_level(cells)
    for span in range(SPANS):
        of_town, of_grids = town[town["span"] == span], grids[grids["span"] == span]
        apart = {need: windows_apart(rows_of_need) for need, rows_of_need in of_town.groupby("need")}
        windows = np.array([apart.get(need, 0.0) for need in range(needs)])
        for target, rows, usual in (
            (spread.level, of_town, USUAL_LEVEL),
            (spread.place, of_grids, USUAL_PLACE),
        ):
            target[:, span] = np.sqrt(_variances(rows, windows, usual))
        spread.freedom[:, span] = WEIGHT_OF_USUAL + windows + np.minimum(windows.sum(), WEIGHT_OF_OTHERS)
    return spread


def windows_apart(rows: pd.DataFrame) -> float:
    """Count the windows that do not overlap from the first to the last as-of day of cells; may be a fraction."""
    if not len(rows):
        return 0.0
    length = max(float((rows["ends"] - rows["begins"]).mean()), STEP)
    return min(1 + float(rows["as_of"].max() - rows["as_of"].min()) / length, float(len(rows)))


def _beside_level(cells: pd.DataFrame) -> pd.DataFrame:
    """Rescale each grid's expectation so that the grids sum to the town's observed count."""
    totals = cells.groupby(["as_of", "need", "span"])[["expected", "observed"]].transform("sum")
    ratio = totals["observed"] / totals["expected"].clip(lower=1e-9)
    left = 1 - cells["expected"] / totals["expected"].clip(lower=1e-9)
    grids = cells.assign(
        expected=cells["expected"] * ratio, variance=cells["variance"] * ratio * left, left=left
    )
    return grids[(grids["expected"] >= FEWEST_EXPECTED) & (left > 0)]


def _variances(rows: pd.DataFrame, windows: np.ndarray, usual: float) -> np.ndarray:
    """Estimate the factor's variance for each need, shrunk towards that of all needs: float64 [needs]."""
    total, needs = windows.sum(), len(windows)
    (whole,) = _moments(rows, np.zeros(len(rows), dtype=int), 1)
    every = (WEIGHT_OF_USUAL * usual**2 + total * whole) / (WEIGHT_OF_USUAL + total)
    of_need = _moments(rows, rows["need"].to_numpy(), needs)
    return (windows * of_need + WEIGHT_OF_OTHERS * every) / (windows + WEIGHT_OF_OTHERS)


def _moments(rows: pd.DataFrame, group: np.ndarray, groups: int) -> np.ndarray:
    """Estimate the factor's variance by the method of Paule and Mandel: float64 [groups]; 0 without rows.

    It is the variance at which the squared errors are as large as expected.
    """
    expected, variance = rows["expected"].to_numpy(), rows["variance"].to_numpy()
    squares = (rows["observed"].to_numpy() - expected) ** 2
    scale = expected**2 * (rows["left"].to_numpy() if "left" in rows else 1.0)
    count = np.bincount(group, minlength=groups)
    low, high = np.zeros(groups), np.full(groups, WIDEST**2)
    for _ in range(40):
        middle = (low + high) / 2
        errors = squares / np.maximum(variance + middle[group] * scale, 1e-9)
        too_small = np.bincount(group, errors, groups) > count
        low, high = np.where(too_small, middle, low), np.where(too_small, high, middle)
    return low


def with_intervals(cells: pd.DataFrame, spread: Spread, grids: bool) -> pd.DataFrame:
    """Add low_80, high_80, low_90 and high_90 to cells.

    cells: what ``expected_cells`` returns, or its sums over the town.
    grids: True for cells of grids, False for the town.
    """
    need, span = cells["need"].to_numpy(), cells["span"].to_numpy()
    factor = spread.level[need, span] ** 2 + (spread.place[need, span] ** 2 if grids else 0)
    expected, sum_of = cells["expected"].to_numpy(), cells["variance"].to_numpy()
    bounds = {}
    for name, level in LEVELS.items():
        tail = 0.5 + level / 2
        wider = stdtrit(spread.freedom[need, span], tail) / ndtri(tail)  # the spread itself is uncertain
        low, high = interval(expected, sum_of + factor * (wider * expected) ** 2, level)
        bounds[f"low_{name}"] = low
        bounds[f"high_{name}"] = np.minimum(high, cells["households"].to_numpy())
    return cells.assign(**bounds)


def reaches_far(
    expected: np.ndarray | float, low: np.ndarray | float, high: np.ndarray | float
) -> np.ndarray:
    """Tell which counts may well be a third above or a quarter below what is expected, and not mainly by chance: bool.

    expected: households. low, high: the ends of its 90% interval.

    The interval reaches so far, and more than half of its variance lies beyond that of independent households. Where
    chance is the larger half, no model could tell the number much better.
    """
    half = np.log(np.maximum(high, 1) / np.maximum(low, 0.5)) / 2
    by_chance = ndtri(0.95) / np.sqrt(np.maximum(expected, 1e-9))
    return (half > FAR) & (half**2 > 2 * by_chance**2)


def interval(mean: np.ndarray, variance: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Compute whole numbers between which a count lies with a probability as near as possible to ``level``.

    mean, variance: float64 [counts]. level: between 0 and 1.

    Returns the lower and the upper ends, both inclusive: float64 [counts] each. The count is negative binomial where
    its variance is greater than Poisson's, else binomial. As much probability lies below as above, unless the range
    begins at 0.
    """
    tail = (1 - level) / 2
    low = _nearest(mean, variance, np.full(len(mean), tail))
    above = np.where(low > 0, 1 - tail, level)
    return low, np.maximum(_nearest(mean, variance, above) - 1, low)


def _nearest(mean: np.ndarray, variance: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Find the count k for which the probability of a count below k is nearest to ``chance``: float64."""
    sure = np.maximum(mean, 1e-9)
    wide = variance > sure * 1.0001
    size = sure**2 / np.where(wide, variance - sure, 1)
    hit = size / (size + sure)
    share = np.clip(1 - variance / sure, 1e-6, 1)
    trials = np.maximum(np.round(sure / share), 1)
    each = np.minimum(sure / trials, 1)

    def below(k: np.ndarray) -> np.ndarray:
        """Compute the probability of a count below k."""
        scattered = betainc(size, np.maximum(k, 1), hit)
        even = np.where(k > trials, 1.0, betaincc(np.maximum(k, 1), np.maximum(trials - k + 1, 1), each))
        return np.where(k > 0, np.where(wide, scattered, even), 0.0)

    # continuous quantiles, as those of scipy.stats, which takes a quarter of a second to load
    nearest = np.where(
        wide, nbdtrik(chance, size, hit), np.where(each < 1, bdtrik(chance, trials, each), trials)
    )
    k = np.ceil(np.maximum(nearest, 0))
    for _ in range(2):  # they are rounded, by one at most
        k = np.where((k > 0) & (below(k) >= chance), k - 1, np.where(below(k + 1) < chance, k + 1, k))
    return np.where(chance - below(k) <= below(k + 1) - chance, k, k + 1)
