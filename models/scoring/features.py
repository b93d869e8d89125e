"""Features of a town as the champion reads them, written as Parquet files, one a partition."""

from dataclasses import dataclass

import pyarrow as pa

from features.store.partitions import Partitions
from features.store.storage import put_table
from models.scoring.executors import Each
from models.scoring.model import NeedModel
from models.scoring.score import ScorePartition, fit_town


@dataclass(frozen=True)
class WriteFeatures:
    """A task that writes the features of a partition, by its number, below a URL."""

    scoring: ScorePartition
    directory: str

    def __call__(self, number: int) -> None:
        """Write household_id, need, and a float32 column for each further feature."""
        known = self.scoring.known(number)
        made, _ = self.scoring.features(known)
        needs = pa.array([need.id for need in known.community.needs])
        columns = {
            "household_id": pa.array(known.household_ids[made.rows.household], pa.string()),
            "need": needs.take(pa.array(made.rows.need)),
        }
        for column, name in enumerate(made.names):
            columns.setdefault(name, pa.array(made.matrix[:, column]))
        put_table(self.place(number), pa.table(columns))

    def place(self, number: int) -> str:
        """Return the URL of a partition's file."""
        return f"{self.directory}/part={number:04d}.parquet"


def write_features(town: Partitions, model: NeedModel, as_of: int, directory: str, each: Each) -> None:
    """Write the features of every partition below a URL.

    model: whose schema is used. as_of: the day. directory: the URL. each: maps a task over partitions, in order.
    """
    scoring = ScorePartition(town, model, fit_town(town, model, as_of))
    list(each(WriteFeatures(scoring, directory), range(len(town))))
