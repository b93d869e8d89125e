"""Read a ledger as it comes: each sheet's table, the title above it, a header of one or two lines, and rows."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from features.alphabet import is_plain_name, shown
from features.contract.workbook_cells import WORKBOOKS, SheetCells, days_since_1900, read_sheets
from features.contract.workbook_process import CELLS
from features.ingest.csv_reader import as_utf8, joins_rows
from features.language import UserError
from features.mapping.chat import COLUMNS, messages_of
from features.mapping.column_content import DOOR, ID_CARD, PHONE
from features.mapping.field_names import field_named, plain_name
from features.mapping.note_rows import FEWEST, is_note, repeats_header

TEXTS = (".csv", ".tsv", ".txt")
HEADER_WITHIN = 20  # rows among which a header is looked for: titles and instructions may stand above it
HEADING = 24  # letters that a heading may have
WIDEST = 16_384  # columns, of which a workbook can have as many
FEW_ROWS = 3  # in which the cells of a sheet without a header are counted
DAYS = (
    "happened_at",
    "deadline",
    "resolved_at",
    "birth",
    "valid_from",
    "valid_until",
)  # fields that tell a day
NO_ANSWER = ("(空)", "（空）", "(跳过)", "（跳过）", "〔空〕")
DELIMITERS = ",\t;|，"

Cell = Any  # str, float, bool, datetime, date, time, timedelta
_HELD = {
    "happened_at": re.compile(r"\d\s*[月./-]\s*\d"),
    "address": DOOR,
    "phone": PHONE,
    "id_card": ID_CARD,
}


@dataclass(frozen=True)
class LedgerSheet:
    """One sheet's table.

    ``title``: the texts above the header. ``names``: the header, one name for each column, none twice, "" where there is
    none. ``rows``: the cells of each row that holds something; ``lines``: where each stands in the file, from 1 on.
    ``notes``: which rows are notes, sums or section titles instead of records; ``struck``: which have a struck cell;
    ``hidden``: which are hidden, as by a filter. ``comments``: on cells, each with its line.
    """

    name: str
    title: str
    names: tuple[str, ...]
    rows: list[list[Cell]]
    lines: list[int]
    notes: frozenset[int]
    header_line: int
    visible: bool = True
    struck: frozenset[int] = frozenset()
    hidden: frozenset[int] = frozenset()
    comments: tuple[tuple[int, str], ...] = ()


def read_ledger(path: Path) -> list[LedgerSheet]:
    """Read the tables of a workbook or text file; last, without names, sheets that hold something else.

    Raises UserError when the file is not there, cannot be read, or holds no table.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise UserError(f"{path}：没有这个文件", f"{path}: no such file")
    if not is_plain_name(path.name):
        name = path.with_name(" ".join(shown(path.name).split()))
        raise UserError(
            f"{name}：文件名里有看不见的字符或换行，请改名",
            f"{name}: its name has characters that do not show, or several lines; give it another",
        )
    if suffix in WORKBOOKS:
        cells = list(read_sheets(path))
    elif suffix in TEXTS:
        cells = [_read_text(path)]
    else:
        raise UserError(
            f"{path}：读不了这种文件，请另存为 .xlsx 或 .csv",
            f"{path}: such a file cannot be read; save it as .xlsx or .csv",
        )
    sheets: list[LedgerSheet] = []
    others: list[LedgerSheet] = []
    for part in (part for sheet in cells for part in _side_by_side(sheet)):
        table = sheet_table(part)
        if sheets and (table is None or _known_names(table) < FEWEST):
            table = _continued(part, sheets[-1]) or table
        (sheets if table else others).append(table or _without_table(part))
    if not sheets:
        raise UserError(
            f"{path}：没有找到表头（至少两列、列名在前 {HEADER_WITHIN} 行内）",
            f"{path}: no header found (at least two columns, within the first {HEADER_WITHIN} rows)",
        )
    return [*sheets, *(sheet for sheet in others if sheet.rows)]


def _without_table(sheet: SheetCells) -> LedgerSheet:
    """Keep the rows of a sheet without a table, as notes."""
    filled = [(number + 1, row) for number, row in enumerate(sheet.rows) if any(cell != "" for cell in row)]
    rows = [[_tidy(value) for value in row] for _, row in filled]
    notes = frozenset(range(len(rows)))
    lines, comments = [line for line, _ in filled], _comments(sheet)
    return LedgerSheet(sheet.name, "", (), rows, lines, notes, 0, sheet.visible, comments=comments)


def _comments(sheet: SheetCells) -> tuple[tuple[int, str], ...]:
    return tuple((row + 1, said) for row, said in sheet.comments)


def _read_text(path: Path) -> SheetCells:
    """Read a text file of rows as one sheet; an empty row keeps its place."""
    content, _, _ = as_utf8(path.read_bytes(), path)
    # a line's end as one program wrote it and another wrote it again
    text = re.sub(r"\r*\n|\r", "\n", content.decode("utf-8", "replace"))
    if messages_of(texts := [line.strip() for line in text.splitlines()]):
        return SheetCells(path.stem, True, [[line] for line in texts], [])
    head = "\n".join(text.splitlines()[:HEADER_WITHIN])
    delimiter = max(DELIMITERS, key=head.count)
    rows: list[list[Any]] = []
    reader, lines = csv.reader(io.StringIO(text), delimiter=delimiter), text.split("\n")
    try:
        for row in reader:
            if joins_rows(lines[len(rows) : reader.line_num], len(row), delimiter):
                raise UserError(
                    f"{path} 第 {len(rows) + 1} 行：引号没有配对，把后面的行也读进了一格，请改正",
                    f"{path} line {len(rows) + 1}: a quote without its counterpart takes the rows below into one cell;"
                    " mend it",
                )
            # a text with line breaks takes several lines; the row stands on its last one
            rows += [[] for _ in range(reader.line_num - len(rows) - 1)]
            rows.append(row)
    except csv.Error as error:
        place = len(rows) + 1
        raise UserError(
            f"{path} 第 {place} 行：有一格太长，多半是引号没有配对，请改正",
            f"{path} line {place}: a cell is too long, perhaps for a quote without its counterpart; mend it",
        ) from error
    width = max(map(len, rows), default=0)
    if width > WIDEST or width * len(rows) > CELLS:
        place = [len(row) for row in rows].index(width) + 1
        raise UserError(
            f"{path} 第 {place} 行：{width:,} 列，超过 {WIDEST:,} 列或整张表超过 {CELLS:,} 格，读不了，请删去多余的列",
            f"{path} line {place}: {width:,} columns are more than {WIDEST:,}, or make more than {CELLS:,} cells;"
            " take out those not needed",
        )
    return SheetCells(path.stem, True, [row + [""] * (width - len(row)) for row in rows], [])


def _known_names(table: LedgerSheet) -> int:
    return sum(field_named(name) is not None for name in table.names if name)


def _continued(sheet: SheetCells, before: LedgerSheet) -> LedgerSheet | None:
    """Read a sheet without a header of its own by that of the sheet before; None where its rows do not fit."""
    named = sum(1 for name in before.names if name)
    filled = max((sum(value != "" for value in row) for row in sheet.rows[:FEW_ROWS]), default=0)
    width = max((at + 1 for row in sheet.rows for at, value in enumerate(row) if value != ""), default=0)
    if _known_names(before) <= FEWEST or width > len(before.names) or filled < max(FEWEST + 1, 0.6 * named):
        return None
    if not any(
        _looks_alike(name, row[at]) for row in sheet.rows[:FEW_ROWS] for at, name in _placed(before, row)
    ):
        return None
    head = [*before.names, *[""] * max(0, max(map(len, sheet.rows)) - len(before.names))]
    merged = [((top + 1, left), (bottom + 1, right)) for (top, left), (bottom, right) in sheet.merged]
    struck, hidden = (frozenset(row + 1 for row in rows) for rows in (sheet.struck, sheet.hidden_rows))
    moved = replace(sheet, rows=[head, *sheet.rows], merged=merged, struck=struck, hidden_rows=hidden)
    table = sheet_table(moved)
    if table is None or table.header_line != 1:
        return None
    return replace(table, lines=[line - 1 for line in table.lines], comments=_comments(sheet))


def _placed(table: LedgerSheet, row: Sequence[Cell]) -> list[tuple[int, str]]:
    return [(at, name) for at, name in enumerate(table.names) if name and at < len(row)]


def _looks_alike(name: str, value: Cell) -> bool:
    """Whether a cell holds what its column is named for: a day, a door, a telephone or an identity card."""
    field = field_named(name)
    pattern = _HELD.get(field[0]) if field else None
    return pattern is not None and bool(pattern.search(str(value)))


def _side_by_side(sheet: SheetCells) -> list[SheetCells]:
    """Cut a sheet between tables that stand side by side: an empty column, and names to its right that stand left too."""
    cells = [[_tidy(value) for value in row] for row in sheet.rows]
    head = _header_row(cells)
    width = max(map(len, cells), default=0)
    if head is None:
        return [sheet]
    below = [row + [""] * (width - len(row)) for row in cells[head:]]
    empty = [all(row[at] == "" for row in below) for at in range(width)]
    starts = [at for at in range(width) if not empty[at] and (at == 0 or empty[at - 1])]
    blocks = [range(start, end) for start, end in zip(starts, [*starts[1:], width], strict=True)]
    names = [{plain_name(str(below[0][at])) for at in block if below[0][at] != ""} for block in blocks]
    if (
        len(blocks) < 2
        or any(len(found) < FEWEST for found in names)
        or not names[0].intersection(*names[1:])
    ):
        return [sheet]
    return [_block(sheet, block, number) for number, block in enumerate(blocks, 1)]


def _block(sheet: SheetCells, block: range, number: int) -> SheetCells:
    """Return some columns of a sheet as a sheet of its own, whose rows stand where they stood."""
    merged = [
        ((top, left - block.start), (bottom, min(right, block.stop - 1) - block.start))
        for (top, left), (bottom, right) in sheet.merged
        if left in block
    ]
    rows = [row[block.start : block.stop] for row in sheet.rows]
    name = sheet.name if number == 1 else f"{sheet.name}·{number}"
    comments = sheet.comments if number == 1 else ()
    return replace(sheet, name=name, rows=rows, merged=merged, comments=comments)


def sheet_table(sheet: SheetCells) -> LedgerSheet | None:
    """Find the table of a sheet; None where it has none."""
    cells = [[_tidy(value) for value in row] for row in sheet.rows]
    head = _header_row(cells)
    if head is None:
        return _chat(sheet, cells)
    last = _header_end(sheet, cells, head)
    names = _unique(_header_names(sheet, cells, head, last))
    _fill_merged(sheet, cells, last)
    title = " ".join(dict.fromkeys(str(cell) for row in cells[:head] for cell in row if cell != ""))
    rows: list[Any] = []
    lines: list[int] = []
    notes: set[Any] = set()
    for number in range(last + 1, len(cells)):
        row = cells[number]
        if all(value == "" for value in row) or repeats_header(row, names):
            continue
        if is_note(row, names):
            notes.add(len(rows))
        rows.append(row)
        lines.append(number + 1)
    if sheet.since_1904:
        fields = {at: field_named(name) for at, name in enumerate(names) if name}
        days_since_1900(rows, [at for at, field in fields.items() if field and field[0] in DAYS])
    struck, hidden = (
        frozenset(at for at, line in enumerate(lines) if line - 1 in marked)
        for marked in (sheet.struck, sheet.hidden_rows)
    )
    table = LedgerSheet(sheet.name, title, names, rows, lines, frozenset(notes), head + 1, sheet.visible)
    return replace(table, struck=struck, hidden=hidden, comments=_comments(sheet))


def _chat(sheet: SheetCells, cells: Sequence[Sequence[Cell]]) -> LedgerSheet | None:
    """Read a sheet without a header, of one column, as a copied chat; None where it is none."""
    if any(sum(value != "" for value in row) > 1 for row in cells):
        return None
    found = messages_of([next((str(value) for value in row if value != ""), "") for row in cells])
    if not found:
        return None
    title, rows, lines = found
    return LedgerSheet(sheet.name, title, COLUMNS, [*rows], lines, frozenset(), lines[0], sheet.visible)


def _tidy(value: Cell) -> Cell:
    """Strip a cell's text of blanks and characters that do not show; questionnaires write (空) for no answer."""
    if not isinstance(value, str):
        return value
    text = re.sub(r'^="([^"]*)"$', r"\1", shown(value).strip()).lstrip("'")
    return "" if text in NO_ANSWER else text


def _header_row(cells: Sequence[Sequence[Cell]]) -> int | None:
    """Find the row that names the columns: the one with most known names, or the first of several short texts."""
    best, most = None, 0.0
    for number, row in enumerate(cells[:HEADER_WITHIN]):
        filled = [value for value in row if value != ""]
        short = [value for value in filled if isinstance(value, str) and len(value) <= HEADING]
        texts = {*short}
        if len(texts) < FEWEST or len(short) < 0.8 * len(filled):
            continue
        fields = [field_named(text) for text in texts]
        score = sum(1.0 if field and field[1] else 0.6 if field else 0.0 for field in fields) + 0.01 * len(
            texts
        )
        if score > most + 0.05:
            best, most = number, score
    return best


def _header_end(sheet: SheetCells, cells: Sequence[Sequence[Cell]], head: int) -> int:
    """Return the last row of the header that begins at ``head``: the next one where it names parts of a column."""
    below = head + 1
    if below >= len(cells):
        return head
    spans = [
        (left, right)
        for (top, left), (bottom, right) in sheet.merged
        if top == head == bottom and right > left
    ]
    parts = [
        value
        for left, right in spans
        for value in cells[below][left : right + 1]
        if isinstance(value, str) and value and len(value) <= HEADING
    ]
    tall = any(top == head and bottom > head for (top, _), (bottom, _) in sheet.merged)
    row = cells[below]
    only_parts = all(
        value == "" or any(left <= at <= right for left, right in spans) for at, value in enumerate(row)
    )
    if len(parts) > 1 and (tall or only_parts):
        return below
    # without merged cells (a CSV): texts only, all in columns that have no name above
    filled = [at for at, value in enumerate(row) if value != ""]
    named = bool(filled) and all(isinstance(row[at], str) and len(row[at]) <= HEADING for at in filled)
    unnamed = [at for at in filled if at < len(cells[head]) and cells[head][at] == ""]
    known = sum(field_named(str(row[at])) is not None for at in filled)
    return below if named and unnamed and known and len(filled) - len(unnamed) <= len(unnamed) + 1 else head


def _header_names(sheet: SheetCells, cells: Sequence[Sequence[Cell]], head: int, last: int) -> list[str]:
    """Name each column: what stands lowest in the header; a blank takes what is merged over it, or stands above."""
    width = max(len(row) for row in cells)
    names = [_name(cells[head], at) for at in range(width)]
    if last > head:
        upper = names
        for (top, left), (bottom, right) in sheet.merged:
            if top == head == bottom:
                upper = [names[left] if left <= at <= right else name for at, name in enumerate(upper)]
        if not any(top == head == bottom for (top, _), (bottom, _) in sheet.merged):
            upper = _carried(upper, cells[last])
        lower = [_name(cells[last], at) for at in range(width)]
        names = [_joined(above, below) for above, below in zip(upper, lower, strict=True)]
    elif head > 0 and any(not name for name in names):
        # the row with the known names is the lower one of two
        above = cells[head - 1]
        filled = sum(value != "" for value in above)
        if filled > 1:
            names = [name or _name(above, at) for at, name in enumerate(names)]
    return names


def _name(row: Sequence[Cell], at: int) -> str:
    value = row[at] if at < len(row) else ""
    return re.sub(r"\s+", "", str(value))


def _carried(names: list[str], below: Sequence[Cell]) -> list[str]:
    """Carry a name over the blanks to its right that the row below names, as where merged cells were lost."""
    carried, last = [], ""
    for at, name in enumerate(names):
        last = name or (last if at < len(below) and below[at] != "" else "")
        carried.append(name or last)
    return carried


def _joined(above: str, below: str) -> str:
    """Join the two lines of a column's name: the lower one where it says enough.

    >>> _joined("诉求信息", "内容"), _joined("姓名", ""), _joined("诉求", "时间"), _joined("户主", "电话")
    ('诉求信息/内容', '姓名', '诉求/时间', '户主/电话')
    """
    return below if not above or above == below else above if not below else f"{above}/{below}"


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    """Number names that stand twice.

    >>> _unique(["电话", "电话", ""])
    ('电话', '电话.2', '')
    """
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        if name:
            seen[name] = seen.get(name, 0) + 1
        unique.append(f"{name}.{seen[name]}" if name and seen[name] > 1 else name)
    return tuple(unique)


def _fill_merged(sheet: SheetCells, cells: list[list[Cell]], last: int) -> None:
    """Write the value of cells merged downwards below the header into each of their rows."""
    filled: dict[
        int, int
    ] = {}  # last row by column: no program writes ranges that overlap, and a hostile file may
    for (top, left), (bottom, right) in sorted(sheet.merged):
        if bottom > top > max(last, filled.get(left, 0)) and left == right:
            filled[left] = bottom
            for row in cells[top + 1 : bottom + 1]:
                if left < len(row):
                    row[left] = cells[top][left]
