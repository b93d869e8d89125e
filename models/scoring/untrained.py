"""Model before any training, which scores households by the requests expected of them."""

import hashlib

import numpy as np
import pandas as pd

from features.blocks.build import catalogue
from features.contract.attribute_values import Texts
from features.point_in_time.cohort import cohort
from features.point_in_time.labels import window_days
from features.point_in_time.records import Known, date_of
from features.point_in_time.schema import Schema
from features.point_in_time.town_summary import asked, days_observed
from models.dataset.out_of_time import stable_hash
from models.estimators.calibrate import no_calibration
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
    length = window_days(known.community)
    count = np.bincount(asked(known).need, minlength=needs)
    return -np.expm1(-(count + 0.5) * length / (exposure + length))


def fingerprint(known: Known) -> str:
    """Compute SHA-256 of the settings and of everything known; data that come later do not change it."""
    digest = hashlib.sha256(known.community.model_dump_json().encode())
    ids = {"household": known.household_ids, "grid": known.grid_ids}
    ids["microgrid"] = known.microgrid_ids
    for name in ("households", "residents", "requests", "outreach", "opt_outs"):
        for column, values in vars(getattr(known, name)).items():
            digest.update(f"{name}.{column}".encode())
            if column in ("visible_to", "left"):
                continue  # when a row was superseded, or a resident left, is told by later rows
            if column in ids:
                values = stable_hash(ids[column])[values]  # positions change as others arrive
            elif column == "resident":
                values = np.unique(values, return_inverse=True)[1]
            if isinstance(values, dict):  # what no row says yet is an attribute of later rows
                values = {name: texts for name, texts in values.items() if (texts.codes >= 0).any()}
            for item in values.items() if isinstance(values, dict) else [("", values)]:
                digest.update(item[0].encode() + _plain(item[1]).tobytes())
    return digest.hexdigest()


def _plain(values: np.ndarray | Texts) -> np.ndarray:
    """Hash each text to a number that depends on the text only; leave other values as they are."""
    if isinstance(values, Texts):
        return np.append(stable_hash(values.distinct), np.uint64(0))[values.codes]
    if values.dtype.kind in "OT":
        return pd.util.hash_array(values.astype(object))
    return np.ascontiguousarray(values)
