"""A backup of the workspace and the service's database in one file, signed, and encrypted where a passphrase is given."""

import io
import json
import sqlite3
import tarfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from features.atomic import open_atomically, scratch_directory
from features.language import UserError
from features.store.database import STORE, copy_store
from features.store.partitions import FOLDER as PARTS
from features.workspace_secret import SECRET, keyed_hash, workspace_secret
from models.registry.champion import file_digest
from service.console.operator import operator
from service.web.audit.anchor import DIRECTORY as JOURNALS
from service.web.audit.drain import Drain
from service.web.audit.log import enter
from service.web.base.settings import DATABASE_FILE
from service.web.database.engine import Database, newest
from service.web.database.tables import Base
from service.web.rights.sealing import AES, sealing

LEFT_OUT = frozenset(
    {
        DATABASE_FILE,
        f"{DATABASE_FILE}-wal",
        f"{DATABASE_FILE}-shm",
        SECRET,
        STORE,
        f"{STORE}.wal",
        "mlflow.db",
        JOURNALS,
        PARTS,
    }
)
# there as soon as the service's database is
OF_DATABASE = LEFT_OUT - {STORE, f"{STORE}.wal", "mlflow.db", PARTS}
MANIFEST, ROWS = "manifest.json", "service.jsonl"


def back_up(
    workspace: Path,
    database: Database,
    target: Path,
    passphrase: str | None = None,
    with_secret: bool = False,
    cipher: str = AES,
) -> int:
    """Write everything that a restore needs into one .tar.gz, whole or not at all; the number of its files.

    Records, models, weeks and settings as they are at one moment; the service's rows as text, so that a backup made
    on SQLite can be restored to PostgreSQL and the other way round. Runs while the service serves. The backup is
    signed with the workspace's secret.

    workspace, database: what is backed up.
    target: the file to write.
    passphrase: what opens the file afterwards; None writes it in the clear.
    with_secret: put the workspace's secret in, too; with a passphrase only.
    cipher: a key of ``sealing.CIPHERS``.

    Raises UserError where there is no directory to write to, or the secret would be written in the clear.
    """
    if with_secret and passphrase is None:
        raise UserError("--with-secret 只能和 --encrypt 一起用", "--with-secret goes with --encrypt only")
    if not target.parent.is_dir():
        raise UserError(f"{target.parent}：没有这个目录", f"{target.parent}: no such directory")
    Drain(database, workspace / JOURNALS).everything()
    with database.writing() as session:
        enter(session, operator(), "workspace.backup", "", "", target.name)
    sums: dict[str, str] = {}
    with (
        scratch_directory(workspace) as scratch,
        open_atomically(target) as file,
        sealing(file, passphrase, cipher) as content,
        tarfile.open(fileobj=content, mode="w:gz") as archive,
    ):
        for name, path in _files(workspace, scratch, database, target):
            sums[name] = file_digest(path)
            archive.add(path, name)
        if with_secret:
            workspace_secret(workspace)
            sums[SECRET] = file_digest(workspace / SECRET)
            archive.add(workspace / SECRET, SECRET)
        manifest = _manifest(sums, workspace_secret(workspace))
        entry = tarfile.TarInfo(MANIFEST)
        entry.size = len(manifest)
        archive.addfile(entry, io.BytesIO(manifest))
    return len(sums)


def _manifest(sums: dict[str, str], secret: bytes) -> bytes:
    manifest = {"made_at": datetime.now(UTC).isoformat(), "migration": newest(), "files": sums}
    return json.dumps({**manifest, "signature": signature(manifest, secret)}).encode()


def signature(manifest: dict[str, Any], secret: bytes) -> str:
    """Sign what a manifest says besides its signature."""
    plain = {name: value for name, value in manifest.items() if name != "signature"}
    return keyed_hash(secret, "backup", json.dumps(plain, sort_keys=True))


def _files(workspace: Path, scratch: Path, database: Database, target: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name in the backup and the path of each file, which no longer changes.

    Backups in the workspace are left out, each of which would hold all those before: what ends in .tar.gz there, and
    ``target``.
    """
    for path in sorted(workspace.rglob("*")):
        name = path.relative_to(workspace).as_posix()
        hidden = any(part.startswith(".") for part in path.relative_to(workspace).parts)
        backup = (path.parent == workspace and name.endswith(".tar.gz")) or path.resolve() == target.resolve()
        if path.is_file() and not hidden and not backup and name.split("/")[0] not in LEFT_OUT:
            yield name, path
    if (workspace / STORE).is_file():
        copy = scratch / STORE
        copy_store(workspace, copy)
        yield STORE, copy
    if (workspace / "mlflow.db").is_file():
        copy = scratch / "mlflow.db"
        source, copied = sqlite3.connect(workspace / "mlflow.db"), sqlite3.connect(copy)
        source.backup(copied)
        source.close()
        copied.close()
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
