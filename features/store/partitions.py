"""A large town laid out in parts of whole grids: Parquet files on any path that fsspec knows.

A part is a town by itself: everything that is said of a household is found in its part, but for what was fitted on
the town (``build.summarise``). So parts can be worked on one after another in little memory, or side by side on
many machines. A household that moved stands, with all its rows, in each part where it ever lived; it is present in
the one where it lives at the date (``Records.within``).

``parts.json`` names each part's directory by a hash of its rows: laying out again writes only what has changed, and
until it is replaced the old files stay what they were.
"""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from features.contract.community import Community
from features.contract.tables import TABLES
from features.point_in_time.records import Records, known_before
from features.point_in_time.subset import some
from features.store.database import add_moves, add_tables, open_store
from features.store.reader import read_settings, records_in
from features.store.sql import name
from features.store.storage import get, get_table, keep_only, put, put_table

ROOT = "XIANYING_PARTS"  # environment: the URL below which the parts are; by default the workspace's
FOLDER = "parts"
LAYOUT = "parts.json"
HOUSEHOLDS = 16_384  # of a part, about
FITTED_ON = 100_000  # households, about, on which what holds for the whole town is fitted
GROWN = 2  # times HOUSEHOLDS, from which a part is no longer kept as it is
ROWS = (*(table for table in TABLES if table != "programme_history"), "resident_moves")


@dataclass(frozen=True)
class Part:
    """Some grids of a town. ``key`` changes with any row of theirs."""

    number: int
    grids: tuple[str, ...]
    households: int  # that ever lived there
    key: str

    @property
    def directory(self) -> str:
        """Where its tables are, below the parts' root."""
        return f"records/part={self.number:04d}/{self.key}"


@dataclass(frozen=True)
class Parts:
    """All parts of a town, by their numbers from 0 on."""

    root: str  # any URL that fsspec knows
    community: Community
    parts: tuple[Part, ...]
    first_day: float  # ``Records.first_day``
    last_day: float  # ``Records.last_day``
    has_residents: bool
    has_outreach: bool

    def __len__(self) -> int:
        return len(self.parts)

    @property
    def sample(self) -> list[int]:
        """Numbers of the parts on which what holds for the whole town is fitted: all, or some drawn by lot."""
        drawn = sorted(self.parts, key=lambda part: blake2b(part.grids[0].encode()).digest())
        reached = np.cumsum([part.households for part in drawn])
        count = max(1, int(np.searchsorted(reached, FITTED_ON, side="right")))
        return sorted(part.number for part in drawn[:count])

    def read(self, numbers: Sequence[int]) -> Records:
        """The records of some parts, as of one town."""
        with duckdb.connect(config={"threads": 1}) as connection:
            for table in ROWS:
                paths = [f"{self.root}/{self.parts[one].directory}/{table}.parquet" for one in numbers]
                rows = pa.concat_tables([get_table(path) for path in paths])
                connection.register(f"rows_of_{table}", rows)
                distinct = "DISTINCT " if len(paths) > 1 else ""  # who moved stands in several parts
                connection.execute(f"CREATE VIEW {table} AS SELECT {distinct}* FROM rows_of_{table}")
            records = records_in(connection, self.community)
        here = [grid for one in numbers for grid in self.parts[one].grids]
        within = np.isin(records.grid_ids.astype(str), np.array(here, dtype=str))
        return replace(
            records, within=within, has_residents=self.has_residents, has_outreach=self.has_outreach
        )

    def own(self, number: int, as_of: int) -> Records:
        """The households that live in a part at a date, with all their rows, as of a town: each household is in one
        part, so that numbers add up. One that is not known yet is in the part where it will first live."""
        records = self.read([number])
        assert records.within is not None
        grid = known_before(replace(records, within=None), as_of).grid
        _, first = np.unique(records.households.household, return_index=True)
        grid = np.where(grid >= 0, grid, records.households.grid[first])
        return replace(some(records, np.flatnonzero(records.within[grid])), within=None)


def root_of(workspace: Path) -> str:
    """The URL below which a workspace's parts are."""
    return os.environ.get(ROOT) or str(workspace.resolve() / FOLDER)


def forget(root: str) -> None:
    """Remove the parts and all that was made of them; they are laid out again when they are needed."""
    keep_only(root, "*", set())


def lay_out(workspace: Path, root: str, households: int = HOUSEHOLDS) -> Parts:
    """Bring the parts below ``root`` up to the records of a workspace; only parts with changed rows are written."""
    old = open_parts(root)
    with open_store(workspace, read_only=True) as connection:
        add_tables(connection, temporary=True)
        add_moves(connection)
        grids = _grids(connection)
        of_grid = _numbered(grids, old, households)
        _assign(connection, grids, of_grid)
        keys = _keys(connection)
        parts = tuple(
            Part(
                number,
                tuple(grids.index[of_grid == number]),
                int(grids["households"].to_numpy()[of_grid == number].sum()),
                keys[number],
            )
            for number in range(of_grid.max() + 1)
        )
        held = {part.directory for part in old.parts} if old else set()
        changed = [part for part in parts if part.directory not in held]
        for table in ROWS:
            _write(connection, table, changed, root)
        laid = Parts(root, read_settings(workspace), parts, *_extent(connection))
    put(f"{root}/{LAYOUT}", json.dumps(_as_json(laid), ensure_ascii=False).encode())
    keep_only(root, "records/part=*/*", {part.directory for part in parts})
    return laid


def open_parts(root: str) -> Parts | None:
    """The parts as they were last laid out; None where they never were."""
    content = get(f"{root}/{LAYOUT}")
    if content is None:
        return None
    held = json.loads(content)
    parts = tuple(Part(**{**one, "grids": tuple(one["grids"])}) for one in held.pop("parts"))
    return Parts(root=root, parts=parts, **{**held, "community": Community.model_validate(held["community"])})


def _as_json(parts: Parts) -> dict[str, Any]:
    said = {**vars(parts), "community": parts.community.model_dump(mode="json")}
    del said["root"]
    return {**said, "parts": [asdict(one) for one in parts.parts]}


def _grids(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """households (that ever lived there) of every grid, by its id."""
    grids = connection.sql(
        "SELECT grid_id, count(DISTINCT household_id) AS households FROM households GROUP BY ALL ORDER BY grid_id"
    ).df()
    return grids.set_index("grid_id")


def _numbered(grids: pd.DataFrame, old: Parts | None, households: int) -> np.ndarray:
    """int per grid: its part. Grids stay in the part that they were in; new ones are added at the end."""
    before = {grid: part.number for part in old.parts for grid in part.grids} if old else {}
    size = grids["households"].to_numpy()
    held = np.array([before.get(grid, -1) for grid in grids.index])
    filled = np.bincount(held[held >= 0], size[held >= 0]).astype(int)
    if not len(filled) or filled.max() > GROWN * households or not filled.all():
        held, filled = np.full(len(grids), -1), np.zeros(1, dtype=int)
    filled = filled.tolist()
    for grid in np.flatnonzero(held < 0):
        if filled[-1] and filled[-1] + size[grid] > households:
            filled.append(0)
        held[grid] = len(filled) - 1
        filled[-1] += int(size[grid])
    return held


def _assign(connection: duckdb.DuckDBPyConnection, grids: pd.DataFrame, of_grid: np.ndarray) -> None:
    """Temporary tables: the part of every grid and micro-grid, and the parts of every household."""
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
    """SQL of a table's rows, each with its part as ``row:part``; workers without an area stand in all parts."""
    if table == "workers":
        return """(SELECT coalesce(grid_parts.part, microgrid_parts.part, every.part) AS "row:part", workers.*
            FROM workers LEFT JOIN grid_parts USING (grid_id) LEFT JOIN microgrid_parts USING (microgrid_id)
            LEFT JOIN (SELECT DISTINCT part FROM grid_parts) every
            ON grid_parts.part IS NULL AND microgrid_parts.part IS NULL)"""
    return (
        f"""(SELECT part AS "row:part", {table}.* FROM {table} JOIN household_parts USING (household_id))"""
    )


def _keys(connection: duckdb.DuckDBPyConnection) -> dict[int, str]:
    """A hash of each part's rows."""
    found: dict[int, dict[str, list[str]]] = {}
    for table in ROWS:
        columns = ", ".join(name(one[0]) for one in connection.execute(f"DESCRIBE {table}").fetchall())
        rows = connection.execute(f"""
            SELECT "row:part", count(*), bit_xor(hash({columns})), sum(hash({columns}) >> 20)
            FROM {_in_parts(table)} GROUP BY ALL""")
        for part, *sums in rows.fetchall():
            found.setdefault(part, {})[table] = [columns, *map(str, sums)]
    digests = {part: json.dumps([ROWS, tables], sort_keys=True).encode() for part, tables in found.items()}
    return {part: blake2b(digest, digest_size=8).hexdigest() for part, digest in digests.items()}


def _write(connection: duckdb.DuckDBPyConnection, table: str, parts: list[Part], root: str) -> None:
    """A file of a table for each of these parts, in one pass over its rows."""
    if not parts:
        return
    wanted = ", ".join(str(one.number) for one in parts)
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
    """The rows of each part, from rows in the order of their parts."""
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
    """First and last day, and whether there are residents and outreach."""
    ends = {
        "households": ["valid_from"],
        "residents": ["valid_from"],
        "requests": ["requested_at", "known_from"],
        "outreach": ["contacted_at"],
    }
    last = [
        connection.execute(f"SELECT epoch_us(max({column})) / 86400e6 FROM {table}").fetchall()[0][0]
        for table, columns in ends.items()
        for column in columns
    ]
    first = connection.execute("SELECT epoch_us(min(known_from)) / 86400e6 FROM households").fetchall()[0][0]
    there = [
        bool(connection.execute(f"SELECT 1 FROM {one} LIMIT 1").fetchall())
        for one in ("residents", "outreach")
    ]
    return float(first), max(float(one) for one in last if one is not None), there[0], there[1]
