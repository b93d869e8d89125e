"""What tells that a published week is as it was written: SHA-256 of its files, and CRC-32 of each household's answer.

The digests are compared when a week is loaded, the CRC with every read: a file that a disk or somebody changed is
told, not shown. Records laid out for live scores are checked by Parquet and NumPy when they are read.
"""

import errno
import json
import os
import weakref
import zlib
from pathlib import Path

from features.atomic import write_atomically
from models.registry.champion import file_digest
from service.web.published.week_files import OUTDATED, RECORDS

DIGESTS = "digests.json"


def _files(place: Path) -> list[Path]:
    paths = (path for path in place.rglob("*") if path.is_file() and not path.match(OUTDATED))
    return sorted(path for path in paths if path.name != DIGESTS and (place / RECORDS) not in path.parents)


def write_digests(place: Path) -> None:
    """Note the digests of a published week's files, the last to be written."""
    digests = {path.relative_to(place).as_posix(): file_digest(path) for path in _files(place)}
    write_atomically(place / DIGESTS, json.dumps(digests, indent=1).encode())


def damaged_files(place: Path) -> list[Path]:
    """List the files of a published week that are not as they were written, or gone; none where nothing was noted."""
    try:
        noted = json.loads((place / DIGESTS).read_text("utf-8"))
    except FileNotFoundError:  # published by an earlier version
        return []
    except ValueError:
        return [place / DIGESTS]
    return [place / name for name, digest in noted.items() if file_digest(place / name) != digest]


class AnswerFile:
    """The answers of a week's households, read piece by piece; open as long as the week is held."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._handle)

    def read(self, begin: int, end: int, checksum: int | None) -> bytes:
        """Read one answer. Raises OSError where it is not as it was written (None: that was not noted)."""
        piece = os.pread(self._handle, end - begin, begin)
        if len(piece) != end - begin or (checksum is not None and zlib.crc32(piece) != checksum):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return piece
