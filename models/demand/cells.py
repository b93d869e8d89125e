"""Expected numbers of households by need, grid and span of time, and for past dates how many really asked."""

import numpy as np
import pandas as pd

from features.contract.community import Community
from features.point_in_time.labels import usual_recording_delay
from features.point_in_time.records import Known, Records, Rows, known_before
from models.dataset.feedback_correction import NEEDED
from models.demand.periods import SPANS, WINDOW, spans
from models.estimators.seasonal_level import Course, course_of, expected_between

MOST = 1 - 1e-9


def expected_cells(known: Known, rows: Rows, p: np.ndarray, shares: np.ndarray | None = None) -> pd.DataFrame:
    """Sum probabilities of pairs by need, span and grid.

    known: what is known at the as-of day.
    rows: pairs of household and need; every household is in a grid.
    p: float64 [rows], probability of a request within the need's own window.
    shares: what ``span_shares`` returns; by default of ``known``.

    A pair's hazard in its window is carried to the months in proportion to the requests that the town's weekly counts
    lead to expect there (``models.estimators.seasonal_level``). Returns need, span, grid (positions), begins, ends
    (days), households, expected, variance (of independent households).
    """
    share = span_shares(course_of(known), known.community) if shares is None else shares
    grid, grids = known.grid[rows.household], len(known.grid_ids)
    return cells_by_grid(rows.need, grid, grids, p, known.community, known.as_of, share)


def cells_by_grid(
    need: np.ndarray,
    grid: np.ndarray,
    grids: int,
    p: np.ndarray,
    community: Community,
    as_of: int,
    shares: np.ndarray,
) -> pd.DataFrame:
    """Compute ``expected_cells`` from each pair's need, grid and probability.

    need: int [pairs], position.
    grid: int [pairs], position below ``grids``.
    p: float64 [pairs], probability of a request within the need's own window.
    as_of: day.
    shares: float64 [needs, SPANS], what ``span_shares`` returns.
    """
    begin, end = spans(community, as_of)
    hazard = -np.log1p(-np.clip(p, 0, MOST))
    cell = need.astype(np.int64) * grids + grid
    size = len(begin) * grids
    tables = []
    for span in range(SPANS):
        asks = -np.expm1(-hazard * shares[need, span])
        of_need = np.repeat(np.arange(len(begin)), grids)
        tables.append(
            pd.DataFrame(
                {
                    "need": of_need,
                    "span": span,
                    "grid": np.tile(np.arange(grids), len(begin)),
                    "begins": begin[of_need, span],
                    "ends": end[of_need, span],
                    "households": np.bincount(cell, minlength=size),
                    "expected": np.bincount(cell, asks, size),
                    "variance": np.bincount(cell, asks * (1 - asks), size),
                }
            )
        )
    return pd.concat(tables, ignore_index=True)


def named_cells(cells: pd.DataFrame, grid_ids: np.ndarray) -> pd.DataFrame:
    """Keep the cells that hold households, and replace the positions in ``grid`` with the grids' ids."""
    cells = cells[cells["households"] > 0]
    return cells.assign(grid=grid_ids[cells["grid"]])


def span_shares(course: Course, community: Community, lent: np.ndarray | None = None) -> np.ndarray:
    """Compute the requests expected in each span, divided by those in the need's own window: float64 [needs, SPANS].

    Where none are expected in the window, the spans' lengths are compared instead. lent: the season that was lent, see
    ``models.estimators.seasonal_level.ahead``.
    """
    begin, end = spans(community, course.as_of)
    requests = expected_between(course, begin, end, lent)
    length = end - begin
    by_time = length / length[:, [WINDOW]]
    window = requests[:, [WINDOW]]
    return np.divide(requests, window, out=by_time, where=window > 0)


def came(known_now: Known, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Tell who asked in [begin, end): bool [households, needs]. ``begin``, ``end``: days, float64 [needs].

    A household in which a targeted visit found the need counts too, as it then need not ask.
    """
    came_in = np.zeros((known_now.household_count, len(begin)), dtype=bool)
    requests, outreach = known_now.requests, known_now.outreach
    met = ~outreach.random & (outreach.outcome == NEEDED)
    for household, need, time, counts in (
        (requests.household, requests.need, requests.requested, requests.need >= 0),
        (outreach.household, outreach.need, outreach.contacted, met & (outreach.need >= 0)),
    ):
        place = np.maximum(need, 0)
        inside = counts & (time >= begin[place]) & (time < end[place])
        came_in[household[inside], need[inside]] = True
    return came_in


def observed_cells(known: Known, rows: Rows, asked: np.ndarray) -> np.ndarray:
    """Count the households that asked in each row of ``expected_cells``: int64 [cells].

    rows: the pairs from which ``expected_cells`` was computed. asked: bool [SPANS, households, needs], see ``came``.
    """
    grids, needs = len(known.grid_ids), len(known.community.needs)
    cell = rows.need.astype(np.int64) * grids + known.grid[rows.household]
    counts = [np.bincount(cell, asked_in[rows.household, rows.need], needs * grids) for asked_in in asked]
    return np.concatenate(counts).astype(np.int64)


def past_cells(
    records: Records,
    known_now: Known,
    household: np.ndarray,
    need: np.ndarray,
    as_of: np.ndarray,
    p: np.ndarray,
) -> pd.DataFrame:
    """Compute cells of past as-of days with the predicted and the observed number of households.

    household, need, as_of, p: one entry a validated pair; p is its out-of-time probability.

    Returns the columns of ``expected_cells`` with as_of and observed; only cells whose requests are recorded by now and
    that hold households.
    """
    delay = usual_recording_delay(known_now)
    tables = []
    for day in np.unique(as_of):
        on = as_of == day
        known, rows = known_before(records, int(day)), Rows(household[on], need[on])
        table = expected_cells(known, rows, p[on])
        begin, end = spans(known.community, int(day))
        asked = np.stack([came(known_now, begin[:, span], end[:, span]) for span in range(SPANS)])
        table = table.assign(as_of=int(day), observed=observed_cells(known, rows, asked))
        tables.append(table[(table["ends"] + delay <= known_now.as_of) & (table["households"] > 0)])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
