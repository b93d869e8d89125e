"""A copy of MLflow's registered versions for the service, which so never waits for MLflow itself."""

import json
from pathlib import Path
from typing import Any

from features.atomic import read_json, scratch_directory, write_atomically
from models.registry.versions import CHALLENGER, CHAMPION, NAME, version_called
from service.web.published.week_files import REPORTS, SERVED

MODELS = "models.json"
SHOWN = (".md", ".csv", ".png", ".json")
NEWEST = 12  # versions whose reports are kept for the service


def publish_models(workspace: Path) -> None:
    """Write ``served/models.json`` and each newer version's report beside it.

    Raises UserError when MLflow cannot be reached.
    """
    from models.registry.registry import registry_client

    home = workspace / SERVED
    with registry_client(workspace) as client:
        named = {version_called(client, alias): alias for alias in (CHALLENGER, CHAMPION)}
        versions = sorted(
            client.search_model_versions(f"name = '{NAME}'"), key=lambda version: -int(version.version)
        )
        rows = []
        for entry in versions:
            version, run = int(entry.version), client.get_run(str(entry.run_id))
            rows.append(_row(version, named.get(version), entry, run))
            if len(rows) <= NEWEST and not (home / REPORTS / str(version)).is_dir():
                _copy_report(client, str(entry.run_id), home / REPORTS / str(version))
    write_atomically(home / MODELS, json.dumps(rows, ensure_ascii=False).encode())


def _row(version: int, alias: str | None, registered: Any, run: Any) -> dict[str, Any]:
    tags = {**run.data.tags, **registered.tags}
    return {
        "version": version,
        "alias": alias,
        "run_id": registered.run_id,
        "as_of": tags.get("as_of", ""),
        "registered_at": registered.creation_timestamp,
        "gate": tags.get("gate", ""),
        "gate_reason": tags.get("gate_reason", ""),
        "data_fingerprint": tags.get("data_fingerprint", ""),
        "metrics": {name: value for name, value in run.data.metrics.items() if value == value},
        "parameters": dict(run.data.params),
    }


def _copy_report(client: Any, run_id: str, target: Path) -> None:
    """Copy a run's texts, tables and figures; the directory appears once it is complete."""
    with scratch_directory(target.parent) as place:
        part = place / "report"
        part.mkdir()
        for path in Path(client.download_artifacts(run_id, "", str(place))).iterdir():
            if path.is_file() and path.name.endswith(SHOWN):
                path.rename(part / path.name)
        part.rename(target)


def read_models(workspace: Path) -> list[dict[str, Any]]:
    """Read the registered versions, the newest first; none before the first retrain."""
    return read_json(workspace / SERVED / MODELS, [])


def report_place(workspace: Path, version: int) -> Path:
    """Return the directory of a version's report, which not every version has."""
    return workspace / SERVED / REPORTS / str(version)


def report_files(workspace: Path, version: int) -> list[str]:
    """List the names of the files of a version's report."""
    place = report_place(workspace, version)
    return sorted(path.name for path in place.iterdir()) if place.is_dir() else []


def report_file(workspace: Path, version: int, name: str) -> Path | None:
    """Return the path of one file of a version's report.

    Returns None where there is no file of this name, so that a name cannot lead out of the directory.
    """
    if name not in report_files(workspace, version):
        return None
    return report_place(workspace, version) / name
