"""A week's scores and lists made ready for the service, and switched to in one step.

``served/current.json`` names the directory of each week. Each directory is written under another name first and
never changed afterwards, so that whoever reads, or is killed in between, has the old week or the new one whole.
"""

import fcntl
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from features.atomic import write_atomically
from features.point_in_time.records import date_of
from models.scoring.live import TownState
from service.web.published.digests import write_digests
from service.web.published.packing import Listed, ScoredWeek, pack
from service.web.published.week_files import OUTDATED, POINTER, REPORTS, SERVED, read_pointer

WEEKS_KEPT = 8
PARTIAL = ".partial-"


def publish(
    workspace: Path, scored: ScoredWeek, state: TownState | None = None, listed: Listed | None = None
) -> None:
    """Make one week's scores, and its lists where they are given, those that are served.

    Lists served before stay where only scores are given, as they do on paper. ``state``: what live scores and
    explanations need, of a town that was scored just now.
    """

    def fill(place: Path, before: Path | None) -> None:
        pack(place, before, workspace, scored, state, listed)

    publish_files(workspace, date_of(scored.as_of).isoformat(), fill)


def publish_files(workspace: Path, as_of: str, fill: Callable[[Path, Path | None], None]) -> None:
    """Switch a week to the files that ``fill`` writes into a directory; it is also told where they were until now."""
    with switching(workspace) as (served, pointer):
        old = pointer["weeks"].get(as_of)
        with partial(served) as place:
            fill(place, served / old if old else None)
            pointer["weeks"][as_of] = settle(place, served, as_of)


def settle(place: Path, served: Path, as_of: str) -> str:
    """Give a finished directory its name, once its files would survive a power cut."""
    write_digests(place)
    for path in [*place.rglob("*"), place]:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
    name = f"{as_of}-{uuid.uuid4().hex[:8]}"
    place.rename(served / name)
    return name


@contextmanager
def switching(workspace: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Change the pointer after the block; one command at a time."""
    served = workspace / SERVED
    served.mkdir(parents=True, exist_ok=True)
    with (served / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pointer = read_pointer(workspace)
        before = dict(pointer["weeks"])
        yield served, pointer
        for as_of in sorted(pointer["weeks"])[:-WEEKS_KEPT]:
            del pointer["weeks"][as_of]
        pointer["revision"] += 1
        changed = [as_of for as_of, name in pointer["weeks"].items() if before.get(as_of) != name]
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        pointer["feed"] += [{"revision": pointer["revision"], "as_of": as_of, "at": at} for as_of in changed]
        pointer["feed"] = pointer["feed"][-200:]
        write_atomically(served / POINTER, json.dumps(pointer, indent=1).encode())
        _remove_unused(served, set(pointer["weeks"].values()))


def _remove_unused(served: Path, used: set[str]) -> None:
    """Remove what no longer is served, what a killed command left, and outdated files of what is. Readers keep the
    files they have open."""
    for path in served.glob(f"*/{OUTDATED}"):
        path.unlink(missing_ok=True)
    for place in served.iterdir():
        if place.is_dir() and place.name not in used and place.name != REPORTS:
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def partial(served: Path) -> Iterator[Path]:
    """A directory to write to; what was not settled is gone after the block."""
    place = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=served))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
