"""Write a file whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


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
    """Open a new file for writing, which takes its place once all is written; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
