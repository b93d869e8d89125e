"""Find the filled-in rows of a workbook of lists, in whatever state it came back."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.contract.workbook_cells import SheetCells, read_sheets
from features.findings import shown_cells
from features.language import UserError, say
from service.lists.sheet import column_letter
from service.lists.workbook import FILLED_COLUMNS, ID_HEADER, VISIT_COLUMNS

TITLES = {title: name for name, zh, en, _ in (*VISIT_COLUMNS, *FILLED_COLUMNS) for title in (zh, en)}
TITLES[ID_HEADER] = ID_HEADER
NUMBER = re.compile(r"\d{8}-[0-9a-f]{12}")  # an outreach_id


class NoList(UserError):
    """A workbook without any list of visits."""


@dataclass(frozen=True)
class Filled:
    """One row of a workbook in which something was filled in, and where it stands."""

    sheet: str  # file and sheet
    line: int
    columns: dict[str, int]  # position from zero of each column of the list
    outreach_id: str
    household_id: str
    need: str
    outcome: str
    date: Any
    feedback: str
    satisfaction: str
    next_visit: Any
    other_need: str
    notes: str

    def at(self, column: str) -> str:
        """Return the file, sheet and cell of one of the row's columns."""
        return f"{self.sheet} {column_letter(self.columns.get(column, 0))}{self.line}"

    def shown(self, column: str) -> str:
        """Return what was filled in as a line may show it: a note that slipped into the wrong cell is masked."""
        return shown_cells([getattr(self, column)])[0]

    @property
    def where(self) -> str:
        """Return the file, sheet and cell of the outcome."""
        return self.at("outcome")


def filled_rows(path: Path) -> tuple[list[Filled], list[str]]:
    """Read the rows of a workbook in which an outcome, feedback, a note, another need or a next visit was filled in.

    Lists are found by their headers, wherever these stand. An answer in merged cells counts for each of their rows. Rows
    that were added below a list have a household and no outreach_id.

    Returns
    -------
    The filled rows, and one line for each part of the workbook that is a list but cannot be read.

    Raises
    ------
    UserError
        The file is no workbook; NoList if it holds no list.
    """
    rows_found: list[Filled] = []
    problems: list[str] = []
    lists = 0
    for sheet in read_sheets(path):
        where, columns = f"{path} [{sheet.name}]", None
        for line, row in enumerate(_unmerged(sheet), start=1):
            if header := _header(row):
                lists, columns = lists + 1, header
                if ID_HEADER not in header:
                    problems.append(_without_ids(where))
            elif columns is None and (place := _listed_at(row)) is not None:
                lists, columns = lists + 1, {}
                problems.append(_without_header(f"{where} {column_letter(place)}{line}"))
            elif columns and ID_HEADER in columns and (filled := _filled(where, line, row, columns)):
                rows_found.append(filled)
    if not lists:
        raise NoList(say(f"{path}：里面没有走访名单", f"{path}: holds no list of visits"))
    return rows_found, problems


def _unmerged(sheet: SheetCells) -> list[list[Any]]:
    """Write the value of cells merged downwards in one column into each of their rows."""
    for (top, left), (bottom, right) in sheet.merged:
        if left == right:
            for row in sheet.rows[top + 1 : bottom + 1]:
                row[left] = sheet.rows[top][left]
    return sheet.rows


def _without_ids(where: str) -> str:
    return say(
        f"{where}：缺少隐藏的 {ID_HEADER} 列，请用发出的表填",
        f"{where}: the hidden column {ID_HEADER} is missing; use the file as handed out",
    )


def _without_header(where: str) -> str:
    return say(
        f"{where}：从这一行起是名单，但上面没有表头，请把表头一并复制过来",
        f"{where}: rows of a list begin here without a header above; copy the header too",
    )


def _header(row: list[Any]) -> dict[str, int] | None:
    """Map a list's column names to positions by its titles in either language; None if the row is no header."""
    columns: dict[str, int] = {}
    for place, value in enumerate(row):
        if (text := _text(value)) in TITLES:
            columns.setdefault(TITLES[text], place)
    return columns if "outcome" in columns and len(columns) > 2 else None


def _listed_at(row: list[Any]) -> int | None:
    """Find the cell that holds an outreach_id; None if no cell does."""
    return next((place for place, value in enumerate(row) if NUMBER.fullmatch(_text(value))), None)


def _filled(where: str, line: int, row: list[Any], columns: dict[str, int]) -> Filled | None:
    def cell(name: str) -> Any:
        position = columns.get(name)
        return row[position] if position is not None and position < len(row) else ""

    texts = {
        name: _text(cell(name)) for name in ("outcome", "feedback", "satisfaction", "other_need", "notes")
    }
    next_visit = _blank_or(cell("next_visit"))
    added = not _text(cell(ID_HEADER)) and _text(cell("household_id")) and _text(cell("need_name"))
    if not any((*texts.values(), next_visit, added)):
        return None
    return Filled(
        sheet=where,
        line=line,
        columns=columns,
        outreach_id=_text(cell(ID_HEADER)),
        household_id=_text(cell("household_id")),
        need=_text(cell("need_name")),
        date=_blank_or(cell("date")),
        next_visit=next_visit,
        **texts,
    )


def _blank_or(value: Any) -> Any:
    """Strip a cell's text; leave any other value as it is."""
    return value.strip() if isinstance(value, str) else value


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()
