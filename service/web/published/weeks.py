"""The weeks that are served, kept in memory and replaced as a whole while requests run."""

import logging
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson

from features.atomic import read_json
from features.contract.community import Community
from features.language import say
from service.web.base import metrics
from service.web.base.access import Identity, sees_need, sees_place
from service.web.base.problems import Problem
from service.web.published.digests import AnswerFile, damaged_files
from service.web.published.week_files import (
    AREAS,
    AROUND,
    CONTENT,
    DEMAND,
    PLACES,
    POINTER,
    SERVED,
    WEEK,
    community_of,
    read_pointer,
    read_visits,
)

if TYPE_CHECKING:
    from service.web.published.live import Live

log = logging.getLogger("xianying")
TRIES = 3  # a week may be replaced between reading the pointer and opening its files

# grid, micro-grid, where the two answers begin and end, and the CRC-32 of each
Place = tuple[str, str, int, int, int, int | None, int | None]


@dataclass(frozen=True)
class Week:
    """One published week. ``content`` holds the answers of all households."""

    as_of: str
    directory: Path
    said: dict[str, Any]
    places: dict[str, Place]
    content: AnswerFile
    visits: list[dict[str, Any]]
    demand: list[dict[str, Any]]
    areas: list[dict[str, Any]] = field(default_factory=list)
    around: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def community(self) -> Community:
        """Return the community's settings at the time when the week was made."""
        return community_of(self.said)

    @cached_property
    def sensitive(self) -> frozenset[str]:
        """Return the ids of the sensitive needs."""
        return frozenset(need.id for need in self.community.needs if need.sensitive)

    @cached_property
    def _areas(self) -> list[tuple[str, str]]:
        return sorted({(place[0], place[1]) for place in self.places.values()})

    def areas_in_sight(self, identity: Identity) -> list[tuple[str, str]]:
        """List the pairs of grid and micro-grid in which the asker sees households, in order."""
        return [area for area in self._areas if sees_place(identity, *area)]

    def grids_in_sight(self, identity: Identity) -> list[str]:
        """List the grids in which the asker sees households, in order."""
        return list(dict.fromkeys(grid for grid, _ in self.areas_in_sight(identity)))

    @property
    def listed(self) -> bool:
        """Tell whether the week's lists have been made."""
        return bool(self.said["listed"])

    @cached_property
    def live(self) -> "Live | None":
        """Load what scores or explains one household of this week; None where only its lists were published."""
        from service.web.published.live import (
            load_live,  # takes seconds, and most that is served needs no model
        )

        return load_live(self.directory)

    def answer(self, household_id: str, sensitive: bool) -> bytes:
        """The JSON of a household's scores; KeyError where it is not in the week, OSError where it was damaged."""
        _, _, begin, middle, end, without, whole = self.places[household_id]
        if sensitive and end > middle:
            return self.content.read(middle, end, whole)
        return self.content.read(begin, middle, without)

    @cached_property
    def by_outreach_id(self) -> dict[str, dict[str, Any]]:
        """Map outreach_id to every row that was ever served for this week."""
        return {row["outreach_id"]: row for row in self.visits}

    def visits_in_sight(self, identity: Identity) -> list[dict[str, Any]]:
        """Return the rows of the week's present lists that the asker may see."""
        return [row for row in self.visits if not row.get("withdrawn") and sees_row(identity, row, self)]


def sees_row(identity: Identity, row: dict[str, Any], week: Week) -> bool:
    """Tell whether the asker sees a row of a list: its place, its need, and the list.

    Rows on a coordinators' list are seen only by those who see sensitive needs, as being there reveals something.
    """
    return sees_place(identity, row["grid_id"], row["microgrid_id"]) and sees_need(
        identity, row["need"] in week.sensitive or bool(row.get("coordinator"))
    )


@dataclass(frozen=True)
class Served:
    """Everything that is served at one moment."""

    revision: int = 0
    weeks: dict[str, Week] = field(default_factory=dict)
    feed: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def newest(self) -> Week | None:
        """Return the week with the latest date, or None."""
        return self.weeks[max(self.weeks)] if self.weeks else None

    def week(self, as_of: str | None) -> Week:
        """Return the week of a date, by default the newest. Raises a 404 problem that says which weeks there are."""
        week_of = self.weeks.get(as_of) if as_of else self.newest
        if not self.weeks:
            run = say("请先运行 xianying score", "run xianying score first")
            raise Problem(404, "unknown-week", "还没有发布过结果", "no week yet", detail=run, weeks=[])
        if week_of is None:
            raise Problem(404, "unknown-week", "没有这一周的结果", "no such week", weeks=sorted(self.weeks))
        return week_of

    def place(self, household_id: str) -> Place | None:
        """Return where a household lives now, by the newest week; None for an unknown household."""
        return self.newest.places.get(household_id) if self.newest else None


class Shelf:
    """The holder of what is served now; ``refresh`` looks whether a week was published since."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.served = Served()
        self._seen: tuple[int, int] | None = None

    def refresh(self) -> bool:
        """Read what was published since the last look, and tell whether there was anything."""
        pointer = self.workspace / SERVED / POINTER
        try:
            status = pointer.stat()
        except FileNotFoundError:
            return False
        if (status.st_mtime_ns, status.st_ino) == self._seen:
            return False
        self.served = self._read()
        self._seen = status.st_mtime_ns, status.st_ino
        if self.served.newest:
            metrics.week(self.served.newest.as_of)
        return True

    def now(self) -> datetime:
        """Return the time in the newest week's timezone, or in this machine's before the first week."""
        newest = self.served.newest
        return datetime.now(ZoneInfo(newest.community.community.timezone) if newest else None)

    def today(self) -> date:
        """Return today's date where the community is."""
        return self.now().date()

    def _read(self) -> Served:
        for attempt in range(TRIES):
            pointer = read_pointer(self.workspace)
            try:
                weeks = {
                    as_of: self._week(as_of, name)
                    for as_of, name in sorted(pointer["weeks"].items())
                    if self._whole(name)
                }
            except FileNotFoundError:
                if attempt == TRIES - 1:
                    raise
                continue
            return Served(pointer["revision"], weeks, pointer["feed"])
        raise AssertionError

    def _whole(self, name: str) -> bool:
        """Tell whether a week's files are as they were written; one that is not is not served."""
        place = self.workspace / SERVED / name
        if any(week.directory == place for week in self.served.weeks.values()):
            return True
        damaged = damaged_files(place) if place.is_dir() else []
        for path in damaged:
            log.error("%s is damaged, so that its week is not served: run xianying doctor", path)
        return not damaged

    def _week(self, as_of: str, name: str) -> Week:
        directory = self.workspace / SERVED / name
        loaded = self.served.weeks.get(as_of)
        if loaded and loaded.directory == directory:
            return loaded
        places = orjson.loads((directory / PLACES).read_bytes())
        return Week(
            as_of=as_of,
            directory=directory,
            said=orjson.loads((directory / WEEK).read_bytes()),
            places={
                household: (*place[:5], *(place[5:] or (None, None))) for household, place in places.items()
            },
            content=AnswerFile(directory / CONTENT),
            visits=read_visits(directory),
            demand=orjson.loads((directory / DEMAND).read_bytes()),
            areas=read_json(directory / AREAS, []),
            around=read_json(directory / AROUND, {}),
        )
