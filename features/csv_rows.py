"""Reading a CSV: encoding, the physical line of every row, and rows whose fields cannot be told apart."""

import codecs
import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from features.language import UserError, say

LINE = "row:line"  # column with the line of each row; the colon keeps it apart from a community's columns
LONGEST_ROW = 50  # lines that a quoted text may span before its opening quote counts as a stray one
COMMA, NEWLINE, RETURN, QUOTE, SPACE = (ord(one) for one in ',\n\r" ')
CHUNK = 1 << 24
UNREADABLE = "�".encode()


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used: its line, why, and its content as it stands in the file."""

    line: int
    reason: str
    content: str


@dataclass(frozen=True)
class TextRows:
    """Rows of a file as texts: a column for each name in the header, and ``LINE``; rows that broke apart."""

    names: list[str]
    rows: pa.Table
    bad: list[BadRow]


@dataclass(frozen=True)
class _Layout:
    """Where rows begin and end (bytes), the line each begins on, and how many fields it has (0: blank)."""

    starts: np.ndarray
    ends: np.ndarray
    lines: np.ndarray
    fields: np.ndarray


def read_csv(path: Path) -> TextRows:
    """Read a CSV in UTF-8 or GB18030; a row with too few or too many fields becomes a ``BadRow``.

    Raises UserError when the file is empty or is no text.
    """
    content, garbled = _as_utf8(path.read_bytes(), path)
    layout = _layout(content)
    if layout is None:
        return _read_line_by_line(content, garbled, path)
    filled = np.flatnonzero(layout.fields)
    if not len(filled):
        raise UserError(
            say(
                f"{path}：文件是空的，第一行应是列名",
                f"{path}: the file is empty; its first line should name the columns",
            )
        )
    header, body = filled[0], filled[1:]
    names = next(csv.reader([content[layout.starts[header] : layout.ends[header]].decode()]))
    usable = layout.fields[body] == len(names)
    if garbled:
        usable &= np.array(
            [UNREADABLE not in content[layout.starts[row] : layout.ends[row]] for row in body], dtype=bool
        )
    bad = [
        _bad_row(text, int(layout.lines[row]), int(layout.fields[row]), len(names))
        for row in body[~usable]
        if (text := content[layout.starts[row] : layout.ends[row]].decode().rstrip("\r")).strip(", ")
    ]
    good = body[usable]
    columns = _parse(content, layout, good, len(names))
    return TextRows(names, _with_lines(columns, names, layout.lines[good]), bad)


def _as_utf8(content: bytes, path: Path) -> tuple[bytes, bool]:
    """The content as UTF-8 without BOM, ending in a newline; whether parts of it could not be read."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise UserError(
            say(
                f"{path}：不是 UTF-8 或 GB18030 文本，请另存为 CSV UTF-8",
                f"{path}: neither UTF-8 nor GB18030 text; save it as CSV UTF-8",
            )
        )
    garbled = False
    if not _is_utf8(content):
        try:
            content = content.decode("gb18030").encode()
        except UnicodeDecodeError:
            garbled = True
            texts = [content.decode(encoding, "replace") for encoding in ("utf-8", "gb18030")]
            content = min(texts, key=lambda text: text.count("�")).encode()
    content = content.removeprefix(b"\xef\xbb\xbf")
    if b"\n" not in content:
        content = content.replace(b"\r", b"\n")
    return (content if content.endswith(b"\n") else content + b"\n"), garbled


def _is_utf8(content: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for begin in range(
            0, len(content), CHUNK
        ):  # in parts: the whole as a str may take four times the memory
            decoder.decode(content[begin : begin + CHUNK], final=begin + CHUNK >= len(content))
    except UnicodeDecodeError:
        return False
    return True


def _layout(content: bytes) -> _Layout | None:
    """Where the rows are, by counting quotes; None where a quote stands in the middle of a field."""
    letters = np.frombuffer(content, dtype=np.uint8)
    newlines = np.flatnonzero(letters == NEWLINE)
    commas = np.flatnonzero(letters == COMMA)
    quotes = np.flatnonzero(letters == QUOTE)
    ends = newlines
    if len(quotes):
        if not _balanced(letters, quotes):
            return None
        ends = newlines[np.searchsorted(quotes, newlines) % 2 == 0]
        commas = commas[np.searchsorted(quotes, commas) % 2 == 0]
    starts = np.concatenate([[0], ends[:-1] + 1])
    fields = np.diff(np.searchsorted(commas, ends), prepend=0) + 1
    short = np.flatnonzero((fields == 1) & (ends - starts <= 80))
    blank = [row for row in short if not content[starts[row] : ends[row]].strip()]
    fields[blank] = 0
    return _Layout(starts, ends, np.searchsorted(newlines, starts) + 1, fields)


def _balanced(letters: np.ndarray, quotes: np.ndarray) -> bool:
    """Whether every quote opens or closes a field, or is one of two that stand for one."""
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
        part = content[first:]
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


def _with_lines(columns: list, names: list[str], lines: np.ndarray) -> pa.Table:
    return pa.table([*columns, pa.array(lines, type=pa.int64())], names=[*names, LINE])


def _bad_row(content: str, line: int, fields: int, width: int) -> BadRow:
    if fields == width:
        return BadRow(line, say("有无法识别的字符", "characters that cannot be read"), content)
    return BadRow(
        line, say(f"应有 {width} 个字段，实有 {fields} 个", f"{fields} fields instead of {width}"), content
    )


def _read_line_by_line(content: bytes, garbled: bool, path: Path) -> TextRows:
    """The slow way, for files with stray quotes: only the lines that have them are lost."""
    lines = content.decode().split("\n")[:-1]
    names: list[str] = []
    rows: list[list[str]] = []
    numbers: list[int] = []
    bad: list[BadRow] = []
    at = 0
    while at < len(lines):
        fields, used = _next_row(lines, at, len(names))
        text = "\n".join(lines[at : at + used]).rstrip("\r")
        if not names and fields:
            names = fields
        elif fields is None:
            bad.append(BadRow(at + 1, say("引号没有配对", "a quote without its counterpart"), text))
        elif text.strip():
            if len(fields) == len(names) and not (garbled and "�" in text):
                rows.append(fields)
                numbers.append(at + 1)
            else:
                bad.append(_bad_row(text, at + 1, len(fields), len(names)))
        at += used
    if not names:
        raise UserError(say(f"{path}：第一行应是列名", f"{path}: its first line should name the columns"))
    turned = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    columns = [pa.array(column, type=pa.string()) for column in turned]
    return TextRows(names, _with_lines(columns, names, np.array(numbers, dtype=np.int64)), bad)


def _next_row(lines: list[str], at: int, width: int) -> tuple[list[str] | None, int]:
    """Fields of the row that begins on line ``at`` and how many lines it takes; None: stray quotes."""
    fields = _fields(lines[at].rstrip("\r"))
    if fields is not None or '"' not in lines[at]:
        return fields, 1
    for used in range(2, min(LONGEST_ROW, len(lines) - at) + 1):
        if '"' in lines[at + used - 1]:
            fields = _fields("\n".join(lines[at : at + used]).rstrip("\r"))
            if fields is not None and len(fields) == width:
                return fields, used
    return None, 1


def _fields(text: str) -> list[str] | None:
    try:
        return next(csv.reader(io.StringIO(text, newline=""), strict=True), [])
    except csv.Error:
        return None
