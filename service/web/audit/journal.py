"""The audit log's front end: a file to which every entry is written before an answer leaves.

Writing to a file costs a microsecond, a committed transaction thousands. A line that was written survives the
end of the process, however it ends; a power cut may take the lines of the last ``FLUSH_SECONDS`` unless
``durable`` is awaited. ``service.web.audit.log`` moves the lines into the database.
"""

import asyncio
import errno
import fcntl
import os
import threading
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson

FLUSH_SECONDS = 0.1
LARGEST = 4_000_000  # bytes, after which a new file begins
SUFFIX = ".journal"


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
        self.name = uuid4().hex
        self.path = self.directory / f"{self.name}{SUFFIX}"
        self._file = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)  # held as long as this process lives: nobody adopts the file
        self._size = self._lines = 0

    def write(self, who: str, action: str, subject: str, purpose: str = "", detail: str = "") -> None:
        """Write an entry; OSError where it could not be written, and then nothing may be shown."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock:
            line = orjson.dumps(
                (f"{self.name}-{self._lines}", at, who, action, subject, purpose, detail),
                option=orjson.OPT_APPEND_NEWLINE,
            )
            written = os.write(self._file, line)
            if written != len(line):  # the disk is full: half a line must not stay
                os.ftruncate(self._file, self._size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._size += written
            self._written += written
            self._lines += 1

    async def durable(self) -> None:
        """Wait until all entries written so far are on the disk; those who wait share one flush."""
        waiting: Future[None] = Future()
        with self._lock:
            self._waiting.append(waiting)
        self._wake.set()
        await asyncio.wrap_future(waiting)

    def flush(self) -> None:
        """Wait for the disk, from a thread that may wait."""
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
        """Begin a new file where this one has grown large."""
        with self._lock:
            if self._size > LARGEST:
                old = self._file
                self._open()
                os.fsync(old)
                os.close(old)  # gives up its lock: whoever drains next removes the file

    def close(self) -> None:
        """Flush and close."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.fsync(self._file)
                os.close(self._file)
        self._wake.set()


def lines_from(path: Path, offset: int) -> tuple[list[list[str]], int]:
    """The whole lines of a journal from ``offset`` bytes on, and where the next one begins."""
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(LARGEST)
    end = content.rfind(b"\n") + 1
    return [orjson.loads(line) for line in content[:end].splitlines()], offset + end
