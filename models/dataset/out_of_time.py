"""A model's probabilities for rows that it was not trained on, kept so that it can be compared fairly.

Most validation rows of a challenger were training rows of a champion that is only weeks old; on these the champion
would win by memory. So the workspace keeps the probabilities that a model's own validation gave to its newest fold.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.atomic import open_atomically
from features.point_in_time.records import Records
from features.point_in_time.remembered import remembered
from features.workspace_secret import keyed_hash, workspace_secret

DIRECTORY = "out_of_time"
EARLIER = "out_of_time.npz"  # among a model's files


def stable_hash(ids: np.ndarray) -> np.ndarray:
    """Hash ids: uint64 [ids]. An id's hash is the same on every machine and does not depend on the other ids."""
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
        """Look up the stored probability of each row: float64 [rows]; NaN where there is none.

        household: uint64 [rows], what ``household_keys`` gives. need: int [rows], position. as_of: int [rows], day.
        """
        held = pd.MultiIndex.from_arrays([self.household, self.need, self.as_of])
        place = held.get_indexer(pd.MultiIndex.from_arrays([household, need, as_of]))
        return np.append(self.p.astype(np.float64), np.nan)[place]


def keep_out_of_time(workspace: Path, model_files: Path, probabilities: OutOfTime) -> None:
    """Write a model's probabilities into the workspace, never beside the model, which may leave it.

    Households are kept by a hash that can be made only with the workspace's secret.
    """
    keyed = dict(vars(probabilities), household=_keyed(probabilities.household, workspace_secret(workspace)))
    with open_atomically(_place(workspace, model_files)) as file:
        np.savez(file, **keyed)


def forget_earlier_files(workspace: Path) -> None:
    """Delete what an earlier version kept beside models, by a hash that anybody can make."""
    for left in (*workspace.glob(f"mlartifacts/**/{EARLIER}"), *workspace.glob(f"champion/*/{EARLIER}")):
        left.unlink()


def read_out_of_time(workspace: Path, model_files: Path, household: np.ndarray) -> OutOfTime | None:
    """Read a model's probabilities for the households given (uint64, see ``stable_hash``); None where none are kept."""
    try:
        with np.load(_place(workspace, model_files), allow_pickle=False) as file:
            kept = OutOfTime(**{name: file[name] for name in file.files})
    except FileNotFoundError:
        return None
    keyed = _keyed(household, workspace_secret(workspace))
    order = np.argsort(keyed)
    place = order[np.searchsorted(keyed, kept.household, sorter=order).clip(max=len(order) - 1)]
    found = keyed[place] == kept.household if len(order) else np.zeros(len(kept.household), bool)
    return OutOfTime(household[place[found]], kept.need[found], kept.as_of[found], kept.p[found])


def erase_out_of_time(workspace: Path, household_id: str) -> None:
    """Take a household out of the probabilities of every model."""
    keyed = _keyed(stable_hash(np.array([household_id])), workspace_secret(workspace))[0]
    for path in (workspace / DIRECTORY).glob("*.npz"):
        with np.load(path, allow_pickle=False) as file:
            columns = {name: file[name] for name in file.files}
        rest = columns["household"] != keyed
        if not rest.all():
            with open_atomically(path) as file:
                np.savez(file, **{name: column[rest] for name, column in columns.items()})


def _place(workspace: Path, model_files: Path) -> Path:
    """Name the file after the model's own numbers, which are the same wherever a copy of them is."""
    digest = hashlib.sha256((model_files / "arrays.npz").read_bytes())
    return workspace / DIRECTORY / f"{digest.hexdigest()[:32]}.npz"


def _keyed(household: np.ndarray, secret: bytes) -> np.ndarray:
    """uint64 per hash of a household: another one, that is made with the secret."""
    distinct, place = np.unique(household, return_inverse=True)
    keyed = [int(keyed_hash(secret, "out of time", str(identifier))[:16], 16) for identifier in distinct]
    return np.array(keyed, dtype=np.uint64)[place]
