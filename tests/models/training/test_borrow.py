"""A neighbour's model in a community with a short history: its order, this community's level, its origin told."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hand_made import BAD, GOOD, hand_made_model, hand_made_retrain, make_town, small_community
from make_records import make_community, make_records, records_of
from small_town import AS_OF, NEEDS, town_rows

from features.language import UserError
from features.point_in_time.records import Known, Records, known_before
from models.registry.champion import Champion
from models.registry.neighbours import lent_models
from models.registry.registry import champion, log_retrain
from models.scoring.untrained import untrained
from models.training.borrow import Neighbour, as_retrained, borrow
from models.training.validate import validated_features


@pytest.fixture(scope="module")
def records() -> Records:
    return make_town()


@pytest.fixture(scope="module")
def known(records: Records) -> Known:
    return known_before(records, AS_OF)


def lent(known: Known, name: str, coefficients: dict[str, float], **metadata: object) -> Neighbour:
    model = hand_made_model(known, coefficients, trees=True)
    return Neighbour(name, 3, replace(model, metadata=model.metadata | metadata))


def mean_by_need(records: Records, known: Known, model) -> np.ndarray:
    features, _ = validated_features(records, known, model.schema)
    p = model.predict(features, model.shift(known, model.log_odds(features), features.rows.need))
    return np.bincount(features.rows.need, p) / np.bincount(features.rows.need)


def test_the_neighbour_whose_order_fits_here_is_taken(records: Records, known: Known) -> None:
    found = borrow(records, AS_OF, [lent(known, "东山", BAD), lent(known, "南山", GOOD)])
    assert found.losses["南山"] < found.losses["东山"]
    assert found.model.metadata["borrowed"] == {"name": "南山", "version": 3}
    assert "南山" in found.notes[0]


def test_the_level_is_this_communitys_own(records: Records, known: Known) -> None:
    """A neighbour that asks eight times as often does not raise the level where there are enough requests."""
    usual = lent(known, "南山", GOOD)
    loud = replace(usual, model=replace(usual.model, usual_shift=np.full(len(NEEDS), 2.0)))
    one, other = (borrow(records, AS_OF, [neighbour]).model for neighbour in (usual, loud))
    assert mean_by_need(records, known, other) == pytest.approx(mean_by_need(records, known, one), rel=0.35)


def test_without_any_request_the_level_is_almost_the_neighbours() -> None:
    rows = town_rows(requests=1) | {"requests": []}
    records = make_records(**rows, community=small_community())
    known = known_before(records, AS_OF)
    neighbour = lent(known, "南山", GOOD)
    found = borrow(records, AS_OF, [neighbour])
    assert np.isnan(found.losses["南山"])
    there = mean_by_need(records, known, neighbour.model)
    assert (mean_by_need(records, known, found.model) <= there + 1e-9).all()


def test_other_needs_cannot_be_borrowed(records: Records, known: Known) -> None:
    others = make_community([*reversed(NEEDS)])
    rows = town_rows()
    elsewhere = known_before(make_records(**rows, community=others), AS_OF)
    with pytest.raises(UserError, match="needs"):
        borrow(records, AS_OF, [lent(elsewhere, "北山", GOOD)])
    found = borrow(records, AS_OF, [lent(elsewhere, "北山", GOOD), lent(known, "南山", GOOD)])
    assert "北山" in found.notes[-1]


def test_it_comes_into_force_only_where_nothing_was_trained(
    tmp_path: Path, records: Records, known: Known
) -> None:
    found = borrow(records, AS_OF, [lent(known, "南山", GOOD)])
    base = untrained(known, found.model.schema, AS_OF)
    log_retrain(tmp_path, as_retrained(found, None), known)
    assert champion(tmp_path).model.metadata["borrowed"]["name"] == "南山"
    assert log_retrain(tmp_path, as_retrained(found, base), known).promoted
    trained = hand_made_retrain(records_of(known), hand_made_model(known, GOOD))
    log_retrain(tmp_path, trained, known)
    assert not log_retrain(tmp_path, as_retrained(found, trained.model), known).promoted


def test_a_community_lends_only_where_its_settings_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: Known
) -> None:
    model = hand_made_model(known, GOOD)
    settings = {tmp_path / "a": small_community(sharing={"model": True}), tmp_path / "b": small_community()}
    monkeypatch.setattr("features.store.sharing.read_settings", settings.__getitem__)
    monkeypatch.setattr("models.registry.neighbours.champion", lambda place: Champion(model, 7, place))
    assert lent_models([tmp_path / "a"])[0].version == 7
    with pytest.raises(UserError, match="sharing"):
        lent_models([tmp_path / "a", tmp_path / "b"])
