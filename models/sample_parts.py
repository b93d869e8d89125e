"""The training sample of a large town, drawn where the parts are worked on: as-of days side by side."""

from dataclasses import dataclass

from features.parts import Parts
from features.records import Known, Records, known_before

_read: dict[tuple[str, int], tuple[Records, Known]] = {}  # of this process, which is handed day after day


@dataclass(frozen=True)
class FromParts:
    """Reads the sample's records where a day is worked on; a ``models.sample.Source``."""

    parts: Parts
    as_of: int

    def __call__(self) -> tuple[Records, Known]:
        """The records of the parts in the sample, and what is known of them."""
        drawn = self.parts.sample
        key = (" ".join([self.parts.root, *(self.parts.parts[one].key for one in drawn)]), self.as_of)
        if key not in _read:
            _read.clear()
            records = self.parts.read(drawn)
            _read[key] = (records, known_before(records, self.as_of))
        return _read[key]
