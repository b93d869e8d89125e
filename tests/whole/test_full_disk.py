"""A full disk ends every command in one line; the lists of the last week and the records stay as they were."""

import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
from ready_process import COMMAND, run_to_end
from served_town import NEWEST, copy_workspace
from small_town import AS_OF
from tiny_town import make_tiny_town

from features.contract.tables import TABLES
from features.language import UserError
from features.point_in_time.records import date_of
from features.store.database import open_store
from features.store.reader import read_records
from service.cli.commands import commands
from service.console.terminal import run

NEXT = date_of(AS_OF + 7).isoformat()


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file may grow beyond ``size`` bytes, as if the disk ended there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def contents(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def rows(workspace: Path) -> dict[str, int]:
    with open_store(workspace, read_only=True) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0] for table in TABLES
        }


def export(workspace: Path, place: Path) -> Path:
    """Some thousand new requests of the households that are known."""
    place.mkdir()
    with open_store(workspace, read_only=True) as connection:
        known = connection.sql("SELECT * EXCLUDE (known_from, superseded_at) FROM households")
        known.write_csv(str(place / "households.csv"))
    asked = pd.DataFrame({"request_id": [f"new{number}" for number in range(3000)]})
    asked["household_id"] = [f"h{number % 60:02d}" for number in range(3000)]
    asked["need"], asked["requested_at"] = "meals", NEWEST
    asked.to_csv(place / "requests.csv", index=False)
    return place


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, in memory."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a file system here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("size", [0, 20_000])
@pytest.mark.parametrize("command", ["ingest", "score", "outreach", "demand"])
def test_a_full_disk_costs_one_line_and_nothing_of_before(
    command: str, size: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = copy_workspace(tmp_path / "workspace")
    arguments = ["--workspace", str(workspace), command]
    arguments += [str(export(workspace, tmp_path / "export"))] if command == "ingest" else ["--as-of", NEXT]
    weeks, held = contents(workspace / "weeks"), rows(workspace)
    read_records(workspace)
    with room(size):
        code = run(lambda: commands(arguments, standalone_mode=False))
        said = capsys.readouterr().err
        assert code == 1
        assert "磁盘满了" in said and str(workspace) in said and len(said.splitlines()) == 1
        assert rows(workspace) == held
        kept = contents(workspace / "weeks")
        assert {name: kept[name] for name in weeks} == weeks
    again = run(lambda: commands(arguments, standalone_mode=False))
    # 3: read, with things to look at
    assert again == 0 or (again == 3 and command == "ingest"), capsys.readouterr().err


@pytest.mark.parametrize("left", [0, 1 << 18])
def test_a_training_for_which_there_is_no_room_changes_nothing(
    left: int, tmp_path: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    town = make_tiny_town(tmp_path / "export", small_disk / "workspace")
    town.ingest()
    arguments = ["--workspace", str(town.workspace), "retrain"]
    assert run(lambda: commands(arguments, standalone_mode=False)) == 0
    capsys.readouterr()
    workspace, last, champion = town.workspace, town.records().last_day, contents(town.workspace / "champion")
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        file.write(bytes(shutil.disk_usage(small_disk).free - left))
    assert run(lambda: commands(arguments, standalone_mode=False)) == 1
    bars = capsys.readouterr().err.split("\r")  # of progress, where it took long enough
    said = bars[-1]
    assert "磁盘满了" in said and str(workspace) in said and len(said.splitlines()) == 1
    assert champion and contents(workspace / "champion") == champion
    assert town.records().last_day == last


def test_a_disk_that_can_only_be_read_is_not_called_damaged(small_disk: Path) -> None:
    workspace = copy_workspace(small_disk / "workspace")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(UserError, match="只能读"), open_store(workspace):
        pass
    with open_store(workspace, read_only=True) as connection:
        assert connection.sql("SELECT 1 FROM households").fetchall()


def test_where_the_disk_can_only_be_read_every_command_says_so_in_one_line(
    small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = copy_workspace(small_disk / "workspace")
    key = ["keys", "create", "erp", "--scope", "scores:read"]

    def xianying(*arguments: str) -> int:
        return run(lambda: commands(["--workspace", str(workspace), *arguments], standalone_mode=False))

    # in a process of its own, as connections would keep the disk from being mounted anew
    assert run_to_end(COMMAND, "--workspace", workspace, *key)[0] == 0
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    capsys.readouterr()
    refusing = ["resident", "refuse", "h04"]
    for arguments in (key, refusing, ["score", "--as-of", NEXT], ["backup", str(workspace / "b")]):
        assert xianying(*arguments) == 1
        said = capsys.readouterr().err.splitlines()
        assert len(said) == 1 and "只能读，不能写" in said[0], (arguments, said)
