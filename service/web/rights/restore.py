"""The way back of a backup: into an empty workspace and an empty database."""

import hmac
import json
import os
import shutil
import tarfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Date, Table, insert, select, text

from features.atomic import PARTIAL, scratch_directory, write_atomically
from features.language import UserError, say, say_line
from features.store.database import open_store
from features.store.tombstones import TOMBSTONES, Tombstones, read_tombstones, recognises, write_tombstones
from features.workspace_secret import SECRET
from models.registry.champion import file_digest
from service.console.operator import operator
from service.web.audit.log import enter
from service.web.database.engine import Database, newest
from service.web.database.tables import Base, Moment
from service.web.rights.backup import MANIFEST, OF_DATABASE, ROWS, signature
from service.web.rights.deletion import delete_everywhere
from service.web.rights.sealing import open_sealed, sealed

BEGUN = ".restore-begun"  # the manifest of a backup while it is being restored
SEALED = "sealed.tar.gz"
AT_ONCE = 500
# what reading something that is no backup, or a damaged one, may raise
DAMAGE = (
    OSError,
    tarfile.TarError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    RecursionError,
)
SPARE = 1 << 30  # bytes of a disk, or a twentieth of a smaller one, that no backup may take


@dataclass(frozen=True)
class Restoring:
    """How a backup is restored."""

    tombstones: Path | None = None  # a newer tombstones.json, whose households are removed again
    secret: Path | None = None  # secret.key of the workspace that made the backup
    passphrase: str | None = None  # of an encrypted backup
    foreign: bool = False  # restore it although nothing shows who made it


def restore(source: Path, workspace: Path, database: Database, how: Restoring = Restoring()) -> list[str]:
    """Put a backup into an empty workspace and an empty database; lines on it. Killed in between it can be run again.

    Raises UserError where the backup or the tombstones are damaged, nothing shows who made it, or something is there
    already; nothing is restored then.
    """
    removed = _read_newer(how.tombstones) if how.tombstones else None
    begun = workspace / BEGUN
    if not begun.is_file():
        _refuse_unless_empty(workspace, database)
    with scratch_directory(workspace) as scratch:
        origin = _unpack(source, scratch, how)
        _refuse_unknown_secret(removed, scratch)
        rows, manifest = scratch / ROWS, scratch / MANIFEST
        _refuse_another(begun, manifest)
        write_atomically(begun, manifest.read_bytes())
        manifest.unlink()
        for path in sorted(scratch.iterdir()):
            if path != rows:
                _put(path, workspace / path.name)
        if not _filled(database):  # all rows or none: they are the last to come
            _insert_rows(database, rows)
    lines = [say(f"已恢复到 {workspace}", f"restored to {workspace}")]
    lines += _remove_again(workspace, database, removed) if removed else []
    with database.writing() as session:
        enter(session, operator(), "workspace.restore", "", "", f"{source.name} of {origin['made_at']}")
    begun.unlink()
    return [*lines, *_without_secret(workspace)]


def _refuse_unknown_secret(removed: Tombstones | None, place: Path) -> None:
    """Raise UserError where deleted households could not be recognised."""
    if removed is None or not removed.households:
        return
    if not (place / SECRET).is_file():
        raise UserError(
            f"--tombstones 要有原工作区的 {SECRET}（--secret 文件）才认得出住户",
            f"--tombstones needs {SECRET} of the workspace (--secret FILE) to recognise households",
        )
    recognises(removed, place)


def _without_secret(workspace: Path) -> list[str]:
    if (workspace / SECRET).is_file():
        return []
    return say_line(
        f"没有恢复 {SECRET}：两步登录要重新开通；有已删除住户时请放回原来的 {SECRET}，否则不能导入",
        f"{SECRET} was not restored: second factors must be set anew, and where households were deleted no "
        "ingest works until the original is put in its place",
    )


def _refuse_unless_empty(workspace: Path, database: Database) -> None:
    present = [path.name for path in workspace.iterdir() if not path.name.endswith(PARTIAL)]
    if set(present) - OF_DATABASE or _filled(database):
        raise UserError(
            f"{workspace} 或服务数据库里已有内容，请换一个空目录、空数据库",
            f"{workspace} or the service's database holds something; restore to an empty one",
        )


def _refuse_another(begun: Path, manifest: Path) -> None:
    """What a restore that was cut short left may only be completed from the same backup."""
    if begun.is_file() and begun.read_bytes() != manifest.read_bytes():
        raise UserError(
            f"{begun.parent}：上次恢复中断，用的是另一个备份；请用那个备份重新运行，或换一个空目录、空数据库",
            f"{begun.parent}: a restore of another backup was cut short here; run it again with that one, or"
            " restore to an empty directory and database",
        )


def _put(path: Path, place: Path) -> None:
    """Move a file or directory to its place, in place of what a restore that was cut short put there."""
    if place.is_dir():
        shutil.rmtree(place)
    path.replace(place)


def _filled(database: Database) -> bool:
    with database.reading() as session:
        return any(session.execute(select(table).limit(1)).first() for table in Base.metadata.sorted_tables)


def _unpack(source: Path, place: Path, how: Restoring) -> dict[str, Any]:
    """Write the backup's files into a directory; its manifest. Raises UserError where it is damaged or not told whose."""
    archive_file = source
    if sealed(source):
        if how.passphrase is None:
            raise UserError(f"{source}：已加密，需要口令", f"{source}: is encrypted: a passphrase is needed")
        archive_file = place / SEALED
        open_sealed(source, archive_file, how.passphrase)
    try:
        with tarfile.open(archive_file, "r:gz") as archive:
            for member in archive:
                _write_member(archive, member, place)
        if archive_file != source:
            archive_file.unlink()
        manifest = json.loads((place / MANIFEST).read_text("utf-8"))
        sums = dict(manifest["files"])
        present = {path.relative_to(place).as_posix() for path in place.rglob("*") if not path.is_dir()}
        damaged = [
            name
            for name, digest in sums.items()
            if name not in present or file_digest(place / name) != digest
        ]
        unlisted = sorted(present - {MANIFEST, *sums})
        newer = str(manifest["migration"]) > newest()
        if not (damaged or unlisted or newer):
            deque(_rows(place / ROWS), maxlen=0)
    except DAMAGE as error:
        raise UserError(f"{source}：不是完整的备份", f"{source}: no whole backup") from error
    if damaged or unlisted:
        name = [*damaged, *unlisted][0]
        raise UserError(f"{source}：{name} 已损坏", f"{source}: {name} is damaged")
    if newer:
        raise UserError(
            f"{source}：由更新的程序版本备份", f"{source}: made by a newer version of the program"
        )
    _refuse_foreign(source, place, manifest, how)
    return manifest


def _write_member(archive: tarfile.TarFile, member: tarfile.TarInfo, place: Path) -> None:
    """Write a file of an archive below a directory, with its age, for nobody else. Raises ValueError for other members.

    The filters of ``extractall`` are missing in Python 3.11 before 3.11.4, such as that of Debian 12.
    """
    path, linked = place / member.name, place / member.linkname
    inside = all(candidate.resolve().is_relative_to(place.resolve()) for candidate in (path, linked))
    if not inside or not (member.isfile() or member.islnk()):
        raise ValueError(member.name)
    _refuse_full_disk(place, member.size)
    path.parent.mkdir(parents=True, exist_ok=True)
    if member.islnk():  # weeks share the files that did not change
        os.link(linked, path)
        return
    with archive.extractfile(member) as content, path.open("xb") as file:  # type: ignore[union-attr]
        shutil.copyfileobj(content, file)
    path.chmod(0o600)
    os.utime(path, (member.mtime, member.mtime))


def _refuse_full_disk(place: Path, size: int) -> None:
    """Raise UserError before a file would take the disk's last room, on which others write as well."""
    disk = shutil.disk_usage(place)
    if size > disk.free - min(SPARE, disk.total // 20):
        raise UserError(
            f"{place.parent}：磁盘放不下这个备份，没有恢复任何内容",
            f"{place.parent}: the disk has no room for this backup; nothing was restored",
        )


def _refuse_foreign(source: Path, place: Path, manifest: dict[str, Any], how: Restoring) -> None:
    """Raise UserError for a backup that is not signed with the secret given, or in it, unless somebody answers for it."""
    given = how.secret.read_text("ascii") if how.secret and how.secret.is_file() else ""
    # in the clear no backup has one: whoever made up an archive could have put it in
    if not given and sealed(source) and (place / SECRET).is_file():
        given = (place / SECRET).read_text("ascii")
    try:
        secret = bytes.fromhex(given)
    except ValueError:
        secret = b""
    is_own = bool(secret) and hmac.compare_digest(str(manifest.get("signature")), signature(manifest, secret))
    if is_own:
        (place / SECRET).write_text(given, "ascii")
        (place / SECRET).chmod(0o600)
    elif not how.foreign:
        raise UserError(
            f"{source}：不能证明是本工作区做的备份；请给出原工作区的 secret.key（--secret 文件），"
            "或确认来源可靠后加 --foreign",
            f"{source}: nothing shows that this workspace made it; give the workspace's secret.key (--secret FILE),"
            " or --foreign if you know where it comes from",
        )


def _rows(path: Path) -> Iterator[tuple[Table, dict[str, Any]]]:
    """Yield the rows of a backup with their tables. Raises one of DAMAGE for what is none."""
    tables = {table.name: table for table in Base.metadata.sorted_tables}
    with path.open(encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            table = tables[entry["table"]]
            yield table, _typed(table, dict(entry["row"]))


def _insert_rows(database: Database, path: Path) -> None:
    with database.writing() as session:
        waiting: dict[Table, list[dict[str, Any]]] = {}
        for table, row in _rows(path):
            rows = waiting.setdefault(table, [])
            rows.append(row)
            if len(rows) >= AT_ONCE:
                session.execute(insert(table), rows)
                rows.clear()
        for table, rows in waiting.items():
            if rows:
                session.execute(insert(table), rows)
        if session.get_bind().dialect.name == "postgresql":
            for table in Base.metadata.sorted_tables:
                column = table.autoincrement_column
                if column is not None and isinstance(column.type, BigInteger):
                    session.execute(
                        text(
                            f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column.name}'),"
                            f" greatest((SELECT max({column.name}) FROM {table.name}), 1))"
                        )
                    )


def _typed(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    def read(name: str, value: Any) -> Any:
        kind = table.columns[name].type
        if isinstance(kind, Moment):
            return datetime.fromisoformat(value)
        return date.fromisoformat(value) if isinstance(kind, Date) else value

    # others: of an earlier version
    known = {name: value for name, value in row.items() if name in table.columns}
    for column in table.columns:
        if column.nullable:
            known.setdefault(column.name, None)  # of a version that had no such column yet
        elif not (column.name in known or column.default or column.server_default):
            raise ValueError(column.name)
    return {name: None if value is None else read(name, value) for name, value in known.items()}


def _read_newer(path: Path) -> Tombstones:
    if not path.is_file():
        raise UserError(f"{path}：没有这个文件", f"{path}: no such file")
    try:
        return read_tombstones(path)
    except DAMAGE as error:
        raise UserError(
            f"{path}：不是工作区的 tombstones.json，没有恢复任何内容",
            f"{path}: not a workspace's tombstones.json; nothing was restored",
        ) from error


def _remove_again(workspace: Path, database: Database, tombstones: Tombstones) -> list[str]:
    """Delete the households that were deleted after the backup was made, from wherever the backup has them."""
    removed = recognises(tombstones, workspace)
    before = read_tombstones(workspace / TOMBSTONES)
    write_tombstones(
        workspace, replace(tombstones, households={**before.households, **tombstones.households})
    )
    with open_store(workspace, read_only=True) as connection:
        rows = connection.execute("SELECT DISTINCT household_id FROM households").fetchall()
    again = [household for (household,) in rows if removed(household)]
    for household in again:
        delete_everywhere(workspace, database, household, operator())
    return [say(f"再次删除 {len(again)} 户", f"{len(again)} households deleted again")]
