"""Model before any training, which scores households by the requests expected of them."""

import numpy as np

from features.blocks.build import catalogue
from features.point_in_time.cohort import cohort
from features.point_in_time.labels import label_begin, label_end
from features.point_in_time.records import Known, date_of
from features.point_in_time.schema import Schema
from features.point_in_time.town_summary import asked, days_observed
from models.estimators.calibrate import no_calibration
from models.scoring.fingerprint import fingerprint
from models.scoring.model import NeedModel


def untrained(known: Known, schema: Schema, as_of: int) -> NeedModel:
    """Make a model that scores households by the requests expected of them, or by a need's smoothed rate.

    known: what is known now. schema: of the features. as_of: the day, for the model's metadata.
    """
    needs = len(schema.needs)
    return NeedModel(
        schema=schema,
        feature_names=[feature.name for feature in catalogue(schema)],
        members=None,
        weights=np.tile([1.0, 0.0, 0.0], (needs, 1)),
        calibration=no_calibration(needs),
        modelled=np.zeros(needs, dtype=bool),
        rates=_smoothed_rates(known),
        per_request=np.ones(needs),
        level_weight=np.zeros(needs),
        usual_shift=np.zeros(needs),
        risk_calibration=(1.0, 0.0),
        metadata={
            "as_of": str(date_of(as_of)),
            "fingerprint": fingerprint(known),
            "requests": len(known.requests.need),
            "community": known.community.community.name,
            "needs": {need.id: need.name.model_dump() for need in known.community.needs},
            "windows": {need.id: [need.lead_weeks, need.horizon_weeks] for need in known.community.needs},
            "who": {need.id: need.who for need in known.community.needs},
        },
    )


def _smoothed_rates(known: Known) -> np.ndarray:
    """Estimate the probability that a household that can have the need asks in its window: float64 [needs]."""
    rows = cohort(known)
    needs = len(known.community.needs)
    exposure = np.bincount(rows.need, days_observed(known)[rows.household], needs)
    length = label_end(known.community, 0) - label_begin(known.community, 0)
    count = np.bincount(asked(known).need, minlength=needs)
    return -np.expm1(-(count + 0.5) * length / (exposure + length))
