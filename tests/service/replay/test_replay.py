"""A past week made again from what the workspace keeps, and where it differs."""

from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from served_town import NEWEST, copy_workspace, publish_week
from small_town import AS_OF

from features.store.reader import read_settings
from service.cli.commands import commands
from service.console.terminal import run
from service.web.published.publish import switching
from service.weekly.week_directory import remove_expired


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return copy_workspace(tmp_path / "workspace")


def replay(workspace: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it printed."""
    capsys.readouterr()
    arguments = ["--workspace", str(workspace), "replay", *(more or (NEWEST,))]
    code = run(lambda: commands(arguments, standalone_mode=False))
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_a_week_is_made_again_byte_for_byte(
    workspace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in workspace.rglob("*") if path.is_file()}
    code, told = replay(workspace, capsys, NEWEST, "--output", str(tmp_path / "again"))
    assert code == 0 and "可以原样重现" in told and "发布时随这一周保存的" in told
    for name in ("scores.parquet", "risk.parquet", "outreach.parquet", "dropped.csv", "groups.csv"):
        kept = workspace / "weeks" / NEWEST / name
        assert f"{name}：逐字节相同" in told
        assert (tmp_path / "again" / name).read_bytes() == kept.read_bytes()
    assert {path: path.read_bytes() for path in before} == before, "looking back changes nothing"


def test_what_was_changed_afterwards_is_named(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = workspace / "weeks" / NEWEST / "outreach.parquet"
    table = pd.read_parquet(path)
    table.loc[0, "reason"] = "另写的"
    table.iloc[:-1].to_parquet(path)
    code, told = replay(workspace, capsys)
    assert code == 3 and "不能原样重现" in told
    assert "outreach.parquet：保存的这张表在写出以后改动过" in told
    assert "outreach.parquet：1 行只在重做的表里" in told
    assert "reason 有 1 行不同" in told and "另写的" in told


def test_a_week_no_longer_published_is_made_from_the_store(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with switching(workspace) as (_, pointer):
        del pointer["weeks"][NEWEST]
    settings = workspace / "community.yaml"
    settings.write_text(
        settings.read_text("utf-8").replace("explore_share: 0.3", "explore_share: 0.9"), "utf-8"
    )
    code, told = replay(workspace, capsys)
    assert "这一周已不再发布" in told
    assert code == 0, told


def test_a_week_that_never_was_is_one_line(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = replay(workspace, capsys, "2020-01-06")
    assert code == 1 and NEWEST in told and len(told.strip().splitlines()) == 1


def test_weeks_are_kept_as_long_as_the_settings_say(workspace: Path) -> None:
    settings = workspace / "community.yaml"
    settings.write_text(settings.read_text("utf-8") + "\nretention: {published: 1, lists: 1}\n", "utf-8")
    publish_week(workspace, AS_OF)
    served = [path.name for path in (workspace / "served").iterdir() if path.name[:4].isdecimal()]
    assert [name[:10] for name in served] == [NEWEST]
    retention = read_settings(workspace).retention
    lines = remove_expired(workspace, retention, date.fromisoformat(NEWEST))
    earlier = date.fromisoformat(NEWEST) - timedelta(weeks=1)
    assert [path.name for path in (workspace / "weeks").iterdir()] == [NEWEST]
    assert str(earlier) in lines[0] and remove_expired(workspace, retention, date.fromisoformat(NEWEST)) == []
