"""The tables in a directory: which files they are, and their rows as texts with the line each came from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from python_calamine import CalamineError, CalamineWorkbook

from features.contract.settings_file import SETTINGS_FILE
from features.contract.tables import TABLES
from features.ingest.csv_reader import LINE, BadRow, TextRows, read_csv
from features.language import UserError, say

RESERVED = ("known_from", "superseded_at")  # columns that the store adds
PANDAS_INDEX = "__index_level_"  # columns that pandas writes beside a table's own
OTHER_DELIMITERS = (";", "\t", "，", "；", "|")
SHOWN = 8  # names of a header in a message
HEADER_WITHIN = 10  # rows of a sheet among which its header is looked for: titles may stand above it


@dataclass(frozen=True)
class TableFile:
    """One table as it was handed in: texts under the contract's names, attributes under their own."""

    table: str
    path: Path
    columns: list[str]  # those of the contract
    attributes: list[str]
    unread: list[str]  # columns that nothing reads
    rows: pa.Table  # texts, and int64 ``LINE``
    bad: list[BadRow]


def find_tables(directory: Path) -> tuple[dict[str, Path], list[str]]:
    """The file of each table in the contract's order, and the names of files that nothing reads.

    Raises UserError when the directory is none, or holds two files for one table.
    """
    if not directory.is_dir():
        raise UserError(say(f"{directory}：没有这个目录", f"{directory}: no such directory"))
    found: dict[str, Path] = {}
    unread = []
    for path in sorted(directory.iterdir()):
        table = path.stem.lower()
        if path.name == SETTINGS_FILE or path.name.startswith((".", "~$")) or path.is_dir():
            continue
        if table not in TABLES or path.suffix.lower() not in READERS:
            unread.append(path.name)
        elif table in found:
            raise UserError(
                say(
                    f"{directory}：{found[table].name} 和 {path.name} 是同一张表，请只留一个",
                    f"{directory}: {found[table].name} and {path.name} are the same table; keep one of them",
                )
            )
        else:
            found[table] = path
    return {table: found[table] for table in TABLES if table in found}, unread


def read_table(table: str, path: Path) -> TableFile:
    """Read one table's file.

    Raises UserError when the file cannot be read, or lacks a column that the table must have.
    """
    try:
        read = READERS[path.suffix.lower()](path)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UserError(say(f"{path}：读不到（{why}）", f"{path}: cannot be read ({why})")) from error
    contract = TABLES[table].columns
    columns, attributes, unread, names = [], [], [], []
    for name in read.names:
        plain = name.strip().strip("\ufeff")
        plain = plain.lower() if plain.lower() in contract else plain
        names.append(plain)
        if plain in contract:
            columns.append(plain)
        elif plain and TABLES[table].attributes and plain.lower() not in RESERVED:
            attributes.append(plain)
        elif plain:
            unread.append(plain)
    _check_columns(table, path, names, columns)
    keep = [index for index, name in enumerate(names) if name]
    rows = read.rows.select([*keep, len(names)]).rename_columns([*(names[index] for index in keep), LINE])
    return TableFile(table, path, columns, attributes, unread, rows, read.bad)


def _check_columns(table: str, path: Path, names: list[str], columns: list[str]) -> None:
    named = [name.lower() for name in names if name]
    twice = [name for name in names if name and named.count(name.lower()) > 1]
    if twice:
        raise UserError(say(f"{path}：列 {twice[0]} 出现了两次", f"{path}: column {twice[0]} stands twice"))
    missing = [
        name for name, column in TABLES[table].columns.items() if column.required and name not in columns
    ]
    if table == "requests" and not {"need", "text"} & set(columns):
        missing.append(say("need（或 text）", "need (or text)"))
    if missing:
        other = next((sign for sign in OTHER_DELIMITERS if len(named) == 1 and sign in named[0]), None)
        raise UserError(_other_delimiter(path, other) if other else _missing_columns(path, missing, names))


def _other_delimiter(path: Path, sign: str) -> str:
    shown = say("制表符", "tabs") if sign == "\t" else f"“{sign}”"
    return say(
        f"{path}：各列用{shown}隔开，请另存为逗号分隔的 CSV",
        f"{path}: columns are separated by {shown}; save it as CSV with commas",
    )


def _missing_columns(path: Path, missing: list[str], names: list[str]) -> str:
    there = [name for name in names if name]
    more = "…" if len(there) > SHOWN else ""
    english = "" if all(name.isascii() for name in there) else "；这些列名要写成英文"
    return say(
        f"{path}：缺少列 {'、'.join(missing)}（表头里有：{'、'.join(there[:SHOWN])}{more}）{english}",
        f"{path}: column missing: {', '.join(missing)} (the header has: {', '.join(there[:SHOWN])}{more})",
    )


def _read_parquet(path: Path) -> TextRows:
    file = path.open("rb")
    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            say(
                f"{path}：不是完整的 parquet 文件，请重新导出",
                f"{path}: not a whole parquet file; export it again",
            )
        ) from error
    finally:
        file.close()
    own = [at for at, name in enumerate(table.column_names) if not name.startswith(PANDAS_INDEX)]
    names = [table.column_names[at] for at in own]
    columns = [_column_text(table.column(at)) for at in own]
    lines = pa.array(np.arange(1, table.num_rows + 1))
    return TextRows(names, pa.table([*columns, lines], names=[*names, LINE]), [])


def _column_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Typed values as the texts that a CSV would have: whole floats without '.0', times in UTC with a Z."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_floating(kind):
        column = column.cast(pa.float64()) if pa.types.is_float16(kind) else column
        column = pc.if_else(pc.is_finite(column), column, None)
        whole = pc.and_(pc.equal(column, pc.trunc(column)), pc.less(pc.abs(column), 1e15))
        integers = pc.if_else(whole, column, None).cast(pa.float64()).cast(pa.int64())
        return pc.coalesce(integers.cast(pa.string()), column.cast(pa.string()))
    if pa.types.is_timestamp(kind):
        zone = "UTC" if kind.tz else None
        texts = column.cast(pa.timestamp("us", tz=zone), safe=False).cast(pa.string())
        return pc.replace_substring_regex(texts, r"\.0+(Z?)$", r"\1")
    try:
        return column.cast(pa.string())
    except pa.ArrowException:
        values = [None if value is None else str(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(values, type=pa.string())])


def _read_xlsx(path: Path) -> TextRows:
    try:
        with CalamineWorkbook.from_path(str(path)) as workbook:
            own = [name for name in workbook.sheet_names if name.strip().lower() == path.stem.lower()]
            sheet = workbook.get_sheet_by_name(own[0] if own else workbook.sheet_names[0])
            cells = sheet.to_python(skip_empty_area=False)
    except (CalamineError, IndexError) as error:
        raise UserError(
            say(f"{path}：不是完整的 xlsx 文件，请重新保存", f"{path}: not a whole xlsx file; save it again")
        ) from error
    key = TABLES[path.stem.lower()].key[0]
    header = next(
        (
            row
            for row in range(min(HEADER_WITHIN, len(cells)))
            if key in [str(one).strip().lower() for one in cells[row]]
        ),
        next((row for row, values in enumerate(cells) if any(value != "" for value in values)), None),
    )
    if header is None:
        raise UserError(say(f"{path}：工作表是空的", f"{path}: the sheet is empty"))
    names = [_cell_text(value) or "" for value in cells[header]]
    body = cells[header + 1 :]
    columns = [
        pa.array([_cell_text(row[index]) for row in body], type=pa.string()) for index in range(len(names))
    ]
    lines = pa.array(np.arange(header + 2, len(cells) + 1))
    return TextRows(names, pa.table([*columns, lines], names=[*names, LINE]), [])


def _cell_text(value: Any) -> str | None:
    """What a cell shows, in the form that a CSV would have."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        seconds = value.replace(microsecond=0) + timedelta(seconds=value.microsecond >= 500_000)
        return str(seconds.date() if seconds.time() == time() else seconds)
    return value.isoformat() if isinstance(value, date) else str(value)


READERS: dict[str, Callable[[Path], TextRows]] = {
    ".csv": read_csv,
    ".parquet": _read_parquet,
    ".xlsx": _read_xlsx,
}
