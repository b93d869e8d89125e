"""A refusal that comes while the week's lists are made: the household is on none of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import openpyxl
import orjson
import pandas as pd
import pytest
from click.testing import CliRunner
from served_town import NEWEST, As, copy_workspace, machine, served
from week_lists import columns_of

from service.cli.commands import commands
from service.web.published.week_files import SERVED, read_pointer
from service.weekly.week_directory import week_directory

MONDAY = date.fromisoformat(NEWEST)


def run(workspace: Path, *given: str) -> str:
    """Run a command on the workspace, and return what it printed."""
    ran = CliRunner().invoke(commands, ["--workspace", str(workspace), *given])
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.output
    return ran.output


def by_api(client, row: dict, tmp_path: Path) -> None:
    answer = client.post(
        f"/v1/residents/{row['household_id']}/refusal", json={}, headers=machine(client, "refusals:write")
    )
    assert answer.status_code == 204


def by_phone(client, row: dict, tmp_path: Path) -> None:
    li = As(client, "li")
    form = {"household_id": row["household_id"], "csrf": li.csrf}
    assert li.send("POST", "/refusals", data=form, follow_redirects=False).status_code == 303


def by_record(client, row: dict, tmp_path: Path) -> None:
    workspace = client.app.state.settings.workspace
    book = openpyxl.load_workbook(tmp_path / "printed.xlsx")
    for sheet in book.worksheets:
        try:
            header, columns = columns_of(sheet)
        except AssertionError:  # a sheet of explanations
            continue
        for line in range(header + 1, sheet.max_row + 1):
            if sheet.cell(line, columns["outreach_id"]).value == row["outreach_id"]:
                sheet.cell(line, columns["反馈"], "不要再来")
    book.save(tmp_path / "filled.xlsx")
    run(workspace, "record", str(tmp_path / "filled.xlsx"))


def by_file(client, row: dict, tmp_path: Path) -> None:
    place = tmp_path / "later"
    place.mkdir()
    (place / "households.csv").write_text("household_id,grid_id,microgrid_id,valid_from\n")
    (place / "requests.csv").write_text("request_id,household_id,requested_at,need\n")
    pd.DataFrame([{"household_id": row["household_id"], "from": NEWEST}]).to_csv(
        place / "opt_outs.csv", index=False
    )
    run(client.app.state.settings.workspace, "ingest", str(place))


def named_in(workspace: Path, household: str) -> list[str]:
    """Name the files of the newest week, as printed and as served, that would send somebody to a household."""
    home = week_directory(workspace, MONDAY)
    named = []
    for path in sorted(home.iterdir()):
        match path.suffix:
            case ".xlsx":
                cells = (
                    cell for sheet in openpyxl.load_workbook(path) for row in sheet.values for cell in row
                )
                there = household in cells
            case ".parquet":
                table = pd.read_parquet(path)
                there = path.stem in ("outreach", "listed") and household in set(table["household_id"])
            case _:
                there = household in path.read_text("utf-8", errors="replace")
        named += [path.name] * there
    served_in = workspace / SERVED / read_pointer(workspace)["weeks"][NEWEST]
    rows = orjson.loads((served_in / "visits.json").read_bytes())
    return named + ["visits.json"] * any(
        row["household_id"] == household and not row.get("withdrawn") for row in rows
    )


@pytest.fixture
def client(tmp_path: Path) -> Iterator:
    with served(copy_workspace(tmp_path / "workspace")) as client:
        yield client


def at_the_end_of(
    monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], None], module: str = "week_commands"
) -> None:
    """Do something once, when a stage of the command has ended."""
    waiting = [act]

    @contextmanager
    def stage(shown: str) -> Iterator[None]:
        yield
        if shown == name and waiting:
            waiting.pop()()

    monkeypatch.setattr(f"service.cli.{module}.stage", stage)


@pytest.mark.parametrize(
    ("refuse", "stage"),
    [(by_api, "排名单"), (by_phone, "合并"), (by_record, "合并"), (by_file, "排名单")],
    ids=["API", "phone", "record", "file"],
)
def test_one_that_comes_while_lists_are_made_takes_the_household_off(
    client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refuse: Callable, stage: str
) -> None:
    workspace = client.app.state.settings.workspace
    row = next(
        row
        for row in As(client, "li").get("/v1/visits?limit=500").json()["visits"]
        if row["arm"] == "targeted"
    )
    household = row["household_id"]
    book = next(week_directory(workspace, MONDAY).glob("grid-g0*.xlsx"))
    (tmp_path / "printed.xlsx").write_bytes(book.read_bytes())
    assert "visits.json" in named_in(workspace, household) and len(named_in(workspace, household)) > 3
    at_the_end_of(monkeypatch, stage, lambda: refuse(client, row, tmp_path))
    output = run(workspace, "outreach", "--as-of", NEWEST)
    assert named_in(workspace, household) in ([], ["listed.parquet"])  # listed before, and on paper
    assert "排名单时有 1 户谢绝" in output
    made = pd.read_parquet(week_directory(workspace, MONDAY) / "outreach.parquet")
    assert "排名单时" not in run(workspace, "outreach", "--as-of", NEWEST)
    again = pd.read_parquet(week_directory(workspace, MONDAY) / "outreach.parquet")
    assert set(made["household_id"]) == set(again["household_id"])
