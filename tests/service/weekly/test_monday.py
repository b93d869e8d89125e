"""Monday in one go: the same data give the same files, and a run cut short is taken up again."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from tiny_town import TinyTown, make_tiny_town

from service.cli.commands import commands
from service.console.terminal import run
from service.weekly.monday import weekly

AS_OF = "2024-06-10"


class CutShortError(Exception):
    """Somebody pulled the plug."""


def stages(allowed: int):
    """Stages of which only so many may end."""
    done = 0

    @contextmanager
    def stage(_: str) -> Iterator[None]:
        nonlocal done
        yield
        done += 1
        if done == allowed:
            raise CutShortError

    return stage


def files(town: TinyTown) -> dict[str, bytes]:
    home = town.workspace / "weeks" / AS_OF
    return {path.name: path.read_bytes() for path in home.iterdir()}


def run_weekly(town: TinyTown, allowed: int = -1) -> list[str]:
    lines: list[str] = []
    weekly(town.workspace, town.directory, date.fromisoformat(AS_OF), stages(allowed), lines.extend)
    return lines


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TinyTown:
    """A town with a champion; not to be changed."""
    town = make_tiny_town(tmp_path_factory.mktemp("town") / "export", tmp_path_factory.mktemp("w") / "space")
    town.write_settings(
        programmes=[
            {"id": "canteen", "name": "幸福食堂", "needs": ["meals"], "seats": 3, "organiser": "中心"}
        ],
        funds=[{"id": "love", "name": "互助金", "budget": 100}],
        projects={"smallest": 1},
    )
    workspace = ["--workspace", str(town.workspace)]
    for args in (["ingest", str(town.directory)], ["retrain"]):
        assert run(lambda args=args: commands([*workspace, *args], standalone_mode=False)) == 0
    return town


@pytest.fixture(scope="module")
def monday(trained: TinyTown, tmp_path_factory: pytest.TempPathFactory) -> TinyTown:
    """The town after a Monday; not to be changed."""
    space = tmp_path_factory.mktemp("monday") / "space"
    shutil.copytree(trained.workspace, space)
    town = TinyTown(trained.directory, space)
    run_weekly(town)
    return town


@pytest.fixture
def town(trained: TinyTown, tmp_path: Path) -> TinyTown:
    shutil.copytree(trained.workspace, tmp_path / "space")
    return TinyTown(trained.directory, tmp_path / "space")


@pytest.mark.parametrize("large", ["40000", "2"])  # households from which a town is worked on in parts
def test_twice_or_cut_short_and_run_again_gives_the_same_files(
    town: TinyTown, large: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XIANYING_LARGE", large)
    run_weekly(town)
    whole = files(town)
    assert {"outreach.parquet", "overview.html", "needs-list.xlsx", "needs-list.html", "summary.html"} <= set(
        whole
    )
    run_weekly(town)
    assert files(town) == whole
    for allowed in (3, 8) if large == "2" else (6,):
        shutil.rmtree(town.workspace / "weeks")
        with pytest.raises(CutShortError):
            run_weekly(town, allowed)
        run_weekly(town)
        assert files(town) == whole


def test_the_summary_says_what_each_stage_did(monday: TinyTown) -> None:
    page = files(monday)["data-staff.html"].decode()
    for words in ("没读进", "条评分", "模型版本 1", "抽签", "建议开的项目", "最后一行"):
        assert words in page


def test_the_coordinators_page_begins_with_what_to_decide_and_has_no_jargon(monday: TinyTown) -> None:
    page = files(monday)["summary.html"].decode()
    assert (
        page.index("这周要定的事")
        < page.index("上周跟以前比")
        < page.index("谁还没顾上")
        < page.index("近四周</h2>")
    )
    for file in ("needs-list.html", "needs-list.xlsx", "overview.html", "data-staff.html"):
        assert f'href="{file}"' in page
    text = page + files(monday)["overview.html"].decode()
    for words in ("p_need", "最优", "未纠正", "模型版本", "置信", "分桶"):
        assert words not in text, words


def test_the_lists_of_needs_projects_and_resources(monday: TinyTown) -> None:
    home = monday.workspace / "weeks" / AS_OF
    book = openpyxl.load_workbook(home / "needs-list.xlsx")
    assert book.sheetnames == ["需求清单", "项目清单", "资源清单", "分网格分月", "范围准不准"]
    text = "\n".join(
        str(cell.value)
        for sheet in book
        for row in sheet.iter_rows()
        for cell in row
        if cell.value is not None
    )
    assert "幸福食堂" in text and "互助金" in text and "2024-07" in text
    page = re.sub(r"base64,[^\"]+", "", (home / "needs-list.html").read_text("utf-8"))
    assert "H01" not in text and "H01" not in page
    named = openpyxl.load_workbook(home / "project-candidates.xlsx")
    assert named["这次没有新项目"]["A1"].value == "这次没有新项目"  # a dozen households share nothing


def test_demand_is_told_by_need_grid_and_month(monday: TinyTown) -> None:
    table = pd.read_csv(monday.workspace / "weeks" / AS_OF / "demand.csv")
    assert set(table["span"]) == {"window", "2024-06", "2024-07", "2024-08", "2024-09"}
    assert set(table["grid_id"].fillna("")) == {"", "G1", "G2", "G3"}
    assert (table["low_90"] <= table["low_80"]).all() and (table["high_80"] <= table["high_90"]).all()


def test_past_demand_is_checked_once_its_windows_have_passed(
    town: TinyTown, capsys: pytest.CaptureFixture[str]
) -> None:
    def checked() -> list[str]:
        """What ``monitor`` says of past demand."""
        capsys.readouterr()
        command = ["--workspace", str(town.workspace), "monitor", "--as-of", AS_OF]
        assert run(lambda: commands(command, standalone_mode=False)) == 0
        return [line for line in capsys.readouterr().out.splitlines() if "前几周的需求测算" in line]

    past = ["--workspace", str(town.workspace), "demand", "--as-of", "2024-01-01"]
    assert run(lambda: commands(past, standalone_mode=False)) == 0
    told = checked()
    assert "前几周的需求测算（全社区）：实际户数落在 90% 区间内" in told[0]
    table = town.workspace / "weeks" / "2024-01-01" / "demand.csv"
    table.write_text(table.read_text("utf-8-sig").replace(",G1,", ",NA,"), "utf-8-sig")
    assert checked() == told, "a grid called NA is not the whole town"


@pytest.mark.parametrize("command", ["monitor", "weekly"])
def test_a_timer_learns_of_an_alarm_by_the_exit_code(
    town: TinyTown, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    def ended(as_of: str) -> int | None:
        given = [command, *([str(town.directory)] if command == "weekly" else []), "--as-of", as_of]
        return run(lambda: commands(["--workspace", str(town.workspace), *given], standalone_mode=False))

    assert ended(AS_OF) == 0 and "警报（" not in capsys.readouterr().out
    assert ended("2024-09-02") == 3 and "警报（" in capsys.readouterr().out  # nothing was handed in for weeks
