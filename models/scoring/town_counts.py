"""Counts of the whole town that reasons, seats and pages show, made in each of its partitions."""

from dataclasses import replace

import numpy as np

from features.blocks.seasons import asking_last_year
from features.point_in_time.records import Known
from features.point_in_time.town import TownCounts
from features.rows.tables import rows_at
from models.demand.seats import claimed, found
from models.scoring.explain import asking_within_a_year


def counts_of(known: Known) -> TownCounts:
    """Count the households that live in a partition; the sum over partitions is the town's."""
    present = known
    if known.town is not None:  # rows of who lives elsewhere count there
        requests, outreach = known.requests, known.outreach
        present = replace(
            known,
            requests=rows_at(requests, np.flatnonzero(known.present[requests.household])),
            outreach=rows_at(outreach, np.flatnonzero(known.present[outreach.household])),
            town=None,
        )
    programmes = known.community.programmes
    return TownCounts(
        asking_last_year=asking_last_year(present),
        asking_within_a_year=asking_within_a_year(present),
        claimed={programme.id: claimed(programme, present) for programme in programmes},
        found={programme.id: found(programme, present) for programme in programmes},
    )
