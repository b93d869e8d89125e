"""The rows in which somebody filled in something, read from a workbook of lists in whatever state it came back."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from python_calamine import CalamineWorkbook

from features.language import UserError, say
from service.workbook import FILLED_COLUMNS, ID_HEADER, VISIT_COLUMNS

HEADER_SEARCH = 30  # rows from the top among which the header row is looked for


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
    notes: str

    def at(self, column: str) -> str:
        """File, sheet and cell of one of the row's columns."""
        return f"{self.sheet} {_letters(self.columns.get(column, 0))}{self.line}"

    @property
    def where(self) -> str:
        """File, sheet and cell of the outcome."""
        return self.at("outcome")


def filled_rows(path: Path) -> Iterator[Filled]:
    """The rows of a workbook in which an outcome, feedback, a note or a next visit was filled in.

    Raises UserError for a file that is no workbook of ours.
    """
    try:
        workbook = CalamineWorkbook.from_path(str(path))
        sheets = [
            (name, workbook.get_sheet_by_name(name).to_python(skip_empty_area=False))
            for name in workbook.sheet_names
        ]
    except OSError as error:
        raise UserError(
            say(f"{path}：读不到（{error.strerror}）", f"{path}: cannot be read ({error.strerror})")
        ) from error
    except Exception as error:  # the reader raises its own kinds for files that are no workbooks
        raise UserError(
            say(
                f"{path}：不是 Excel 工作簿，请另存为 .xlsx 再交",
                f"{path}: no Excel workbook; save it as .xlsx",
            )
        ) from error
    lists = 0
    for name, cells in sheets:
        header = _header(cells)
        if header is None:
            continue
        line, columns = header
        lists += 1
        if ID_HEADER not in columns:
            raise UserError(
                say(
                    f"{path} [{name}]：缺少隐藏的 {ID_HEADER} 列，请用发出的表填写",
                    f"{path} [{name}]: the hidden column {ID_HEADER} is missing; use the file as handed out",
                )
            )
        yield from _rows_of(f"{path} [{name}]", cells, line, columns)
    if not lists:
        raise NoList(say(f"{path}：里面没有走访名单", f"{path}: holds no list of visits"))


def _rows_of(where: str, cells: list[list[Any]], header: int, columns: dict[str, int]) -> Iterator[Filled]:
    def cell(row: list[Any], name: str) -> Any:
        position = columns.get(name)
        return row[position] if position is not None and position < len(row) else ""

    for line, row in enumerate(cells[header + 1 :], start=header + 2):
        texts = {name: _text(cell(row, name)) for name in ("outcome", "feedback", "satisfaction", "notes")}
        next_visit = _blank_or(cell(row, "next_visit"))
        if not any((*texts.values(), next_visit)):
            continue
        yield Filled(
            sheet=where,
            line=line,
            columns=columns,
            outreach_id=_text(cell(row, ID_HEADER)),
            household_id=_text(cell(row, "household_id")),
            need=_text(cell(row, "need_name")),
            date=_blank_or(cell(row, "date")),
            next_visit=next_visit,
            **texts,
        )


def _blank_or(value: Any) -> Any:
    """A cell's value; "" where it holds only spaces."""
    return value.strip() if isinstance(value, str) else value


def _header(cells: list[list[Any]]) -> tuple[int, dict[str, int]] | None:
    """Row and columns of a list's header, known by its titles in either language."""
    names = {title: column for column, zh, en, _ in (*VISIT_COLUMNS, *FILLED_COLUMNS) for title in (zh, en)}
    names[ID_HEADER] = ID_HEADER
    for line, row in enumerate(cells[:HEADER_SEARCH]):
        columns = {names[text]: place for place, value in enumerate(row) if (text := _text(value)) in names}
        if "outcome" in columns and len(columns) > 2:
            return line, columns
    return None


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _letters(position: int) -> str:
    """The name of a column counted from zero: A, B, ... Z, AA."""
    text = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        text = chr(ord("A") + rest) + text
    return text
