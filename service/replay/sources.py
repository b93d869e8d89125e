"""Find what a past week was made from: its records, model, settings and the list before it."""

import shutil
import tempfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pandas as pd

from features.contract.community import Community
from features.language import say, say_line
from features.point_in_time.records import day_of
from features.store.partitions import InMemory, OnDisk, Partitions, open_copy
from features.store.plain_file import UnreadableFile
from features.store.reader import read_programme_history, read_records, read_settings
from models.registry.champion import Champion, load_champion, read_copy
from models.registry.registry import download_version
from models.registry.tracking import registry_name
from service.console.terminal import Stage
from service.web.published.digests import damaged_files
from service.web.published.provenance import read_made
from service.web.published.week_files import MODEL, RECORDS, SERVED, community_of, read_pointer, read_week
from service.weekly.opening import read_town
from service.weekly.score_cache import scored_by
from service.weekly.week_directory import (
    BEFORE_LIST,
    SCORES,
    WARNED_LIST,
    list_before,
    read_table,
    week_directory,
)


@dataclass(frozen=True)
class Sources:
    """What a past week was made from, with lines that say where each came from."""

    town: Partitions
    model: Champion
    history: pd.DataFrame
    before: pd.DataFrame | None  # the list before
    warnings: pd.DataFrame | None  # of lists from above
    lines: tuple[str, ...]


def published_place(workspace: Path, as_of: date) -> Path | None:
    """Return the directory of a week that is still published and undamaged, with its records; else None."""
    name = read_pointer(workspace)["weeks"].get(as_of.isoformat())
    place = workspace / SERVED / name if name else None
    if place is None or not (place / RECORDS).is_dir() or damaged_files(place):
        return None
    return place


def sources_of(workspace: Path, as_of: date, stage: Stage) -> Sources:
    """Find what a past week was made from.

    Records and model are those kept with the published week. Of a week that is no longer published, the records are
    read from the store, which has every version of every row, and the model from the registry. Raises UserError where
    the model's version is gone.
    """
    home, place = week_directory(workspace, as_of), published_place(workspace, as_of)
    made = read_made(home)
    if place:
        settings = community_of(read_week(place))
    elif made:
        settings = Community.model_validate(made["settings"])
    else:
        settings = read_settings(workspace)
    version = int(scored_by(home / SCORES) or made.get("model_version") or 0)
    with stage(say("找出当时的资料", "find what it was made from")):
        town = _kept_town(place) or _stored_town(workspace, settings, stage)
        model = _model(workspace, version, place)
    kept = home / BEFORE_LIST
    before = read_table(kept) if kept.is_file() else None if made else list_before(workspace, as_of)
    history = read_programme_history(workspace, day_of(as_of))
    warned = home / WARNED_LIST
    warnings = read_table(warned) if warned.is_file() else None
    lines = tuple(_lines(place, made, model, town))
    return Sources(town, replace(model, version=version), history, before, warnings, lines)


def _kept_town(place: Path | None) -> Partitions | None:
    try:
        return open_copy(place / RECORDS) if place else None
    except (FileNotFoundError, UnreadableFile):
        return None


def _stored_town(workspace: Path, settings: Community, stage: Stage) -> Partitions:
    """Read the records of the store by the settings of the time."""
    town = read_town(workspace, stage)
    if isinstance(town, OnDisk):
        return replace(town, community=settings)
    return InMemory(read_records(workspace, settings))


def _model(workspace: Path, version: int, place: Path | None) -> Champion:
    """Load a version of the model: the week's copy, the workspace's, or the registry's."""
    if place and (place / MODEL).is_dir():
        return load_champion(version, place / MODEL)
    copy = read_copy(workspace, registry_name(workspace))
    if copy and copy[0] == version:
        return load_champion(*copy)
    directory = Path(tempfile.mkdtemp(prefix="xianying-model-"))
    try:
        return load_champion(version, download_version(workspace, version, directory))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _lines(place: Path | None, made: dict, model: Champion, town: Partitions) -> list[str]:
    """Say where records and model came from, and what has changed since about program, packages and machine."""
    from service.web.published.provenance import made_with

    lines = [
        say("记录：发布时随这一周保存的", "records: kept with the published week")
        if place
        else say(
            "记录：库里的各版本（这一周已不再发布）；此后补来的早期行、删除的住户会有差别",
            "records: from the store, as the week is no longer published; rows that came late, and households deleted "
            "since, make a difference",
        )
    ]
    if not made:
        return [
            *lines,
            say("这一周没有记下当时的程序和模型", "nothing was noted of the program and model at the time"),
        ]
    now = made_with(model, town.community)
    changed = [
        f"{name} {then} → {now['packages'].get(name)}"
        for name, then in made["packages"].items()
        if then != now["packages"].get(name)
    ]
    changed += [
        f"{name} {made[name]} → {now[name]}" for name in ("python", "machine") if made[name] != now[name]
    ]
    if changed:
        listed = "、".join(changed)
        lines.append(say(f"与当时不同：{listed}", f"not as at the time: {', '.join(changed)}"))
    if place and made["model_digest"] != now["model_digest"]:
        lines += say_line(
            f"模型版本 {model.version} 的文件与当时的不同",
            f"the files of model version {model.version} are not those of the time",
        )
    return lines
