"""A neighbour's model in a community with a short history: its order and season, this community's level, its origin."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest
from hand_made import BAD, GOOD, hand_made_model, hand_made_retrain, make_town, small_community
from make_records import make_community, make_records, records_of
from small_town import AS_OF, NEEDS, town_rows

from features.language import UserError
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Known, Records, day_of, known_before
from models.estimators.seasonal_level import ahead, season_of
from models.registry.champion import Champion, load_champion
from models.registry.registry import champion, lent_models, log_retrain
from models.scoring.model import NeedModel
from models.scoring.untrained import untrained
from models.training.borrow import Neighbour, as_retrained, borrow
from models.training.retrain import retrain
from models.training.retraining import Retraining
from models.training.validate import validated_features
from service.weekly.model_lines import about


@pytest.fixture(scope="module")
def records() -> Records:
    return make_town()


@pytest.fixture(scope="module")
def known(records: Records) -> Known:
    return known_before(records, AS_OF)


UPSIDE_DOWN = {"requests_364_days": -3.0}  # who asked is taken for who will not


def lent(known: Known, name: str, coefficients: dict[str, float], **metadata: object) -> Neighbour:
    model = replace(hand_made_model(known, coefficients, trees=True), season=season_of(known))
    return Neighbour(name, 3, replace(model, metadata=model.metadata | metadata))


def mean_by_need(records: Records, known: Known, model) -> np.ndarray:
    features, _ = validated_features(records, known, model.schema)
    p = model.predict(features, model.shift(known, model.log_odds(features), features.rows.need))
    return np.bincount(features.rows.need, p) / np.bincount(features.rows.need)


def log_odds(records: Records, known: Known, model: NeedModel) -> np.ndarray:
    return model.log_odds(validated_features(records, known, model.schema)[0])


def test_a_neighbour_whose_order_is_no_better_than_chance_here_is_left_out(
    records: Records, known: Known
) -> None:
    found = borrow(records, AS_OF, [lent(known, "东山", UPSIDE_DOWN), lent(known, "南山", GOOD)])
    right = {tried.neighbour.name: tried.right for tried in found.tried}
    assert right["南山"] > 0.5 > right["东山"]
    assert found.model.metadata["borrowed"] == [{"name": "南山", "version": 3}]
    assert "南山" in found.notes[0] and "东山" not in found.notes[0] and "东山：次序" in found.notes[-1]


def test_neighbours_of_one_name_are_told_apart(records: Records, known: Known) -> None:
    bad, good = lent(known, "南山", UPSIDE_DOWN), replace(lent(known, "南山", GOOD), version=4)
    found = borrow(records, AS_OF, [good, bad])
    assert [one["version"] for one in found.model.metadata["borrowed"]] == [4] and len(found.tried) == 2


def test_the_order_is_the_mean_of_all_neighbours_and_of_what_they_trained_for_beginners(
    tmp_path: Path, records: Records, known: Known
) -> None:
    """Written and read again, and with reasons that add up to it."""
    east, south = lent(known, "东山", GOOD), lent(known, "南山", {"requests_364_days": 0.3})
    beginner = lent(known, "南山", {"requests_91_days": 0.5}).model
    south = replace(south, model=replace(south.model, young=beginner))
    borrow(records, AS_OF, [east, south]).model.save(tmp_path)
    found = NeedModel.load(tmp_path)
    order = log_odds(records, known, found)
    mean = np.mean([log_odds(records, known, model) for model in (east.model, south.model, beginner)], axis=0)
    features, _ = validated_features(records, known, found.schema)
    need = features.rows.need
    moved = [np.ptp((order - mean)[need == index]) for index in range(len(NEEDS))]
    assert moved == pytest.approx(np.zeros(len(NEEDS)), abs=1e-9), "each need moves to the level of this town"
    told = found.contributions(features, np.arange(len(order))).sum(axis=1)
    assert np.ptp((order - told)[need == 0]) < 1e-6


def test_a_neighbour_with_other_attributes_is_read_by_their_names(records: Records, known: Known) -> None:
    rows = town_rows(households=60, requests=1500)
    for number, home in enumerate(rows["households"]):
        home["a_lift"] = ["yes", "no"][number % 2]
    elsewhere = known_before(make_records(**rows, community=small_community()), AS_OF)
    east, south, other = lent(known, "东山", GOOD), lent(known, "南山", GOOD), lent(elsewhere, "北山", GOOD)
    assert other.model.feature_names != south.model.feature_names
    linear = np.tile([1.0, 0.0, 0.0], (len(NEEDS), 1))  # the trees were made for so many columns
    east, south, other = (
        replace(lender, model=replace(lender.model, weights=linear)) for lender in (east, south, other)
    )
    alike, unlike = (borrow(records, AS_OF, [east, lender]).model for lender in (south, other))
    assert len(unlike.companions) == 1
    assert log_odds(records, known, unlike) == pytest.approx(log_odds(records, known, alike), abs=1e-6)
    reasons = [
        dict(zip(model.feature_names, model.contributions(features, np.arange(9)).T, strict=True))
        for model in (alike, unlike)
        for features in [validated_features(records, known, model.schema)[0]]
    ]
    assert all(reasons[1][name] == pytest.approx(reasons[0][name], abs=1e-6) for name in GOOD)


@pytest.mark.parametrize("silent", [0, 1])
def test_a_neighbour_where_nobody_asks_for_a_need_says_nothing_of_it(
    tmp_path: Path, records: Records, known: Known, silent: int
) -> None:
    lenders = [lent(known, "南山", GOOD), lent(known, "东山", GOOD)]
    asked = mean_by_need(records, known, borrow(records, AS_OF, [lenders[1 - silent]]).model)
    nobody = np.array([False, *[True] * (len(NEEDS) - 1)])
    model = replace(lenders[silent].model, modelled=nobody, rates=np.full(len(NEEDS), 0.001))
    lenders[silent] = replace(lenders[silent], model=model)
    found = borrow(records, AS_OF, lenders).model
    assert len(found.companions) == 1
    assert mean_by_need(records, known, found) == pytest.approx(asked, rel=1e-6)
    lines = about(Champion(found, 1, tmp_path), known.community)
    assert not any("没有训练模型" in line for line in lines), "its neighbour has a model of that need"


def test_the_level_is_this_communitys_own(records: Records, known: Known) -> None:
    """A neighbour that asks eight times as often does not raise the level where there are enough requests."""
    usual = lent(known, "南山", GOOD)
    often = usual.model.season + np.log(8) * (np.arange(usual.model.season.shape[1]) == 0)
    loud = replace(usual, model=replace(usual.model, usual_shift=np.full(len(NEEDS), 2.0), season=often))
    one, other = (borrow(records, AS_OF, [neighbour]).model for neighbour in (usual, loud))
    assert mean_by_need(records, known, other) == pytest.approx(mean_by_need(records, known, one), rel=0.35)


def test_without_any_request_the_level_is_almost_the_neighbours(known: Known) -> None:
    rows = town_rows(requests=1) | {"requests": []}
    records = make_records(**rows, community=small_community())
    found = borrow(records, AS_OF, [lent(known, "南山", GOOD)])
    assert np.isnan(found.tried[0].right)
    silent = known_before(records, AS_OF)
    pairs = np.bincount(cohort(silent).need)
    here = mean_by_need(records, silent, found.model) * pairs
    there = ahead(known).requests * silent.present.sum() / known.present.sum()
    assert here == pytest.approx(np.minimum(there, 0.95 * pairs), rel=0.25)


def summers(households: int, begin: int, asking: int) -> tuple[list[dict], list[dict]]:
    """Households of which some ask for childcare in the ten weeks from the middle of each June, and nobody before."""
    homes = [
        {"household_id": f"s{home:03d}", "microgrid_id": f"m{home % 6}", "valid_from": begin, "children": 1}
        for home in range(households)
    ]
    requests = [
        {
            "household_id": f"s{(at + 7 * year) % asking:03d}",
            "need": "childcare",
            "requested_at": day_of(date(year, 6, 15)) + at % 70 + 0.5,
        }
        for year in (2022, 2023, 2024)
        for at in range(140)
    ]
    steady = [
        {"household_id": f"s{day % households:03d}", "need": "meals", "requested_at": day + 0.5}
        for day in range(begin, day_of(date(2024, 9, 1)), 2)
    ]
    return homes, requests + steady


@pytest.fixture(scope="module")
def summer_town() -> Records:
    homes, requests = summers(100, day_of(date(2022, 1, 3)), 60)
    return make_records(homes, requests, community=small_community())


def test_a_season_that_begins_is_foreseen_by_the_neighbours(summer_town: Records) -> None:
    """A community whose eight weeks lie before the summer expects the summer that its neighbours had."""
    there = known_before(summer_town, day_of(date(2024, 6, 3)))
    first, as_of = day_of(date(2023, 4, 10)), day_of(date(2023, 6, 5))
    homes, requests = summers(100, first, 60)
    begun = [row for row in requests if row["requested_at"] >= first]
    young = make_records(homes, begun, community=small_community())
    known = known_before(young, as_of)
    borrowed = borrow(young, as_of, [lent(there, "南山", GOOD), lent(there, "东山", GOOD)]).model
    foreseen = ahead(there).requests[0]  # as many households there, of as many requests a year
    assert ahead(known).requests[0] == 0 and foreseen > 20
    assert 0.6 * foreseen < ahead(known, borrowed.lent_season).requests[0] < 1.2 * foreseen
    assert 0.6 * foreseen < mean_by_need(young, known, borrowed)[0] * 100 < 1.2 * foreseen
    later = known_before(young, day_of(date(2023, 10, 2)))
    assert ahead(later, borrowed.lent_season).requests[0] < 0.2 * foreseen


def test_the_first_training_of_its_own_keeps_the_neighbours_season() -> None:
    """A community whose forty weeks hold no summer expects one even with a model that it trained itself."""

    def town(begin: int) -> Records:
        homes, requests = summers(100, begin, 60)
        now_and_then = [
            {"household_id": f"s{day % 60:03d}", "need": "childcare", "requested_at": day + 0.5}
            for day in range(begin, day_of(date(2024, 6, 1)), 14)
        ]
        asked = [row for row in requests + now_and_then if row["requested_at"] >= begin]
        return make_records(homes, asked, community=small_community())

    there = known_before(town(day_of(date(2022, 1, 3))), day_of(date(2024, 6, 3)))
    young, as_of = town(day_of(date(2022, 9, 5))), day_of(date(2023, 6, 5))
    borrowed = borrow(young, as_of, [lent(there, "南山", GOOD)]).model
    how = Retraining(threads=1)
    alone, after = (retrain(young, as_of, before, how).model for before in (None, borrowed))
    assert alone.modelled[0] and after.modelled[0]
    known = known_before(young, as_of)
    assert mean_by_need(young, known, after)[0] > 3 * mean_by_need(young, known, alone)[0]
    other_needs = replace(borrowed, schema=replace(borrowed.schema, needs=("a", "b", "c")))
    assert retrain(young, as_of, other_needs, how).model.lent_season is None


def test_no_season_of_a_need_of_fewer_than_three_households_is_lent(summer_town: Records) -> None:
    season = season_of(known_before(summer_town, day_of(date(2024, 6, 3))))
    assert np.isfinite(season[:2]).all() and np.isnan(season[2]).all(), "nobody asked for the third need"
    homes, requests = summers(100, day_of(date(2022, 1, 3)), 2)
    of_two = make_records(homes, requests, community=small_community())
    season = season_of(known_before(of_two, day_of(date(2024, 6, 3))))
    assert np.isnan(season[0]).all() and np.isfinite(season[1]).all()


def test_a_model_that_holds_no_season_is_not_borrowed(records: Records, known: Known) -> None:
    earlier = lent(known, "东山", GOOD)
    earlier = replace(earlier, model=replace(earlier.model, season=None))
    with pytest.raises(UserError, match="版本"):
        borrow(records, AS_OF, [earlier])
    assert "东山" in borrow(records, AS_OF, [earlier, lent(known, "南山", GOOD)]).notes[-1]


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
    in_force = champion(tmp_path).model
    assert in_force.metadata["borrowed"][0]["name"] == "南山"
    assert in_force.lent_season == pytest.approx(found.model.lent_season, nan_ok=True)
    assert log_retrain(tmp_path, as_retrained(found, base), known).promoted
    trained = hand_made_retrain(records_of(known), hand_made_model(known, GOOD))
    log_retrain(tmp_path, trained, known)
    assert not log_retrain(tmp_path, as_retrained(found, trained.model), known).promoted


def test_a_community_lends_only_where_its_settings_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: Known
) -> None:
    model = hand_made_model(known, GOOD)
    settings = {tmp_path / "a": small_community(sharing={"model": True}), tmp_path / "b": small_community()}
    monkeypatch.setattr("features.store.reader.read_settings", settings.__getitem__)
    monkeypatch.setattr("models.registry.registry.champion", lambda place: Champion(model, 7, place))
    assert lent_models([tmp_path / "a"])[0].version == 7
    with pytest.raises(UserError, match="sharing"):
        lent_models([tmp_path / "a", tmp_path / "b"])


def in_arrays(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], None]:
    def tamper(place: Path) -> None:
        with np.load(place / "arrays.npz") as file:
            arrays = {one: file[one] for one in file.files}
        arrays[name] = change(arrays[name])
        np.savez(place / "arrays.npz", **arrays)

    return tamper


def in_trees(pattern: str, text: str) -> Callable[[Path], None]:
    def tamper(place: Path) -> None:
        path = place / "pooled_0.txt"
        path.write_text(re.sub(pattern, text, path.read_text(), count=1, flags=re.DOTALL))

    return tamper


def in_json(*keys: str, value: object) -> Callable[[Path], None]:
    def tamper(place: Path) -> None:
        said = json.loads((place / "model.json").read_text("utf-8"))
        inner = said
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        (place / "model.json").write_text(json.dumps(said), "utf-8")

    return tamper


def of_beginners(tamper: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda place: tamper(place / "young")


def trees_of_few_columns(place: Path) -> None:
    lgb.train({"verbosity": -1}, lgb.Dataset(np.eye(60), np.arange(60) % 2), 1).save_model(
        place / "pooled_0.txt"
    )


def names_in(place: Path) -> list[str]:
    return json.loads((place / "model.json").read_text("utf-8"))["feature_names"]


def emptied(array: np.ndarray) -> np.ndarray:
    return np.full(array.shape, np.nan)


TAMPERED: dict[str, Callable[[Path], object]] = {
    "coefficients that are none": in_arrays("coefficients", emptied),
    "a slope that is none": in_arrays("slope", emptied),
    "a shift that is none": in_arrays("usual_shift", emptied),
    "coefficients of other columns": in_arrays("coefficients", lambda array: array[:, :2]),
    "coefficients that overflow": in_arrays("coefficients", lambda array: array * 1e300),
    "seasons without an end": in_arrays("season", lambda array: np.full(array.shape, np.inf)),
    "seasons of other needs": in_arrays("season", lambda array: array[:1]),
    "seasons of other columns": in_arrays("season", lambda array: array[:, :3]),
    "rates of other needs": in_arrays("rates", lambda array: array[:1]),
    "rates above one": in_arrays("rates", lambda array: array + 5),
    "an object in an array": in_arrays("rates", lambda array: np.array([{"a": 1}], dtype=object)),
    "arrays that unpack to gigabytes": lambda place: np.savez_compressed(
        place / "arrays.npz", weights=np.zeros((300 << 20) // 8)
    ),
    "arrays that break off": lambda place: os.truncate(place / "arrays.npz", 200),
    "no arrays": lambda place: (place / "arrays.npz").unlink(),
    "brackets without an end": lambda place: (place / "model.json").write_text("[" * 200_000),
    "metadata that are a list": in_json("metadata", value=[]),
    "texts that are none": in_json("metadata", "silence", value=["x"]),
    "a risk of three numbers": in_json("risk_calibration", value=[1, 2, 3]),
    "other features": in_json("feature_names", value=["a"]),
    "trees that break off": in_trees("end of trees.*", ""),
    "a leaf that is no number": in_trees(r"leaf_value=\S+", "leaf_value=nan"),
    "leaves that are missing": in_trees(r"leaf_value=\S+ ", "leaf_value="),
    "a feature that is not there": in_trees(r"split_feature=\d+", "split_feature=999999"),
    "a tree that runs in a circle": in_trees(r"left_child=\S+", "left_child=0"),
    "a tree in another place": in_trees(r"tree_sizes=\d+", "tree_sizes=7"),
    "trees of other columns": trees_of_few_columns,
    "a beginner's model of columns in another order": of_beginners(
        lambda place: in_json("feature_names", value=[*reversed(names_in(place))])(place)
    ),
    "a beginner's model of other needs": of_beginners(
        in_json("schema", "needs", value=["piano", "meals", "repairs"])
    ),
    "a beginner's model without arrays": of_beginners(lambda place: (place / "arrays.npz").unlink()),
}


@pytest.mark.parametrize("kind", TAMPERED)
def test_a_lent_model_that_was_tampered_with_ends_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: Records, known: Known, kind: str
) -> None:
    """LightGBM ends the whole process over some of these texts, and a score that is no number ranks nobody."""
    model = lent(known, "南山", GOOD).model
    replace(model, young=model).save(tmp_path)
    TAMPERED[kind](tmp_path)
    shares = small_community(sharing={"model": True})
    monkeypatch.setattr("features.store.reader.read_settings", lambda _: shares)
    monkeypatch.setattr("models.registry.registry.champion", lambda place: load_champion(7, place))
    with pytest.raises(UserError, match="西山社区") as caught:
        borrow(records, AS_OF, lent_models([tmp_path]))
    assert "\n" not in str(caught.value)


def test_a_model_without_numbers_is_left_out_where_another_has_them(records: Records, known: Known) -> None:
    endless = lent(known, "南山", dict.fromkeys(GOOD, 1e300))
    found = borrow(records, AS_OF, [endless, lent(known, "东山", BAD)])
    assert found.model.metadata["borrowed"][0]["name"] == "东山" and "南山：模型算不出数" in found.notes[-1]
