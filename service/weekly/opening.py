"""Open a workspace: its language, what came in through the service, its records, and the as-of date in force."""

import os
from collections.abc import Collection
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from features.language import say
from service.console.terminal import Stage, at_end, show, stage

if TYPE_CHECKING:
    from features.store.partitions import Partitions
    from features.store.tombstones import Tombstones

LARGE = 40_000  # households, from which a town has several partitions


def speak(workspace: Path) -> None:
    """Use the workspace's language from now on."""
    from features.language import set_language
    from features.store.reader import read_settings

    set_language(read_settings(workspace).community.language)


def open_town(workspace: Path, as_of: date | None) -> "tuple[Partitions, date]":
    """Return the town and the as-of date in force, after taking in what came through the service.

    ``as_of``: the date that a user asked for, or None. Raises UserError as ``choose_as_of`` does.
    """
    from features.ingest.untold_attributes import who_lines
    from features.store.reader import read_settings
    from service.weekly.as_of_date import choose_as_of

    speak(workspace)
    take_in(workspace)
    show(who_lines(workspace, read_settings(workspace), date.today()))
    town = read_town(workspace, stage)
    chosen, lines = choose_as_of(town, as_of)
    show(lines)
    return town, chosen


def read_town(workspace: Path, stage: Stage) -> "Partitions":
    """Read the records: into memory, or laid out in partitions where the town is large."""
    from features.store.partitions import InMemory, root_of
    from features.store.reader import count_households, read_records

    if count_households(workspace) < int(os.environ.get("XIANYING_LARGE", LARGE)):
        with stage(say("读取记录", "read the records")):
            return InMemory(read_records(workspace))
    from features.store.layout import lay_out

    with stage(say("分片", "lay out in partitions")):
        return lay_out(workspace, root_of(workspace))


def take_in(workspace: Path) -> list[str]:
    """Move what came in through the service into the records, and return lines on it.

    A household that is deleted while the command goes on is taken out of what the command writes when it ends.
    """
    from features.ingest.erasure import shown_pairs
    from features.store.tombstones import TOMBSTONES, read_tombstones
    from service.web.base.settings import has_service

    lines = []
    if has_service(workspace):
        from service.web.intake.handover import drain_service

        with stage(say("转入服务收到的内容", "take in what came through the service")):
            lines = drain_service(workspace)
        show(lines)
    before = read_tombstones(workspace / TOMBSTONES)
    at_end(partial(_delete_again, workspace, before, shown_pairs(workspace)))
    return lines


def _delete_again(workspace: Path, before: "Tombstones", pairs: Collection[tuple[str, str]]) -> None:
    """Delete households anew whose deletion came after a command had read them.

    ``before``: the tombstones then. ``pairs``: households that counted for others then (``shown_pairs``).
    """
    from features.store.tombstones import TOMBSTONES, read_tombstones

    if read_tombstones(workspace / TOMBSTONES).households.keys() - before.households.keys():
        from service.web.intake.handover import delete_again

        delete_again(workspace, before, pairs)
