"""The champion's probabilities on a challenger's validation rows, each only where it had not seen the outcome."""

from datetime import date

import numpy as np
import pandas as pd

from features.point_in_time.records import Known, Records, day_of, known_before
from models.dataset.out_of_time import household_keys
from models.dataset.split import complete
from models.evaluation.baselines import MODEL
from models.evaluation.capacity import capacity_of_need
from models.evaluation.compare import compare
from models.evaluation.evaluate import Validation
from models.scoring.model import NeedModel
from models.training.validate import validated_features


def compare_with_champion(
    records: Records, known: Known, champion: NeedModel, validation: Validation
) -> pd.DataFrame:
    """What ``models.evaluation.compare.compare`` says of the rows that neither model was trained on.

    Empty where there are none, and where the needs are not the champion's.
    """
    needs = [need.id for need in known.community.needs]
    if list(champion.schema.needs) != needs:
        validation = validation.take(np.empty(0, dtype=int))
    p = champion_probabilities(records, known, champion, validation)
    there = np.flatnonzero(np.isfinite(p))
    rows = validation.take(there)
    return compare(rows, p[there], rows.scores[MODEL], needs, capacity_of_need(known))


def champion_probabilities(
    records: Records, known: Known, champion: NeedModel, rows: Validation
) -> np.ndarray:
    """float64 per row: predicted where the label was not complete on the champion's day of training, else
    from the champion's own validation; NaN where it was trained on the row."""
    keys = household_keys(records)
    p = np.full(len(rows), np.nan)
    if champion.out_of_time:
        p = champion.out_of_time.find(keys[rows.household], rows.need, rows.as_of)
    trained_on = day_of(date.fromisoformat(champion.metadata["as_of"]))
    known_then = known_before(records, trained_on)  # with the delay of recording that was usual then
    for day in np.unique(rows.as_of):
        seen = complete(known_then, np.array([day]), trained_on)[0]
        on = np.flatnonzero((rows.as_of == day) & ~seen[rows.need])
        if len(on):
            p[on] = _predicted(records, champion, int(day), rows.take(on))
    return p


def _predicted(records: Records, champion: NeedModel, day: int, rows: Validation) -> np.ndarray:
    """float64 per row of one as-of day."""
    known = known_before(records, day)
    features, share = validated_features(records, known, champion.schema)
    shift = champion.shift(known, champion.log_odds(features), features.rows.need, share)
    whole = np.full((known.household_count, len(shift)), np.nan)
    whole[features.rows.household, features.rows.need] = champion.predict(features, shift)
    return whole[rows.household, rows.need]
