"""A model that travels: what is logged to MLflow loads and predicts where this project is not installed.

Beside the model's own files lie the modules that read them, an example of the input, and a page that says what goes in
and comes out. Of the project only what ``models.served`` imports is packed, found by reading its imports.
"""

import shutil
import warnings
from functools import cache
from importlib.metadata import version as installed
from modulefinder import ModuleFinder
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from features.blocks.build import catalogue
from models.registry.versions import NAME
from models.scoring.model import NeedModel

if TYPE_CHECKING:
    from mlflow import MlflowClient

BUNDLE = "data/bundle"  # where MLflow keeps the directory "bundle" inside a logged model
REQUIREMENTS = ("holidays", "lightgbm", "numpy", "pandas", "pyarrow", "pydantic", "pyyaml", "scipy")
PAGE, FEATURES = "README.md", "features.csv"
_LOADER = "models.served"
_ROOT = Path(__file__).parents[2]
_PACKAGES = ("features", "models")


def log_model(
    client: "MlflowClient", experiment: str, run_id: str, model: NeedModel, place: Path
) -> tuple[str, str]:
    """Log one pyfunc model with all needs; return its id and where its files are.

    client: of the registry in force.
    experiment, run_id: ids of the experiment, and of the run that made the model.
    model: to log.
    place: a directory to prepare the files in; ``bundle`` below it gets the model's own.
    """
    import mlflow.pyfunc
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    model.save(place / "bundle")
    logged = client.create_logged_model(experiment, NAME, run_id)
    features = [ColSpec(DataType.double, name) for name in model.feature_names if name != "need"]
    signature = ModelSignature(
        Schema([ColSpec(DataType.string, "need"), *features]), Schema([ColSpec(DataType.double, "p_request")])
    )
    described = Model(logged.artifact_location, run_id, model_uuid=logged.model_id, model_id=logged.model_id)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*input example.*")  # the signature is made by hand
        mlflow.pyfunc.save_model(
            place / "pyfunc",
            loader_module=_LOADER,
            data_path=place / "bundle",
            code_paths=packed_code(place / "code"),
            mlflow_model=described,
            signature=signature,
            input_example=input_example(model),
            pip_requirements=[f"{name}=={installed(name)}" for name in REQUIREMENTS],
        )
    write_page(model, place / "pyfunc")
    client.log_model_artifacts(logged.model_id, str(place / "pyfunc"))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, 0)])
    return logged.model_id, logged.artifact_location


@cache
def _modules() -> tuple[Path, ...]:
    """Return the project's modules that ``models.served`` imports, directly or not, relative to the project's root."""
    # libraries, where the program is installed beside them
    others = {path.name.split(".")[0] for path in _ROOT.iterdir()} - {*_PACKAGES}
    finder = ModuleFinder(path=[str(_ROOT)], excludes=sorted(others))
    finder.import_hook(_LOADER)
    files = (Path(file) for module in finder.modules.values() if (file := getattr(module, "__file__", None)))
    return tuple(sorted(path.relative_to(_ROOT) for path in files))


def packed_code(place: Path) -> list[str]:
    """Copy the modules that a loaded model needs into a directory, and return the packages there."""
    for path in _modules():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_ROOT / path, place / path)
    return sorted(str(path) for path in place.iterdir())


def input_example(model: NeedModel) -> pd.DataFrame:
    """Make up a row for each need, of a household of which nothing is known but that it is there; no real household."""
    names = [name for name in model.feature_names if name != "need"]
    rows = pd.DataFrame(0.0, index=range(len(model.schema.needs)), columns=names)
    return pd.concat([pd.Series(model.schema.needs, name="need", dtype=object), rows], axis=1)


def write_page(model: NeedModel, place: Path) -> None:
    """Write the page that travels with a model, and the table of its features, into a directory."""
    table = pd.DataFrame(
        [
            (feature.name, feature.zh, feature.en, feature.window, feature.unit)
            for feature in catalogue(model.schema)
        ],
        columns=["name", "zh", "en", "window", "unit"],
    )
    table.to_csv(place / FEATURES, index=False, encoding="utf-8-sig")
    needs = "\n".join(f"- `{need}`" for need in model.schema.needs)
    until = model.metadata.get("as_of", "?")
    (place / PAGE).write_text(_PAGE.format(needs=needs, until=until, features=FEATURES), encoding="utf-8")


_PAGE = """# Requests that a household will make 住户近期会提出的诉求

Trained on data up to {until}. 训练数据截至 {until}。

```python
import mlflow, pandas as pd

model = mlflow.pyfunc.load_model("path/of/this/directory")
frame = pd.DataFrame([{{name: 0.0 for name in model.metadata.get_input_schema().input_names()}}])
model.predict(frame.assign(need=model.input_example["need"][0]))
```

- **In:** a row for each household and need: `need`, and the numbers that {features} explains. `xianying features`
  writes them for any town, with household_id beside them. 每户每项一行；`xianying features` 为任何社区写出这些列。
- **Out:** `p_request`, the calibrated probability that the household asks within the need's window, at the usual level
  of the time of training. 校准后的概率，水平为训练时的平常水平。
- **Not for:** deciding who gets a service. Scores say whom to ask first, and people decide.
  只决定先去问谁，不决定谁能得到服务。
- The code that reads the model lies in `code/`. Its packages are called `features` and `models`: load it in a process
  that has no others of these names. `requirements.txt` has the libraries.
  读模型的代码在 `code/`，依赖见 `requirements.txt`。

Needs 需求:
{needs}
"""
