"""The second model of a community that lends its own: it knows eight weeks of each household, and no more."""

from pathlib import Path

import numpy as np
import pytest
from hand_made import make_town, small_community
from hypothesis import given, settings
from hypothesis import strategies as st
from small_town import AS_OF

from features.point_in_time.records import Records, known_before
from features.point_in_time.schema_fit import fit_schema
from features.point_in_time.subset import recorded_since
from models.dataset.sample import training_table
from models.scoring.model import NeedModel
from models.training.retrain import retrain
from models.training.retraining import Retraining
from models.training.validate import validated_features
from models.training.young import MEMORY


@pytest.fixture(scope="module")
def records() -> Records:
    return make_town(150, 4000, small_community(sharing={"model": True}))


@settings(max_examples=10, deadline=None)
@given(back=st.integers(13, 60), memory=st.integers(7, 200))
def test_features_see_nothing_from_before_their_memory(records: Records, back: int, memory: int) -> None:
    now, day = known_before(records, AS_OF), AS_OF - 7 * back
    schema = fit_schema(now)
    whole, without = (
        training_table(lambda kept=kept: (kept, now), schema, [day], memory=memory)
        for kept in (records, recorded_since(records, day - memory))
    )
    assert np.array_equal(whole.matrix, without.matrix, equal_nan=True)
    assert np.array_equal(whole.label, without.label), "the labels are those of all records"
    older = known_before(records, day).requests.visible_from < day - memory
    if older.any():
        everything = training_table(lambda: (records, now), schema, [day])
        assert not np.array_equal(whole.matrix, everything.matrix, equal_nan=True)


def test_a_community_that_lends_trains_a_model_for_beginners_which_is_kept_with_its_own(
    tmp_path: Path, records: Records
) -> None:
    found = retrain(records, AS_OF, how=Retraining(threads=1)).model
    found.save(tmp_path)
    read = NeedModel.load(tmp_path)
    assert found.young and read.young and not found.young.out_of_time
    begun = known_before(recorded_since(records, AS_OF - MEMORY), AS_OF)
    features, _ = validated_features(records, begun, found.schema)
    assert read.young.log_odds(features) == pytest.approx(found.young.log_odds(features))
    assert read.log_odds(features) == pytest.approx(found.log_odds(features))


def test_others_train_none() -> None:
    assert retrain(make_town(150, 4000), AS_OF, how=Retraining(threads=1)).model.young is None
