"""A town in partitions of whole grids: one held in memory, or many in Parquet files (``features.store.layout``).

A partition is a town by itself: every row about a household is in its partition, except what was fitted on the whole town
(``build.summarise``). So partitions can be worked on one after another in little memory, or side by side on many
machines. A household that moved is, with all its rows, in each partition where it ever lived; it is present in the one
where it lives at the date (``Records.within``).
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from features.contract.attribute_values import Texts
from features.contract.community import Community
from features.contract.tables import TABLES
from features.point_in_time.records import Records, known_before
from features.point_in_time.subset import some
from features.rows.tables import (
    FeedbackRows,
    HouseholdRows,
    OptOutRows,
    OutreachRows,
    RequestRows,
    ResidentRows,
)
from features.store.plain_file import from_file, to_bytes
from features.store.reader import records_in
from features.store.storage import copy_file, get, get_table, keep_only

ROOT = "XIANYING_PARTS"  # environment: the URL below which the partitions are; by default the workspace's
FOLDER = "parts"
LAYOUT = "parts.json"
WHOLE = "records.npz"  # of a town in memory that was copied
KINDS = (
    *(HouseholdRows, ResidentRows, RequestRows, OutreachRows, OptOutRows, FeedbackRows),
    *(Texts, Community),
)  # the classes that such a file may hold
FITTED_ON = 100_000  # households, about, on which what holds for the whole town is fitted
ROWS = (*(table for table in TABLES if table != "programme_history"), "resident_moves")


@dataclass(frozen=True)
class Partition:
    """Some grids of a town. ``key`` changes with any of their rows."""

    number: int
    grids: tuple[str, ...]
    households: int  # that ever lived there
    key: str

    @property
    def directory(self) -> str:
        """Return the directory of its tables, below the partitions' root."""
        return f"records/part={self.number:04d}/{self.key}"


@dataclass(frozen=True)
class InMemory:
    """A town in one partition, held in memory."""

    records: Records

    @property
    def community(self) -> Community:
        """Return the settings in force."""
        return self.records.community

    @property
    def first_day(self) -> float:
        """Return ``Records.first_day``."""
        return self.records.first_day

    @property
    def last_day(self) -> float:
        """Return ``Records.last_day``."""
        return self.records.last_day

    @property
    def has_residents(self) -> bool:
        """Tell whether there is a table of residents."""
        return self.records.has_residents

    @property
    def has_outreach(self) -> bool:
        """Tell whether there is a table of outreach."""
        return self.records.has_outreach

    @property
    def sample(self) -> list[int]:
        """List the number of the one partition."""
        return [0]

    def __len__(self) -> int:
        return 1

    def read(self, numbers: Sequence[int]) -> Records:
        """Return the records."""
        return self.records

    def own(self, number: int, as_of: int) -> Records:
        """Return the records."""
        return self.records

    def copy_to(self, directory: Path) -> None:
        """Write the records into a file."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / WHOLE).write_bytes(to_bytes(self.records))


@dataclass(frozen=True)
class OnDisk:
    """A town in Parquet files, by partition."""

    root: str  # any URL that fsspec knows
    community: Community
    partitions: tuple[Partition, ...]
    first_day: float
    last_day: float
    has_residents: bool
    has_outreach: bool

    def __len__(self) -> int:
        return len(self.partitions)

    @property
    def sample(self) -> list[int]:
        """List the numbers of the partitions on which estimates for the whole town are fitted: all, or some at random.

        They hold at most 100 000 households together, or are one partition; the draw depends on the grids' ids only.
        """
        drawn = sorted(self.partitions, key=lambda partition: blake2b(partition.grids[0].encode()).digest())
        reached = np.cumsum([partition.households for partition in drawn])
        count = max(1, int(np.searchsorted(reached, FITTED_ON, side="right")))
        return sorted(partition.number for partition in drawn[:count])

    def read(self, numbers: Sequence[int]) -> Records:
        """Return the records of some partitions as those of one town."""
        with duckdb.connect(config={"threads": 1}) as connection:
            for table in ROWS:
                paths = [
                    f"{self.root}/{self.partitions[number].directory}/{table}.parquet" for number in numbers
                ]
                rows = pa.concat_tables([get_table(path) for path in paths])
                connection.register(f"rows_of_{table}", rows)
                distinct = "DISTINCT " if len(paths) > 1 else ""  # who moved stands in several partitions
                connection.execute(f"CREATE VIEW {table} AS SELECT {distinct}* FROM rows_of_{table}")
            records = records_in(connection, self.community)
        grids = [grid for number in numbers for grid in self.partitions[number].grids]
        within = np.isin(records.grid_ids.astype(str), np.array(grids, dtype=str))
        return replace(
            records, within=within, has_residents=self.has_residents, has_outreach=self.has_outreach
        )

    def own(self, number: int, as_of: int) -> Records:
        """Return the households that live in a partition at a date, with all their rows, as a town of their own.

        A household that is not known yet is in the partition where it will first live.
        """
        records = self.read([number])
        assert records.within is not None
        grid = known_before(replace(records, within=None), as_of).grid
        _, first = np.unique(records.households.household, return_index=True)
        grid = np.where(grid >= 0, grid, records.households.grid[first])
        return replace(some(records, np.flatnonzero(records.within[grid])), within=None)

    def copy_to(self, directory: Path) -> None:
        """Link the files into a directory, or copy them where they cannot be linked."""
        for partition in self.partitions:
            for table in ROWS:
                name = f"{partition.directory}/{table}.parquet"
                copy_file(f"{self.root}/{name}", directory / name)
        (directory / LAYOUT).write_bytes(self.layout())

    def layout(self) -> bytes:
        """Return the content of the file that describes the partitions."""
        values = {**vars(self), "community": self.community.model_dump(mode="json")}
        del values["root"], values["partitions"]
        values["parts"] = [asdict(partition) for partition in self.partitions]
        return json.dumps(values, ensure_ascii=False).encode()


Partitions = InMemory | OnDisk


def open_copy(directory: Path) -> Partitions:
    """Open the records that ``copy_to`` kept in a directory.

    Raises FileNotFoundError where there are none, and UnreadableFile where they are damaged.
    """
    return open_partitions(str(directory)) or InMemory(from_file(directory / WHOLE, Records, KINDS))


def root_of(workspace: Path) -> str:
    """Return the URL below which a workspace's partitions are."""
    return os.environ.get(ROOT) or str(workspace.resolve() / FOLDER)


def forget(root: str) -> None:
    """Remove the partitions and everything below their root; they are laid out again when they are needed."""
    keep_only(root, "*", set())


def open_partitions(root: str) -> OnDisk | None:
    """Open the partitions as they were last laid out; return None where they never were."""
    content = get(f"{root}/{LAYOUT}")
    if content is None:
        return None
    layout = json.loads(content)
    partitions = tuple(
        Partition(**{**values, "grids": tuple(values["grids"])}) for values in layout.pop("parts")
    )
    layout["community"] = Community.model_validate(layout["community"])
    return OnDisk(root=root, partitions=partitions, **layout)
