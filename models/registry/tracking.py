"""Addresses of MLflow's runs and versions, and settings that keep it quiet; MLflow itself is not imported here."""

import logging
import os
from pathlib import Path

OWN = "the workspace's own"


def local_database(workspace: Path) -> Path:
    """Where MLflow's database lies unless the environment names another."""
    return workspace.resolve() / "mlflow.db"


def registry_address(workspace: Path) -> str:
    """Return the tracking URI in force: the environment's, else the workspace's SQLite file."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{local_database(workspace).as_posix()}"


def registry_name(workspace: Path) -> str:
    """Name the registry in force: its address, or, wherever the workspace lies, that it is the workspace's own."""
    address = registry_address(workspace)
    return OWN if address == f"sqlite:///{local_database(workspace).as_posix()}" else address


def addresses(workspace: Path) -> dict[str, str]:
    """Return the tracking and the registry URI, as MLflow's client takes them."""
    address = registry_address(workspace)
    return {"tracking_uri": address, "registry_uri": os.environ.get("MLFLOW_REGISTRY_URI") or address}


def quiet() -> None:
    """Turn off telemetry, hints, progress bars and migration notes; let an unreachable server fail within seconds."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"
    for name, value in {
        "MLFLOW_DISABLE_AGENT_HINT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "GIT_PYTHON_REFRESH": "quiet",
    }.items():
        os.environ.setdefault(name, value)
    # MLflow reads its level when it is imported, which may have been before
    logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"].upper())
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # its errors are raised as well
