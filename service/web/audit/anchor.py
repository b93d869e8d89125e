"""The audit log's last hash, signed and kept outside the database, so that a truncated log is noticed.

``audit/head.json`` follows the log within seconds. Each week's summary also holds a signed line, which is thereby on
paper and in backups. ``verify`` compares the log with all of them.
"""

import fcntl
import hmac
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from features.atomic import write_atomically
from features.workspace_secret import keyed_hash, workspace_secret
from service.web.audit.journal import MOVED, SUFFIX
from service.web.database.engine import Database
from service.web.database.tables import Entry

log = logging.getLogger("xianying")
DIRECTORY = "audit"
FILE, LOCK = "head.json", ".head.lock"
PAGES = ("weeks/*/summary.html", "weeks/*/data-staff.html")  # earlier versions wrote heads into the first
USE = "audit head"
LINE = re.compile(r"\b(\d+):([0-9a-f]{64}):([0-9a-f]{64})\b")


@dataclass(frozen=True)
class Head:
    """Number of entries and hash of the last one."""

    entries: int
    hash: str

    def line(self, secret: bytes) -> str:
        """Write the head as COUNT:HASH:SIGNATURE."""
        return f"{self.entries}:{self.hash}:{keyed_hash(secret, USE, f'{self.entries}:{self.hash}')}"


def read_heads(text: str, secret: bytes) -> list[Head]:
    """Read every head of a text that this workspace signed."""
    heads = [Head(int(count), digest) for count, digest, _ in LINE.findall(text)]
    signatures = [signature for _, _, signature in LINE.findall(text)]
    return [
        head
        for head, signature in zip(heads, signatures, strict=True)
        if hmac.compare_digest(head.line(secret).rpartition(":")[2], signature)
    ]


def newest_head(database: Database) -> Head | None:
    """Return the head of the log in the database, or None for an empty log."""
    with database.reading() as session:
        last = session.execute(
            select(Entry.number, Entry.hash).order_by(Entry.number.desc()).limit(1)
        ).first()
    return Head(last.number, last.hash) if last else None


def holds(database: Database, head: Head) -> bool:
    """Tell whether the log still has the entry that a head names."""
    with database.reading() as session:
        return session.scalar(select(Entry.hash).where(Entry.number == head.entries)) == head.hash


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Let one process at a time move journals and note heads."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read(directory: Path) -> dict[str, object]:
    try:
        return json.loads((directory / FILE).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def _anchored(directory: Path, secret: bytes) -> Head | None:
    heads = read_heads(str(_read(directory).get("head", "")), secret)
    return heads[-1] if heads else None


def anchor(database: Database, directory: Path) -> None:
    """Store the log's head and the names of the journals; to be called inside ``alone``.

    Where the log no longer has the stored head, that head stays and an error is logged.
    """
    head = newest_head(database)
    if head is None:
        return
    secret = workspace_secret(directory.parent)
    before = _anchored(directory, secret)
    if before and not holds(database, before):
        log.error("the audit log was changed or cut off: run xianying audit verify")
        return
    content = {
        "head": head.line(secret),
        "journals": sorted(path.stem for path in directory.glob(f"*{SUFFIX}")),
    }
    if content != _read(directory):
        write_atomically(directory / FILE, json.dumps(content).encode())


def missing_journals(directory: Path) -> list[str]:
    """Name the journals that were there when the head was stored and vanished before they reached the database."""
    noted = _read(directory).get("journals", [])
    present = {path.stem for suffix in (SUFFIX, MOVED) for path in directory.glob(f"*{suffix}")}
    return [name for name in map(str, noted if isinstance(noted, list) else []) if name not in present]


def lost_heads(database: Database, workspace: Path) -> list[Head]:
    """Return the stored heads, beside the log and in the weeks' summaries, that the log no longer has."""
    secret = workspace_secret(workspace)
    noted = [_anchored(workspace / DIRECTORY, secret)]
    for path in sorted(path for pattern in PAGES for path in workspace.glob(pattern)):
        noted += read_heads(path.read_text("utf-8"), secret)
    return [head for head in noted if head and not holds(database, head)]


def anchor_missing(workspace: Path) -> bool:
    """Tell whether no head, or none that this workspace signed, lies beside the log."""
    return _anchored(workspace / DIRECTORY, workspace_secret(workspace)) is None
