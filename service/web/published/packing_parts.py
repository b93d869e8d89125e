"""The files of one published week of a large town, written from its parts one after another.

Live scores and explanations need the town in one piece and are left out: ``live.load_live`` finds no town then.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from features.contract.community import Community
from models.registry.champion import Champion
from service.lists.feedback_week import FeedbackWeek
from service.web.published.packing import Listed, as_json, rows_of, week, withdrawn, write_around, write_model
from service.web.published.week_files import AREAS, CONTENT, DEMAND, PLACES, VISITS, WEEK, read_visits


@dataclass(frozen=True)
class PackedParts:
    """What a published week of a large town is made of."""

    as_of: int
    community: Community
    contents: Callable[[], Iterator[tuple[bytes, dict[str, list[Any]]]]]  # answers, and where each stands
    rows: Callable[[], Iterable[bytes]]  # rows of the lists as JSON
    demand: pd.DataFrame
    areas: list[dict[Any, Any]]
    workers: pd.DataFrame
    feedback: dict[str, FeedbackWeek]


def pack_parts(
    place: Path, before: Path | None, workspace: Path, model: Champion, packed: PackedParts
) -> None:
    """Write one week's files into the directory ``place``; ``before``: where the week's files were until now."""
    corrected = model.model.visited is not None
    households = _write_answers(place, packed)
    write_model(place, workspace, model)
    (place / DEMAND).write_bytes(as_json(rows_of(packed.demand)))
    (place / AREAS).write_bytes(as_json(packed.areas))
    write_around(place, Listed({}, packed.feedback, packed.workers))
    _write_rows(place, before, packed)
    said = week(packed.community, packed.as_of, str(model.version), households, True, corrected)
    (place / WEEK).write_bytes(as_json({**said, "in_parts": True}))


def _write_answers(place: Path, packed: PackedParts) -> int:
    """The answers of all parts in one file; how many there are."""
    places: dict[str, list[Any]] = {}
    offset = 0
    with (place / CONTENT).open("wb") as file:
        for content, own in packed.contents():
            file.write(content)
            for household, (grid, microgrid, *ends) in own.items():
                places[household] = [grid, microgrid, *(offset + end for end in ends)]
            offset += len(content)
    (place / PLACES).write_bytes(orjson.dumps(places))
    return len(places)


def _write_rows(place: Path, before: Path | None, packed: PackedParts) -> None:
    """The rows of the lists, and those served before that are on them no more."""
    held, ids = (read_visits(before) if before else []), []
    with (place / VISITS).open("wb") as file:
        file.write(b"[")
        written = False
        for rows in packed.rows():
            if held:
                ids += [{"outreach_id": row["outreach_id"]} for row in orjson.loads(rows)]
            if len(inner := rows[1:-1]):
                file.write(b"," * written + inner)
                written = True
        if gone := withdrawn(held, ids):
            file.write(b"," * written + as_json(gone)[1:-1])
        file.write(b"]")
