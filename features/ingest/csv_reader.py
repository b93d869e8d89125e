"""Read a CSV: its encoding, the physical line of every row, and rows whose fields cannot be separated."""

import codecs
import csv
import io
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from features.contract.table_names import is_header
from features.contract.text_encoding import SAMPLE, likely_encoding, looks_korean
from features.findings import Finding, Weight
from features.language import UserError, say

LINE = "row:line"  # column with the line of each row; the colon keeps it apart from a community's columns
HEADER_WITHIN = 10  # lines among which the header is looked for: titles may stand above it
LONGEST_ROW = 50  # lines that a quoted text may span before its opening quote counts as a stray one
COMMA, NEWLINE, RETURN, QUOTE, SPACE = (ord(character) for character in ',\n\r" ')
PIECE = 1 << 24  # bytes taken apart at once
CAREFUL = 1 << 16  # bytes read line by line where a quote is not where it belongs
UNREADABLE = "�".encode()
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # with which a workbook begins
WIDE = 0.2  # share of zeros from which on a text is UTF-16
SIGNS_SHOWN = 8  # characters of a text that a line shows
BROKEN = 0.1  # share of bytes beyond ASCII up to which a text is UTF-8 with mistakes


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used: its line, the reason, and its content as in the file."""

    line: int
    reason: str
    content: str


@dataclass(frozen=True)
class TextRows:
    """A file's rows as texts, a column for each name in the header and ``LINE``, and the rows that broke apart."""

    names: list[str]
    rows: pa.Table
    bad: list[BadRow]
    findings: list[Finding] = field(default_factory=list)
    sheets: list[str] = field(default_factory=list)  # of a workbook, in the order of their numbers
    aliases: dict[str, str] = field(default_factory=dict)  # what its header calls columns of the contract


@dataclass(frozen=True)
class _Layout:
    """Where rows begin and end (bytes), how many lines into the piece each begins, how many fields it has (0: blank), and
    how many bytes they take together.
    """

    starts: np.ndarray
    ends: np.ndarray
    lines: np.ndarray
    fields: np.ndarray
    used: int


def read_csv(path: Path, table: str | None = None) -> TextRows:
    """Read a CSV in UTF-8, GB18030, Big5 or Shift-JIS; a row with too few or too many fields becomes a ``BadRow``.

    The header of ``table`` may stand below titles; without a table it is the first row that is not blank.

    The file is read piece by piece. Where a quote stands in the middle of a field, a small piece around
    it is read line by line, and only the lines that have such quotes are lost.

    Raises UserError when the file is empty or is no text.
    """
    content, garbled, encoding = as_utf8(path.read_bytes(), path)
    names, at, line, bad = _header(content, path, table)
    tables = [_table([pa.array([], type=pa.string())] * len(names), names, np.empty(0, dtype=np.int64))]
    careful_until = 0
    while at < len(content):
        size = PIECE if at >= careful_until else CAREFUL
        piece = content[at : at + size]
        layout = _layout(piece, len(names))
        if layout is None and size == PIECE:
            careful_until = at + size
            continue
        if layout is None:
            table, lost, used = _read_line_by_line(content, at, line, names, garbled)
        else:
            table, lost = _read_piece(piece, layout, line, names, garbled)
            used = layout.used
        tables.append(table)
        bad += lost
        line += content.count(b"\n", at, at + used)
        at += used
    return TextRows(names, pa.concat_tables(tables), bad, _encoding_findings(path, content, encoding))


def _header(content: bytes, path: Path, table: str | None) -> tuple[list[str], int, int, list[BadRow]]:
    """Find the header: the first of some rows that names the table's columns, or else the first that is not blank.

    Returns its names, the byte and line after it, and the unreadable lines before it.
    """
    bad: list[BadRow] = []
    first: tuple[list[str], int, int, list[BadRow]] | None = None
    at, line = 0, 1
    while at < len(content) and line <= HEADER_WITHIN:
        names, end = _fields_from(content, at)
        text = content[at : end - 1].decode().rstrip("\r")
        after = line + content.count(b"\n", at, end)
        if names and text.strip():
            found = (names, end, after, [*bad])
            if table is None or is_header(table, names):
                return found
            first = first or found
        if names is None:
            bad.append(BadRow(line, say("引号没有配对", "a quote without its counterpart"), text))
        at, line = end, after
    if first:
        return first
    raise UserError(
        f"{path}：文件是空的，第一行应是列名",
        f"{path}: the file is empty; its first line should name the columns",
    )


def _fields_from(content: bytes, at: int) -> tuple[list[str] | None, int]:
    """Return the fields of the row at byte ``at`` (None where quotes do not match), and where the next line begins."""
    first = end = content.index(b"\n", at) + 1
    for _ in range(LONGEST_ROW):
        fields = _fields(content[at : end - 1].decode().rstrip("\r"))
        if fields is not None or end == len(content):
            break
        end = content.index(b"\n", end) + 1
    return (fields, end) if fields is not None else (None, first)


def _read_piece(
    piece: bytes, layout: _Layout, line: int, names: list[str], garbled: bool
) -> tuple[pa.Table, list[BadRow]]:
    """Read the rows of a piece whose first line is ``line``; return them and the bad rows."""
    filled = np.flatnonzero(layout.fields)
    usable = layout.fields[filled] == len(names)
    if garbled:
        places = [match.start() for match in re.finditer(UNREADABLE, piece[: layout.used])]
        usable &= ~np.isin(filled, np.searchsorted(layout.ends, places))
    bad = [
        _bad_row(text, line + int(layout.lines[row]), int(layout.fields[row]), len(names))
        for row in filled[~usable]
        if (text := piece[layout.starts[row] : layout.ends[row]].decode().rstrip("\r")).strip(", ")
    ]
    good = filled[usable]
    return _table(_parse(piece, layout, good, len(names)), names, line + layout.lines[good]), bad


def as_utf8(content: bytes, path: Path) -> tuple[bytes, bool, str]:
    """The content as UTF-8 without BOM, ending in a newline; whether parts of it could not be read; its encoding."""
    recoded, garbled, encoding = None, False, "utf-8"
    if wide := _wide_encoding(content[:SAMPLE]):
        recoded, encoding = _recoded(content, wide, "replace"), wide
    elif not content.startswith(WORKBOOKS):
        recoded = _recoded(content, encoding)
    if recoded is None:
        recoded, garbled, encoding = _other_encoding(content, path)
    content = recoded.removeprefix(b"\xef\xbb\xbf")
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    return (content if content.endswith(b"\n") else content + b"\n"), garbled, encoding


def _wide_encoding(content: bytes) -> str:
    """UTF-16 by its mark, or by the zeros that it has in every second place; "" where it is not."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    odd, even = content[1::2].count(0), content[::2].count(0)
    if max(odd, even) < WIDE * len(content) or min(odd, even) > max(odd, even) / 10:
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _other_encoding(content: bytes, path: Path) -> tuple[bytes, bool, str]:
    """The content in UTF-8 that is not all UTF-8 itself; whether parts of it could not be read; its encoding.

    Raises UserError where it makes no sense in any encoding.
    """
    if content.startswith(WORKBOOKS):
        raise UserError(
            f"{path}：其实是 Excel 工作簿，请改名为 {path.stem}.xlsx，旧的 .xls 请另存",
            f"{path}: is a workbook; call it {path.stem}.xlsx, and save an old .xls as one",
        )
    mended = _recoded(content, "utf-8", "replace") or b""
    beyond_ascii = int((np.frombuffer(content[:PIECE], dtype=np.uint8) > 127).sum())
    if mended[:PIECE].count(UNREADABLE) <= BROKEN * beyond_ascii:
        return mended, True, "utf-8"
    encoding = likely_encoding(content)
    if encoding is None or b"\0" in content[:SAMPLE]:
        raise UserError(
            f"{path}：认不出文字编码，请另存为 CSV UTF-8",
            f"{path}: its encoding cannot be told; save it as CSV UTF-8",
        )
    recoded = _recoded(content, encoding)
    if recoded is not None:
        return recoded, False, encoding
    return _recoded(content, encoding, "replace") or b"", True, encoding


def _encoding_findings(path: Path, content: bytes, encoding: str) -> list[Finding]:
    """A finding on an encoding other than those that are usual, or that cannot be told from another."""
    if encoding == "utf-8":
        return []
    todo = say("显示不对的话请另存为 CSV UTF-8", "save it as CSV UTF-8 where it reads wrongly")
    sample = "".join(
        dict.fromkeys(sign for sign in content[:SAMPLE].decode(errors="ignore") if sign > "\x7f")
    )
    if encoding != "gb18030":
        words = say(f"文字编码按 {encoding} 读", f"read as {encoding}")
        shown = (sample[:SIGNS_SHOWN],) if sample else ()
        return [Finding(Weight.LOOK, path.name, words, todo, examples=shown)]
    if looks_korean(sample):
        words = say(
            "文字编码按 GB18030 读，但也可能是韩文 EUC-KR", "read as GB18030, but it may be Korean EUC-KR"
        )
        return [Finding(Weight.LOST, path.name, words, todo, examples=(sample[:SIGNS_SHOWN],))]
    return []


def _recoded(content: bytes, encoding: str, errors: str = "strict") -> bytes | None:
    """Return the content in UTF-8; None where it is not in this encoding."""
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    parts = []
    try:
        for begin in range(0, len(content), PIECE):  # the whole as a str may take four times the memory
            text = decoder.decode(content[begin : begin + PIECE], final=begin + PIECE >= len(content))
            parts.append(text.encode() if (encoding, errors) != ("utf-8", "strict") else b"")
    except UnicodeDecodeError:
        return None
    return b"".join(parts) if any(parts) else content


def _layout(piece: bytes, width: int) -> _Layout | None:
    """Find the rows that end within the piece by counting quotes.

    None without any, with a quote inside a field, or where one that is missing seems to have joined rows.

    width: the fields that a row has.
    """
    letters = np.frombuffer(piece, dtype=np.uint8)
    newlines = np.flatnonzero(letters == NEWLINE)
    commas = np.flatnonzero(letters == COMMA)
    quotes = np.flatnonzero(letters == QUOTE)
    ends = newlines
    if len(quotes):
        ends = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
    if not len(ends) or not _balanced(letters, quotes[quotes < ends[-1]]):
        return None
    if len(quotes):
        commas = commas[np.searchsorted(quotes, commas) % 2 == 0]
    starts = np.concatenate([[0], ends[:-1] + 1])
    fields = np.diff(np.searchsorted(commas, ends), prepend=0) + 1
    short = np.flatnonzero((fields == 1) & (ends - starts <= 80))
    blank = [row for row in short if not piece[starts[row] : ends[row]].strip()]
    fields[blank] = 0
    lines = np.searchsorted(newlines, starts)
    for row in np.flatnonzero(np.diff(lines, append=np.searchsorted(newlines, ends[-1]) + 1) > 1):
        text = piece[starts[row] : ends[row]].decode()
        if fields[row] != width or joins_rows(text.split("\n"), width):
            return None
    return _Layout(starts, ends, lines, fields, int(ends[-1]) + 1)


def joins_rows(lines: list[str], width: int, delimiter: str = ",") -> bool:
    """Tell whether quotes hold lines together that seem to be rows of their own.

    Such a line has as many fields as a row, and a number like the one of the first line.

    >>> joins_rows(['R2,H02,"要送餐', 'R3,H03,助餐', 'R4,H04,助餐"'], 3), joins_rows(['R2,H02,"要', '1,2,3"'], 3)
    (True, False)
    """
    number = _shape(lines[0], delimiter)
    return "9" in number and any(
        line.count(delimiter) == width - 1 > 0 and _shape(line, delimiter) == number for line in lines[1:]
    )


def _shape(line: str, delimiter: str) -> str:
    """The first field of a line, with 9 for every run of digits."""
    return re.sub(r"\d+", "9", line.split(delimiter, 1)[0].strip())


def _balanced(letters: np.ndarray, quotes: np.ndarray) -> bool:
    """Tell whether every quote opens or closes a field, or is one of two that stand for one."""
    if len(quotes) % 2:
        return False
    before = letters[np.maximum(quotes[::2] - 1, 0)]
    before[quotes[::2] == 0] = NEWLINE
    after = letters[quotes[1::2] + 1]  # the content ends in a newline
    return bool(
        np.isin(before, (COMMA, NEWLINE, QUOTE)).all()
        and np.isin(after, (COMMA, NEWLINE, RETURN, QUOTE)).all()
    )


def _parse(content: bytes, layout: _Layout, good: np.ndarray, width: int) -> list[pa.ChunkedArray]:
    if not len(good):
        return [pa.chunked_array([], type=pa.string())] * width
    names = [str(index) for index in range(width)]
    first = int(layout.starts[good[0]])
    if len(good) == len(layout.starts) - np.searchsorted(layout.starts, first):
        part = content[first : layout.used]
    else:
        part = b"".join(content[layout.starts[row] : layout.ends[row] + 1] for row in good)
    longest = int((layout.ends[good] - layout.starts[good]).max()) + 2
    table = arrow_csv.read_csv(
        io.BytesIO(part),
        read_options=arrow_csv.ReadOptions(column_names=names, block_size=max(1 << 20, 2 * longest)),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
    )
    return table.columns


def _table(columns: list, names: list[str], lines: np.ndarray) -> pa.Table:
    return pa.table([*columns, pa.array(lines, type=pa.int64())], names=[*names, LINE])


def _bad_row(content: str, line: int, fields: int, width: int) -> BadRow:
    if fields == width:
        return BadRow(line, say("有认不出的字", "characters that cannot be read"), content)
    return BadRow(
        line, say(f"该有 {width} 列，却有 {fields} 列", f"{fields} fields instead of {width}"), content
    )


def _read_line_by_line(
    content: bytes, at: int, line: int, names: list[str], garbled: bool
) -> tuple[pa.Table, list[BadRow], int]:
    """Read a piece with stray quotes slowly; return the rows that begin in it, the bad rows, and the bytes they take."""
    end = content.index(b"\n", min(at + CAREFUL, len(content) - 1)) + 1
    held_lines, beyond = content[at:end].decode().split("\n")[:-1], end
    for _ in range(LONGEST_ROW):
        beyond = content.find(b"\n", beyond) + 1 or len(content)
    lines = held_lines + content[end:beyond].decode().split("\n")[:-1]
    rows: list[list[str]] = []
    numbers: list[int] = []
    bad: list[BadRow] = []
    row = 0
    while row < len(held_lines):
        fields, used = _next_row(lines, row, len(names))
        text = "\n".join(lines[row : row + used]).rstrip("\r")
        if fields is None:
            bad.append(BadRow(line + row, say("引号没有配对", "a quote without its counterpart"), text))
        elif text.strip():
            if len(fields) == len(names) and not (garbled and "�" in text):
                rows.append(fields)
                numbers.append(line + row)
            else:
                bad.append(_bad_row(text, line + row, len(fields), len(names)))
        row += used
    turned = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    columns = [pa.array(column, type=pa.string()) for column in turned]
    taken = sum(len(line.encode()) + 1 for line in lines[:row])
    return _table(columns, names, np.array(numbers, dtype=np.int64)), bad, taken


def _next_row(lines: list[str], at: int, width: int) -> tuple[list[str] | None, int]:
    """Return the fields of the row at line ``at`` (None for stray quotes) and how many lines it takes."""
    fields = _fields(lines[at].rstrip("\r"))
    if fields is not None or '"' not in lines[at]:
        return fields, 1
    for used in range(2, min(LONGEST_ROW, len(lines) - at) + 1):
        if '"' in lines[at + used - 1]:
            fields = _fields("\n".join(lines[at : at + used]).rstrip("\r"))
            if fields is not None and len(fields) == width:
                joined = joins_rows(lines[at : at + used], width)
                return (None, 1) if joined else (fields, used)
    return None, 1


def _fields(text: str) -> list[str] | None:
    try:
        return next(csv.reader(io.StringIO(text, newline=""), strict=True), [])
    except csv.Error:
        return None
