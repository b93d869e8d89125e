"""Counts of the week and of the month by need, grid and visit: of one partition's households, or of a town.

They use no model. A town's counts are sums over its partitions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.contract.tables import OUTCOMES
from features.point_in_time.records import Known
from features.units import WEEK, YEAR_OF_WEEKS

MONTH = 4 * WEEK
# days before the as-of day at which each span begins and ends
SPANS = {
    "week": (WEEK, 0),
    "week_before": (2 * WEEK, WEEK),
    "week_last_year": (YEAR_OF_WEEKS + WEEK, YEAR_OF_WEEKS),
    "month": (MONTH, 0),
    "month_before": (2 * MONTH, MONTH),
    "month_last_year": (YEAR_OF_WEEKS + MONTH, YEAR_OF_WEEKS),
}
LATE = WEEK  # days by which a visit may be before or after the day that was promised
MET = tuple(OUTCOMES.index(name) for name in ("needed", "not_needed", "declined"))


@dataclass(frozen=True)
class WeekCounts:
    """What was asked and visited up to an as-of day.

    requests: need, and a count for each of SPANS. visits: one row a contact of the last two months and the same months
    a year ago, with outreach_id, household_id, grid_id, day (int days), found (bool), met (bool). grids: grid_id,
    households, never (households never visited), unseen (days since the last visit, of the household visited longest
    ago). promised: outreach_id, household_id, grid_id, kept (bool), one row for each visit promised for the last month.
    """

    requests: pd.DataFrame
    visits: pd.DataFrame
    grids: pd.DataFrame
    promised: pd.DataFrame


def week_counts(known: Known) -> WeekCounts:
    """Count what was asked and visited of the households of ``known``, up to its as-of day."""
    rows, visits = known.requests, known.outreach
    needs = len(known.community.needs)
    asked = pd.DataFrame({"need": [need.id for need in known.community.needs]})
    for name, (begin, end) in SPANS.items():
        within = (
            (rows.requested >= known.as_of - begin) & (rows.requested < known.as_of - end) & (rows.need >= 0)
        )
        asked[name] = np.bincount(rows.need[within], minlength=needs)
    made = visits.outcome >= 0
    recent = made & np.any(
        [
            (visits.contacted >= known.as_of - begin) & (visits.contacted < known.as_of - end)
            for begin, end in SPANS.values()
        ],
        axis=0,
    )
    household = visits.household[recent]
    contacts = pd.DataFrame(
        {
            "outreach_id": visits.outreach_id[recent],
            "household_id": known.household_ids[household],
            "grid_id": _grids_of(known, household),
            "day": np.floor(visits.contacted[recent]).astype(np.int64),
            "found": visits.outcome[recent] == OUTCOMES.index("needed"),
            "met": np.isin(visits.outcome[recent], MET),
        }
    )
    return WeekCounts(asked, contacts, _by_grid(known, made), _promised(known, made))


def _grids_of(known: Known, household: np.ndarray) -> np.ndarray:
    """Name each household's grid: object str; '' where it has none."""
    grid = known.grid[household]
    return np.where(grid >= 0, known.grid_ids[np.maximum(grid, 0)], "").astype(object)


def _by_grid(known: Known, made: np.ndarray) -> pd.DataFrame:
    """Count the households of each grid, and those never visited. ``made``: bool [rows of outreach]."""
    last = np.full(known.household_count, -np.inf)
    np.maximum.at(last, known.outreach.household[made], known.outreach.contacted[made])
    present = np.flatnonzero(known.present & ~known.opted_out)
    frame = pd.DataFrame({"grid_id": _grids_of(known, present), "last": last[present]})
    frame = frame.assign(never=np.isinf(frame["last"]), unseen=(known.as_of - frame["last"]))
    frame["unseen"] = frame["unseen"].where(~frame["never"])
    groups = frame.groupby("grid_id", sort=True)
    return groups.agg(
        households=("never", "size"), never=("never", "sum"), unseen=("unseen", "max")
    ).reset_index()


def _promised(known: Known, made: np.ndarray) -> pd.DataFrame:
    """List the visits that were promised for the last month, and whether a visit came within LATE days of the day."""
    rows = known.objections.feedback
    due = (
        np.isinf(rows.visible_to) & (rows.next_visit >= known.as_of - MONTH) & (rows.next_visit < known.as_of)
    )
    due = due & (rows.household >= 0)
    promised = np.flatnonzero(due)
    kept = [
        bool(
            np.any(
                made
                & (known.outreach.household == rows.household[row])
                & (np.abs(known.outreach.contacted - rows.next_visit[row]) <= LATE)
            )
        )
        for row in promised
    ]
    return pd.DataFrame(
        {
            "outreach_id": rows.outreach_id[promised],
            "household_id": known.household_ids[rows.household[promised]],
            "grid_id": _grids_of(known, rows.household[promised]),
            "kept": np.array(kept, dtype=bool),
        }
    )


def joined_counts(counts: Sequence[WeekCounts]) -> WeekCounts:
    """Join the counts of a town's partitions, whose households differ."""
    if len(counts) == 1:
        return counts[0]
    order = list(counts[0].requests["need"])
    asked = pd.concat([part.requests for part in counts]).groupby("need").sum().loc[order].reset_index()
    grids = pd.concat([part.grids for part in counts]).groupby("grid_id", sort=True)
    return WeekCounts(
        asked,
        pd.concat([part.visits for part in counts], ignore_index=True),
        grids.agg(
            households=("households", "sum"), never=("never", "sum"), unseen=("unseen", "max")
        ).reset_index(),
        pd.concat([part.promised for part in counts], ignore_index=True),
    )
