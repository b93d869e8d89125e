"""Look over a whole workspace: what is damaged, open to others, full or out of step, and what to run."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
from sqlalchemy import text

from features.language import UserError, joined_names, say, say_line
from features.store.database import STORE, open_store
from features.store.reader import read_settings
from features.store.tombstones import TOMBSTONES, read_tombstones, recognises
from models.registry.champion import DIRECTORY as CHAMPION
from models.registry.champion import damaged_copy, load_champion, read_copy
from models.registry.tracking import registry_name
from service.console.operator import account_name
from service.web.audit.anchor import DIRECTORY as JOURNALS
from service.web.audit.drain import ASIDE
from service.web.audit.log import verify
from service.web.database.engine import Database
from service.web.database.tables import CLOCK_SLACK, Entry
from service.web.published.digests import damaged_files
from service.web.published.week_files import SERVED, read_pointer

LEAST_FREE = 1 << 30  # bytes, below which a week may not find room
SHOWN = 5  # files named of many


def findings(workspace: Path, database: Database | None) -> list[str]:
    """Say what is wrong, a line each with what to do; none where all is well. ``database``: None without a service."""
    checks = (_settings, _records, _tables, _served, _champion, _tombstones, _permissions, _disk)
    lines = [line for check in checks for line in check(workspace)]
    if database is not None:
        lines += [*_database(database), *_audit(workspace, database)]
    return lines


def _settings(workspace: Path) -> Iterator[str]:
    try:
        read_settings(workspace)
    except UserError as error:
        yield str(error)


def _records(workspace: Path) -> Iterator[str]:
    """Read every column of the records: DuckDB compares a checksum with each block."""
    if not (workspace / STORE).is_file():
        return
    try:
        with open_store(workspace, read_only=True) as connection:
            for (table,) in connection.execute("SHOW TABLES").fetchall():
                connection.execute(
                    f'SELECT count(*), count(COLUMNS(*)), max(hash(COLUMNS(*))) FROM "{table}"'
                )
    except Exception as error:
        yield say(
            f"{workspace / STORE}：读不了（{type(error).__name__}），请用 xianying restore 从备份恢复",
            f"{workspace / STORE}: cannot be read ({type(error).__name__}); restore a backup",
        )


def _tables(workspace: Path) -> Iterator[str]:
    for path in [*workspace.glob("*.parquet"), *sorted((workspace / "weeks").glob("*/*.parquet"))]:
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                for number in range(file.num_row_groups):
                    file.read_row_group(number)
        except (OSError, ValueError):
            yield say(
                f"{path}：已损坏，请删除后重新运行 xianying score、outreach",
                f"{path}: damaged; delete it and run xianying score, outreach again",
            )


def _served(workspace: Path) -> Iterator[str]:
    try:
        weeks = read_pointer(workspace)["weeks"]
    except UserError as error:
        yield str(error)
        return
    for as_of, name in weeks.items():
        place = workspace / SERVED / name
        for path in damaged_files(place) if place.is_dir() else [place]:
            yield say(
                f"{path}：已损坏，这一周不再提供；请运行 xianying outreach --as-of {as_of}",
                f"{path}: damaged, its week is not served; run xianying outreach --as-of {as_of}",
            )


def _champion(workspace: Path) -> Iterator[str]:
    if not (workspace / CHAMPION).is_dir():
        return
    for path in damaged_copy(workspace):
        yield say(
            f"{path}：已损坏，不再使用；下次运行 xianying score 会从 MLflow 重新取",
            f"{path}: damaged and no longer used; the next xianying score fetches it from MLflow again",
        )
    try:
        copy = read_copy(workspace, registry_name(workspace))
        if copy:
            load_champion(*copy)
    except UserError as error:
        yield str(error)
    except Exception as error:
        yield say(
            f"{workspace / CHAMPION}：读不了（{type(error).__name__}），请删除这个目录；下次会从 MLflow 重新取",
            f"{workspace / CHAMPION}: cannot be read ({type(error).__name__}); delete it; MLflow has another",
        )


def _tombstones(workspace: Path) -> Iterator[str]:
    try:
        recognises(read_tombstones(workspace / TOMBSTONES), workspace)
    except UserError as error:
        yield str(error)
    except (ValueError, KeyError, TypeError):
        path = workspace / TOMBSTONES
        yield say(
            f"{path}：已损坏，请从备份放回，否则已删除的住户会再次导入",
            f"{path}: damaged; put it back from a backup, or deleted households come back",
        )


def _permissions(workspace: Path) -> Iterator[str]:
    open_ones = [
        path
        for path in [workspace, *workspace.rglob("*")]
        if not path.is_symlink() and path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    if open_ones:
        names = joined_names(str(path) for path in open_ones[:SHOWN])
        yield say(
            f"{len(open_ones)} 个文件或目录别人也能打开（{names}…）：请运行 chmod -R go= {workspace}",
            f"{len(open_ones)} files or directories are open to others ({names} ...): run chmod -R go= {workspace}",
        )


def owner_findings(workspace: Path) -> list[str]:
    """Say what another account wrote, such as root: the service's account can neither read nor change it.

    It comes before ``findings``, as what cannot be read cannot be looked over.
    """
    owner = workspace.stat().st_uid
    others = [path for path in workspace.rglob("*") if path.lstat().st_uid != owner]
    if not others:
        return []
    names, account = joined_names(str(path) for path in others[:SHOWN]), account_name(owner)
    return say_line(
        f"{len(others)} 个文件或目录不属于 {account}（{names}…），服务写不了：请运行 chown -R {account}: {workspace}",
        f"{len(others)} files or directories do not belong to {account} ({names} ...), whose service cannot write "
        f"them: run chown -R {account}: {workspace}",
    )


def _disk(workspace: Path) -> Iterator[str]:
    free = shutil.disk_usage(workspace).free
    records = workspace / STORE
    needed = max(LEAST_FREE, 3 * records.stat().st_size if records.is_file() else 0)
    if free < needed:
        yield say(
            f"{workspace}：磁盘只剩 {free / 2**30:.1f} GB，请留出 {needed / 2**30:.1f} GB",
            f"{workspace}: {free / 2**30:.1f} GB are free; make room for {needed / 2**30:.1f} GB",
        )
    if not os.access(workspace, os.W_OK):
        yield say(f"{workspace}：不能写入", f"{workspace}: cannot be written to")


def _database(database: Database) -> Iterator[str]:
    if not database.ready():
        yield say(
            "服务数据库不是最新版本，请重新运行 xianying serve",
            "the service's database is not at the newest version",
        )
    if database.engine.dialect.name != "sqlite":
        return
    with closing(database.engine.raw_connection()) as connection:
        (answer,) = connection.cursor().execute("PRAGMA quick_check(1)").fetchone()
    if answer != "ok":
        yield say(
            f"服务数据库已损坏（{answer}），请恢复备份",
            f"the service's database is damaged ({answer}): restore a backup",
        )


def _audit(workspace: Path, database: Database) -> Iterator[str]:
    verdict = verify(database, workspace)
    if verdict.broken is not None or verdict.lost is not None:
        yield say(
            "审计日志被改动或截断过：xianying audit verify",
            "the audit log was changed: xianying audit verify",
        )
    aside = list((workspace / JOURNALS / ASIDE).glob("*"))
    if aside:
        yield say(
            f"{len(aside)} 个审计日志文件有被搁置的行：{aside[0]}", f"audit lines were set aside: {aside[0]}"
        )
    with database.reading() as session:
        last = session.scalar(text(f"SELECT max(at) FROM {Entry.__tablename__}"))
    if last and datetime.fromisoformat(last) > datetime.now(UTC) + CLOCK_SLACK:
        yield say(
            f"时钟不对：审计日志的最后一条是 {last}，比现在还晚",
            f"the clock is wrong: the audit log's last entry is of {last}, later than now",
        )
