"""The workspace's own copy of the champion, so that scoring needs neither MLflow nor its server.

``champion/current.json`` names the version in force, the registry it came from, the directory beside it
that holds its files, and their digests. Replacing the one small file switches versions in a single step: whoever
reads or is killed in between sees the old champion or the new one, never half of each. A copy that is not as it
was written is not used, and fetched anew.
"""

import hashlib
import json
import os
import shutil
import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from features.atomic import flush_to_disk, forget_partials, scratch_directory, write_atomically
from features.contract.community import Community
from features.language import UserError, joined_names, say, say_line
from features.point_in_time.records import Records
from models.dataset.out_of_time import household_keys, read_out_of_time
from models.estimators.boosting import lgb
from models.registry.tracking import registry_address
from models.scoring.model import NeedModel

DIRECTORY = "champion"
_POINTER = "current.json"
# what reading a file raises that is not as ``NeedModel.save`` wrote it
UNREADABLE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    BadZipFile,
    lgb.basic.LightGBMError,
)


class NoChampion(UserError):
    """No model is in force, or only one of other features, needs or windows, which cannot be used."""


@dataclass(frozen=True)
class Champion:
    """The model in force and its version in the registry."""

    model: NeedModel
    version: int
    files: Path  # the workspace's copy


def with_own_validation(workspace: Path, champion: Champion, records: Records) -> NeedModel:
    """Return the model with the probabilities of its own validation, where the workspace kept them."""
    kept = read_out_of_time(workspace, champion.files, household_keys(records))
    return replace(champion.model, out_of_time=kept)


def trained_for(champion: Champion, community: Community) -> Champion:
    """Return the champion if it was trained for the community's needs and windows.

    Raises NoChampion if it was trained for other needs, for the same in another order (a need is a position to a model,
    and the scores of one would go to another) or for other windows.
    """
    trained, wanted = champion.model.schema.needs, tuple(need.id for need in community.needs)
    if trained == wanted:
        return _trained_for_windows(champion, community)
    new = joined_names(need for need in wanted if need not in trained)
    gone = joined_names(need for need in trained if need not in wanted)
    zh = "，".join(([f"新增 {new}"] if new else []) + ([f"去掉 {gone}"] if gone else [])) or "顺序变了"
    en = (
        "; ".join(([f"added: {new}"] if new else []) + ([f"removed: {gone}"] if gone else []))
        or "another order"
    )
    raise NoChampion(
        f"community.yaml 的需求与模型版本 {champion.version} 的不同（{zh}）：请先运行 xianying retrain",
        f"the needs of community.yaml are not those of model version {champion.version} ({en}): run xianying retrain"
        " first",
    )


def _trained_for_windows(champion: Champion, community: Community) -> Champion:
    """Return the champion if its needs' windows are the community's.

    Raises NoChampion otherwise: its probabilities describe other weeks, which nobody who reads the scores would see.
    """
    trained = champion.model.metadata.get("windows", {})  # a model of an earlier version does not tell
    changed = [
        need.id
        for need in community.needs
        if trained.get(need.id, [need.lead_weeks, need.horizon_weeks])
        != [need.lead_weeks, need.horizon_weeks]
    ]
    if not changed:
        return champion
    needs = joined_names(changed)
    raise NoChampion(
        f"community.yaml 里 {needs} 的 horizon_weeks 或 lead_weeks 改过，模型版本 {champion.version}"
        " 说的是原来的时间段：请先运行 xianying retrain",
        f"horizon_weeks or lead_weeks of {needs} in community.yaml changed: model version {champion.version} speaks"
        " of the weeks before that: run xianying retrain first",
    )


def changed_cohorts(champion: Champion, community: Community) -> list[str]:
    """Return a warning line if ``who`` of a need has changed since the model was trained, else no line.

    Scores still mean the same, but also concern households that the model was not trained on.
    """
    trained = champion.model.metadata.get("who", {})
    changed = [need.id for need in community.needs if trained.get(need.id, need.who) != need.who]
    if not changed:
        return []
    needs = joined_names(changed)
    return say_line(
        f"注意：{needs} 的 who 改过，模型版本 {champion.version} 是按原来的住户范围训练的；请运行 xianying retrain",
        f"note: who of {needs} changed, and model version {champion.version} was trained on the households of before:"
        " run xianying retrain",
    )


def no_model() -> NoChampion:
    """Make the error raised before the first retrain."""
    return NoChampion("还没有模型：请先运行 xianying retrain", "no model yet: run xianying retrain first")


def load_champion(version: int, files: Path) -> Champion:
    """Read a copy of a version from the directory ``files``.

    Raises NoChampion if an earlier version of the program made it, with other features, or its files are damaged.
    """
    try:
        model = NeedModel.load(files)
        outdated = model.outdated
    except UNREADABLE:
        outdated = True
    if outdated:
        zh = f"版本 {version} 是程序旧版训练的，或者文件已损坏，现在不能用：请重新运行 xianying retrain"
        en = f"version {version} was made by an earlier version of the program, or is damaged: run xianying retrain again"
        raise NoChampion(say(zh, en))
    return Champion(model, version, files)


def _fingerprint(registry: str) -> str:
    """Hash a registry's address, which may hold a password."""
    return hashlib.sha256(registry.encode()).hexdigest()[:16]


def read_copy(workspace: Path, registry: str) -> tuple[int, Path] | None:
    """Return version and directory of the copy; None if there is none, it is damaged or came from another registry."""
    pointer = _pointer(workspace)
    try:
        version, origin = int(pointer["version"]), str(pointer["registry"])
        files = workspace / DIRECTORY / str(pointer["directory"])
    except (ValueError, KeyError, TypeError):
        return None
    if damaged_copy(workspace):
        return None
    # an earlier version noted the address, also of the workspace's own registry
    known = {_fingerprint(registry), _fingerprint(registry_address(workspace))}
    usable = origin in known and (files / "model.json").is_file()
    return (version, files) if usable else None


def damaged_copy(workspace: Path) -> list[Path]:
    """List the files of the copy in force that are not as they were written; an earlier version noted no digests."""
    pointer = _pointer(workspace)
    try:
        files, noted = workspace / DIRECTORY / str(pointer["directory"]), dict(pointer.get("files", {}))
    except (ValueError, KeyError, TypeError):
        return []
    return [files / name for name, digest in noted.items() if file_digest(files / name) != digest]


def _pointer(workspace: Path) -> dict[str, Any]:
    try:
        content = json.loads((workspace / DIRECTORY / _POINTER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def file_digest(path: Path) -> str:
    """Compute the SHA-256 of a file, "" where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def forget_copy(workspace: Path) -> None:
    """Stop using the copy, so that the next reader asks the registry, and remove what killed downloads left."""
    forget_partials(workspace / DIRECTORY)
    (workspace / DIRECTORY / _POINTER).unlink(missing_ok=True)


def download_place(workspace: Path) -> AbstractContextManager[Path]:
    """Make a directory to download to, on the workspace's file system; it is removed after the block."""
    return scratch_directory(workspace / DIRECTORY)


def install_copy(workspace: Path, registry: str, version: int, files: Path) -> Path:
    """Make ``files`` the copy in force, and return its new directory.

    workspace: of the copy. registry: address that the version came from. version: its number.
    files: directory with the model, on the workspace's file system; it is moved.
    """
    place = workspace / DIRECTORY
    target = place / f"{version}-{uuid.uuid4().hex[:8]}"
    os.replace(files, target)
    flush_to_disk([*target.rglob("*"), target, place])
    pointer = {
        "version": version,
        "registry": _fingerprint(registry),
        "directory": target.name,
        "files": {
            path.relative_to(target).as_posix(): file_digest(path)
            for path in target.rglob("*")
            if path.is_file()
        },
    }
    write_atomically(place / _POINTER, json.dumps(pointer).encode())
    _remove_old(place, version, target)
    return target


def _remove_old(place: Path, version: int, current: Path) -> None:
    """Delete older copies, but for the newest of another version, which a reader may be loading just now."""
    copies = [path for path in place.iterdir() if path.is_dir() and not path.name.startswith(".")]
    others = [path for path in copies if path != current]
    before = [path for path in others if not path.name.startswith(f"{version}-")]
    kept = max(before, key=lambda path: path.stat().st_mtime, default=None)
    for path in others:
        if path != kept:
            shutil.rmtree(path, ignore_errors=True)
