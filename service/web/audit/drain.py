"""Move the journals' lines into the database; a line that cannot be stored is set aside, and later ones go on."""

import fcntl
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, StatementError

from service.web.audit.anchor import FILE, alone, anchor, missing_journals
from service.web.audit.journal import BEGINNING, MOVED, SERVICE, SUFFIX, Journal, lines_from, read_line
from service.web.audit.log import append
from service.web.database.engine import Database

log = logging.getLogger("xianying")
AT_ONCE = 3000  # lines a transaction; SQLite takes 32,766 values in a statement
ASIDE = "set-aside"  # directory of lines that could not be stored, a file a journal


@dataclass
class _Position:
    """How far a file was read: bytes, lines, and the hash of the last line ('' where it could not be read)."""

    offset: int = 0
    lines: int = 0
    chain: str = BEGINNING


@dataclass
class Drain:
    """The mover of journal lines into the database; it remembers how far it has read each file."""

    database: Database
    directory: Path
    _read: dict[Path, _Position] = field(default_factory=dict)
    _anchored: bool = False

    def everything(self, journal: Journal | None = None) -> int:
        """Move the lines of this process and of processes that have ended, and return the number of entries.

        Files of ended processes are then removed, and the log's head is stored outside the database. For a journal that
        vanished before it was read an entry is added that names it. ``journal``: this process's journal.
        """
        with alone(self.directory):
            gone = missing_journals(self.directory)
            lost = [_about(name, "missing", "audit.journal_lost", name) for name in gone]
            if self._anchored and not (self.directory / FILE).is_file():
                lost.append(_about(uuid4().hex, "head", "audit.journal_lost", FILE))
            moved = self._append(lost)
            moved += self._move(journal.path) if journal else 0
            if journal:
                journal.turn_over()
            for path in sorted(self.directory.glob(f"*{SUFFIX}")):
                if not journal or path != journal.path:
                    moved += self._adopt(path)
            anchor(self.database, self.directory)
            self._anchored = (self.directory / FILE).is_file()
            for path in self.directory.glob(f"*{MOVED}"):
                path.unlink()
            return moved

    def _adopt(self, path: Path) -> int:
        """Move the lines of a process that has ended, and rename its file; return 0 while the process lives."""
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return 0
            moved = self._move(path, to_the_end=True)
            path.rename(path.with_suffix(MOVED))
            self._read.pop(path, None)
            return moved

    def _move(self, path: Path, to_the_end: bool = False) -> int:
        """Move the new lines of one file, and return the number of entries."""
        if not path.is_file():  # the journal itself notices at its next entry
            return 0
        moved = 0
        while True:
            # a copy: while the database cannot be reached, lines are read again from where they were stored last
            position = replace(self._read.get(path, _Position()))
            lines, end = lines_from(path, position.offset, to_the_end)
            for first in range(0, len(lines), AT_ONCE):
                moved += self._store(path, lines[first : first + AT_ONCE], position)
            self._read[path] = replace(position, offset=end)
            if not lines:
                return moved

    def _store(self, path: Path, lines: Sequence[bytes], position: _Position) -> int:
        """Store lines; set aside those that cannot be read or that the database refuses, each with its number."""
        entries, raw = [], {}
        for line in lines:
            values, chain, wrong = read_line(line, position.chain)
            position.lines, position.chain = position.lines + 1, chain
            entry = values if not wrong else self._set_aside(path, position.lines, line, wrong)
            entries.append(entry)
            raw[entry[0]] = position.lines, line
        try:
            return self._append(entries)
        except (DBAPIError, StatementError, ValueError) as error:
            if _unreachable(error):
                raise
        return sum(self._store_one(path, entry, *raw[entry[0]]) for entry in entries)

    def _store_one(self, path: Path, entry: list[str], number: int, line: bytes) -> int:
        try:
            return self._append([entry])
        except (DBAPIError, StatementError, ValueError) as error:
            if _unreachable(error):
                raise
            reason = type(getattr(error, "orig", None) or error).__name__
            return self._append([self._set_aside(path, number, line, reason)])

    def _append(self, entries: Sequence[Sequence[str]]) -> int:
        if not entries:
            return 0
        with self.database.writing() as session:
            return append(session, entries)

    def _set_aside(self, path: Path, number: int, line: bytes, reason: str) -> list[str]:
        """Write a line to the file of lines set aside, flush it to disk, and return the entry that names it."""
        log.error("a line of the audit journal was set aside: %s", reason)
        place = self.directory / ASIDE
        place.mkdir(exist_ok=True)
        entry = {"journal": path.name, "line": number, "reason": reason, "content": line.decode("latin-1")}
        with (place / f"{path.stem}.jsonl").open("a+", encoding="utf-8") as file:
            file.seek(0)
            if (aside := json.dumps(entry) + "\n") not in file:  # it may be there since an earlier try
                file.write(aside)
            file.flush()
            os.fsync(file.fileno())
        return _about(path.stem, str(number), "audit.set_aside", f"{path.stem} line {number}: {reason}")


def _about(journal: str, what: str, action: str, detail: str) -> list[str]:
    """Make an entry about the log itself; its id is the same for the same journal and ``what``."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return [f"{journal[:40]}-{what}-aside", at, SERVICE, action, "", "", detail]


def _unreachable(error: Exception) -> bool:
    """Tell whether the database cannot be reached or its disk is full, so that the lines must wait."""
    return isinstance(error, OperationalError | InterfaceError) or bool(
        isinstance(error, DBAPIError) and error.connection_invalidated
    )
