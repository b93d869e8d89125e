"""Write a file whole or not at all, and keep rows on their way where they are found again."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

PARTIAL = ".partial"  # ends the name of a file that is being written


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there, so that nobody ever sees half of it."""
    with open_atomically(path) as file:
        file.write(content)


def read_json(path: Path, otherwise: Any = None) -> Any:
    """Read a JSON file in UTF-8; ``otherwise`` where there is none."""
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return otherwise


def copy_atomically(source: Path, target: Path) -> None:
    """Copy a file as ``write_atomically`` writes one, however large it is."""
    with source.open("rb") as content, open_atomically(target) as file:
        shutil.copyfileobj(content, file, 1 << 20)


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a new file for writing, which takes its place once all is written; only its owner may read it.

    What a killed process left of it is written over. Others that write the same file wait.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}{PARTIAL}")
    with _locked(partial) as file:
        try:
            file.truncate()
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def flush_to_disk(paths: Iterable[Path]) -> None:
    """Flush files and directories that were written in another way, before anything names them."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _locked(partial: Path) -> BinaryIO:
    """Open a file that nobody else writes; another that moved it to its place has left a name for a new one."""
    while True:
        file = os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), partial.stat()):
                return file
        file.close()


@contextmanager
def scratch_directory(workspace: Path) -> Iterator[Path]:
    """Give an empty directory for rows on their way, which is removed after the block.

    It lies in the workspace and not among the system's temporary files, where nobody would look for what a killed
    process left; that is removed here, and by ``forget_partials``.
    """
    workspace.mkdir(parents=True, exist_ok=True)
    for left in workspace.glob(f".*{PARTIAL}"):
        _forget(left)
    place, handle = _locked_directory(workspace)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(handle)


def _locked_directory(workspace: Path) -> tuple[Path, int]:
    """Make a directory and hold its lock; one that another process took for a left one is made anew."""
    while True:
        place = Path(tempfile.mkdtemp(prefix=".scratch-", suffix=PARTIAL, dir=workspace))
        with suppress(FileNotFoundError):
            handle = os.open(place, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if place.is_dir():
                return place, handle
            os.close(handle)


def forget_partials(directory: Path) -> None:
    """Remove what killed processes left of files and scratch directories anywhere below a directory."""
    for partial in list(directory.rglob(f".*{PARTIAL}")):
        _forget(partial)


def _forget(partial: Path) -> None:
    """Remove a partial file or directory unless a process still writes it."""
    with suppress(FileNotFoundError):
        handle = os.open(partial, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink()
        except BlockingIOError:
            pass
        finally:
            os.close(handle)
