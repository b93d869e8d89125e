"""What is left of a household that was deleted: a hash by which a later export of it is recognised and left out.

The hash can be made only with the workspace's secret: whoever has the file alone cannot try out numbers of households.
Earlier versions kept a salt beside the hashes; such hashes are still recognised.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from features.atomic import read_json, write_atomically
from features.language import UserError
from features.workspace_secret import SECRET, keyed_hash, workspace_secret

TOMBSTONES = "tombstones.json"
USE, ALIKE = "tombstone", "tombstone alike"


@dataclass(frozen=True)
class Tombstones:
    """When each household was removed, by its hash. ``check`` tells which secret the hashes were made with."""

    check: str = ""
    households: dict[str, str] = field(default_factory=dict)
    salt: str = ""  # of an earlier version
    salted: dict[str, str] = field(default_factory=dict)
    # when a household was removed, by hashes of what it may come back with under another number
    alike: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.households) + len(self.salted)


def read_tombstones(path: Path) -> Tombstones:
    """Read a file of tombstones; none where there is no file. Raises ValueError where it holds something else."""
    if not path.is_file():
        return Tombstones()
    held = read_json(path)
    if "check" not in held:
        held = {"salt": held["salt"], "salted": held["households"]}
    tombstones = Tombstones(**held)
    texts = (tombstones.check, tombstones.salt)
    tables = (tombstones.households, tombstones.salted, tombstones.alike)
    if all(isinstance(text, str) for text in texts) and all(isinstance(table, dict) for table in tables):
        return tombstones
    raise ValueError(path)


def write_tombstones(workspace: Path, held: Tombstones) -> None:
    """Write a workspace's tombstones."""
    write_atomically(workspace / TOMBSTONES, json.dumps(asdict(held), indent=1).encode())


def leave_tombstone(workspace: Path, household_id: str, signs: Iterable[str] = ()) -> str:
    """Note that a household was removed; the hash. From now on no ingest takes a row of it.

    ``signs``: texts by which it can be told that it comes back under another number.
    """
    held, secret = read_tombstones(workspace / TOMBSTONES), workspace_secret(workspace)
    _refuse_other_secret(held, secret, workspace)
    digest, now = keyed_hash(secret, USE, household_id), datetime.now(UTC).isoformat(timespec="seconds")
    households = {digest: now, **held.households}
    alike = {**dict.fromkeys((keyed_hash(secret, ALIKE, sign) for sign in signs), now), **held.alike}
    write_tombstones(workspace, Tombstones(_check(secret), households, held.salt, held.salted, alike))
    return digest


def recognises(held: Tombstones, workspace: Path) -> Callable[[str], bool]:
    """Give the test whether a household was removed.

    Raises UserError where the workspace's secret is not the one that the tombstones were made with: households that
    were deleted would come back unnoticed.
    """
    secret = workspace_secret(workspace) if held.households else b""
    _refuse_other_secret(held, secret, workspace)

    def removed(household_id: str) -> bool:
        salted = sha256((held.salt + household_id).encode()).hexdigest() if held.salted else ""
        return salted in held.salted or (
            bool(held.households) and keyed_hash(secret, USE, household_id) in held.households
        )

    return removed


def resembles(held: Tombstones, workspace: Path) -> Callable[[str], bool]:
    """Give the test whether a text is a sign of a household that was removed."""
    secret = workspace_secret(workspace) if held.alike else b""
    return lambda sign: bool(held.alike) and keyed_hash(secret, ALIKE, sign) in held.alike


def _check(secret: bytes) -> str:
    return keyed_hash(secret, f"{USE}s", "")


def _refuse_other_secret(held: Tombstones, secret: bytes, workspace: Path) -> None:
    if held.households and held.check != _check(secret):
        raise UserError(
            f"{workspace / SECRET}：与 {TOMBSTONES} 不是一套，认不出已删除的住户；请放回原来的 {SECRET}",
            f"{workspace / SECRET}: not the one of {TOMBSTONES}, so that deleted households would come back; put the "
            f"original {SECRET} in its place",
        )
