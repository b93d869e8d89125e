"""Duplicates are proposed, decided in a workbook, merged and undone; decisions about links are kept."""

from pathlib import Path

import openpyxl
import pandas as pd
from tiny_town import TinyTown, households, residents

from features.linking.decisions import read_decisions
from features.linking.link import link
from features.linking.register import read_register
from service.cli.commands import commands
from service.console.terminal import run
from service.lists.review_workbook import review_workbook


def xianying(workspace: Path, *args: object) -> int:
    return run(lambda: commands(["--workspace", str(workspace), *map(str, args)], standalone_mode=False))


def with_doors(town: TinyTown) -> None:
    """Give every household a door, and write H12 as H02 again; residents have names."""
    names = {"P1": "张建国", "P2": "李秀英", "P3": "张小明", "P4": "王芳", "P5": "陈军"}
    doors = [
        {
            **row,
            "住址": "西山花园3幢2单元501室"
            if row["household_id"] in ("H02", "H12")
            else f"西山花园{place}幢1单元101室",
        }
        for place, row in enumerate(households(), 10)
    ]
    again = {**residents()[0], "resident_id": "P9", "household_id": "H12"}
    town.write("households", doors)
    town.write(
        "residents",
        [{**row, "姓名": names.get(str(row["resident_id"]), "张建国")} for row in [*residents(), again]],
    )
    town.ingest()


def decide(path: Path, decision: str) -> None:
    """Write a decision into the last column of the first row that isn't decided."""
    book = openpyxl.load_workbook(path)
    sheet = book.active
    assert sheet is not None
    row = next(row for row in range(4, 99) if not sheet.cell(row, sheet.max_column).value)
    sheet.cell(row, sheet.max_column).value = decision
    book.save(path)


def test_duplicates_are_proposed_decided_merged_and_undone(tiny_town: TinyTown, capsys) -> None:
    with_doors(tiny_town)
    workspace = tiny_town.workspace
    assert xianying(workspace, "households", "duplicates") == 0
    assert "住户 1 对" in capsys.readouterr().out
    path = workspace / "review" / "duplicates.xlsx"
    decide(path, "是")
    assert xianying(workspace, "review", path) == 0
    assert "住户 H12 并入 H02" in capsys.readouterr().out
    assert set(read_register(workspace).query("person == '张建国'")["household_id"]) == {"H02"}
    assert xianying(workspace, "households", "undo", "1") == 0
    assert xianying(workspace, "households", "changes") == 0
    assert "撤销" in capsys.readouterr().out
    assert xianying(workspace, "households", "merge", "H02", "H99") == 1
    assert "H99" in capsys.readouterr().err


def test_a_decided_link_is_used_from_then_on(tiny_town: TinyTown, tmp_path: Path, capsys) -> None:
    with_doors(tiny_town)
    workspace = tiny_town.workspace
    register = read_register(workspace)
    records = pd.DataFrame(
        {"address": ["西山3-2-501", "西山3-2-501", "11#101"], "person": ["", "周杰伦", ""]}
    )
    links = link(records, register)
    assert list(links["verdict"][:2]) == ["review", "review"]
    path = tmp_path / "households.xlsx"
    path.write_bytes(review_workbook(records, links, register))
    decide(path, "2")
    decide(path, "无")
    assert xianying(workspace, "review", path) == 0
    found = link(records, register, read_decisions(workspace))
    assert list(found["verdict"][:2]) == ["decided", "decided"]
    assert found["household_id"].iloc[0] == links["candidates"].iloc[0][1] and pd.isna(
        found["household_id"].iloc[1]
    )
    path.write_bytes(review_workbook(records, links, register))
    decide(path, "也许")
    assert xianying(workspace, "review", path) == 1
    assert "也许" in capsys.readouterr().err
