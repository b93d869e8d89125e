"""Opening a workspace: its language, what came in through the service, its records, and the date in force."""

import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from features.language import say
from service.console.terminal import show, stage

if TYPE_CHECKING:
    from features.point_in_time.records import Records
    from features.store.partitions import Parts


def speak(workspace: Path) -> None:
    """Use the workspace's language from now on."""
    from features.language import set_language
    from features.store.reader import read_settings

    set_language(read_settings(workspace).community.language)


def open_town(workspace: Path, as_of: date | None) -> "tuple[Records | Parts, date]":
    """The records, in parts where the town is large, and the as-of date in force."""
    from features.ingest.who_told import who_lines
    from features.store.reader import read_settings
    from service.weekly.large_town import parts_of
    from service.weekly.list_week import choose_as_of

    speak(workspace)
    take_in(workspace)
    show(who_lines(workspace, read_settings(workspace), date.today()))
    parts = parts_of(workspace, stage)
    if parts is None:
        return _read(workspace, as_of)
    chosen, lines = choose_as_of(parts, as_of)
    show(lines)
    return parts, chosen


def _read(workspace: Path, as_of: date | None) -> "tuple[Records, date]":
    from features.store.reader import read_records
    from service.weekly.list_week import choose_as_of

    with stage(say("读取记录", "read the records")):
        records = read_records(workspace)
    chosen, lines = choose_as_of(records, as_of)
    show(lines)
    return records, chosen


def take_in(workspace: Path) -> list[str]:
    """What came in through the service belongs to the records before anything is made of them; lines on it."""
    if (workspace / "service.db").is_file() or os.environ.get("XIANYING_DATABASE_URL"):
        from service.web.intake.handover import drain_service

        with stage(say("转入服务收到的内容", "take in what came through the service")):
            lines = drain_service(workspace)
        show(lines)
        return lines
    return []
