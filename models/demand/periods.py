"""Spans of time for which demand is computed: each need's own window, and calendar months ahead."""

from datetime import date

import numpy as np

from features.contract.community import Community
from features.point_in_time.labels import label_begin, label_end
from features.point_in_time.records import date_of, day_of

WINDOW = 0  # position of the need's own window among the spans
MONTHS = 4  # the rest of the month of the as-of day, and the three months after it
SPANS = 1 + MONTHS


def month_begin(day: float, later: int) -> int:
    """Return the first day (days since 1970) of the calendar month that is ``later`` months after that of ``day``."""
    first = date_of(day)
    months = first.year * 12 + first.month - 1 + later
    return day_of(date(months // 12, months % 12 + 1, 1))


def spans(community: Community, as_of: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the days at which each span begins and ends (exclusive): two float64 [needs, SPANS]."""
    months = [max(month_begin(as_of, month), as_of) for month in range(MONTHS + 1)]
    needs = len(community.needs)
    begin = np.column_stack([label_begin(community, as_of), np.tile(months[:-1], (needs, 1))])
    end = np.column_stack([label_end(community, as_of), np.tile(months[1:], (needs, 1))])
    return begin.astype(np.float64), end.astype(np.float64)
