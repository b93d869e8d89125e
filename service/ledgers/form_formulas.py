"""What becomes of the formulas of a form that is filled in: they follow rows that move, and none reaches another file."""

import re
from collections.abc import Iterator
from typing import Any

from openpyxl.formula import Tokenizer
from openpyxl.formula.tokenizer import Token, TokenizerError
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from features.language import joined_names, say

# functions that send cells to another place, fetch from it, or run a program
_REACHING = frozenset(
    """
    CALL DDE DDEINIT EXEC FOPEN HYPERLINK IMAGE IMPORTDATA IMPORTFEED IMPORTHTML IMPORTRANGE IMPORTXML REGISTER
    REGISTER.ID RTD SQL.REQUEST WEBSERVICE
    """.split()
)
_ELSEWHERE = re.compile(r"\].*!|\||://")  # in a reference: another file's sheet, or a program's data
_CELLS = re.compile(r"(\$?[A-Z]{1,3}\$?)(\d{1,7})(?::(\$?[A-Z]{1,3}\$?)(\d{1,7}))?$")
_ROWS = re.compile(r"(\$?)(\d{1,7}):(\$?)(\d{1,7})$")
MOST_SHOWN = 8  # cells in a line


def without_outside(book: Workbook, values: dict[str, list[list[Any]]]) -> list[str]:
    """Put values in the place of formulas that reach another file, a program or the network, and say where they stood.

    With residents' data beside them they would send it, or show what stands elsewhere.

    book: the form; its links to other files and the names that stand for such formulas are taken out too.
    values: of each sheet, what its cells showed, row by row; a formula without a result leaves an empty cell.
    """
    names = frozenset(_forget_names(book))
    lines = []
    for page in book.worksheets:
        places = []
        for cell, text in _formulas(page):
            if _reaches(text, names):
                places.append(cell.coordinate)
                cell.value = _shown(values.get(page.title, []), cell.row, cell.column)
                cell.data_type = "s" if isinstance(cell.value, str) else cell.data_type
        rules = page.data_validations.dataValidation
        kept = [rule for rule in rules if not _any_reaches((rule.formula1, rule.formula2), names)]
        page.data_validations.dataValidation = kept
        for area in list(page.conditional_formatting):
            if any(_any_reaches(rule.formula, names) for rule in area.rules):
                del page.conditional_formatting[str(area.sqref)]
        if places:
            lines.append(_told(page.title, places))
    if book._external_links:
        book._external_links = []
        lines.append(say("表格里到别的文件的链接已去掉", "the form's links to other files were taken out"))
    return lines


def follow_rows(page: Worksheet, line: int, count: int) -> None:
    """Let all formulas of the workbook follow the rows of a sheet from a line on, which moved down by some rows.

    A range that ends just above the line takes in the new rows, as a sum below the form's blank rows should.
    """
    for other in page.parent.worksheets:
        for cell, text in _formulas(other):
            moved = _followed(text, page.title, other is page, line, count)
            if hasattr(cell.value, "text"):
                cell.value.text = moved
                cell.value.ref = _moved(cell.value.ref, line, count) if other is page else cell.value.ref
            elif moved != text:
                cell.value = moved
    if page.print_area:
        areas = [area.split("!")[-1] for area in str(page.print_area).split(",")]
        page.print_area = ",".join(_moved(area, line, count) for area in areas)


def _told(title: str, places: list[str]) -> str:
    shown = joined_names(places[:MOST_SHOWN]) + ("…" if len(places) > MOST_SHOWN else "")
    return say(
        f"工作表 {title} 的 {shown}：公式要用到别的文件、程序或网络，已换成原来的值",
        f"sheet {title}, {shown}: formulas that reach other files, programs or the network were replaced by their values",
    )


def _formulas(page: Worksheet) -> Iterator[tuple[Any, str]]:
    """Yield the cells of a sheet that hold a formula, with its text."""
    for cell in list(page._cells.values()):
        if cell.data_type == "f":
            yield cell, str(getattr(cell.value, "text", None) or cell.value)


def _forget_names(book: Workbook) -> Iterator[str]:
    """Take out the names whose formulas reach outside, and yield them."""
    for names in (book.defined_names, *(page.defined_names for page in book.worksheets)):
        for name in [name for name, said in names.items() if _reaches(f"={said.value}")]:
            del names[name]
            yield name.lower()


def _any_reaches(formulas: Any, names: frozenset[str]) -> bool:
    return any(_reaches(f"={formula}", names) for formula in formulas if formula)


def _reaches(formula: str, names: frozenset[str] = frozenset()) -> bool:
    """Whether a formula reaches outside; one that cannot be read does.

    >>> _reaches("=SUM([1]Sheet1!A1)"), _reaches('=_xlfn.WEBSERVICE("http://x/"&B4)'), _reaches("=cmd|'/c calc'!A0")
    (True, True, True)
    >>> _reaches("=SUM(Table1[amount])*Sheet2!B3"), _reaches('=IF(A1="a|b","[x]!","")')
    (False, False)
    """
    try:
        tokens = Tokenizer(formula).items
    except (TokenizerError, IndexError):
        return True
    return any(_token_reaches(token, names) for token in tokens)


def _token_reaches(token: Token, names: frozenset[str]) -> bool:
    if token.type == Token.FUNC:
        return token.value.rstrip("(").upper().split("_XLFN.")[-1].strip() in _REACHING
    if token.type == Token.OPERAND and token.subtype == Token.RANGE:
        return bool(_ELSEWHERE.search(token.value)) or token.value.lower() in names
    return False


def _shown(rows: list[list[Any]], line: int, column: int) -> Any:
    """Return what a cell showed; None for one of which the file holds no result."""
    value = rows[line - 1][column - 1] if line <= len(rows) and column <= len(rows[line - 1]) else ""
    return None if value == "" or (isinstance(value, str) and value.startswith("=")) else value


def _followed(formula: str, title: str, here: bool, line: int, count: int) -> str:
    """Write a formula with its references to a sheet's rows moved; ``here``: whether it stands on this sheet."""
    try:
        tokens = Tokenizer(formula)
    except (TokenizerError, IndexError):
        return formula
    for token in tokens.items:
        if token.type == Token.OPERAND and token.subtype == Token.RANGE:
            sheet, mark, area = token.value.rpartition("!")
            if sheet.strip("'").replace("''", "'") == title if mark else here:
                token.value = sheet + mark + _moved(area, line, count)
    return tokens.render()


def _moved(area: str, line: int, count: int) -> str:
    """Move the rows of one reference.

    >>> _moved("D4:D5", 6, 2), _moved("D4:D4", 6, 2), _moved("$D$7", 6, 2), _moved("4:5", 6, 2), _moved("A:A", 6, 2)
    ('D4:D7', 'D4:D4', '$D$9', '4:7', 'A:A')
    """
    cells, rows = _CELLS.match(area), _ROWS.match(area)
    if not cells and not rows:
        return area
    left, first, right, last = (cells or rows).groups()  # type: ignore[union-attr]
    begin = int(first) + (count if int(first) >= line else 0)
    if last is None:
        return f"{left}{begin}"
    end = int(last) + (count if int(last) >= line or int(last) == line - 1 else 0)
    return f"{left}{begin}:{right}{end}"
