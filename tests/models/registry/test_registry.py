"""The registry on a real MLflow backend: versions, gate, promotion, rollback, and scoring without MLflow."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from hand_made import AS_OF, BAD, GOOD, hand_made_model, hand_made_retrain, make_town
from make_records import records_of
from mlflow import MlflowClient

from features.atomic import PARTIAL
from features.blocks.build import build
from features.language import UserError
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Known, known_before
from features.workspace_secret import SECRET
from models.dataset.out_of_time import OutOfTime, erase_out_of_time, read_out_of_time, stable_hash
from models.registry.champion import (
    damaged_copy,
    forget_copy,
    install_copy,
    load_champion,
    with_own_validation,
)
from models.registry.registry import NoChampion, champion, log_retrain, promote, rollback
from models.registry.tracking import registry_address
from models.training.retrain import Retrained


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def known() -> Known:
    return known_before(make_town(), AS_OF)


@pytest.fixture(scope="module")
def good(known: Known) -> Retrained:
    retrained = hand_made_retrain(records_of(known), hand_made_model(known, GOOD, trees=True))
    homes = np.repeat(np.arange(known.household_count), 2)
    own = OutOfTime(
        stable_hash(known.household_ids)[homes],
        np.tile(np.array([0, 1], np.int16), known.household_count),
        np.full(len(homes), AS_OF - 70, np.int32),
        np.linspace(0.01, 0.99, len(homes), dtype=np.float32),
    )
    return replace(retrained, model=replace(retrained.model, out_of_time=own))


@pytest.fixture(scope="module")
def worse(known: Known, good: Retrained) -> Retrained:
    return hand_made_retrain(records_of(known), hand_made_model(known, BAD), champion=good.model)


@pytest.fixture(scope="module")
def same(known: Known, good: Retrained) -> Retrained:
    return hand_made_retrain(records_of(known), good.model, champion=good.model)


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory, good: Retrained, known: Known) -> Path:
    """A workspace with one version; not to be changed."""
    workspace = tmp_path_factory.mktemp("工作 区#1")
    log_retrain(workspace, good, known)
    return workspace


def client(workspace: Path) -> MlflowClient:
    return MlflowClient(registry_address(workspace), registry_address(workspace))


def aliases(workspace: Path) -> dict[str, int]:
    found = client(workspace).get_registered_model("xianying").aliases
    return {name: int(version) for name, version in found.items()}


def test_the_first_version_becomes_the_champion(logged: Path, good: Retrained) -> None:
    assert aliases(logged) == {"champion": 1}, "nothing waits for a decision"
    found = champion(logged)
    assert found.version == 1
    assert found.model.feature_names == good.model.feature_names


def test_a_retrain_is_one_run_with_a_child_for_each_need(logged: Path, good: Retrained) -> None:
    here = client(logged)
    experiment = here.get_experiment_by_name("xianying")
    runs = here.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    assert {run.data.tags["need"] for run in runs if run is not parents[0]} == {
        "childcare",
        "meals",
        "refuge",
    }
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert parents[0].data.tags["data_fingerprint"] == good.fingerprint
    told = {one.dataset.name: one.dataset for one in parents[0].inputs.dataset_inputs}
    assert told["records"].digest == good.fingerprint[:36] != told["folds"].digest
    assert json.loads(told["records"].profile)["households"] == 60
    assert parents[0].data.params["rows"] == "720"
    files = {file.path for file in here.list_artifacts(parents[0].info.run_id)}
    assert {"model_card.zh.md", "model_card.en.md", "metrics.csv", "lift.png", "overview.png"} <= files
    assert {"groups.csv", "groups.png", "verdicts.csv"} <= files
    headlines = parents[0].data.metrics
    assert 8 <= len(headlines) <= 12 and all(name.startswith("model/") for name in headlines)
    note = parents[0].data.tags["mlflow.note.content"]
    assert "60 户" in note and f"average_precision {headlines['model/average_precision']:.3f}" in note
    child = next(run for run in runs if run.data.tags.get("need") == "meals")
    newest = good.metrics.query("need == 'meals' and ranker == 'model' and metric == 'average_precision'")
    last = newest.sort_values("fold").iloc[-1]
    assert child.data.metrics["model/average_precision"] == pytest.approx(last["value"])
    assert child.data.metrics["model/average_precision.low"] == pytest.approx(last["low"])
    assert "report.png" in {file.path for file in here.list_artifacts(child.info.run_id)}


def test_the_registered_model_gives_the_same_probabilities(
    logged: Path, good: Retrained, known: Known
) -> None:
    features = build(known, cohort(known), good.model.schema)
    frame = pd.DataFrame(features.matrix.astype(float), columns=features.names)
    frame["need"] = np.array(good.model.schema.needs, dtype=object)[features.rows.need]
    version = client(logged).get_model_version("xianying", "1")
    served = mlflow.pyfunc.load_model(client(logged).get_model_version_download_uri("xianying", "1"))
    assert version.tags["gate"] == "allowed"
    np.testing.assert_allclose(served.predict(frame)["p_request"], good.model.predict(features))


def test_scoring_from_the_copy_imports_no_mlflow(logged: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from models.registry.registry import champion;"
        f"print(champion(Path({str(logged)!r})).version, 'mlflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]


def test_the_gate_decides_which_version_is_in_force(
    tmp_path: Path, good: Retrained, worse: Retrained, same: Retrained, known: Known
) -> None:
    assert log_retrain(tmp_path, good, known).promoted
    refused = log_retrain(tmp_path, worse, known)
    assert not refused.promoted
    assert any("变差" in reason for reason in refused.decision.reasons)
    assert aliases(tmp_path) == {"champion": 1, "challenger": 2}
    assert champion(tmp_path).version == 1
    tags = client(tmp_path).get_model_version("xianying", "2").tags
    assert tags["gate"] == "refused"
    assert "变差" in tags["gate_reason"]

    assert promote(tmp_path) == 2  # by hand, against the gate
    assert champion(tmp_path).version == 2
    assert aliases(tmp_path) == {"champion": 2, "previous": 1}
    assert rollback(tmp_path) == 1
    assert aliases(tmp_path) == {"champion": 1}
    assert log_retrain(tmp_path, same, known).promoted
    assert champion(tmp_path).version == 3
    assert rollback(tmp_path) == 1
    assert champion(tmp_path).version == 1
    with pytest.raises(UserError, match="没有更早的现用模型"):
        rollback(tmp_path)
    assert champion(tmp_path).version == 1
    with pytest.raises(UserError, match="没有版本 9，只有 1、2、3"):
        promote(tmp_path, 9)
    with pytest.raises(UserError, match="没有版本 0"):
        promote(tmp_path, 0)
    assert not log_retrain(tmp_path, good, known).promoted  # nothing to compare it with the champion by
    assert champion(tmp_path).version == 1


def test_another_backend_keeps_everything_and_wins_over_the_copy(
    tmp_path: Path, good: Retrained, known: Known, logged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = f"sqlite:///{(tmp_path / 'shared.db').as_posix()}"
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", elsewhere)
    log_retrain(one, good, known)
    log_retrain(one, good, known)
    assert not (one / "mlflow.db").exists()
    assert champion(two).version == 1  # a second workspace on the same registry fetches its own copy
    assert (two / "champion" / "current.json").is_file()
    client(two).set_registered_model_alias("xianying", "champion", "2")  # moved by someone else
    assert champion(two).version == 1
    assert champion(two, refresh=True).version == 2
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(NoChampion):
        champion(two)  # the copy came from the other registry


def test_a_lost_or_damaged_copy_is_fetched_again(logged: Path) -> None:
    pointer = logged / "champion" / "current.json"
    pointer.unlink()
    assert champion(logged).version == 1
    directory = logged / "champion" / json.loads(pointer.read_text())["directory"]
    (directory / "model.json").unlink()
    assert champion(logged).version == 1


def test_a_copy_in_which_a_digit_changed_is_named_not_used_and_fetched_again(logged: Path) -> None:
    before = champion(logged)
    trees = before.files / "pooled_0.txt"
    content = trees.read_text("utf-8")
    trees.write_text(
        content.replace("leaf_value=0", "leaf_value=1", 1).replace("leaf_value=-", "leaf_value=9", 1)
    )
    assert trees.read_text("utf-8") != content
    assert damaged_copy(logged) == [trees]
    after = champion(logged)
    assert after.files != before.files and not damaged_copy(logged)
    assert (after.files / "pooled_0.txt").read_text("utf-8") == content


def test_a_champion_with_other_features_is_not_used(logged: Path, tmp_path: Path) -> None:
    files = tmp_path / "earlier"
    shutil.copytree(champion(logged).files, files)
    described = files / "model.json"
    told = described.read_text("utf-8").replace('"requests_all_time"', '"requests_ever"')
    described.write_text(told, encoding="utf-8")
    with pytest.raises(NoChampion, match="请重新运行 xianying retrain"):
        load_champion(1, files)


def test_a_champion_with_the_members_of_an_earlier_version_is_not_used(known, tmp_path):
    model = hand_made_model(known, {"requests_all_time": 0.5})
    replace(model, weights=np.pad(model.weights, ((0, 0), (0, 1)))).save(tmp_path)
    with pytest.raises(NoChampion, match="旧版"):
        load_champion(3, tmp_path)


def test_a_killed_retrain_leaves_no_version_and_its_run_is_marked(
    tmp_path: Path, good: Retrained, known: Known
) -> None:
    class Killed(BaseException):
        """Ends the retrain while the model is written, as a signal would."""

    class Model(type(good.model)):  # type: ignore[misc]
        def save(self, directory: Path) -> None:
            raise Killed

    dying = replace(good, model=Model(**vars(good.model)))
    with pytest.raises(Killed):
        log_retrain(tmp_path, dying, known)
    with pytest.raises(NoChampion):
        champion(tmp_path)
    here = client(tmp_path)
    experiment = here.get_experiment_by_name("xianying").experiment_id
    lost = here.search_runs([experiment], "attributes.status = 'KILLED'")[0]
    here.update_run(lost.info.run_id, status="RUNNING")  # what a kill that nothing can catch leaves
    assert log_retrain(tmp_path, good, known).version == 1
    assert here.get_run(lost.info.run_id).info.status == "KILLED"


def test_mistakes_are_told_in_one_line(
    tmp_path: Path, good: Retrained, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    for act in (champion, promote, rollback):
        with pytest.raises(UserError, match="xianying retrain"):
            act(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://somewhere")
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI") as caught:
        log_retrain(tmp_path, good, known)
    assert "\n" not in str(caught.value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI") as caught:
        champion(tmp_path)
    assert "\n" not in str(caught.value)


def every_array(directory: Path) -> dict[str, np.ndarray]:
    """Every array of every npz below a directory, by its file and name."""
    found = {}
    for path in directory.rglob("*.npz"):
        with np.load(path) as file:
            found |= {f"{path.name}: {name}": file[name] for name in file.files}
    return found


def test_no_artefact_holds_anything_by_household(logged, known, good):
    ids, hashes = known.household_ids, stable_hash(known.household_ids)
    assert good.model.out_of_time is not None and len(ids) > 30
    for place in (logged / "mlartifacts", logged / "champion"):
        arrays = every_array(place)
        assert arrays
        for name, array in arrays.items():
            assert not np.isin(hashes, array.ravel()).any(), name
            assert not {len(ids), len(good.model.out_of_time.p)} & set(array.shape), name
        for path in (one for one in place.rglob("*") if one.is_file()):
            assert not any(b'"' + str(one).encode() + b'"' in path.read_bytes() for one in ids), path


def test_a_models_own_validation_is_kept_in_the_workspace_behind_its_secret(logged, known, good, tmp_path):
    hashes = stable_hash(known.household_ids)
    kept = every_array(logged / "out_of_time")
    column = next(array for name, array in kept.items() if name.endswith("household"))
    assert len(column) and not np.isin(column, hashes).any()
    found = with_own_validation(logged, champion(logged), records_of(known)).out_of_time
    wanted = good.model.out_of_time
    np.testing.assert_allclose(found.find(wanted.household, wanted.need, wanted.as_of), wanted.p)
    other = tmp_path / "copy"
    shutil.copytree(logged / "out_of_time", other / "out_of_time")
    files = champion(logged).files
    assert len(read_out_of_time(other, files, hashes).p) == 0  # another secret
    (other / SECRET).write_text((logged / SECRET).read_text())
    gone = str(known.household_ids[0])
    erase_out_of_time(other, gone)
    rest = read_out_of_time(other, files, hashes)
    assert hashes[0] not in rest.household
    assert len(rest.p) == (wanted.household != hashes[0]).sum() < len(wanted.p)


def test_what_an_earlier_version_kept_by_household_goes(tmp_path, known, good):
    left = tmp_path / "mlartifacts" / "1" / "m-1" / "artifacts" / "data" / "bundle" / "out_of_time.npz"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"")
    log_retrain(tmp_path, good, known)
    assert not left.exists()


def test_a_workspace_that_was_moved_works(tmp_path, known, good):
    old, new = tmp_path / "old 工作区", tmp_path / "elsewhere" / "new#1"
    log_retrain(old, good, known)
    new.parent.mkdir()
    shutil.copytree(old, tmp_path / "copy")
    old.rename(new)
    assert champion(new).version == 1  # from its own copy, without MLflow
    shutil.rmtree(new / "champion")
    assert champion(new).version == 1
    for run in client(new).search_runs([client(new).get_experiment_by_name("xianying").experiment_id]):
        assert client(new).list_artifacts(run.info.run_id)  # what MLflow's user interface shows
    model = mlflow.pyfunc.load_model(client(new).get_model_version("xianying", "1").source)
    assert "need" in model.metadata.get_input_schema().input_names()
    assert log_retrain(new, good, known).version == 2
    assert promote(new, 2) == 2 and rollback(new) == 1
    assert not old.exists()
    assert promote(tmp_path / "copy", 1) == 1  # a copy is not tied to where it was made
    assert log_retrain(tmp_path / "copy", good, known).version == 2


NO_CONNECTION = """
import socket, sys, threading
from pathlib import Path

def refuse(*given, **more):
    print("CONNECTS", given)
    raise OSError("no connection")

socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
if sys.argv[2] == "ours":
    from models.registry.registry import registry_client
    from service.console.startup import settle_process
    settle_process()
    with registry_client(Path(sys.argv[1])) as client:
        run = client.create_run(client.create_experiment("x"))
        client.log_param(run.info.run_id, "a", 1)
else:
    import mlflow
from mlflow.telemetry import get_telemetry_client
telemetry = get_telemetry_client()
if telemetry:
    telemetry.activate()
for thread in threading.enumerate():
    if "Telemetry" in thread.name:
        thread.join()
"""


def test_nothing_is_reported_to_anybody(tmp_path):
    named = ("PYTEST", "CI", "GITHUB", "JENKINS", "MLFLOW_", "DO_NOT_TRACK")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(named)}
    environment["MLFLOW_DISABLE_TELEMETRY"] = "false"

    def connections(whose: str) -> str:
        command = [sys.executable, "-c", NO_CONNECTION, str(tmp_path), whose]
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stderr
        return found.stdout

    assert "CONNECTS" in connections("MLflow's own")  # so that the test would notice
    assert "CONNECTS" not in connections("ours")


def test_a_version_promoted_again_leaves_the_copy_of_the_version_before(tmp_path: Path) -> None:
    for version in (1, 2, 1, 1):
        (tmp_path / "champion" / "files").mkdir(parents=True)
        install_copy(tmp_path, "here", version, tmp_path / "champion" / "files")
    copies = [path.name.split("-")[0] for path in (tmp_path / "champion").iterdir() if path.is_dir()]
    assert sorted(copies) == ["1", "2"]


def test_what_a_killed_download_left_goes_with_the_next_switch_of_versions(tmp_path: Path) -> None:
    (left := tmp_path / "champion" / f".scratch-1{PARTIAL}").mkdir(parents=True)
    forget_copy(tmp_path)
    assert not left.exists()
