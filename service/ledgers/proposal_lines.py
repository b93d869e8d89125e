"""Say how a ledger would be read: each column with its field, the reason, and samples without personal data."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from features.contract.workbook_cells import SHOW_MARKS, WORKBOOKS
from features.language import joined_names, say
from features.mapping.field_names import FIELDS
from features.mapping.ledger_sheets import LedgerSheet
from features.mapping.mapping_file import SHAPES, Layout
from features.mapping.propose import Column, Proposal
from features.masking.mask import mask_text

PERSONAL = ("person", "householder", "id_card", "phone", "worker")  # fields of which no sample is shown
SAMPLE = 18  # letters of a sample


def proposal_lines(proposal: Proposal, sheets: Sequence[LedgerSheet]) -> list[str]:
    """Write the proposal for a person to look at."""
    lines = [say(f"这类文件：{proposal.mapping.files}", f"files of this kind: {proposal.mapping.files}")]
    for layout, columns in zip(proposal.mapping.layouts, proposal.columns, strict=True):
        zh, en = SHAPES[layout.shape]
        used = [sheet for sheet in sheets if sheet.name in layout.sheets]
        rows = sum(len(sheet.rows) for sheet in used)
        names = joined_names(layout.sheets)
        lines.append(
            say(
                f"工作表 {names}：{zh}（{layout.shape}），表头在第 {used[0].header_line} 行，共 {rows} 行",
                f"sheets {names}: {en} ({layout.shape}), header in line {used[0].header_line}, {rows} rows",
            )
        )
        if hidden := sum(len(sheet.hidden) for sheet in used):
            lines.append(
                say(
                    f"  其中 {hidden} 行是隐藏的，也读", f"  {hidden} of them are hidden and are read as well"
                )
            )
        lines += [_column_line(column) for column in columns]
        lines += _whole_lines(layout)
    if proposal.mapping.unread_sheets:
        names = joined_names(proposal.mapping.unread_sheets)
        lines.append(say(f"不读的工作表：{names}", f"sheets that are not read: {names}"))
    return lines + unseen_marks([proposal.mapping.files])


def unseen_marks(files: Iterable[str]) -> list[str]:
    """Say of which workbooks hidden rows and struck cells cannot be seen, so that all of their rows are read."""
    blind = [file for file in files if Path(file).suffix.lower() in {*WORKBOOKS} - {*SHOW_MARKS}]
    names = joined_names(blind)
    return (
        [
            say(
                f"{names}：这种格式看不出隐藏的行和划掉的格，都读了；有的话请另存为 .xlsx",
                f"{names}: hidden rows and struck cells cannot be seen in this format and are read; save it as .xlsx"
                " where there are some",
            )
        ]
        if blind
        else []
    )


def _column_line(column: Column) -> str:
    samples = "" if column.field in PERSONAL else joined_names(map(_sample, column.content.samples[:2]))
    shown = say(f"，例：{samples}", f", for example {samples}") if samples else ""
    empty = "" if column.content.filled else say("，整列空", ", no cell filled")
    field = FIELDS[column.field].here
    return say(
        f"  {column.name} → {field}（{column.field}；{column.because}{empty}）{shown}",
        f"  {column.name} → {column.field} ({field}; {column.because}{empty}){shown}",
    )


def _sample(text: str) -> str:
    masked = mask_text(" ".join(text.split()))
    return masked if len(masked) <= SAMPLE else f"{masked[:SAMPLE]}…"


def _whole_lines(layout: Layout) -> list[str]:
    """Write what holds for whole columns and sheets."""
    lines = []
    if layout.carried_down:
        names = joined_names(layout.carried_down)
        lines.append(say(f"  空格照上一格：{names}", f"  blanks repeat the cell above: {names}"))
    if layout.day_of_month == "last":
        lines.append(
            say(
                "  没有日期列：按工作表所写月份的最后一天算",
                "  no column of days: rows count as of the last day of their sheet's month",
            )
        )
    if layout.valid_from:
        lines.append(
            say(f"  登记从 {layout.valid_from} 起算", f"  the register holds from {layout.valid_from}")
        )
    if layout.shape in ("persons", "households") and not layout.named("household_id"):
        lines.append(
            say(
                "  没有户编号：按户主和住址认户，编号由程序生成",
                "  no household id: a household is its householder and address; ids are made",
            )
        )
    return lines
