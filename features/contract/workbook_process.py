"""Read a workbook's cells in a process of its own, within bounds: a hostile file ends this process, not the command.

Run as a script by ``workbook_cells``; it imports nothing of this project. It prints a line of JSON for each sheet and
row, and ends with one of the exit codes below.
"""

import contextlib
import json
import re
import sys
import zipfile
from datetime import date, datetime, time, timedelta
from typing import Any
from xml.etree import ElementTree

NO_WORKBOOK, UNREADABLE, TOO_LARGE, LOCKED = 3, 4, 5, 6  # exit codes
MEMORY = 2 << 30  # bytes of address space: a sheet of a million rows and ten columns takes half of it
SECONDS = 300  # of processor time
UNPACKED = 2 << 30  # bytes that the parts of a workbook may have together
RATIO, SMALL = 300, 64 << 20  # times that a part larger than SMALL may be its packed size
CELLS = 20_000_000  # of one sheet, from A1 to the last row and column that hold something
BOOK, BOOK_PARTS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"  # sheets' names, and where each stands
HEAD = 1 << 16  # bytes of a sheet in which its dimension stands
PIECE = 1 << 22
WIDEST = 16_384  # columns of a sheet
_DIMENSION = re.compile(rb"""<(?:\w+:)?dimension\s[^>]*ref=["'](?:[A-Z]+\d+:)?([A-Z]+)(\d+)["']""")
# a formula without its result; an empty text is one
_NO_RESULT = re.compile(rb"""<c\s(?![^>]*t="str")[^>]*><f[^>]*>[^<]*</f>(?:<v\s*/>|<v></v>)?</c>""")
_HIDDEN = rb"""(?:\s[^>]*)?\shidden=["'](?:1|true)["']"""
_HIDDEN_ROW = re.compile(rb"<(?:\w+:)?row(?=" + _HIDDEN + rb""")[^>]*?\sr=["'](\d+)["']""")
_HIDDEN_COLUMNS = re.compile(rb"<(?:\w+:)?col(?=" + _HIDDEN + rb""")[^>]*>""")
_SPAN = re.compile(rb"""\s(min|max)=["'](\d+)["']""")
_EPOCH_1904 = re.compile(rb"""<(?:\w+:)?workbookPr\s[^>]*date1904=["'](?:1|true)["']""")
_FILLED = re.compile(rb"""<(?:\w+:)?c\s(?:[^>]*?\s)?r=["']([A-Z]{1,3})(\d{1,7})["'](?:[^>]*[^/])?>""")


def main(path: str) -> int:
    """Print the cells of a workbook and return the exit code."""
    _bound()
    if zipfile.is_zipfile(path) and (reason := too_large(path)):
        return _end(TOO_LARGE, reason)
    try:
        return _print_sheets(path)
    except MemoryError:
        return TOO_LARGE
    except OSError as error:
        return _end(UNREADABLE, error.strerror or str(error))
    except Exception as error:  # the reader has many kinds of its own for files that are no workbooks
        return _end(LOCKED if "assword" in type(error).__name__ else NO_WORKBOOK, str(error))


def _bound() -> None:
    """Limit memory and processor time, where the system can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def too_large(path: str) -> str:
    """Return why a workbook is too large to be read, by its directory and its sheets' cells; "" where it is not."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if sum(part.file_size for part in parts) > UNPACKED:
            return "unpacked"
        if any(part.file_size > max(SMALL, RATIO * part.compress_size) for part in parts):
            return "unpacked"
        for part in parts:
            if re.fullmatch(r"xl/worksheets/[^/]+\.xml", part.filename):
                with archive.open(part) as sheet:
                    head = sheet.read(HEAD)
                    said = _DIMENSION.search(head)
                    if said is None or _area(*said.groups()) > CELLS:
                        column, row = _last_filled(head, sheet)
                        if _area(column, row) > CELLS:
                            return (column + row).decode()
    return ""


def _area(column: bytes, row: bytes) -> int:
    return _number(column) * int(row)


def _number(column: bytes) -> int:
    number = 0
    for letter in column:
        number = 26 * number + letter - ord("A") + 1
    return number


def _last_filled(head: bytes, sheet: Any) -> tuple[bytes, bytes]:
    """Find the last column and row that hold a value; formatted cells without a value do not count."""
    column, row = b"A", b"1"
    piece = head
    while piece:
        for letters, digits in _FILLED.findall(piece):
            if len(letters) > len(column) or (len(letters) == len(column) and letters > column):
                column = letters
            if int(digits) > int(row):
                row = digits
        rest = piece[piece.rfind(b"<") :]
        more = sheet.read(PIECE)
        piece = rest + more if more else b""
    return column, row


def _print_sheets(path: str) -> int:
    from python_calamine import CalamineWorkbook, SheetVisibleEnum

    struck, formulas, hidden = struck_rows(path), uncomputed(path), hidden_parts(path)
    since_1904 = counts_from_1904(path)
    with CalamineWorkbook.from_path(path) as workbook:
        shown = {sheet.name: sheet.visible == SheetVisibleEnum.Visible for sheet in workbook.sheets_metadata}
        for name in workbook.sheet_names:
            sheet = workbook.get_sheet_by_name(name)
            (_, left), (bottom, right) = sheet.start or (0, 0), sheet.end or (-1, -1)
            if (bottom + 1) * (right + 1) > CELLS:
                return _end(TOO_LARGE, name)
            merged = sheet.merged_cell_ranges or []
            rows, columns = hidden.get(name, ([], []))
            about = {"visible": shown.get(name, True), "merged": merged, "struck": struck.get(name, [])}
            about |= {"hidden_rows": rows, "hidden_columns": columns, "since_1904": since_1904}
            _print({"name": name, **about, "rows": bottom + 1})
            before = [""] * left
            for number, row in enumerate(sheet.iter_rows() if sheet.start else ()):
                bare = formulas.get((name, number), {})
                _print(
                    [bare.get(at, value) for at, value in enumerate(before + row)] if bare else before + row
                )
    return 0


def struck_rows(path: str) -> dict[str, list[int]]:
    """Find the rows, from 0 on, with a cell that is struck through, as people cancel a row by hand, by sheet.

    Only workbooks of the kind .xlsx tell it; one without such a font is not read for it.
    """
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        if "xl/styles.xml" not in archive.namelist() or b"<strike" not in archive.read("xl/styles.xml"):
            return {}
    from openpyxl import load_workbook

    return {
        sheet.title: [
            number
            for number, row in enumerate(sheet.iter_rows(min_row=1))
            if any(cell.value not in (None, "") and cell.font.strike for cell in row)
        ]
        for sheet in load_workbook(path, read_only=True).worksheets
    }


def hidden_parts(path: str) -> dict[str, tuple[list[int], list[int]]]:
    """Find the rows and columns, from 0 on, that are hidden, as by a filter, by sheet. Only .xlsx and .xlsm tell it."""
    if not zipfile.is_zipfile(path):
        return {}
    found = {}
    with zipfile.ZipFile(path) as archive:
        for name, part in _sheet_parts(archive).items():
            rows, columns = set(), set()
            with archive.open(part) as sheet:
                rest = b""
                while piece := sheet.read(PIECE):
                    text = rest + piece
                    rows |= {int(row) - 1 for row in _HIDDEN_ROW.findall(text)}
                    for column in _HIDDEN_COLUMNS.findall(text):
                        ends = {end: int(number) for end, number in _SPAN.findall(column)}
                        columns |= {*range(ends.get(b"min", 1) - 1, min(ends.get(b"max", 0), WIDEST))}
                    rest = text[text.rfind(b"<") :]
            if rows or columns:
                found[name] = sorted(rows), sorted(columns)
    return found


def _sheet_parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the part of a workbook in which each sheet stands, by the sheet's name."""
    names = {*archive.namelist()}
    if not {BOOK, BOOK_PARTS} <= names:
        return {}
    targets = {
        part.get("Id"): part.get("Target", "").removeprefix("/").removeprefix("xl/")
        for part in ElementTree.fromstring(archive.read(BOOK_PARTS))
    }
    sheets = ElementTree.fromstring(archive.read(BOOK)).iterfind(".//{*}sheets/{*}sheet")
    parts = {
        sheet.get("name", ""): targets.get(
            next((sheet.get(key) for key in sheet.attrib if key.endswith("}id")), "")
        )
        for sheet in sheets
    }
    return {name: f"xl/{part}" for name, part in parts.items() if f"xl/{part}" in names}


def counts_from_1904(path: str) -> bool:
    """Whether day numbers of a workbook count from 1904, as old Excel for Mac did it, and not from 1900."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        if BOOK not in archive.namelist():
            return False
        with archive.open(BOOK) as book:
            return bool(_EPOCH_1904.search(book.read(HEAD)))


def uncomputed(path: str) -> dict[tuple[str, int], dict[int, str]]:
    """Find the formulas of which the file holds no result, as where a program wrote it: by sheet and row, by column."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        sheets = [name for name in archive.namelist() if re.fullmatch(r"xl/worksheets/[^/]+\.xml", name)]
        if not any(_has_no_result(archive, name) for name in sheets):
            return {}
    from openpyxl import load_workbook

    written, computed = (
        load_workbook(path, read_only=True, data_only=only).worksheets for only in (False, True)
    )
    found: dict[tuple[str, int], dict[int, str]] = {}
    for sheet, results in zip(written, computed, strict=True):
        for number, (row, values) in enumerate(zip(sheet.iter_rows(), results.iter_rows(), strict=True)):
            cells = {
                at: str(cell.value)
                for at, (cell, result) in enumerate(zip(row, values, strict=True))
                if cell.data_type == "f" and result.value is None
            }
            if cells:
                found[(sheet.title, number)] = cells
    return found


def _has_no_result(archive: zipfile.ZipFile, name: str) -> bool:
    with archive.open(name) as sheet:
        rest = b""
        while piece := sheet.read(PIECE):
            if _NO_RESULT.search(rest + piece):
                return True
            rest = piece[-HEAD:]
    return False


def _print(value: Any) -> None:
    print(json.dumps(value, default=_tagged, ensure_ascii=False, separators=(",", ":")))


def _tagged(value: Any) -> dict[str, Any]:
    if isinstance(value, datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, time):
        return {"time": value.isoformat()}
    if isinstance(value, timedelta):
        return {"seconds": value.total_seconds()}
    return {"text": str(value)}


def _end(code: int, reason: str) -> int:
    print(reason, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stderr.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.exit(main(sys.argv[1]))
