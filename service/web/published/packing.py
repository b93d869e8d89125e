"""Write the files of one published week: ready-made answers, lists, demand, and what live scores need."""

import hashlib
import os
import shutil
import zlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from features.contract.community import Community
from features.language import language
from features.point_in_time.records import date_of
from features.store.partitions import Partitions
from models.demand.expected import demand_of_partitions, own_windows
from models.registry.champion import Champion, read_copy
from models.registry.tracking import registry_name
from models.scoring.live import TownState
from service.lists.feedback_week import FeedbackWeek
from service.lists.visit_rows import as_rows
from service.planning.planner import COLUMNS
from service.web.published.live import write_state
from service.web.published.partition_answers import DECIMALS, Answered
from service.web.published.week_files import (
    AREAS,
    AROUND,
    CONTENT,
    DEMAND,
    MODEL,
    PLACES,
    RECORDS,
    STATE,
    VISITS,
    WEEK,
    read_visits,
    read_week,
)

_VISIT_TEXTS = tuple(
    """
    contact members last_contact programme ask why reason_kinds worker_name role
    """.split()
)


@dataclass(frozen=True)
class ScoredWeek:
    """A week's scores in the form in which they are published.

    ``answered``: computes the answers of each partition when it is called. ``made_of``: from ``digest_of``.
    """

    town: Partitions
    as_of: int
    model: Champion
    answered: Callable[[], Iterable[Answered]]
    made_of: str


@dataclass(frozen=True)
class Listed:
    """A week's lists: described visits by language, the risks of the households on them, feedback by language, and the
    workers (``workers_of``), and the seats left of programmes."""

    visits: dict[str, pd.DataFrame]
    risk: pd.DataFrame
    feedback: dict[str, FeedbackWeek]
    workers: pd.DataFrame
    seats_left: dict[str, int | None]  # by programme
    brief: dict[str, Any] = field(default_factory=dict)  # service.brief.brief.Brief

    def households(self) -> set[str]:
        """Return the households to be visited: those on the lists, and those that agreed on a day."""
        agreed = {row["household_id"] for feedback in self.feedback.values() for row in feedback.agreed}
        return agreed.union(*(visits["household_id"] for visits in self.visits.values()))


def digest_of(files: Iterable[Path], community: Community, model: Champion) -> str:
    """Compute a short hash of what the answers of a week are made from: the tables, the settings, and the correction.

    ``files``: the week's scores and risks. ``model``: only whether it corrects for needs without a request counts.
    """
    digest = hashlib.blake2b(digest_size=16)
    for path in files:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    corrected = model.model.visited is not None
    digest.update(f"{corrected} {DECIMALS} {community.model_dump_json()}".encode())
    return digest.hexdigest()


def pack(
    place: Path,
    before: Path | None,
    workspace: Path,
    scored: ScoredWeek,
    state: TownState | None,
    listed: Listed | None,
) -> None:
    """Write one week's files into the directory ``place``.

    ``before``: the directory of the week's files until now, if there is one. ``scored``: the scores. ``state``: the
    state of a town that was scored just now; without it, answers made from the same scores, and what live scores need,
    are linked from ``before``. ``listed``: the lists, if they were made just now; else those of ``before`` stay.
    """
    old = read_week(before) if before else {}
    if before and not state and old.get("answers") == scored.made_of:
        for name in (CONTENT, PLACES, DEMAND, AREAS):
            link(before / name, place / name)
        households = old["households"]
    else:
        households = _write_answers(place, scored)
    write_model(place, workspace, scored.model)
    if state:
        write_state(place, state)
        scored.town.copy_to(place / RECORDS)
    elif before and (before / STATE).is_file():
        link(before / STATE, place / STATE)
        shutil.copytree(before / RECORDS, place / RECORDS, copy_function=link)
    visits = read_visits(before) if before else []
    if listed:
        rows = visit_rows(listed.visits, listed.risk)
        visits = rows + withdrawn(visits, rows)
        write_around(place, listed)
    elif before and (before / AROUND).is_file():
        link(before / AROUND, place / AROUND)
    (place / VISITS).write_bytes(as_json(visits))
    summary = week(scored, households, bool(listed or visits))
    (place / WEEK).write_bytes(as_json(summary))


def _write_answers(place: Path, scored: ScoredWeek) -> int:
    """Write the answers of all households, their positions, and sums; return the number of households."""
    places: dict[str, list[Any]] = {}
    rows, cells, offset, households = [], [], 0, 0
    with (place / CONTENT).open("wb") as file:
        for row in scored.answered():
            file.write(row.content)
            for household, (grid, microgrid, begin, middle, end) in row.places.items():
                sums = [zlib.crc32(row.content[begin:middle]), zlib.crc32(row.content[middle:end])]
                ends = (offset + place for place in (begin, middle, end))
                places[household] = [grid, microgrid, *ends, *sums]
            offset += len(row.content)
            households += row.households
            rows += row.areas
            cells.append(row.cells)
    (place / PLACES).write_bytes(orjson.dumps(places))
    demand = own_windows(demand_of_partitions(cells, scored.town.community, scored.model.model.spread))
    (place / DEMAND).write_bytes(as_json(rows_of(demand)))
    (place / AREAS).write_bytes(as_json(rows))
    return households


def write_model(place: Path, workspace: Path, model: Champion) -> None:
    """Write the model's files into the directory ``place``.

    They are links to the workspace's copy of the champion where that is this version.
    """
    copy = read_copy(workspace, registry_name(workspace))
    if copy and copy[0] == model.version:
        shutil.copytree(copy[1], place / MODEL, copy_function=link)
    else:
        model.model.save(place / MODEL)


def link(source: str | Path, target: str | Path) -> None:
    """Give a file a second name, or copy it where the file system cannot."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def week(scored: ScoredWeek, households: int, listed: bool) -> dict[str, Any]:
    """Describe a week: its date, model, settings, whether it has lists, and whether p_need is corrected.

    ``households``: their number.
    """
    return {
        "as_of": date_of(scored.as_of).isoformat(),
        "model_version": str(scored.model.version),
        "published_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "households": households,
        "listed": listed,
        "silence_corrected": scored.model.model.visited is not None,
        "community": scored.town.community.model_dump(mode="json"),
        "answers": scored.made_of,
    }


def as_json(value: Any) -> bytes:
    """Write anything as JSON, NumPy's numbers included."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def rows_of(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    """Turn a table into one dictionary a row; NaN becomes None."""
    return as_rows(frame.astype(object).where(frame.notna(), None))


def write_around(place: Path, listed: Listed) -> None:
    """Write what surrounds a week's lists: the workers with their visits, and feedback in each language."""
    workers = rows_of(listed.workers)
    feedback = {code: asdict(feedback) for code, feedback in listed.feedback.items()}
    (place / AROUND).write_bytes(
        as_json(
            {
                "workers": workers,
                "feedback": feedback,
                "seats_left": listed.seats_left,
                "brief": listed.brief,
            }
        )
    )


def visit_rows(visits: dict[str, pd.DataFrame], risk: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return the lists' rows with what pages and other systems show of them, in the current language.

    ``translated`` of a row holds, by language, the texts that differ in another one.
    """
    listed, tier = visits[language()], dict(zip(risk["household_id"], risk["tier"], strict=True))
    columns = [*COLUMNS, *(text for text in (*_VISIT_TEXTS, "coordinator", "p_need") if text in listed)]
    rows = rows_of(listed[columns].assign(as_of=listed["as_of"].astype(str)))
    for row in rows:
        row["tier"] = tier.get(row["household_id"])
        row["worker_id"] = row["worker_id"] or None
        row["translated"] = {}
    texts = ["reason", *(name for name in _VISIT_TEXTS if name in listed)]
    for code in visits.keys() - {language()}:
        for row, words in zip(rows, rows_of(visits[code][texts]), strict=True):
            row["translated"][code] = {name: text for name, text in words.items() if text != row[name]}
    return rows


def withdrawn(before: list[dict[str, Any]], rows: list[dict[Any, Any]]) -> list[dict[str, Any]]:
    """Return the rows of ``before`` that are no longer listed, marked as withdrawn.

    Outcomes of a list on a phone or on paper may still come for them.
    """
    listed = {row["outreach_id"] for row in rows}
    return [{**row, "withdrawn": True} for row in before if row["outreach_id"] not in listed]
