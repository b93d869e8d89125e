"""Characters that do not show: controls, and signs that turn the direction of writing or have no width; and lost ones."""

import re
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_SIGNS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f"
_HIDDEN = re.compile(rf"[{_SIGNS}\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_IN_ARROW = (
    rf"[{_SIGNS}\x{{ad}}\x{{61c}}\x{{200b}}\x{{200e}}\x{{200f}}\x{{202a}}-\x{{202e}}\x{{2060}}"
    r"\x{2066}-\x{2069}\x{feff}]"
)
FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # what spreadsheets take for the beginning of a formula
_LINE_ENDS = re.compile("[\n\r\x0b\x0c\x85\u2028\u2029]")
_LOST = r"\x{fffd}|锟斤拷|^\?{2,}$"
LOOKED_AT = 1000  # texts of a column, of which some may have been read in another encoding
MOST_READ_TWICE = 0.5  # of those that are not ASCII: one by chance is none
_FIRST_BYTES = (0x7F, 0xC2, 0xD8, 0xE2, 0xEF)  # of UTF-8, with which one can begin beside the controls


def shown(text: str) -> str:
    """A text without the characters that do not show.

    >>> shown("H0\\u200b01\\u202e")
    'H001'
    """
    return _HIDDEN.sub("", text)


def is_plain_name(name: str) -> bool:
    """Whether all of a file's name shows, on one line.

    >>> is_plain_name("走访台账 3.xlsx"), is_plain_name("走访\\n.xlsx"), is_plain_name("\\u202excod.xlsx")
    (True, False, False)
    """
    return shown(name) == name and not _LINE_ENDS.search(name)


def no_formula(value: Any) -> Any:
    """Return what stands in a cell of a CSV, marked as a text where a spreadsheet would take it for a formula.

    >>> no_formula("=1+1"), no_formula("1幢"), no_formula(-1)
    ("'=1+1", '1幢', -1)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def first_hidden(text: str) -> int:
    """The line, from one, of the first character that does not show; 0 where there is none. A mark at the beginning
    counts for none."""
    match = _HIDDEN.search(text.removeprefix("\ufeff"))
    return text.count("\n", 0, match.start() + 1) + 1 if match else 0


def hidden_places(column: pa.ChunkedArray) -> np.ndarray:
    """int64: where the texts stand in a column that have characters that do not show."""
    if not any(_suspicious(chunk) for chunk in column.chunks):
        return np.empty(0, dtype=np.int64)
    matches = pc.fill_null(pc.match_substring_regex(column, _IN_ARROW), False)
    return np.flatnonzero(matches.to_numpy())


def column_shown(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of texts without the characters that do not show."""
    return pc.replace_substring_regex(column, _IN_ARROW, "")


def lost_places(column: pa.ChunkedArray) -> np.ndarray:
    """int64: where the texts stand in a column whose characters were lost before the file was written, all or some.

    >>> lost_places(pa.chunked_array([["托管", "想要\ufffd托", "锟斤拷", "????", None, "多少钱??", "？？"]])).tolist()
    [1, 2, 3]
    >>> lost_places(pa.chunked_array([["涓滃尯", "A"]])).tolist()
    [0]
    """
    lost = np.flatnonzero(pc.fill_null(pc.match_substring_regex(column, _LOST), False).to_numpy())
    texts = pc.unique(column.slice(0, LOOKED_AT)).to_pylist()
    twice = [text for text in texts if text and _read_twice(text)]
    if len(twice) < MOST_READ_TWICE * sum(not text.isascii() for text in texts if text):
        return lost
    return np.union1d(
        lost, np.flatnonzero(pc.is_in(column, value_set=pa.array(twice, pa.string())).to_numpy())
    )


def _read_twice(text: str) -> bool:
    """Whether a text is Chinese in UTF-8 that was read as GBK: 涓滃尯 is 东区."""
    if text.isascii():
        return False
    try:
        once = text.encode("gbk").decode("utf-8")
    except UnicodeError:
        return False
    return len(once) < len(text) and any("\u4e00" <= sign <= "\u9fff" for sign in once)


def _suspicious(chunk: pa.Array) -> bool:
    """Whether the bytes of texts have one with which a character that does not show can begin."""
    content = chunk.buffers()[2]
    if content is None:
        return False
    signs = np.frombuffer(content, dtype=np.uint8)
    return bool((signs < ord(" ")).any()) or any((signs == byte).any() for byte in _FIRST_BYTES)
