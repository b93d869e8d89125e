"""A workspace that was moved, copied or restored elsewhere: MLflow's database names artefacts by absolute paths.

Before MLflow opens the workspace's own database, paths of where the workspace was are replaced by where it is.
``python -m models.registry.moved WORKSPACE`` does that for MLflow's user interface.
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from models.registry.tracking import local_database
from models.registry.versions import NAME

ARTIFACTS = "mlartifacts"
PLACES = (  # table and column of each path that MLflow follows
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def artifact_place(workspace: Path) -> str:
    """Give the address under which MLflow keeps the workspace's artefacts."""
    return (workspace.resolve() / ARTIFACTS).as_uri()


def follow_move(workspace: Path) -> bool:
    """Replace paths of where the workspace was; True where it had been moved.

    All of them in one transaction. Nothing is done where a server keeps the artefacts, or before the first retrain.
    """
    database = local_database(workspace)
    if not database.is_file():
        return False
    location = artifact_place(workspace)
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "experiments" not in tables:
            return False
        row = connection.execute(
            "SELECT artifact_location FROM experiments WHERE name = ?", [NAME]
        ).fetchone()
        before = row[0] if row else location
        if before == location or not before.startswith("file:"):
            return False
        for table, column in PLACES:
            if table in tables:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                    [location, len(before) + 1, len(before), before],
                )
    return True


if __name__ == "__main__":
    follow_move(Path(sys.argv[1]))
