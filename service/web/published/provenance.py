"""What each table of a week was made with: program, packages, model and settings, by which it can be made again."""

import hashlib
import json
import platform
from collections.abc import Iterable
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from features.atomic import write_atomically
from features.contract.community import Community
from models.registry.champion import Champion, file_digest

MADE = "made.json"
FILES = "files"
PACKAGES = ("xianying", "duckdb", "lightgbm", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")


def note_made(home: Path, model: Champion, community: Community, names: Iterable[str]) -> None:
    """Note in ``made.json`` what tables of a week were made with, and their digests.

    Neither a time nor a place stands in it, so that a week that is made again unchanged keeps the same file.

    home: the week's directory.
    model: by which the week was scored.
    community: the settings in force.
    names: of the tables that were made; what was noted of others made with the same stays.
    """
    made = made_with(model, community)
    before = read_made(home)
    files = before.get(FILES, {}) if {**before, FILES: {}} == {**made, FILES: {}} else {}
    files = {**files, **{name: file_digest(home / name) for name in names}}
    content = json.dumps({**made, FILES: dict(sorted(files.items()))}, ensure_ascii=False, indent=1)
    write_atomically(home / MADE, content.encode())


def made_with(model: Champion, community: Community) -> dict[str, Any]:
    """Return the versions of Python and of the packages that matter, the model's version and digest, and the settings."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "packages": {name: installed(name) for name in PACKAGES},
        "model_version": str(model.version),
        "model_digest": model_digest(model.files),
        "settings": community.model_dump(mode="json"),
    }


def read_made(home: Path) -> dict[str, Any]:
    """Read what a week was made with; nothing of a week that an earlier version of the program made."""
    try:
        return json.loads((home / MADE).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def model_digest(files: Path) -> str:
    """Compute the SHA-256 of a model's files and their names."""
    digest = hashlib.sha256()
    for path in sorted(path for path in files.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(files).as_posix()} {file_digest(path)}\n".encode())
    return digest.hexdigest()
