"""The registered model in an environment without this project, from an artefact store that was moved."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hand_made import AS_OF, GOOD, hand_made_model, hand_made_retrain, make_town
from make_records import records_of
from mlflow import MlflowClient

from features.blocks.build import build
from features.point_in_time.cohort import cohort
from features.point_in_time.records import known_before
from models.registry import travelling
from models.registry.registry import log_retrain
from models.registry.tracking import registry_address

ELSEWHERE = """
import importlib.util, json, sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
assert not [name for name in ("features", "models", "service") if importlib.util.find_spec(name)]
import mlflow.pyfunc, pandas as pd
place, frame = sys.argv[1:]
model = mlflow.pyfunc.load_model(place)
example = model.input_example
inputs = model.metadata.get_input_schema().input_names()
predicted = model.predict(pd.read_parquet(frame))["p_request"].tolist()
shown = model.predict(pd.DataFrame([{name: 0.0 for name in inputs}]).assign(need=example["need"][0]))
import models
print(json.dumps({
    "p": predicted, "example": model.predict(example)["p_request"].tolist(), "columns": list(example.columns),
    "inputs": inputs, "shown": len(shown), "code": models.__file__, "mine": "service" in sys.modules,
}))
"""


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, np.ndarray]:
    """A model's directory that was taken out of its workspace, a frame of features, and what the model makes of it."""
    home = tmp_path_factory.mktemp("away")
    known = known_before(make_town(), AS_OF)
    model = hand_made_model(known, GOOD, trees=True)
    log_retrain(home / "workspace", hand_made_retrain(records_of(known), model), known)
    client = MlflowClient(*[registry_address(home / "workspace")] * 2)
    source = client.get_model_version_download_uri("xianying", "1").removeprefix("file://")
    shutil.copytree(source, home / "carried off")
    shutil.rmtree(home / "workspace" / "mlartifacts")
    features = build(known, cohort(known), model.schema)
    frame = pd.DataFrame(features.matrix.astype(float), columns=features.names)
    frame["need"] = np.array(model.schema.needs, dtype=object)[features.rows.need]
    frame.to_parquet(home / "frame.parquet")
    return home / "carried off", home / "frame.parquet", model.predict(features)


def test_it_loads_and_predicts_without_the_project(moved: tuple[Path, Path, np.ndarray]) -> None:
    place, frame, wanted = moved
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLFLOW"))}
    command = [sys.executable, "-I", "-c", ELSEWHERE, str(place), str(frame)]
    done = subprocess.run(command, cwd=place.parent, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(told["p"], wanted)
    assert told["columns"] == told["inputs"] and len(told["example"]) == 3
    assert all(0 < p < 1 for p in told["example"]) and told["shown"] == 1
    assert Path(told["code"]).is_relative_to(place) and not told["mine"]


def test_what_travels_explains_itself(moved: tuple[Path, Path, np.ndarray]) -> None:
    place, _, _ = moved
    page = (place / "README.md").read_text("utf-8")
    assert "mlflow.pyfunc.load_model" in page and "- `childcare`" in page
    table = pd.read_csv(place / "features.csv", encoding="utf-8-sig")
    assert "requests_364_days" in set(table["name"]) and table["zh"].notna().all()
    needed = (place / "requirements.txt").read_text("utf-8")
    packed = list((place / "code").rglob("*.py"))
    assert packed and not (place / "code" / "service").exists()
    for library in ("lightgbm", "pydantic", "pyyaml", "scipy"):
        assert f"{library}==" in needed


INSTALLED = """
import json
from models.registry import travelling
print(json.dumps([str(travelling._ROOT), [path.as_posix() for path in travelling._modules()]]))
"""


def test_where_it_is_installed_beside_its_libraries_only_its_own_modules_are_packed(tmp_path: Path) -> None:
    """As in a server's site-packages, where the libraries lie in the same directory."""
    root = Path(travelling.__file__).parents[2]
    for package in ("features", "models"):
        shutil.copytree(root / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for entry in Path(np.__file__).parents[1].iterdir():
        if not entry.name.startswith("__editable__"):
            (tmp_path / entry.name).symlink_to(entry)
    done = subprocess.run(
        [sys.executable, "-c", INSTALLED], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    where, packed = json.loads(done.stdout)
    assert Path(where) == tmp_path
    assert packed == [path.as_posix() for path in travelling._modules()]
