"""Capacity: how many households a week the community can visit for one need."""

import numpy as np
import pandas as pd

from features.point_in_time.records import Known

NEEDS_PER_VISIT = 3


def weekly_visits(known: Known) -> int:
    """Count the visits a week of all workers; without a workers table every micro-grid has one worker."""
    each = known.community.outreach.visits_per_worker
    workers = known.workers
    if len(workers):
        return int(pd.to_numeric(workers["weekly_visits"]).fillna(each).sum())
    return each * len(np.unique(known.microgrid[known.present]))


def capacity_of_need(known: Known) -> int:
    """Compute how many households can be visited a week for one need, at least 1.

    A visit asks about up to three needs, which are shared out equally.
    """
    needs = len(known.community.needs)
    return max(1, round(weekly_visits(known) * min(NEEDS_PER_VISIT, needs) / needs))
