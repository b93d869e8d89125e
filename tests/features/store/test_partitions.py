"""A town in several partitions gives what it gives in one."""

import shutil
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hand_made import GOOD, hand_made_model

from features.blocks.build import build, summarise
from features.ingest.erasure import erase_household
from features.ingest.ingest import ingest
from features.point_in_time.cohort import cohort
from features.point_in_time.labels import usual_recording_delay
from features.point_in_time.records import date_of, day_of, known_before
from features.point_in_time.subset import alone
from features.simulation.simulate import simulate
from features.store.layout import lay_out
from features.store.partitions import InMemory, forget, open_copy, open_partitions, root_of
from features.store.reader import read_records
from features.store.storage import get_table
from models.dataset.sample import FromPartitions, training_table
from models.dataset.split import split
from models.scoring.executors import local, on_spark
from models.scoring.live import score_apart, town_state
from models.scoring.score import ScorePartition, WriteFeatures, fit_town, score, score_town

AS_OF = day_of(date(2025, 6, 2))


def one_after_another(task, numbers):
    return local(task, numbers, processes=1)


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


def frames(town, model, as_of=AS_OF, each=one_after_another):
    """scores and risk of a town, in the order of households and needs."""
    found = score_town(town, model, as_of, "7", each)
    tables = [found.frames(number) for number in range(len(town))]
    scores, risk = (pd.concat(kind) for kind in zip(*tables, strict=True))
    keys = ["household_id", "need"]
    return scores.sort_values(keys, ignore_index=True), risk.sort_values(keys[:1], ignore_index=True)


def test_scores_in_partitions_are_those_of_the_whole_town(parts, records, model):
    whole = score(records, model, AS_OF, 7)
    in_one = frames(InMemory(records), model)
    for found, one, expected in zip(frames(parts, model), in_one, (whole.scores, whole.risk), strict=True):
        expected = expected.sort_values(list(expected)[: 1 + ("need" in expected)], ignore_index=True)
        pd.testing.assert_frame_equal(found, expected)
        pd.testing.assert_frame_equal(one, expected)


def test_laying_out_again_writes_only_what_changed(workspace, parts, tmp_path):
    copy, root = tmp_path / "workspace", str(tmp_path / "parts")
    shutil.copytree(workspace, copy)
    before = lay_out(copy, root, households=120)
    assert open_partitions(root) == before
    assert [one.key for one in before.partitions] == [one.key for one in parts.partitions]
    there = before.read([1])
    household = there.household_ids[known_before(there, AS_OF).present][0]
    lived = [one for one in range(len(before)) if household in before.read([one]).household_ids]
    ask(copy, workspace.parent / "town", tmp_path / "new", household, there.community.needs[0].id)
    later = lay_out(copy, root, households=120)
    pairs = zip(later.partitions, before.partitions, strict=True)
    assert [one.number for one, old in pairs if one.key != old.key] == lived


def test_what_holds_for_the_town_may_be_fitted_on_some_partitions(parts, model, monkeypatch):
    monkeypatch.setattr("features.store.partitions.FITTED_ON", 150)
    assert 0 < len(parts.sample) < len(parts)
    scores, _ = frames(parts, model)
    assert not scores.duplicated(["household_id", "need"]).any() and scores["p_request"].between(0, 1).all()


@pytest.mark.parametrize("kind", ["parts", "records"])
def test_a_copy_of_the_records_stays_as_it_was(request, kind, records, tmp_path):
    town = request.getfixturevalue("parts") if kind == "parts" else InMemory(records)
    town.copy_to(tmp_path / "copy")
    copy = open_copy(tmp_path / "copy")
    assert len(copy) == len(town)
    last = [len(town) - 1]
    one, other = copy.read(last), town.read(last)
    assert (one.household_ids == other.household_ids).all()
    assert (one.requests.requested == other.requests.requested).all()
    assert (known_before(one, AS_OF).present == known_before(other, AS_OF).present).all()


def test_a_household_scored_by_itself_gets_what_the_batch_gives_it(parts, model):
    found = score_town(parts, model, AS_OF, "7", one_after_another)
    state = town_state(found, parts)
    scores, risk = (pd.concat(kind) for kind in zip(*map(found.frames, range(len(parts))), strict=True))
    for number in range(len(parts)):
        records = parts.read([number])
        known = known_before(records, AS_OF)
        home = int(np.flatnonzero(known.present)[0])
        assert state.partition_of(str(records.grid_ids[known.grid[home]])) == number
        one = score_apart(state, model, alone(records, home), in_town=True, partition=number)[0]
        batch = scores[scores["household_id"] == records.household_ids[home]]
        assert one.needs == batch["need"].tolist()
        assert one.p_request == pytest.approx(batch["p_request"].to_numpy(), abs=1e-9)
        assert (np.abs(one.rank - batch["rank"]) <= 3).all()  # those tied share the first rank
        assert one.tier == risk.set_index("household_id")["tier"][records.household_ids[home]]


def test_nothing_of_a_deleted_household_stays_in_its_part(workspace, tmp_path):
    copy = tmp_path / "workspace"
    shutil.copytree(workspace, copy)
    laid = lay_out(copy, root_of(copy), households=120)
    household = str(laid.read([1]).household_ids[0])
    erase_household(copy, household)
    assert not [path for path in (copy / "parts").rglob("*") if path.is_file()]
    again = lay_out(copy, root_of(copy), households=120)
    assert not any(household in again.read([one]).household_ids for one in range(len(again)))


def test_partitions_lie_on_any_path_that_fsspec_knows(workspace, parts, model):
    root = "memory://town"
    elsewhere = lay_out(workspace, root, households=120)
    assert [one.key for one in elsewhere.partitions] == [one.key for one in parts.partitions]
    scores, _ = frames(open_partitions(root), model)
    assert scores.equals(frames(parts, model)[0])
    forget(root)
    assert open_partitions(root) is None


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


def test_spark_gives_the_same_scores(parts, model):
    pytest.importorskip("pyspark")
    for one, other in zip(frames(parts, model), frames(parts, model, each=on_spark), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_which_labels_are_complete_depends_on_no_partition_s_own_delay(parts, records):
    whole, sample = (known_before(rows, AS_OF) for rows in (records, parts.read(parts.sample)))
    delays = {
        usual_recording_delay(known_before(parts.read([number]), AS_OF)) for number in range(len(parts))
    }
    assert len(delays) > 1
    assert usual_recording_delay(sample) == usual_recording_delay(whole)
    assert split(sample) == split(whole)


@pytest.mark.parametrize("where", ["here", "spark"])
def test_the_training_sample_is_drawn_alike_from_partitions(parts, records, model, where):
    each = map if where == "here" else pytest.importorskip("pyspark") and on_spark
    known = known_before(records, AS_OF)
    days = [AS_OF - 7 * weeks for weeks in (40, 30, 20)]
    one = training_table(lambda: (records, known), model.schema, days, most_rows=3000)
    other = training_table(FromPartitions(parts, AS_OF), model.schema, days, most_rows=3000, each=each)
    for name in ("matrix", "label", "weight", "household", "need", "as_of", "pairs"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "matrix")


def test_the_training_sample_has_the_settings_in_force(parts):
    assert FromPartitions(parts, AS_OF)()[0].community == parts.community
    groups = {**parts.community.model_dump(), "groups": [{"id": "all", "who": "children >= 0"}]}
    changed = type(parts.community).model_validate(groups)
    assert FromPartitions(replace(parts, community=changed), AS_OF)()[0].community == changed


@pytest.mark.parametrize("kind", ["parts", "records"])
def test_features_are_written_by_partition(request, kind, records, model, tmp_path):
    town = request.getfixturevalue("parts") if kind == "parts" else InMemory(records)
    task = WriteFeatures(ScorePartition(town, model, fit_town(town, model, AS_OF)), str(tmp_path))
    list(one_after_another(task, range(len(town))))
    written = pd.concat([get_table(task.place(one)).to_pandas() for one in range(len(town))])
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
