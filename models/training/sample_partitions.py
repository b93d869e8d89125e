"""Source of the training sample of a large town: its records are read where the days are worked on."""

from dataclasses import dataclass

from features.point_in_time.records import Known, Records, known_before
from features.store.partitions import Partitions

_read: "list[tuple[FromPartitions, tuple[Records, Known]]]" = []  # of this process, which is handed day after day


@dataclass(frozen=True)
class FromPartitions:
    """Reads the sample's partitions in the process that works on a day; a ``models.dataset.sample.Source``."""

    town: Partitions
    as_of: int

    def __call__(self) -> tuple[Records, Known]:
        """Return the records of the partitions in the sample, and what is known of them; read once a process."""
        if not _read or _read[0][0] != self:  # other rows, another day, or other settings
            _read.clear()
            records = self.town.read(self.town.sample)
            _read.append((self, (records, known_before(records, self.as_of))))
        return _read[0][1]
