"""Read a workbook's cells in a process of its own, within bounds: a hostile file ends this process, not the command.

Run as a script by ``workbook_cells``; it imports nothing of this project. It prints a line of JSON for each sheet and
row, and ends with one of the exit codes below.
"""

import contextlib
import html
import json
import posixpath
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import IO, Any
from xml.etree import ElementTree

NO_WORKBOOK, UNREADABLE, TOO_LARGE, LOCKED = 3, 4, 5, 6  # exit codes
MEMORY = 2 << 30  # bytes of address space: a sheet of a million rows and ten columns takes half of it
SECONDS = 300  # of processor time
UNPACKED = 2 << 30  # bytes that the parts of a workbook may have together
RATIO, SMALL = 300, 64 << 20  # times that a part larger than SMALL may be its packed size
CELLS = 20_000_000  # of one sheet, from A1 to the last row and column that hold something
BOOK, BOOK_PARTS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"  # sheets' names, and where each stands
STYLES = "xl/styles.xml"
MOST_OF_ROW = 64 << 20  # bytes that a row may have to be looked at as a whole
HEAD = 1 << 16  # bytes of a sheet in which its dimension stands
PIECE = 1 << 22
WIDEST = 16_384  # columns of a sheet
_DIMENSION = re.compile(rb"""<(?:\w+:)?dimension\s[^>]*ref=["'](?:[A-Z]+\d+:)?([A-Z]+)(\d+)["']""")
# a formula without its result; an empty text is one
_NO_RESULT = re.compile(
    rb"""<(?:\w+:)?c\s(?![^>]*t="str")([^>]*)><(?:\w+:)?f(?:[^>]*/>|[^>]*>([^<]*)</(?:\w+:)?f>)"""
    rb"""(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?</(?:\w+:)?c>"""
)
# a cell with a style that holds something
_STYLED = re.compile(rb"""<(?:\w+:)?c\s([^>]*?\bs=["']\d+["'][^>]*)(?<!/)><(?!/)""")
_STYLE = re.compile(rb"""\bs=["'](\d+)["']""")
_DIGITS = re.compile(
    r"""(?:"([^"]*)"|\\(.))?(0(0*))(?:;@|;;;@)?"""
)  # a format of numbers that fills up with zeros
_PLACE = re.compile(rb"""\br=["']([A-Z]{1,3})(\d{1,7})["']""")
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
                    dimension = _DIMENSION.search(head)
                    if dimension is None or _area(*dimension.groups()) > CELLS:
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

    marks = marks_of(path)
    since_1904 = counts_from_1904(path)
    with CalamineWorkbook.from_path(path) as workbook:
        shown = {sheet.name: sheet.visible == SheetVisibleEnum.Visible for sheet in workbook.sheets_metadata}
        for name in workbook.sheet_names:
            sheet = workbook.get_sheet_by_name(name)
            (_, left), (bottom, right) = sheet.start or (0, 0), sheet.end or (-1, -1)
            if (bottom + 1) * (right + 1) > CELLS:
                return _end(TOO_LARGE, name)
            merged = sheet.merged_cell_ranges or []
            told = marks.get(name, Marks())
            about = {"visible": shown.get(name, True), "merged": merged, "struck": sorted(told.struck)}
            about |= {"hidden_rows": sorted(told.hidden_rows), "hidden_columns": sorted(told.hidden_columns)}
            about |= {"since_1904": since_1904, "comments": sorted(told.comments.items())}
            _print({"name": name, **about, "rows": bottom + 1})
            before = [""] * left
            for number, row in enumerate(sheet.iter_rows() if sheet.start else ()):
                _print(told.shown(number, before + row))
    return 0


@dataclass
class Marks:
    """What a sheet's part tells beside the values, rows and columns from 0 on: the rows and columns that are hidden, the
    rows with a cell that is struck through, formulas without a result by row and column, what stands before a number and
    how many digits it shows by row and column, and comments by row.
    """

    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    struck: set[int] = field(default_factory=set)
    formulas: dict[int, dict[int, str]] = field(default_factory=dict)
    digits: dict[int, dict[int, tuple[str, int]]] = field(default_factory=dict)
    comments: dict[int, str] = field(default_factory=dict)

    def shown(self, number: int, row: list[Any]) -> list[Any]:
        """Return a row's cells as people see them: formulas without a result, and numbers with their leading zeros."""
        formulas, digits = self.formulas.get(number, {}), self.digits.get(number, {})
        cells = [formulas.get(at, value) for at, value in enumerate(row)] if formulas else row
        for at, (before, width) in digits.items():
            if at < len(cells) and type(cells[at]) in (int, float) and 0 <= cells[at] == int(cells[at]):
                cells[at] = f"{before}{int(cells[at]):0{width}d}"
        return cells


def marks_of(path: str) -> dict[str, Marks]:
    """Read the marks of every sheet, by its name, unpacking each part once. Only .xlsx and .xlsm tell them."""
    if not zipfile.is_zipfile(path):
        return {}
    with zipfile.ZipFile(path) as archive:
        parts = _sheet_parts(archive)
        styles = Styles.of(archive) if parts else Styles()
        found = {}
        for name, part in parts.items():
            found[name] = marks = Marks(comments=_comments(archive, part))
            with archive.open(part) as sheet:
                for rows in _whole_rows(sheet):
                    _mark(marks, rows, styles)
        return found


def _whole_rows(sheet: IO[bytes]) -> Iterator[bytes]:
    """Yield a part piece by piece, none of which ends within a row (one that is no sheet may be cut anywhere)."""
    rest = b""
    while piece := sheet.read(PIECE):
        end = piece.rfind(b"row>") + len(b"row>")
        if end < len(b"row>") and len(rest) < MOST_OF_ROW:
            rest += piece
            continue
        yield rest + piece[:end]
        rest = piece[end:]
    yield rest


def _mark(marks: Marks, rows: bytes, styles: "Styles") -> None:
    """Add what some rows tell. ``styles``: those of the workbook that matter."""
    marks.hidden_rows |= {int(row) - 1 for row in _HIDDEN_ROW.findall(rows)}
    for column in _HIDDEN_COLUMNS.findall(rows):
        ends = {end: int(number) for end, number in _SPAN.findall(column)}
        marks.hidden_columns |= {*range(ends.get(b"min", 1) - 1, min(ends.get(b"max", 0), WIDEST))}
    for about in _STYLED.findall(rows) if styles.struck or styles.digits else ():
        style, place = _STYLE.search(about), _PLACE.search(about)
        if style and place and style[1] in styles.struck:
            marks.struck.add(int(place[2]) - 1)
        if style and place and style[1] in styles.digits:
            digits = marks.digits.setdefault(int(place[2]) - 1, {})
            digits[_number(place[1]) - 1] = styles.digits[style[1]]
    for about, formula in _NO_RESULT.findall(rows):
        if place := _PLACE.search(about):
            cells = marks.formulas.setdefault(int(place[2]) - 1, {})
            cells[_number(place[1]) - 1] = f"={html.unescape(formula.decode())}"


@dataclass(frozen=True)
class Styles:
    """Numbers of the styles that strike a cell through, as people cancel a row by hand, and of those that show a number
    with zeros or letters before it ("H"000): the letters, and how many digits are shown.
    """

    struck: frozenset[bytes] = frozenset()
    digits: dict[bytes, tuple[str, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, archive: zipfile.ZipFile) -> "Styles":
        """Read the styles of a workbook."""
        content = archive.read(STYLES) if STYLES in archive.namelist() else b""
        if b"strike" not in content and b"numFmt " not in content:
            return cls()
        styles = ElementTree.fromstring(content)
        fonts = [
            any(mark.get("val", "1") not in ("0", "false") for mark in font.iterfind("{*}strike"))
            for font in styles.iterfind("{*}fonts/{*}font")
        ]
        padding = {
            form.get("numFmtId"): (found[1] or found[2] or "", len(found[3]))
            for form in styles.iterfind("{*}numFmts/{*}numFmt")
            if (found := _DIGITS.fullmatch(form.get("formatCode", ""))) and (found[1] or found[2] or found[4])
        }
        used = [*enumerate(styles.iterfind("{*}cellXfs/{*}xf"))]
        font_of = {at: int(style.get("fontId", 0)) for at, style in used}
        struck = {str(at).encode() for at, font in font_of.items() if font < len(fonts) and fonts[font]}
        shown = {
            str(at).encode(): padding[form]
            for at, style in used
            if (form := style.get("numFmtId")) in padding
        }
        return cls(frozenset(struck), shown)


def _comments(archive: zipfile.ZipFile, part: str) -> dict[int, str]:
    """Return the comments on a sheet's cells by row."""
    folder, name = part.rsplit("/", 1)
    links = f"{folder}/_rels/{name}.rels"
    if links not in archive.namelist():
        return {}
    found: dict[int, str] = {}
    for link in ElementTree.fromstring(archive.read(links)):
        target = posixpath.normpath(posixpath.join("/", folder, link.get("Target", ""))).lstrip("/")
        if not link.get("Type", "").endswith("/comments") or target not in archive.namelist():
            continue
        for comment in ElementTree.fromstring(archive.read(target)).iterfind(".//{*}comment"):
            row = int(re.sub(r"\D", "", comment.get("ref", "")) or 1) - 1
            text = "".join(said.text or "" for said in comment.iterfind(".//{*}t"))
            found[row] = f"{found[row]} {text}" if row in found else text
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
