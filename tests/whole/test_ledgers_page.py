"""The commands of docs/ledgers.md, in both languages, lead from three raw workbooks to lists and back into a form."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
from ledger_town import ledger_town, write_register, write_requests, write_settings, write_visits
from openpyxl import Workbook, load_workbook

from service.cli.commands import commands
from service.console.terminal import run

DOCS = Path(__file__).parents[2] / "docs"


def told(page: str) -> list[list[str]]:
    """The commands of a page, word by word, without remarks."""
    blocks = re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text("utf-8"), re.S)
    return [
        words
        for block in blocks
        for line in block.splitlines()
        if (words := shlex.split(line, comments=True))
    ]


def make_raw(raw: Path) -> None:
    """The office's three workbooks and its form."""
    town = ledger_town(homes=60, events=120)
    raw.mkdir()
    write_register(town, raw / "人口信息登记表.xlsx")
    write_requests(town, raw / "12345工单.csv")
    write_visits(town, raw / "走访台账.xlsx")
    book = Workbook()
    book.active.append(["序号", "户主姓名", "家庭住址", "走访时间", "发现问题", "帮扶措施", "办理结果"])
    book.save(raw / "走访帮扶情况汇总表.xlsx")
    text = load_workbook(raw / "走访台账.xlsx")
    text.active["A60"] = None
    # the page's example of a column that was taken for another
    text.active.insert_cols(9)
    text.active["I2"] = "备注"
    text.save(raw / "走访台账.xlsx")


def test_both_languages_tell_the_same_commands() -> None:
    assert told("ledgers.md") == told("ledgers.zh-CN.md")


def test_the_page_leads_to_lists_and_back_into_the_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    raw, workspace = tmp_path / "raw", tmp_path / "workspace"
    make_raw(raw)
    for words in told("ledgers.md"):
        if words[0] == "cp":
            shutil.copy(words[1], words[2])
            write_settings(raw / "community.yaml")  # made the office's own
            continue
        if "review" in words and not Path(words[-1]).is_file():
            continue  # nothing waits for people
        code = run(lambda words=words: commands(words[1:], standalone_mode=False))
        assert code in (0, 3), (words, capsys.readouterr().err)
    lists = list((workspace / "weeks").glob("*/*.xlsx"))
    assert lists
    (form,) = (workspace / "reports").glob("*.xlsx")
    filled = [[cell.value for cell in row] for row in load_workbook(form).active.iter_rows(min_row=2)]
    assert len(filled) > 10 and all(row[1] and row[2] and row[3] for row in filled)
    assert any("助餐" in str(row[4]) for row in filled)
