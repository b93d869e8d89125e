"""How many households will ask: calibrated probabilities summed a need and grid, against programme seats."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
from scipy.stats import nbinom, norm

from features.contract import Community, Programme
from features.records import Known, date_of

WEEK, YEAR = 7, 364
PAST_WINDOWS = 26  # at most so many past windows of a need tell how much counts scatter
LEVELS = {"80": 0.8, "90": 0.9}
TOWN = ""  # grid_id of a row for the whole community


def expected_demand(scores: pd.DataFrame, known: Known) -> pd.DataFrame:
    """Expected number of households that ask for each need within its window, by grid and for the whole town.

    ``scores``: the contract's columns. Returns need, grid_id ("" for the whole community), begins, ends (the
    window, ends exclusive), households (who can have the need), expected, low_80, high_80, low_90, high_90.
    The intervals hold the scatter of independent households, widened by the scatter between grids and by the
    changes from year to year that the need's own past shows.
    """
    household = pd.Index(known.records.household_ids).get_indexer(pd.Index(scores["household_id"]))
    p = scores["p_request"].to_numpy(dtype=np.float64)
    grid = known.records.grid_ids[known.grid[household]]
    frame = pd.DataFrame({"need": scores["need"].to_numpy(), "grid_id": grid, "p": p, "v": p * (1 - p)})
    frame = pd.concat([frame, frame.assign(grid_id=TOWN)])
    table = frame.groupby(["need", "grid_id"], sort=True).agg(
        households=("p", "size"), expected=("p", "sum"), variance=("v", "sum")
    )
    table = table.reset_index()
    order = table["need"].map(known.community.need_index())
    table = (
        table.assign(order=order).sort_values(["order", "grid_id"], ignore_index=True).drop(columns="order")
    )
    windows = {one.id: _window(known, one.lead_weeks, one.horizon_weeks) for one in known.community.needs}
    scatter = {
        need: past_scatter(known, position, known.community.needs[position].horizon_weeks)
        for need, position in known.community.need_index().items()
    }
    between = table["need"].map({need: one[0] for need, one in scatter.items()}).to_numpy(dtype=np.float64)
    common = table["need"].map({need: one[1] for need, one in scatter.items()}).to_numpy(dtype=np.float64)
    mean = table["expected"].to_numpy()
    variance = between * table.pop("variance").to_numpy() + (common * mean) ** 2
    for name, level in LEVELS.items():
        table[f"low_{name}"], table[f"high_{name}"] = interval(mean, variance, level)
        table[f"high_{name}"] = np.minimum(table[f"high_{name}"], table["households"])
    table.insert(2, "begins", table["need"].map({need: one[0] for need, one in windows.items()}))
    table.insert(3, "ends", table["need"].map({need: one[1] for need, one in windows.items()}))
    return table


def _window(known: Known, lead_weeks: float, horizon_weeks: float) -> tuple[date, date]:
    begins = known.as_of + WEEK * lead_weeks
    return date_of(begins), date_of(begins + WEEK * horizon_weeks)


def interval(mean: np.ndarray, variance: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """The central interval of counts with this mean and variance.

    Negative binomial where they scatter more than a Poisson count, else (independent households scatter
    less) normal with a continuity correction.
    """
    tail = (1 - level) / 2
    sure = np.maximum(mean, 1e-9)
    wide = variance > mean * 1.0001
    size = sure**2 / np.where(wide, np.maximum(variance - mean, 1e-12), 1)
    chance = size / (size + sure)
    half = norm.ppf(1 - tail) * np.sqrt(variance)
    low = np.where(wide, nbinom.ppf(tail, size, chance), np.ceil(mean - half - 0.5))
    high = np.where(wide, nbinom.ppf(1 - tail, size, chance), np.floor(mean + half + 0.5))
    return np.maximum(low, 0), np.maximum(high, 0)


def past_scatter(known: Known, need: int, horizon_weeks: float) -> tuple[float, float]:
    """How much the counts of one need scattered in past windows of its length.

    Returns the ratio of variance to that of independent households between grids within a window (at least
    1), and the standard deviation of the whole town's count that is not chance, as a share of the count
    (from the ratios of windows to the same windows a year before, halved since both scatter).
    """
    length = WEEK * horizon_weeks
    counts = _past_counts(known, need, length, 0)
    total = counts.sum(axis=1)
    busy = counts[total > 0]
    between = 1.0
    if len(busy) and counts.shape[1] > 1:
        fitted = busy.sum(axis=1, keepdims=True) * busy.sum(axis=0, keepdims=True) / busy.sum()
        parts = np.divide((busy - fitted) ** 2, fitted, out=np.zeros_like(fitted), where=fitted > 0)
        freedom = (len(busy) - 1) * ((fitted.sum(axis=0) > 0).sum() - 1)
        between = max(1.0, parts.sum() / freedom) if freedom > 0 else 1.0
    older = _past_counts(known, need, length, YEAR).sum(axis=1)
    newer = total[: len(older)]
    both = (newer >= 5) & (older >= 5)  # smaller counts tell of chance only
    if both.sum() < 3:
        return between, 0.0
    ratio = np.log(newer[both] / older[both])
    chance = between * (1 / newer[both] + 1 / older[both])
    return between, float(np.sqrt(max(0.0, ratio.var(ddof=1) - chance.mean()) / 2))


def _past_counts(known: Known, need: int, length: float, before: float) -> np.ndarray:
    """float64 [windows, grids]: households that asked in each past window, the latest window first.

    The windows end ``before`` days before the as-of day, and reach back to the first known household.
    """
    rows = known.requests
    mine = (rows.need == need) & (known.grid[rows.household] >= 0)
    household, age = rows.household[mine], known.as_of - before - rows.requested[mine]
    span = known.as_of - before - np.nanmin(known.known_since) if known.present.any() else 0.0
    windows = int(np.clip(span // length, 0, PAST_WINDOWS))
    counts = np.zeros((windows, len(known.records.grid_ids)))
    window = np.floor(age / length).astype(np.int64)
    inside = (window >= 0) & (window < windows)
    asked = np.unique(np.stack([window[inside], household[inside]]), axis=1)
    np.add.at(counts, (asked[0], known.grid[asked[1]]), 1)
    return counts


def programmes_for(community: Community, need: str, begins: float, ends: float) -> list[Programme]:
    """The programmes that serve a need and run at some time in [begins, ends) (days)."""
    return [one for one in community.programmes if need in one.needs and runs(one, begins, ends)]


def runs(programme: Programme, begins: float, ends: float) -> bool:
    """Whether a programme runs at some time in [begins, ends); one without dates always does.

    ``opens`` and ``closes`` are month-days; a programme may run over the turn of the year.
    """
    opens, closes = month_day(programme.opens, (1, 1)), month_day(programme.closes, (12, 31))
    days = [date_of(day) for day in range(int(begins), max(int(np.ceil(ends)), int(begins) + 1))]
    marks = [(day.month, day.day) for day in days[:YEAR]]
    if opens <= closes:
        return any(opens <= mark <= closes for mark in marks)
    return any(mark >= opens or mark <= closes for mark in marks)


def month_day(text: str, default: tuple[int, int]) -> tuple[int, int]:
    """Month and day of a programme's opening or closing; ``default`` where none can be read."""
    parts = text.replace("/", "-").replace(".", "-").split("-")
    try:
        return int(parts[-2]), int(parts[-1])
    except (ValueError, IndexError):
        return default


def against_seats(demand: pd.DataFrame, community: Community, as_of: float) -> pd.DataFrame:
    """The whole town's demand per need beside the seats of the programmes that run in its window.

    Adds programmes (names), seats (their sum, NaN where no programme or one without a number), shared_with
    (other needs that draw on the same seats), others (households expected to ask for those) and short
    (expected and others minus seats, NaN without seats).
    """
    table = demand[demand["grid_id"] == TOWN].reset_index(drop=True)
    needs = {one.id: one for one in community.needs}
    found = [_serving(needs, community, need, as_of) for need in table["need"]]
    table["programmes"] = [[one.name.here for one in programmes] for programmes in found]
    table["seats"] = [_seats(programmes) for programmes in found]
    table["shared_with"] = [
        sorted({other for one in programmes for other in one.needs} - {need})
        for need, programmes in zip(table["need"], found, strict=True)
    ]
    expected = dict(zip(table["need"], table["expected"], strict=True))
    table["others"] = [sum(expected.get(one, 0.0) for one in shared) for shared in table["shared_with"]]
    table["short"] = table["expected"] + table["others"] - table["seats"]
    return table


def _serving(needs: dict, community: Community, need: str, as_of: float) -> list[Programme]:
    begins = as_of + WEEK * needs[need].lead_weeks
    return programmes_for(community, need, begins, begins + WEEK * needs[need].horizon_weeks)


def _seats(programmes: Sequence[Programme]) -> float:
    seats = [one.seats for one in programmes]
    return float(sum(seats)) if seats and None not in seats else float("nan")  # type: ignore[arg-type]
