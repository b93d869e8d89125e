"""Write the rows of ledgers as tables of the contract into a directory that ``ingest`` reads; each keeps its place."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.contract.table_names import REFUSALS, table_of
from features.contract.tables import TABLES
from features.ingest.csv_reader import LINE
from features.ingest.files import SHEETS
from features.ingest.workbook import SHEET_SHIFT
from features.language import UserError, say
from features.mapping.mapping_file import ENDING
from features.mapping.register import RegisterTables
from features.mapping.take_rows import SOURCE
from service.ledgers.category_table import CATEGORIES
from service.ledgers.compose import Composed


def write_staged(
    staged: Path,
    directory: Path,
    ledgers: Sequence[Path],
    tables: RegisterTables,
    composed: Composed,
    records: pd.DataFrame,
) -> None:
    """Write the tables, and put the directory's other files beside them.

    staged: an empty directory.
    directory: the directory that is taken in.
    ledgers: its files that were read by a mapping.
    tables: households and residents of registers, whose ``record`` is a position in ``records``.
    composed: the tables of the events, whose ``record`` is a position in its events.
    records: every row of the ledgers, with its place.

    Raises UserError: the directory has a table of its own, other than of refusals, for rows that ledgers give too.
    """
    made: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {
        "households": (tables.households, records),
        "residents": (tables.residents, records),
        **{table: (pd.DataFrame(rows), composed.events) for table, rows in composed.tables.items()},
    }
    own_refusals = False  # beside those of ledgers
    for path in sorted(directory.iterdir()):
        if (
            path in ledgers
            or path.is_dir()
            or path.name.startswith((".", "~$"))
            or path.name.endswith((ENDING, CATEGORIES))
        ):
            continue
        table = table_of(path.stem)
        own_refusals |= table == REFUSALS
        if table in made and table != REFUSALS and len(made[table][0]):
            raise UserError(_twice(path, table))
        _put(path, staged / path.name)
    for table, (rows, places) in made.items():
        if len(rows) and table == REFUSALS and own_refusals:
            name = say("台账里的谢绝", "refusals of ledgers")
            answers = rows.drop(columns="record").assign(是否拒访="是")
            answers.to_csv(staged / f"{name}.csv", index=False)
        elif len(rows):
            _write(staged / f"{table}.parquet", table, rows, places)


def _twice(path: Path, table: str) -> str:
    return say(
        f"{path}：{table} 表和台账里的是同样的记录，请只留一个（把台账的 .mapping.yaml 或这张表移走）",
        f"{path}: ledgers give the table {table} too; keep one of them (move this file or the ledger's .mapping.yaml)",
    )


def _put(path: Path, target: Path) -> None:
    """Put a file into the directory without copying it where that can be done."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)


def _write(path: Path, table: str, rows: pd.DataFrame, places: pd.DataFrame) -> None:
    """Write a table as texts, with the file, sheet and line of each row as ``features.ingest.files`` reads them."""
    where = places.loc[rows["record"].to_numpy(), list(SOURCE)].astype({"entry": int})
    # rows that came from one line stand apart by a number of their own
    where["entry"] = where.groupby(list(SOURCE[:3])).cumcount()
    sheet = where.groupby(["source_file", "source_sheet", "entry"], sort=False).ngroup().to_numpy()
    names = where.assign(sheet=sheet).drop_duplicates("sheet").sort_values("sheet")
    labels = [f"{file} {name}" for file, name in names[["source_file", "source_sheet"]].to_numpy()]
    columns = {name: _texts(rows[name]) for name in rows.columns if name != "record"}
    for name in TABLES[table].needed:
        columns.setdefault(name, pa.nulls(len(rows), pa.string()))
    columns[LINE] = pa.array(
        (sheet.astype(np.int64) << SHEET_SHIFT) + where["source_row"].to_numpy(dtype=np.int64)
    )
    content = pa.table(columns).replace_schema_metadata({SHEETS: "\n".join([*labels, ""])})
    pq.write_table(content, path)


def _texts(column: pd.Series) -> pa.Array:
    values: list[Any] = [
        None if value is None or value is pd.NA or value == "" or value != value else str(value)
        for value in column
    ]
    return pa.array(values, type=pa.string())
