"""Where the data end: the last day on which rows are dense, however far a mistyped year reaches.

A *table's rows a day* are two arrays: the days (int64, ascending) on which its rows' latest times fall, and how many
rows each has.
"""

import time
from collections.abc import Mapping

import numpy as np

FEWEST_ROWS, FEWEST_GAPS = 10, 3  # of a table, for its own rhythm to be told
REGULAR_GAPS = 10  # from which on a rhythm is trusted
RECENT_DAYS = 730  # before a gap within which the usual gaps are looked for
GAP_TIMES = 3.0  # the usual gaps' largest, for a gap to separate stray times
SHORT_GAP, LONG_GAP = 28, 182  # days: of a table with a rhythm, of another
FAR_GAP = 1096  # days, from which on half the rows may lie beyond
FUTURE = 366  # days from today
FEW, FEW_SHARE = 2, 0.02  # rows beyond a gap that are taken for mistakes
SECONDS = 86400
EVENTS = ("requests", "outreach")  # tables whose rows tell how far the others can reach

RowsADay = tuple[np.ndarray, np.ndarray]


def rows_a_day(times: np.ndarray) -> RowsADay:
    """Count the rows of each day from their times in days; missing times do not count."""
    return np.unique(np.floor(times[np.isfinite(times)]).astype(np.int64), return_counts=True)


def dense_end(days: np.ndarray, rows: np.ndarray) -> int | None:
    """Return the last day of a table before the first gap that separates a few stray rows; None where it has no rhythm.

    >>> weekly = np.arange(0, 350, 7)
    >>> dense_end(np.append(weekly, 7000), np.ones(51))
    343
    """
    total, gaps = rows.sum(), np.diff(days)
    if total < FEWEST_ROWS or len(gaps) < FEWEST_GAPS:
        return None
    before = np.cumsum(rows)[:-1]
    for at in np.flatnonzero(gaps > SHORT_GAP):
        recent = gaps[:at][days[:at] > days[at] - RECENT_DAYS]
        beyond = total - before[at]
        if len(recent) < FEWEST_GAPS or before[at] < FEWEST_ROWS - FEW:
            continue
        least = SHORT_GAP if len(recent) >= REGULAR_GAPS else LONG_GAP
        few = beyond <= max(FEW, FEW_SHARE * total) or (gaps[at] > FAR_GAP and beyond <= total / 2)
        if few and gaps[at] > max(least, GAP_TIMES * recent.max()):
            return int(days[at])
    return int(days[-1])


def table_ends(tables: Mapping[str, RowsADay]) -> dict[str, int]:
    """Return the last day of each table that has rows, stray times left out.

    A table without a rhythm of its own may reach three years beyond the tables of events. No table reaches further than
    one year from today, as nothing recorded there can have happened.
    """
    latest = int(time.time() / SECONDS) + FUTURE
    tables = {table: (days[days <= latest], rows[days <= latest]) for table, (days, rows) in tables.items()}
    ends_of = {table: dense_end(*counts) for table, counts in tables.items()}
    events = [end for table, end in ends_of.items() if end is not None and table in EVENTS]
    ends = {}
    for table, (days, _) in tables.items():
        end = ends_of[table]
        if end is None and len(days):
            likely = days[days <= max(events) + FAR_GAP] if events else days
            end = int(likely[-1]) if len(likely) else None
        if end is not None:
            ends[table] = end
    return ends


def last_time(tables: Mapping[str, RowsADay]) -> float:
    """Return the last day of all tables, stray times left out; ``-inf`` without rows."""
    return float(max(table_ends(tables).values(), default=-np.inf))
