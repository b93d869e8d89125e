"""Where MLflow keeps runs and versions, and how to have it do so in silence; MLflow itself is not imported here."""

import logging
import os
from pathlib import Path


def registry_address(workspace: Path) -> str:
    """The tracking URI in force: the environment's, else the workspace's SQLite file."""
    return (
        os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(workspace.resolve() / 'mlflow.db').as_posix()}"
    )


def addresses(workspace: Path) -> dict[str, str]:
    """The tracking and the registry URI, as MLflow's client takes them."""
    address = registry_address(workspace)
    return {"tracking_uri": address, "registry_uri": os.environ.get("MLFLOW_REGISTRY_URI") or address}


def quiet() -> None:
    """No telemetry, hints, progress bars or migration notes; an unreachable server fails within seconds."""
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_DISABLE_AGENT_HINT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_LOGGING_LEVEL": "WARNING",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "GIT_PYTHON_REFRESH": "quiet",
    }.items():
        os.environ.setdefault(name, value)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # its errors are raised as well
