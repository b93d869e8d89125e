"""Lay out printed sheets: A4 landscape one page wide, heights of wrapped text, page ends between households."""

import math
import re
from collections.abc import Sequence

from xlsxwriter.utility import xl_col_to_name
from xlsxwriter.worksheet import Worksheet

from features.language import say
from service.console.operator import mark

WIDE = re.compile("[\u0250-\U0010ffff]")
PIECE = re.compile(rf"{WIDE.pattern}|[^\u0250-\U0010ffff ]+| +")  # what no program breaks in two
# Arial is as wide on every system: its digits, 8 pixels each, are the unit of columns. Without a scheme no theme
# replaces it; its theme name is what xlsxwriter would add at the first workbook.
FONT = {"font_name": "Arial", "font_size": 11, "font_scheme": "none", "theme_font_name": "Arial"}
# of a Chinese character, a digit or small letter, a capital and a thin sign at this size, in the widths of 7 pixels
# that are counted here
WIDE_CHARACTER, NARROW_CHARACTER, CAPITAL, THIN_SIGN = 2.1, 1.17, 1.6, 0.7
THIN = frozenset(" -.,:;|/()[]'!")
LINE_HEIGHT = 15.8  # points, of text of size 11 whose Chinese characters are another font's, in LibreOffice
A4, A4_LONG, A4_SHORT = 9, 841.9, 595.3  # Excel's number for the paper size, and its sides in points
SIDE, ABOVE, BELOW = 0.4, 0.5, 0.6  # margins in inches
ROUNDING = 0.98  # of a page is counted on, as programs round heights up


def on_a4(sheet: Worksheet, last_column: int, last_row: int) -> None:
    """Set a sheet to print on A4 landscape, one page wide, with a footer.

    ``last_column``, ``last_row``: the last ones to print, counted from zero.
    """
    sheet.set_landscape()
    sheet.set_paper(A4)
    sheet.set_margins(left=SIDE, right=SIDE, top=ABOVE, bottom=BELOW)
    sheet.fit_to_pages(1, 0)
    sheet.print_area(0, 0, last_row, last_column)
    set_footer(sheet, say("含个人信息，用后请妥善保管", "Personal data: keep safe"))


def set_footer(sheet: Worksheet, text: str = "") -> None:
    """Print a text, who made the sheet and when, and the number of each page at its foot."""
    made = "  ".join(filter(None, (text, mark()))).replace("&", "&&")  # & begins a code of Excel's
    sheet.set_footer(f"&L{made}" + say("&R第 &P / &N 页", "&R&P / &N"))


def in_arial(width: float) -> float:
    """Turn a column's width in characters of 7 pixels into one in digits of Arial."""
    return width * 7 / 8


def line_height(cells: Sequence[tuple[str, float]]) -> float:
    """Compute the height of a row, in points, from its cells' texts and widths in characters.

    A Chinese character takes two. Heights are written into the file because not every program fits them to wrapped
    text when it opens one.

    >>> line_height([("a", 10)]), line_height([("孩子三岁八岁", 10)])
    (20.8, 36.6)
    """
    return LINE_HEIGHT * max([1, *(_line_count(text, width) for text, width in cells)]) + 5


def _line_count(text: str, width: float) -> int:
    """Count the lines that a text takes in a column ``width`` characters wide.

    Dates, numbers and words go to the next line whole, so that lines end early.

    >>> _line_count("去年〔诉求 2025.8.6 R0013372、2025.3.26 R0011368〕", 24)
    3
    """
    return sum(_wrapped(line, width) for line in text.split("\n"))


def _wrapped(line: str, width: float) -> int:
    lines, used = 1, 0.0
    for piece in PIECE.findall(line):
        length = sum(map(_width, piece))
        if used + length > width and piece[0] != " ":
            lines, used = lines + bool(used), 0.0
            lines += max(0, math.ceil(length / width) - 1)
        used += length
    return lines


def _width(character: str) -> float:
    if WIDE.match(character):
        return WIDE_CHARACTER
    if character in THIN:
        return THIN_SIGN
    return CAPITAL if character.isupper() else NARROW_CHARACTER


def page_breaks(
    households: Sequence[str], heights: Sequence[float], widths: Sequence[float], top: float, header: float
) -> list[int]:
    """Find the rows above which a page ends, so that no household is torn apart.

    households: household of each row [rows].
    heights: heights of the rows [rows], in points.
    widths: widths of the columns, in characters.
    top, header: heights of everything above the rows, and of what is repeated on each page, in points.

    Returns positions of rows, ascending.
    """
    width = sum(
        (7 * width + 8 * 5 / 7) * 0.75 for width in widths
    )  # pixels, with those beside the text, to points
    scale = min(1.0, (A4_LONG - 2 * SIDE * 72) / width)
    page = (A4_SHORT - (ABOVE + BELOW) * 72) / scale * ROUNDING
    breaks, used, row = [], top, 0
    while row < len(households):
        end = row
        while end < len(households) and households[end] == households[row]:
            end += 1
        height = sum(heights[row:end])
        if row and used + height > page:
            breaks.append(row)
            used = header
        used += height
        row = end
    return breaks


def column_letter(place: int) -> str:
    """Name a column as spreadsheets do; ``place``: counted from zero.

    >>> column_letter(0), column_letter(27)
    ('A', 'AB')
    """
    return str(xl_col_to_name(place))
