"""Take community.yaml over into the workspace, and say in words what changed in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from features.contract.community import Community, read_community
from features.language import UserError, say

SETTINGS_FILE = "community.yaml"


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
    if not theirs.is_file():
        if not ours.is_file():
            raise UserError(
                f"{directory}：缺少 community.yaml（xianying init 会生成一个示例）",
                f"{directory}: community.yaml is missing (xianying init writes an example)",
            )
        loaded = read_community(ours)
        return Taken(loaded.community, loaded.unread, [], None)
    loaded = read_community(theirs)
    content = theirs.read_bytes()
    if not ours.is_file():
        return Taken(loaded.community, loaded.unread, [], content)
    if ours.read_bytes() == content:
        return Taken(loaded.community, loaded.unread, [], None)
    try:
        before = read_community(ours).community
    except UserError:  # a broken file in the workspace is mended by a good one
        return Taken(loaded.community, loaded.unread, [], content)
    return Taken(loaded.community, loaded.unread, settings_changes(before, loaded.community), content)


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
