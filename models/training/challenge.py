"""Champion's probabilities on a challenger's validation rows, each only where it had not seen the outcome."""

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
    """Compare champion and challenger on the rows that neither was trained on.

    records: all records. known: what is known now. champion: the model in force.
    validation: the challenger's validated rows.

    Returns the table of ``models.evaluation.compare.compare``; empty if there are no such rows, or the champion's needs
    are others.
    """
    needs = [need.id for need in known.community.needs]
    if list(champion.schema.needs) != needs:
        validation = validation.take(np.empty(0, dtype=int))
    p = champion_probabilities(records, champion, validation)
    there = np.flatnonzero(np.isfinite(p))
    rows = validation.take(there)
    return compare(rows, p[there], rows.scores[MODEL], needs, capacity_of_need(known))


def champion_probabilities(records: Records, champion: NeedModel, rows: Validation) -> np.ndarray:
    """Return the champion's out-of-time probabilities: float64 [rows]; NaN where it was trained on the row.

    records: all records. champion: the model in force. rows: a challenger's validated rows.

    A row is predicted now if its label was not complete on the champion's day of training; else the probability comes
    from the champion's own validation.
    """
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
    """Compute the champion's probabilities for rows of one as-of day: float64 [rows]."""
    known = known_before(records, day)
    features, share = validated_features(records, known, champion.schema)
    shift = champion.shift(known, champion.log_odds(features), features.rows.need, share)
    whole = np.full((known.household_count, len(shift)), np.nan)
    whole[features.rows.household, features.rows.need] = champion.predict(features, shift)
    return whole[rows.household, rows.need]
