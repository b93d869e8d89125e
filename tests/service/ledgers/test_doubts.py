"""Rows of ledgers that are taken although something about them is odd are told, with their place."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from ledger_town import LedgerTown, ledger_town, write_register, write_settings
from openpyxl import Workbook

from features.store.reader import read_records
from service.cli.commands import commands
from service.console.terminal import run
from service.ledgers.take_in import TakenIn, ingest_directory


@pytest.fixture
def town() -> LedgerTown:
    return ledger_town(homes=12, events=1)


def taken_in(place: Path, town: LedgerTown, name: str, sheet: str, rows: list[list[object]]) -> TakenIn:
    """Take in a register and a workbook with these rows, header included."""
    raw, workspace = place / "raw", place / "workspace"
    raw.mkdir()
    write_settings(raw / "community.yaml")
    write_register(town, raw / "人口信息登记表.xlsx")
    book = Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    book.save(raw / name)
    for path in raw.glob("*.xlsx"):
        call = ["--workspace", str(workspace), "map", str(path), "--yes"]
        assert run(lambda call=call: commands(call, standalone_mode=False)) == 0
    return ingest_directory(raw, workspace)


def test_withdrawn_refusals_and_those_without_a_readable_day_hold_and_are_told(tmp_path: Path, town) -> None:
    doors = [home.door for home in town.homes[:4]]
    rows = [["地址", "登记日期", "状态"], [doors[0], "2024-03-01", "有效"], [doors[1], "2024-03-01", "作废"]]
    rows += [[doors[2], "2024-03-01", "已恢复走访"], [doors[3], "2024-02-30", "有效"]]
    taken = taken_in(tmp_path, town, "拒访名单.xlsx", "拒访", rows)
    said = "\n".join(taken.lines)
    assert (
        "写着作废、解除或又同意走访，谢绝照样有效：作废、已恢复走访（拒访名单.xlsx [拒访] 第 3、4 行）"
        in said
    )
    assert "从哪天起谢绝读不懂，按一直谢绝处理：2024-02-30（拒访名单.xlsx [拒访] 第 5 行）" in said
    assert len({*read_records(tmp_path / "workspace").opt_outs.household.tolist()}) == 4
    assert taken.exit_code() == 3
    kept = pd.read_csv(tmp_path / "workspace" / "ledgers" / "rows.csv", keep_default_na=False)
    assert kept.loc[kept["why"].str.contains("作废"), "state"].tolist() == ["loaded", "loaded"]


def test_a_day_of_another_year_than_its_sheet_is_told(tmp_path: Path, town) -> None:
    rows: list[list[object]] = [["日期", "门牌", "走访情况"]]
    days = (date(2024, 3, 5), date(2023, 3, 6), date(2024, 3, 7), date(2024, 4, 2))
    rows += [[day, home.door, "想要送餐"] for day, home in zip(days, town.homes, strict=False)]
    said = "\n".join(taken_in(tmp_path, town, "走访台账.xlsx", "2024年3月", rows).lines)
    assert "请核对 1 条：时间和工作表名 2024年3月 对不上，先照格里写的读：2023-03-06" in said


def test_a_number_that_the_register_does_not_have_is_named(tmp_path: Path, town) -> None:
    rows: list[list[object]] = [
        ["工单号", "来电时间", "户号", "诉求内容"],
        ["W1", "2024-03-05", "9", "想要送餐"],
    ]
    said = "\n".join(taken_in(tmp_path, town, "工单.xlsx", "工单", rows).lines)
    assert "登记表里没有这个户号：9（工单.xlsx [工单] 第 2 行）" in said
