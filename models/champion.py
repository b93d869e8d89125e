"""The workspace's own copy of the champion, so that scoring needs neither MLflow nor its server.

``champion/current.json`` names the version in force, the registry it came from and the directory beside it
that holds its files. Replacing the one small file switches versions in a single step: whoever reads or is
killed in between sees the old champion or the new one, never half of each.
"""

import hashlib
import json
import os
import shutil
import uuid
from pathlib import Path

DIRECTORY = "champion"
_POINTER = "current.json"
_OLD_COPIES = 1  # kept for a reader that is just loading the version before


def _fingerprint(registry: str) -> str:
    """A registry's address without revealing a password in it."""
    return hashlib.sha256(registry.encode()).hexdigest()[:16]


def read_copy(workspace: Path, registry: str) -> tuple[int, Path] | None:
    """Version and directory of the copy; None where there is none or it came from another registry."""
    try:
        pointer = json.loads((workspace / DIRECTORY / _POINTER).read_text(encoding="utf-8"))
        version, origin = int(pointer["version"]), str(pointer["registry"])
        files = workspace / DIRECTORY / str(pointer["directory"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (version, files) if origin == _fingerprint(registry) and files.is_dir() else None


def forget_copy(workspace: Path) -> None:
    """Stop using the copy: the next reader asks the registry."""
    (workspace / DIRECTORY / _POINTER).unlink(missing_ok=True)


def install_copy(workspace: Path, registry: str, version: int, files: Path) -> Path:
    """Make the directory ``files`` (moved) the copy in force; it must be on the workspace's file system."""
    place = workspace / DIRECTORY
    target = place / f"{version}-{uuid.uuid4().hex[:8]}"
    os.replace(files, target)
    pointer = {"version": version, "registry": _fingerprint(registry), "directory": target.name}
    partial = place / f"{_POINTER}.{uuid.uuid4().hex[:8]}"
    partial.write_text(json.dumps(pointer), encoding="utf-8")
    os.replace(partial, place / _POINTER)
    _remove_old(place, target)
    return target


def _remove_old(place: Path, current: Path) -> None:
    others = [one for one in place.iterdir() if one.is_dir() and one != current]
    others.sort(key=lambda one: one.stat().st_mtime, reverse=True)
    for directory in others[_OLD_COPIES:]:
        shutil.rmtree(directory, ignore_errors=True)
