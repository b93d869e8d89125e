"""The audit log's front end: a file to which every entry is written before an answer leaves.

Writing to a file costs a microsecond, a committed transaction thousands. A line that was written survives the
end of the process, however it ends; a power cut may take the lines of the last ``FLUSH_SECONDS`` unless
``durable`` is awaited. Each line carries the hash of itself and of the line before. A file that was removed, moved
or changed by somebody else is noticed at the next entry, and its lines are written again elsewhere before an answer
leaves. ``service.web.audit.drain`` moves the lines into the database.
"""

import asyncio
import errno
import fcntl
import hashlib
import os
import threading
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson

FLUSH_SECONDS = 0.1
LARGEST = 4_000_000  # bytes, after which a new file begins
SUFFIX, MOVED = ".journal", ".moved"  # a file in use; one whose lines are in the database
SERVICE = "service"  # who writes entries on the log itself
BEGINNING = "0" * 64
_CHAIN = len(f',"{BEGINNING}"]')
FIELDS = 7  # of an entry: id, at, who, action, subject, purpose, detail


class Journal:
    """One process's file of audit entries."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._waiting: list[Future[None]] = []
        self._closed = False
        self._written = 0
        self._open()
        self._flusher = threading.Thread(target=self._flush_for_ever, name="journal", daemon=True)
        self._flusher.start()

    def _open(self) -> None:
        name = uuid4().hex
        path = self.directory / f"{name}{SUFFIX}"
        file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)  # held as long as this process lives: nobody adopts the file
        self.name, self.path, self._file = name, path, file
        self._place, self._inode = str(path), os.fstat(file).st_ino
        self._size = self._lines = 0
        self._chain = BEGINNING

    def write(self, who: str, action: str, subject: str, purpose: str = "", detail: str = "") -> None:
        """Write an entry. Raises OSError when it cannot be written; then nothing may be shown.

        ``subject``: the household or other thing, "" for none; several households stand one on each line.
        """
        with self._lock:
            if not self._in_place():
                self._write_elsewhere()
            self._write(who, action, subject, purpose, detail)

    def _write(self, *values: str) -> None:
        body = orjson.dumps((f"{self.name}-{self._lines}", datetime.now(UTC), *values))
        chain = next_hash(self._chain, body)
        line = b'%b,"%b"]\n' % (body[:-1], chain.encode())
        written = os.write(self._file, line)
        if written != len(line):  # the disk is full: half a line must not stay
            os.ftruncate(self._file, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written
        self._written += written
        self._lines += 1
        self._chain = chain

    def _in_place(self) -> bool:
        """Tell whether the file is still where it was opened, with the length that was written to it."""
        try:
            status = os.stat(self._place)
        except FileNotFoundError:
            return False
        return status.st_ino == self._inode and status.st_size == self._size

    def _write_elsewhere(self) -> None:
        """Copy what is left of the lines to a new file, and enter what was lost. Raises OSError when that fails."""
        old, name, written = self._file, self.name, self._size
        left = os.pread(old, written, 0)
        self.directory.mkdir(exist_ok=True)
        # the lines keep their ids, so that none of them counts twice in the database
        (self.directory / f"{name}-{uuid4().hex[:8]}{SUFFIX}").write_bytes(left[: left.rfind(b"\n") + 1])
        self._open()
        os.close(old)
        lost = written - len(left)
        self._write(SERVICE, "audit.journal_lost", "", "", f"{name}: {lost} of {written} bytes lost")

    async def durable(self) -> None:
        """Wait until all entries written so far are on disk; several waiting callers share one flush."""
        waiting: Future[None] = Future()
        with self._lock:
            self._waiting.append(waiting)
        self._wake.set()
        await asyncio.wrap_future(waiting)

    def flush(self) -> None:
        """Flush the file to disk, from a thread that may block."""
        with self._lock:
            file = os.dup(self._file)  # this one may be closed meanwhile, when a new file begins
        try:
            os.fdatasync(file)
        finally:
            os.close(file)

    def _flush_for_ever(self) -> None:
        flushed = 0
        while not self._closed:
            self._wake.wait(FLUSH_SECONDS)  # sooner where somebody waits
            self._wake.clear()
            with self._lock:
                waiting, self._waiting = self._waiting, []
                written = self._written
            if written == flushed and not waiting:
                continue
            error = None
            try:
                self.flush()
                flushed = written
            except OSError as one:
                error = one
            for one_waiting in waiting:
                one_waiting.set_exception(error) if error else one_waiting.set_result(None)

    def turn_over(self) -> None:
        """Begin a new file when this one has grown large."""
        with self._lock:
            if self._size > LARGEST:
                old = self._file
                self._open()
                os.fsync(old)
                os.close(old)  # gives up its lock: whoever drains next removes the file

    def close(self) -> None:
        """Flush and close the file."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.fsync(self._file)
                os.close(self._file)
        self._wake.set()


def next_hash(previous: str, body: bytes) -> str:
    """Compute a line's hash: SHA-256 of the hash of the line before and of the entry as JSON."""
    return hashlib.sha256(previous.encode() + body).hexdigest()


def lines_from(path: Path, offset: int, to_the_end: bool = False) -> tuple[list[bytes], int]:
    """Read the lines of a journal from byte ``offset`` on, and return them with the offset of the next one.

    ``to_the_end``: also take an incomplete last line, in a file to which nobody writes any more.
    """
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(LARGEST)
    end = len(content) if to_the_end and len(content) < LARGEST else content.rfind(b"\n") + 1
    if not end and len(content) == LARGEST:
        end = LARGEST  # no entry is as long
    return content[:end].split(b"\n")[: None if end and content[end - 1] != 10 else -1], offset + end


def read_line(line: bytes, previous: str) -> tuple[list[str], str, str]:
    """Read a line, and return the entry's values, its hash, and what is wrong with it ('' for nothing).

    A line that cannot be read gives no values and no hash; then the next one cannot be compared with it.
    """
    try:
        values = orjson.loads(line)
    except orjson.JSONDecodeError:
        return [], "", "no JSON"
    if not isinstance(values, list) or len(values) != FIELDS + 1 or set(map(type, values)) != {str}:
        return [], "", "not an entry"
    *values, chain = values
    fits = not previous or next_hash(previous, line[:-_CHAIN] + b"]") == chain
    return values, chain, "" if fits else "changed, or the line before it is missing"
