"""A backup of the workspace and the service's database in one file, and its way back."""

import hashlib
import io
import json
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Date, insert, select, text

from features.atomic import open_atomically, write_atomically
from features.ingest.erasure import TOMBSTONES, read_tombstones, tombstone
from features.language import UserError, say
from features.store.database import STORE, copy_store, open_store
from features.store.partitions import FOLDER as PARTS
from features.workspace_secret import SECRET
from service.web.audit.anchor import DIRECTORY as JOURNALS
from service.web.audit.drain import Drain
from service.web.audit.log import enter
from service.web.audit.operator import operator
from service.web.database.engine import Database, newest
from service.web.database.tables import Base, Moment
from service.web.rights.deletion import delete_everywhere

LEFT_OUT = frozenset(
    {
        "service.db",
        "service.db-wal",
        "service.db-shm",
        SECRET,
        STORE,
        f"{STORE}.wal",
        "mlflow.db",
        JOURNALS,
        PARTS,
    }
)
OF_DATABASE = LEFT_OUT - {
    STORE,
    f"{STORE}.wal",
    "mlflow.db",
    PARTS,
}  # there as soon as the service's database is
MANIFEST, ROWS = "manifest.json", "service.jsonl"
SCRATCH = ".restoring-"
BEGUN = ".restore-begun"  # the manifest of a backup while it is being restored
AT_ONCE = 500


def back_up(workspace: Path, database: Database, target: Path) -> int:
    """Write everything that a restore needs into one .tar.gz, whole or not at all; the number of its files.

    Records, models, weeks and settings as they are at one moment; the service's rows as text, so that a backup made
    on SQLite can be restored to PostgreSQL and the other way round. Runs while the service serves. Raises UserError
    where there is no directory to write to.
    """
    if not target.parent.is_dir():
        raise UserError(say(f"{target.parent}：没有这个目录", f"{target.parent}: no such directory"))
    Drain(database, workspace / JOURNALS).everything()
    with database.writing() as session:
        enter(session, operator(), "workspace.backup", "", "", target.name)
    sums: dict[str, str] = {}
    with (
        tempfile.TemporaryDirectory() as scratch,
        open_atomically(target) as file,
        tarfile.open(fileobj=file, mode="w:gz") as archive,
    ):
        for name, path in _files(workspace, Path(scratch), database):
            sums[name] = _sum(path)
            archive.add(path, name)
        said = {"made_at": datetime.now(UTC).isoformat(), "migration": newest(), "files": sums}
        content = json.dumps(said).encode()
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return len(sums)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(workspace: Path, scratch: Path, database: Database) -> Iterator[tuple[str, Path]]:
    """Name in the backup and file to read, each at rest."""
    for path in sorted(workspace.rglob("*")):
        name = path.relative_to(workspace).as_posix()
        hidden = any(part.startswith(".") for part in path.relative_to(workspace).parts)
        if path.is_file() and not hidden and name.split("/")[0] not in LEFT_OUT:
            yield name, path
    if (workspace / STORE).is_file():
        copy = scratch / STORE
        copy_store(workspace, copy)
        yield STORE, copy
    if (workspace / "mlflow.db").is_file():
        copy = scratch / "mlflow.db"
        source, target = sqlite3.connect(workspace / "mlflow.db"), sqlite3.connect(copy)
        source.backup(target)
        source.close()
        target.close()
        yield "mlflow.db", copy
    rows = scratch / ROWS
    with rows.open("w", encoding="utf-8") as file, database.reading() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(select(table)).mappings():
                values = {name: _plain(value) for name, value in row.items()}
                file.write(json.dumps({"table": table.name, "row": values}, ensure_ascii=False) + "\n")
    yield ROWS, rows


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def restore(source: Path, workspace: Path, database: Database, tombstones: Path | None = None) -> list[str]:
    """Put a backup into an empty workspace and an empty database; lines on it. Killed in between it can be run again.

    ``tombstones``: a newer tombstones.json, whose households are removed again. Raises UserError where the backup or
    the tombstones are damaged, or something is there already; nothing is restored then.
    """
    removed = _read_newer(tombstones) if tombstones else None
    begun = workspace / BEGUN
    if not begun.is_file():
        _refuse_unless_empty(workspace, database)
    with tempfile.TemporaryDirectory(dir=workspace, prefix=SCRATCH) as scratch:
        _unpack(source, Path(scratch))
        rows, manifest = Path(scratch) / ROWS, Path(scratch) / MANIFEST
        _refuse_another(begun, manifest)
        write_atomically(begun, manifest.read_bytes())
        manifest.unlink()
        for path in sorted(Path(scratch).iterdir()):
            if path != rows:
                _put(path, workspace / path.name)
        if not _filled(database):  # all rows or none: they are the last to come
            _insert_rows(database, rows)
    with database.writing() as session:
        enter(session, operator(), "workspace.restore", "", "", f"{source.name} {_sum(source)}")
    lines = [say(f"已恢复到 {workspace}", f"restored to {workspace}")]
    lines += _remove_again(workspace, database, removed) if removed else []
    for left in workspace.glob(f"{SCRATCH}*"):
        shutil.rmtree(left)
    begun.unlink()
    return lines


def _refuse_unless_empty(workspace: Path, database: Database) -> None:
    there = [path.name for path in workspace.iterdir() if not path.name.startswith(SCRATCH)]
    if set(there) - OF_DATABASE or _filled(database):
        raise UserError(
            say(
                f"{workspace} 或服务数据库里已有内容，请换一个空目录、空数据库",
                f"{workspace} or the service's database holds something; restore to an empty one",
            )
        )


def _refuse_another(begun: Path, manifest: Path) -> None:
    """What a restore that was cut short left may only be completed from the same backup."""
    if begun.is_file() and begun.read_bytes() != manifest.read_bytes():
        raise UserError(
            say(
                f"{begun.parent}：上次恢复中断，用的是另一个备份；请用那个备份重新运行，或换一个空目录、空数据库",
                f"{begun.parent}: a restore of another backup was cut short here; run it again with that one, or"
                " restore to an empty directory and database",
            )
        )


def _put(path: Path, place: Path) -> None:
    """Move a file or directory to its place, in place of what a restore that was cut short put there."""
    if place.is_dir():
        shutil.rmtree(place)
    path.replace(place)


def _filled(database: Database) -> bool:
    with database.reading() as session:
        return any(session.execute(select(table).limit(1)).first() for table in Base.metadata.sorted_tables)


def _unpack(source: Path, place: Path) -> None:
    try:
        with tarfile.open(source, "r:gz") as archive:
            archive.extractall(place, filter="data")
        said = json.loads((place / MANIFEST).read_text("utf-8"))
        damaged = [name for name, digest in said["files"].items() if _sum(place / name) != digest]
    except (OSError, tarfile.TarError, ValueError, KeyError, EOFError) as error:
        raise UserError(say(f"{source}：不是完整的备份", f"{source}: no whole backup")) from error
    if damaged:
        raise UserError(say(f"{source}：{damaged[0]} 已损坏", f"{source}: {damaged[0]} is damaged"))
    if said["migration"] > newest():
        raise UserError(
            say(f"{source}：由更新的程序版本备份", f"{source}: made by a newer version of the program")
        )


def _insert_rows(database: Database, path: Path) -> None:
    tables = {table.name: table for table in Base.metadata.sorted_tables}
    with database.writing() as session:
        waiting: dict[str, list[dict[str, Any]]] = {}
        with path.open(encoding="utf-8") as file:
            for line in file:
                one = json.loads(line)
                rows = waiting.setdefault(one["table"], [])
                rows.append(_typed(tables[one["table"]], one["row"]))
                if len(rows) >= AT_ONCE:
                    session.execute(insert(tables[one["table"]]), rows)
                    rows.clear()
        for name, rows in waiting.items():
            if rows:
                session.execute(insert(tables[name]), rows)
        if session.get_bind().dialect.name == "postgresql":
            for table in tables.values():
                column = table.autoincrement_column
                if column is not None and isinstance(column.type, BigInteger):
                    session.execute(
                        text(
                            f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column.name}'),"
                            f" greatest((SELECT max({column.name}) FROM {table.name}), 1))"
                        )
                    )


def _typed(table: Any, row: dict[str, Any]) -> dict[str, Any]:
    def read(name: str, value: Any) -> Any:
        kind = table.columns[name].type
        if isinstance(kind, Moment):
            return datetime.fromisoformat(value)
        return date.fromisoformat(value) if isinstance(kind, Date) else value

    there = {
        name: value for name, value in row.items() if name in table.columns
    }  # others: of an earlier version
    return {name: None if value is None else read(name, value) for name, value in there.items()}


def _read_newer(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text("utf-8"))
        if isinstance(held["salt"], str) and isinstance(held["households"], dict):
            return held
    except FileNotFoundError as error:
        raise UserError(say(f"{path}：没有这个文件", f"{path}: no such file")) from error
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise UserError(
        say(
            f"{path}：不是工作区的 tombstones.json，没有恢复任何内容",
            f"{path}: not a workspace's tombstones.json; nothing was restored",
        )
    )


def _remove_again(workspace: Path, database: Database, held: dict[str, Any]) -> list[str]:
    """Households that were deleted after the backup was made, from wherever the backup has them."""
    salt = held["salt"]
    if read_tombstones(workspace)["salt"] in ("", salt):
        write_atomically(workspace / TOMBSTONES, json.dumps(held, indent=1).encode())
    with open_store(workspace, read_only=True) as connection:
        ids = [
            row[0] for row in connection.execute("SELECT DISTINCT household_id FROM households").fetchall()
        ]
    again = [identifier for identifier in ids if tombstone(salt, identifier) in held["households"]]
    for household in again:
        delete_everywhere(workspace, database, household, operator())
    return [say(f"再次删除 {len(again)} 户", f"{len(again)} households deleted again")]
