"""A model's probabilities for rows that it was not trained on, kept with it so that it can be compared fairly.

Most validation rows of a challenger were training rows of a champion that is only weeks old; on these the champion
would win by memory. So a model carries the probabilities that its own validation gave to its newest fold.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.point_in_time.records import Records
from features.point_in_time.remembered import remembered

FILE = "out_of_time.npz"


def stable_hash(ids: np.ndarray) -> np.ndarray:
    """uint64 per id (text): the same on every machine, whatever other ids there are."""
    digests = [hashlib.blake2b(str(identifier).encode(), digest_size=8).digest() for identifier in ids]
    return np.array([int.from_bytes(digest, "big") for digest in digests], dtype=np.uint64)


@remembered
def household_keys(records: Records) -> np.ndarray:
    """Hash the households' ids: uint64 [households], see ``stable_hash``."""
    return stable_hash(records.household_ids)


@dataclass(frozen=True)
class OutOfTime:
    """Probabilities of pairs on as-of days; households by a hash of their id, which outlives a renumbering."""

    household: np.ndarray  # uint64
    need: np.ndarray  # int16
    as_of: np.ndarray  # int32
    p: np.ndarray  # float32

    def find(self, household: np.ndarray, need: np.ndarray, as_of: np.ndarray) -> np.ndarray:
        """Look up the stored probability of each row: float64 [rows]; NaN where there is none."""
        held = pd.MultiIndex.from_arrays([self.household, self.need, self.as_of])
        place = held.get_indexer(pd.MultiIndex.from_arrays([household, need, as_of]))
        return np.append(self.p.astype(np.float64), np.nan)[place]

    def save(self, directory: Path) -> None:
        """Write one file into a model's directory."""
        np.savez(directory / FILE, **vars(self))

    @staticmethod
    def load(directory: Path) -> "OutOfTime | None":
        """What ``save`` wrote; None where there is no such file."""
        if not (directory / FILE).is_file():
            return None
        with np.load(directory / FILE) as file:
            return OutOfTime(**{name: file[name] for name in file.files})
