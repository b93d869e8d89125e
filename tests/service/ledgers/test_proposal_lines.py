"""What `map` says of a ledger before it is read."""

from pathlib import Path

from openpyxl import Workbook

from features.mapping.ledger_sheets import read_ledger
from features.mapping.propose import propose
from service.ledgers.proposal_lines import proposal_lines


def test_hidden_rows_are_said_before_they_are_read(tmp_path: Path) -> None:
    book = Workbook()
    book.active.append(["日期", "姓名", "住址", "诉求内容"])
    for room in (501, 502):
        book.active.append(["2025-03-05", "张三", f"3-2-{room}", "想订助餐"])
    path = tmp_path / "诉求.xlsx"
    book.save(path)
    sheets = read_ledger(path)
    assert not any("隐藏" in line for line in proposal_lines(propose(path, sheets, "Asia/Shanghai"), sheets))
    book.active.row_dimensions[3].hidden = True
    book.save(path)
    sheets = read_ledger(path)
    said = [line for line in proposal_lines(propose(path, sheets, "Asia/Shanghai"), sheets) if "隐藏" in line]
    assert said == ["  其中 1 行是隐藏的，也读"]
