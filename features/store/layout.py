"""Lay out a large town's records in partitions: Parquet files on any path that fsspec knows.

``parts.json`` names each partition's directory by a hash of its rows: laying out again writes only what has changed,
and until that file is replaced the old files stay as they were.
"""

import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from features.data_end import last_time
from features.store.database import add_moves, open_store
from features.store.export_history import days_of
from features.store.partitions import LAYOUT, ROWS, OnDisk, Partition, open_partitions
from features.store.reader import read_settings
from features.store.register_changes import show_changes
from features.store.sql import name
from features.store.storage import keep_only, put, put_table

HOUSEHOLDS = 16_384  # of a partition, about
GROWN = 2  # times HOUSEHOLDS, from which a partition is no longer kept as it is


def lay_out(workspace: Path, root: str, households: int = HOUSEHOLDS) -> OnDisk:
    """Bring the partitions below ``root`` up to the records of a workspace; only those with changed rows are written.

    ``root``: a URL that fsspec knows. ``households``: about how many a partition has. Returns the partitions laid out.
    """
    old = open_partitions(root)
    with open_store(workspace, read_only=True) as connection:
        show_changes(connection)
        add_moves(connection)
        grids = _grids(connection)
        of_grid = _numbered(grids, old, households)
        _assign(connection, grids, of_grid)
        keys = _keys(connection)
        partitions = tuple(
            Partition(
                number,
                tuple(grids.index[of_grid == number]),
                int(grids["households"].to_numpy()[of_grid == number].sum()),
                keys[number],
            )
            for number in range(of_grid.max() + 1)
        )
        held = {partition.directory for partition in old.partitions} if old else set()
        changed = [partition for partition in partitions if partition.directory not in held]
        for table in ROWS:
            _write(connection, table, changed, root)
        laid = OnDisk(root, read_settings(workspace), partitions, *_extent(connection))
    put(f"{root}/{LAYOUT}", laid.layout())
    keep_only(root, "records/part=*/*", {partition.directory for partition in partitions})
    return laid


def _grids(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Count the households that ever lived in each grid: a column ``households``, by the grid's id."""
    grids = connection.sql(
        "SELECT grid_id, count(DISTINCT household_id) AS households FROM households GROUP BY ALL ORDER BY grid_id"
    ).df()
    return grids.set_index("grid_id")


def _numbered(grids: pd.DataFrame, old: OnDisk | None, households: int) -> np.ndarray:
    """Number the partition of each grid: int [grids]. Grids stay in their partition; new ones are added at the end."""
    before = (
        {grid: partition.number for partition in old.partitions for grid in partition.grids} if old else {}
    )
    size = grids["households"].to_numpy()
    number = np.array([before.get(grid, -1) for grid in grids.index])
    filled = np.bincount(number[number >= 0], size[number >= 0]).astype(int)
    if not len(filled) or filled.max() > GROWN * households or not filled.all():
        number, filled = np.full(len(grids), -1), np.zeros(1, dtype=int)
    filled = filled.tolist()
    for grid in np.flatnonzero(number < 0):
        if filled[-1] and filled[-1] + size[grid] > households:
            filled.append(0)
        number[grid] = len(filled) - 1
        filled[-1] += int(size[grid])
    return number


def _assign(connection: duckdb.DuckDBPyConnection, grids: pd.DataFrame, of_grid: np.ndarray) -> None:
    """Make temporary tables of the partition of every grid and micro-grid, and the partitions of every household."""
    connection.register(
        "numbered", pa.table({"grid_id": list(grids.index), "part": of_grid.astype(np.int32)})
    )
    connection.execute("CREATE TEMP TABLE grid_parts AS SELECT * FROM numbered")
    connection.execute("""
        CREATE TEMP TABLE microgrid_parts AS
        SELECT DISTINCT microgrid_id, part FROM households JOIN grid_parts USING (grid_id)""")
    connection.execute("""
        CREATE TEMP TABLE household_parts AS
        SELECT DISTINCT household_id, part FROM households JOIN grid_parts USING (grid_id)""")
    connection.unregister("numbered")


def _in_parts(table: str) -> str:
    """Return SQL of a table's rows with their partition as ``row:part``; workers without an area are in every one."""
    if table == "workers":
        return """(SELECT coalesce(grid_parts.part, microgrid_parts.part, every.part) AS "row:part", workers.*
            FROM workers LEFT JOIN grid_parts USING (grid_id) LEFT JOIN microgrid_parts USING (microgrid_id)
            LEFT JOIN (SELECT DISTINCT part FROM grid_parts) every
            ON grid_parts.part IS NULL AND microgrid_parts.part IS NULL)"""
    return (
        f"""(SELECT part AS "row:part", {table}.* FROM {table} JOIN household_parts USING (household_id))"""
    )


def _keys(connection: duckdb.DuckDBPyConnection) -> dict[int, str]:
    """Compute a hash of the rows of each partition."""
    keys: dict[int, dict[str, list[str]]] = {}
    for table in ROWS:
        columns = ", ".join(name(column[0]) for column in connection.execute(f"DESCRIBE {table}").fetchall())
        rows = connection.execute(f"""
            SELECT "row:part", count(*), bit_xor(hash({columns})), sum(hash({columns}) >> 20)
            FROM {_in_parts(table)} GROUP BY ALL""")
        for part, *sums in rows.fetchall():
            keys.setdefault(part, {})[table] = [columns, *map(str, sums)]
    digests = {part: json.dumps([ROWS, tables], sort_keys=True).encode() for part, tables in keys.items()}
    return {part: blake2b(digest, digest_size=8).hexdigest() for part, digest in digests.items()}


def _write(connection: duckdb.DuckDBPyConnection, table: str, parts: list[Partition], root: str) -> None:
    """Write a table's file for each of these partitions, in one pass over its rows."""
    if not parts:
        return
    wanted = ", ".join(str(part.number) for part in parts)
    rows = connection.sql(
        f'SELECT * FROM {_in_parts(table)} WHERE "row:part" IN ({wanted}) ORDER BY "row:part"'
    ).to_arrow_reader(100_000)
    assert rows is not None
    left = {part.number: part for part in parts}
    for number, content in _by_part(rows):
        put_table(f"{root}/{left.pop(number).directory}/{table}.parquet", content)
    empty = rows.schema.empty_table().drop_columns(["row:part"])
    for part in left.values():
        put_table(f"{root}/{part.directory}/{table}.parquet", empty)


def _by_part(rows: pa.RecordBatchReader) -> Iterator[tuple[int, pa.Table]]:
    """Yield each partition's number and rows, from rows in the order of their partitions."""
    number = -1
    held: list[pa.RecordBatch] = []
    for batch in rows:
        part = batch["row:part"].to_numpy()
        ends = [*np.flatnonzero(np.diff(part)) + 1, len(part)]
        begin = 0
        for end in ends:
            if end == begin:
                continue
            if part[begin] != number and held:
                yield number, pa.Table.from_batches(held).drop_columns(["row:part"])
                held = []
            number = int(part[begin])
            held.append(batch.slice(begin, end - begin))
            begin = end
    if held:
        yield number, pa.Table.from_batches(held).drop_columns(["row:part"])


def _extent(connection: duckdb.DuckDBPyConnection) -> tuple[float, float, bool, bool]:
    """Return the first and last day, and whether there are residents and outreach."""
    times = {
        "households": "valid_from",
        "residents": "valid_from",
        "requests": "greatest(requested_at, known_from)",
        "outreach": "contacted_at",
    }
    last = last_time({table: days_of(connection, table, time) for table, time in times.items()})
    first = connection.execute("SELECT epoch_us(min(known_from)) / 86400e6 FROM households").fetchall()[0][0]
    filled = [
        bool(connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall())
        for table in ("residents", "outreach")
    ]
    return float(first), last, filled[0], filled[1]
