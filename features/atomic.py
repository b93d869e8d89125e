"""Write a file whole or not at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"  # ends the name of a file that is being written


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place and move it there, so that nobody ever sees half of it."""
    with open_atomically(path) as file:
        file.write(content)


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


def _locked(partial: Path) -> BinaryIO:
    """Open a file that nobody else writes; another that moved it to its place has left a name for a new one."""
    while True:
        file = os.fdopen(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), partial.stat()):
                return file
        file.close()


def forget_partials(directory: Path) -> None:
    """Remove what killed processes left of files anywhere below a directory."""
    for partial in directory.rglob(f".*{PARTIAL}"):
        with suppress(FileNotFoundError, BlockingIOError), partial.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink()
