"""Prepare a week's scores and lists for the service, and switch to them in one step.

``served/current.json`` names the directory of each week. Each directory is written under another name first and
never changed afterwards, so that whoever reads, or is killed in between, has the old week or the new one whole.
"""

import fcntl
import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from features.atomic import flush_to_disk, scratch_directory, write_atomically
from features.language import UserError
from features.point_in_time.records import date_of
from features.store.reader import read_settings
from models.scoring.live import TownState
from service.web.base.settings import has_service
from service.web.published.digests import write_digests
from service.web.published.from_records import refusing_in_week
from service.web.published.packing import Listed, ScoredWeek, pack
from service.web.published.week_files import OUTDATED, POINTER, REPORTS, SERVED, read_pointer


class RefusedError(UserError):
    """Households on a list refuse by now, so that it is not published."""

    def __init__(self, households: frozenset[str]) -> None:
        super().__init__(
            f"排名单时有 {len(households)} 户谢绝，名单没有发布：请重新运行 xianying outreach",
            f"{len(households)} households on the list refuse by now, so it was not published: run xianying outreach"
            " again",
        )
        self.households = households


def must_not_list(workspace: Path, as_of: date) -> frozenset[str]:
    """Return the households that no list of the week from a date may name, as records and service have it now.

    They refuse, or are to be deleted.
    """
    refusing = refusing_in_week(workspace, as_of)
    if not has_service(workspace):
        return refusing
    from sqlalchemy import select

    from service.web.database.engine import database_of
    from service.web.database.tables import ENDS_RECORDED, Deletion, Refusal

    with database_of(workspace) as database:
        if database is None:
            return refusing
        with database.reading() as session:
            waiting = select(Refusal.household_id, Refusal.until)
            waiting = waiting.where(Refusal.drained_at.is_(None), ENDS_RECORDED.is_not(True))
            noted = {
                household for household, until in session.execute(waiting) if until is None or until > as_of
            }
            deleted = session.scalars(select(Deletion.household_id).where(Deletion.household_id.is_not(None)))
            return refusing | noted | {household for household in deleted if household}


def require_willing(workspace: Path, as_of: date, households: Iterable[str]) -> None:
    """Raise RefusedError where one of these households may not stand on a list of the week from a date."""
    if refused := must_not_list(workspace, as_of).intersection(households):
        raise RefusedError(refused)


def publish(
    workspace: Path, scored: ScoredWeek, state: TownState | None = None, listed: Listed | None = None
) -> None:
    """Publish one week's scores, and its lists where they are given.

    Lists published before stay where only scores are given, as they do on paper. ``state``: what live scores and
    explanations need, for a town that was scored just now. Raises RefusedError where a household on the lists refuses
    by now.
    """

    def fill(place: Path, before: Path | None) -> None:
        if listed:
            require_willing(workspace, date_of(scored.as_of), listed.households())
        pack(place, before, workspace, scored, state, listed)

    publish_files(workspace, date_of(scored.as_of).isoformat(), fill)


def publish_files(workspace: Path, as_of: str, fill: Callable[[Path, Path | None], None]) -> None:
    """Switch a week to the files that ``fill`` writes.

    ``fill`` is called with the directory to write into, and with the directory of the week's files until now, or None.
    """
    with switching(workspace) as (served, pointer):
        old = pointer["weeks"].get(as_of)
        with scratch_directory(served) as place:
            fill(place, served / old if old else None)
            pointer["weeks"][as_of] = settle(place, served, as_of)


def settle(place: Path, served: Path, as_of: str) -> str:
    """Flush a finished directory to disk, give it its final name in ``served``, and return the name.

    ``as_of``: the week's date, with which the name begins.
    """
    write_digests(place)
    flush_to_disk([*place.rglob("*"), place])
    name = f"{as_of}-{uuid.uuid4().hex[:8]}"
    place.rename(served / name)
    return name


@contextmanager
def switching(workspace: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give the directory of the service and the pointer, and write the changed pointer after the block.

    Only one command at a time is inside. All but the newest weeks, as many as ``retention.published`` of the settings
    says, are dropped from the pointer, and directories that it no longer names are removed.
    """
    served = workspace / SERVED
    served.mkdir(parents=True, exist_ok=True)
    with (served / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pointer = read_pointer(workspace)
        before = dict(pointer["weeks"])
        yield served, pointer
        for as_of in sorted(pointer["weeks"])[: -read_settings(workspace).retention.published]:
            del pointer["weeks"][as_of]
        pointer["revision"] += 1
        changed = [as_of for as_of, name in pointer["weeks"].items() if before.get(as_of) != name]
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        pointer["feed"] += [{"revision": pointer["revision"], "as_of": as_of, "at": at} for as_of in changed]
        pointer["feed"] = pointer["feed"][-200:]
        write_atomically(served / POINTER, json.dumps(pointer, indent=1).encode())
        _remove_unused(served, set(pointer["weeks"].values()))


def _remove_unused(served: Path, used: set[str]) -> None:
    """Remove directories of no week and outdated files. Readers keep the files that they have open."""
    for path in served.glob(f"*/{OUTDATED}"):
        path.unlink(missing_ok=True)
    for place in served.iterdir():
        if place.is_dir() and place.name not in used and place.name != REPORTS:
            shutil.rmtree(place, ignore_errors=True)
