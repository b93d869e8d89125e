"""Read the cells of a workbook from any source in a separate process, so that no file can take this process down."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import IO, Any

from features.contract import workbook_process
from features.contract.workbook_process import LOCKED, NO_WORKBOOK, TOO_LARGE, UNREADABLE
from features.language import UserError, say

WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods", ".et")  # endings of files that can be read
SHOW_MARKS = (".xlsx", ".xlsm")  # of those that tell hidden rows, struck cells and comments
_CELL = re.compile(r"[A-Z]{1,3}\d{1,7}")
EPOCHS_APART = 1462  # days between the day numbers of 1904 and those of 1900
FIRST_DAY = 8_538  # from 1904: numbers of five digits from 1900; smaller ones are no days
READ: dict[str, Any] = {
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "seconds": lambda seconds: timedelta(seconds=seconds),
    "text": str,
}


@dataclass(frozen=True)
class SheetCells:
    """One sheet: its cells from A1 on, row by row (empty ones are ""), the corners of its merged ranges, the rows (from 0
    on) with a cell that is struck through, the rows and columns that are hidden, whether day numbers count from 1904, and
    the comments on cells by row.
    """

    name: str
    visible: bool
    rows: list[list[Any]]
    merged: list[tuple[tuple[int, int], tuple[int, int]]]
    struck: frozenset[int] = frozenset()
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()
    since_1904: bool = False
    comments: tuple[tuple[int, str], ...] = ()


def days_since_1900(rows: list[list[Any]], columns: Iterable[int]) -> None:
    """Rewrite bare day numbers that count from 1904 as such that count from 1900, in columns that tell a day."""
    for at in columns:
        for row in rows:
            number = row[at] if at < len(row) else ""
            if isinstance(number, int | float) and not isinstance(number, bool) and number >= FIRST_DAY:
                row[at] = number + EPOCHS_APART


def read_sheets(path: Path) -> Iterator[SheetCells]:
    """Read the sheets of a workbook, one after the other (.xlsx, .xlsm, .xls, .xlsb, .ods).

    The file is read by a process of its own with bounded memory and time.

    Raises:
        UserError: the file is not there, is no workbook, is locked by a password or is too large. It may be raised
            after some sheets have been given.
    """
    if not path.is_file():
        raise UserError(f"{path}：没有这个文件", f"{path}: no such file")
    command = [sys.executable, "-P", workbook_process.__file__, str(path.absolute())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            yield from _sheets(process.stdout)
            reason = process.stderr.read().decode(errors="replace").strip()
        finally:
            with suppress(OSError):
                process.kill()
    # a process that is killed when it has already ended keeps its code
    if process.returncode:
        raise UserError(_reason(path, process.returncode, reason))


def _sheets(lines: IO[bytes]) -> Iterator[SheetCells]:
    """Read the sheets from what the process prints; a sheet that breaks off is left out."""
    while head := lines.readline():
        sheet = json.loads(head)
        rows = []
        for _ in range(sheet["rows"]):
            line = lines.readline()
            if not line.endswith(b"\n"):
                return
            rows.append(json.loads(line, object_hook=_value))
        merged = [((top, left), (bottom, right)) for (top, left), (bottom, right) in sheet["merged"]]
        yield SheetCells(
            sheet["name"],
            sheet["visible"],
            rows,
            merged,
            frozenset(sheet["struck"]),
            frozenset(sheet["hidden_rows"]),
            frozenset(sheet["hidden_columns"]),
            sheet["since_1904"],
            tuple((row, said) for row, said in sheet["comments"]),
        )


def _value(tagged: dict[str, Any]) -> Any:
    ((kind, value),) = tagged.items()
    return READ[kind](value)


def _reason(path: Path, code: int, reason: str) -> str:
    if code == UNREADABLE:
        return say(f"{path}：读不到（{reason}）", f"{path}: cannot be read ({reason})")
    if code == LOCKED:
        return say(
            f"{path}：加了密码，请去掉密码再保存", f"{path}: locked by a password; save it without one"
        )
    if code in (NO_WORKBOOK, 1):
        return say(
            f"{path}：不是完整的 Excel 工作簿，请另存为 .xlsx",
            f"{path}: not a whole Excel workbook; save it as .xlsx",
        )
    place = f"{reason} " if code == TOO_LARGE and _CELL.fullmatch(reason) else ""
    return say(
        f"{path}：太大，读不了（{place}多半有一格离其余的格太远，按 Ctrl+End 查看）；请清除多余的格，或另存为 CSV",
        f"{path}: too large to be read ({place or 'perhaps a cell '}lies far from all others: Ctrl+End shows it); clear"
        " the cells that are not needed, or save it as CSV",
    )
