"""Read and check community.yaml, take it over into the workspace, and say in words what changed in it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from features.contract.community import Community
from features.contract.settings_mistakes import mistake_line, slip_of_signs, unread_keys
from features.contract.settings_text import read_yaml
from features.language import UserError, say

SETTINGS_FILE = "community.yaml"


@dataclass(frozen=True)
class LoadedCommunity:
    """A community.yaml and those of its keys that nothing reads."""

    community: Community
    unread: list[str] = field(default_factory=list)


def read_community(path: Path) -> LoadedCommunity:
    """Read a community.yaml (UTF-8, GB18030, Big5 or Shift-JIS).

    Raises UserError with one line naming the file and the key when it cannot be used.
    """
    value = read_yaml(path)
    if not isinstance(value, dict):
        raise UserError(
            f"{path}：缺少 community 和 needs 两节",
            f"{path}: the sections community and needs are missing",
        )
    if slip := slip_of_signs(value):
        raise UserError(f"{path}: {slip}")
    return LoadedCommunity(community := parse_community(value, str(path)), unread_keys(community, ""))


def parse_community(value: dict[str, Any], where: str) -> Community:
    """Check the content of a community.yaml; ``where`` names it in the UserError that bad content raises."""
    try:
        return Community.model_validate(value)
    except ValidationError as error:
        raise UserError(f"{where}: {mistake_line(error, value)}") from error


@dataclass(frozen=True)
class Taken:
    """The settings of an ingest: their content, keys that nothing reads, changes in words, and the file to write."""

    community: Community
    unread: list[str]
    changes: list[str]
    content: bytes | None  # None where the workspace's own file stays


def take_settings(directory: Path, workspace: Path) -> Taken:
    """Read the directory's community.yaml, or the workspace's where the directory has none.

    Raises UserError where neither is there, or the one to be used is wrong.
    """
    theirs, ours = directory / SETTINGS_FILE, workspace / SETTINGS_FILE
    if not theirs.is_file() and not ours.is_file():
        raise UserError(
            f"{directory}：缺少 community.yaml（xianying init 会生成一个示例）",
            f"{directory}: community.yaml is missing (xianying init writes an example)",
        )
    loaded = read_community(theirs if theirs.is_file() else ours)
    if not theirs.is_file() or (ours.is_file() and ours.read_bytes() == theirs.read_bytes()):
        return Taken(loaded.community, loaded.unread, [], None)
    changes = []
    if ours.is_file():
        with suppress(UserError):  # a broken file in the workspace is mended by a good one
            changes = settings_changes(read_community(ours).community, loaded.community)
    return Taken(loaded.community, loaded.unread, changes, theirs.read_bytes())


def settings_changes(before: Community, after: Community) -> list[str]:
    """List what changed from one to the other, one line each: ``needs.meals.horizon_weeks: 4 → 8``."""
    return _changes("", before, after)


def _changes(where: str, before: Any, after: Any) -> list[str]:
    if before == after:
        return []
    if isinstance(before, BaseModel) and isinstance(after, BaseModel):
        before, after = _fields(before), _fields(after)
    elif _have_ids(before) and _have_ids(after):
        before, after = ({row.id: row for row in rows} for rows in (before, after))
        if list(before) != list(after) and set(before) == set(after):
            return [say(f"{where}：顺序变了", f"{where}: order changed"), *_inside(where, before, after)]
    elif not (isinstance(before, dict) and isinstance(after, dict)):
        return [f"{where}: {_words(before)} → {_words(after)}"]
    return _inside(where, before, after)


def _inside(where: str, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    changes = []
    for key in [*before, *(key for key in after if key not in before)]:
        path = f"{where}.{key}" if where else key
        if key not in after:
            changes.append(say(f"{path}：去掉了", f"{path}: removed"))
        elif key not in before:
            changes.append(say(f"{path}：新增", f"{path}: added"))
        else:
            changes += _changes(path, before[key], after[key])
    return changes


def _fields(section: BaseModel) -> dict[str, Any]:
    values = {name: getattr(section, name) for name in type(section).model_fields}
    return values | (section.__pydantic_extra__ or {})


def _have_ids(rows: Any) -> bool:
    return (
        isinstance(rows, Sequence) and not isinstance(rows, str) and all(hasattr(row, "id") for row in rows)
    )


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return "、".join(map(str, value)) if value else say("（无）", "(none)")
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if value != "" else say("（空）", "(empty)")
