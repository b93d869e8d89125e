"""What `map` says of a ledger before it is read."""

import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook

from features.language import UserError
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


def test_a_format_that_hides_its_hidden_rows_is_said(tmp_path: Path) -> None:
    rows = (["日期", "姓名", "住址", "诉求内容"], ["2025-03-05", "张三", "3-2-501", "想订助餐"])
    cells = [
        f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
        for row in rows
        for cell in row
    ]
    lines = [f"<table:table-row>{''.join(cells[at : at + 4])}</table:table-row>" for at in (0, 4)]
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    path = tmp_path / "诉求.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
        archive.writestr(
            "content.xml",
            f"<office:document-content {names}><office:body><office:spreadsheet>"
            f'<table:table table:name="一">{"".join(lines)}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
    sheets = read_ledger(path)
    (said,) = [
        line for line in proposal_lines(propose(path, sheets, "Asia/Shanghai"), sheets) if "隐藏" in line
    ]
    assert "诉求" in said and ".ods：这种格式看不出隐藏的行和划掉的格，都读了" in said


def test_a_quote_that_would_take_the_rows_below_into_one_cell_stops_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "诉求.csv"
    lines = ['工单1,2025-03-05,"想订助餐', "工单2,2025-03-06,想订助餐", '工单3,2025-03-06,想订助餐"']
    path.write_text("\n".join(["工单号,日期,诉求内容", *lines]), encoding="utf-8")
    with pytest.raises(UserError, match="第 2 行：引号没有配对"):
        read_ledger(path)
