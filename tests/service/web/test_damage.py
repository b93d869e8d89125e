"""Damaged files are told, never shown; `doctor` names each with what to run."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from served_town import NEWEST, As, copy_workspace, served, settings_for
from sqlalchemy import select

from features.language import UserError
from features.store.database import open_store
from service.cli.commands import commands
from service.web.audit.log import append
from service.web.database.engine import open_database
from service.web.database.tables import User
from service.web.published.weeks import Shelf
from service.weekly.week_directory import read_table


@pytest.fixture
def workspace(tmp_path) -> Path:
    workspace = copy_workspace(tmp_path / "workspace")
    for path in [workspace, *workspace.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    return workspace


def run(workspace: Path, *words: str) -> Result:
    return CliRunner().invoke(commands, ["--workspace", str(workspace), *words])


def doctor(workspace: Path) -> str:
    found = run(workspace, "doctor")
    return found.output if found.exception is None else str(found.exception)


def newest(workspace: Path) -> Path:
    pointer = json.loads((workspace / "served" / "current.json").read_text("utf-8"))
    return workspace / "served" / pointer["weeks"][NEWEST]


def flip(path: Path, at: int | None = None) -> None:
    """Change one byte; the file stays as old and as long as it was."""
    content, age = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2 if at is None else at] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(age.st_atime_ns, age.st_mtime_ns))


def test_a_whole_workspace_is_well(workspace):
    assert doctor(workspace).strip() == "一切正常"


def test_a_served_file_that_changes_while_it_is_served_is_not_shown(workspace):
    with served(workspace) as client:
        wang = As(client, "wang")
        place = client.app.state.shelf.served.newest.places["h04"]
        assert wang.get("/v1/households/h04/scores").status_code == 200
        flip(newest(workspace) / "households.bin", place[3] + 10)
        answer = wang.get("/v1/households/h04/scores")
        assert answer.status_code == 503 and "scores" not in answer.json()
        assert wang.get("/v1/households/h05/scores").status_code == 200
        os.truncate(newest(workspace) / "households.bin", 100)
        assert wang.get("/v1/households/h04/scores").status_code == 503


@pytest.mark.parametrize(
    "name", ["households.bin", "households.json", "visits.json", "week.json", "town.npz"]
)
def test_a_damaged_week_is_not_served_and_is_named(workspace, name):
    flip(newest(workspace) / name)
    shelf = Shelf(workspace)
    shelf.refresh()
    assert NEWEST not in shelf.served.weeks and len(shelf.served.weeks) == 1
    said = doctor(workspace)
    assert name in said and f"xianying outreach --as-of {NEWEST}" in said


def test_a_damaged_table_is_not_used_for_lists(workspace):
    path = workspace / "weeks" / NEWEST / "scores.parquet"
    for at in range(3):
        flip(path, 200 + 50 * at)
    with pytest.raises(UserError, match=r"scores.parquet.*删除后重新运行"):
        read_table(path)
    assert str(path) in doctor(workspace)


def test_damaged_records_are_not_said_to_be_in_use(workspace):
    for at in (4096 + 64, 8192 + 64):  # both headers of the file
        flip(workspace / "records.duckdb", at)
    with pytest.raises(UserError, match="损坏"), open_store(workspace, read_only=True):
        pass
    assert "records.duckdb" in doctor(workspace)


def test_a_broken_pointer_is_named(workspace):
    pointer = workspace / "served" / "current.json"
    pointer.write_text('{"weeks": ', "utf-8")
    with pytest.raises(UserError, match=r"current\.json.*outreach"):
        Shelf(workspace).refresh()


def test_a_damaged_champion_is_named(workspace):
    model = next((workspace / "champion").glob("*/arrays.npz"))
    flip(model)
    assert str(model) in doctor(workspace)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another account")
def test_root_leaves_nothing_behind_that_the_service_cannot_write(workspace, tmp_path):
    assert run(workspace, "backup", str(tmp_path / "kept")).exit_code == 0
    os.chown(workspace / "records.duckdb", 65534, 65534)
    assert "records.duckdb" in doctor(workspace) and "chown -R root:" in doctor(workspace)
    for path in [tmp_path, workspace, *workspace.rglob("*")]:
        os.chown(path, 65534, 65534)
    for words in (["ingest", str(tmp_path)], ["doctor"], ["audit", "verify"]):
        refused = run(workspace, *words)
        assert isinstance(refused.exception, UserError) and str(workspace) in str(refused.exception)
    restored = run(tmp_path / "new", "restore", str(tmp_path / "kept"))
    assert isinstance(restored.exception, UserError) and not (tmp_path / "new").exists()
    assert {path.stat().st_uid for path in workspace.rglob("*")} == {65534}


def test_the_doctor_sees_what_else_is_wrong(workspace):
    (workspace / "weeks" / NEWEST).chmod(0o755)
    assert "chmod -R go=" in doctor(workspace)
    (workspace / "weeks" / NEWEST).chmod(0o700)
    database = open_database(settings_for(workspace))
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    with database.writing() as session:
        assert session.scalar(select(User.id)) is None
        append(session, [["x", later, "user:a", "scores.read", "h1", "", ""]])
    database.engine.dispose()
    for path in workspace.glob("service.db*"):
        path.chmod(0o600)
    assert "时钟" in doctor(workspace)
    (workspace / "served" / "current.json").write_text("{", "utf-8")
    (workspace / "tombstones.json").write_text("[]", "utf-8")
    content = (workspace / "records.duckdb").read_bytes()
    (workspace / "records.duckdb").write_bytes(content[: len(content) // 2])
    said = doctor(workspace)
    assert all(word in said for word in ("current.json", "tombstones.json", "records.duckdb"))
