"""MLflow for the classifier of texts: its runs, its versions, and the workspace's copy of the one in force."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.atomic import scratch_directory, write_atomically
from features.language import UserError, joined_names, say
from features.store.plain_file import UnreadableFile, from_file, to_bytes
from models.registry.registry import need_database, registry_client
from models.registry.runs import experiment, one_run, origin
from models.registry.versions import CHALLENGER, CHAMPION
from models.text.model import TextModel

NAME = "xianying-text"  # of the registered model
PLACE = Path("text") / "model.npz"  # of the copy in force
_FILES = "text_model"  # of a run's artefacts


def read_text_model(workspace: Path) -> TextModel | None:
    """Read the classifier in force; None before the first training, or where its file is of another version."""
    try:
        return from_file(workspace / PLACE, TextModel)
    except (FileNotFoundError, UnreadableFile):
        return None


def log_text_model(
    workspace: Path,
    model: TextModel,
    measured: tuple[Mapping[str, float], Mapping[str, Any]],
    report: Mapping[str, bytes],
    allowed: bool,
) -> int:
    """Log and register a classifier, put it in force if allowed, and return its version.

    workspace: of the registry and of the copy in force.
    model: the classifier.
    measured: metrics and parameters of its validation.
    report: files of its report by name.
    allowed: whether the gate lets it into force.
    """
    from mlflow.entities import Metric, Param

    metrics, params = measured
    content, now = to_bytes(model), time.time()
    with scratch_directory(workspace) as place, registry_client(workspace) as client:
        files = place / _FILES
        files.mkdir()
        (files / PLACE.name).write_bytes(content)
        for name, bytes_of in report.items():
            (files / name).write_bytes(bytes_of)
        runs = experiment(client, workspace)
        tags = origin(workspace) | {"model": NAME, "gate": "allowed" if allowed else "refused"}
        with one_run(client, runs, "text train", tags, now) as run_id:
            client.log_batch(
                run_id,
                metrics=[Metric(name, value, int(now * 1000), 0) for name, value in metrics.items()],
                params=[Param(name, str(value)[:6000]) for name, value in params.items()],
            )
            client.log_artifacts(run_id, str(files), _FILES)
        if not client.search_registered_models(f"name = '{NAME}'"):
            client.create_registered_model(NAME)
        source = f"{client.get_run(run_id).info.artifact_uri}/{_FILES}"
        version = client.create_model_version(NAME, source, run_id, tags=tags)
        client.set_registered_model_alias(NAME, CHAMPION if allowed else CHALLENGER, version.version)
    if allowed:
        (workspace / PLACE).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(workspace / PLACE, content)
    return int(version.version)


def promote_text_model(workspace: Path, version: int) -> None:
    """Put a registered classifier in force. Raises UserError without it, or where this program cannot read it."""
    need_database(workspace)
    with scratch_directory(workspace) as place, registry_client(workspace) as client:
        runs = {
            int(found.version): found.run_id for found in client.search_model_versions(f"name = '{NAME}'")
        }
        if version not in runs:
            listed = joined_names(sorted(runs)) or say("还没有", "none yet")
            raise UserError(
                f"没有文字分类版本 {version}，现有：{listed}",
                f"no text classifier version {version}; there is: {listed}",
            )
        path = Path(client.download_artifacts(runs[version], f"{_FILES}/{PLACE.name}", str(place)))
        try:
            from_file(path, TextModel)
        except UnreadableFile as error:
            raise UserError(
                f"文字分类版本 {version} 是另一版程序训练的，读不了；请运行 xianying text train",
                f"text classifier version {version} is of another release; run xianying text train",
            ) from error
        client.set_registered_model_alias(NAME, CHAMPION, str(version))
        write_atomically(workspace / PLACE, path.read_bytes())
