"""A week's scores and lists made ready for the service, and switched to in one step.

``served/current.json`` names the directory of each week. Each directory is written under another name first and
never changed afterwards, so that whoever reads, or is killed in between, has the old week or the new one whole.
"""

import fcntl
import json
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from features.atomic import write_atomically
from features.contract import Community
from features.records import Known, date_of
from service.web.access import mixed_risk

SERVED, POINTER = "served", "current.json"
CONTENT, PLACES, VISITS, DEMAND, WEEK = (
    "households.bin",
    "households.json",
    "visits.json",
    "demand.json",
    "week.json",
)
WEEKS_KEPT = 8
DECIMALS = 8
PARTIAL = ".partial-"
_VISIT_TEXTS = ("contact", "members", "last_contact", "programme", "ask", "worker_name", "role")


def publish(
    workspace: Path,
    scores: pd.DataFrame,
    risk: pd.DataFrame,
    known: Known,
    visits: pd.DataFrame | None = None,
) -> None:
    """Make one week's scores, and its lists where ``visits`` (described) are given, those that are served.

    Lists served before stay where only scores are given, as they do on paper.
    """
    from models.demand import expected_demand

    as_of = date_of(known.as_of).isoformat()
    with _switching(workspace) as (served, pointer):
        old = pointer["weeks"].get(as_of)
        with _partial(served) as place:
            write_households(place, scores, risk, known)
            demand = expected_demand(scores, known)
            (place / DEMAND).write_bytes(_json(_records(demand)))
            listed = visits is not None
            before = _read_visits(served / old) if old else []
            if visits is not None:
                rows = _visit_rows(visits, risk)
                (place / VISITS).write_bytes(_json(rows + _withdrawn(before, rows)))
            elif before:
                (place / VISITS).write_bytes(_json(before))
                listed = True
            (place / WEEK).write_bytes(_json(_week(known, scores, listed)))
            name = f"{as_of}-{uuid.uuid4().hex[:8]}"
            place.rename(served / name)
        pointer["weeks"][as_of] = name


def _week(known: Known, scores: pd.DataFrame, listed: bool) -> dict[str, Any]:
    versions = sorted(set(scores["model_version"].astype(str)))
    return {
        "as_of": date_of(known.as_of).isoformat(),
        "model_version": versions[-1] if versions else "",
        "published_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "households": int(known.present.sum()),
        "listed": listed,
        "community": known.community.model_dump(mode="json"),
    }


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def _records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    """Rows as dictionaries; NaN becomes null."""
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def write_households(place: Path, scores: pd.DataFrame, risk: pd.DataFrame, known: Known) -> None:
    """The answer for every household, ready as bytes, twice where it has sensitive needs: without and with them."""
    community = known.community
    sensitive = {need.id for need in community.needs if need.sensitive}
    mixed = mixed_risk(community)
    where = _places(known)
    level_of = [round(one, DECIMALS) for one in risk["risk"].to_numpy(np.float64).tolist()]
    risks = dict(zip(risk["household_id"], zip(level_of, risk["tier"], strict=True), strict=True))
    as_of, places, offset = date_of(known.as_of).isoformat(), {}, 0
    with (place / CONTENT).open("wb") as file:
        for household, rows in _by_household(scores):
            grid, microgrid = where[household]
            head = {
                "household_id": household,
                "as_of": as_of,
                "grid_id": grid,
                "microgrid_id": microgrid,
                "model_version": rows[0][4],
            }
            level = dict(zip(("risk", "tier"), risks[household], strict=True)) if household in risks else {}
            listed = [
                dict(zip(("need", "p_request", "p_need", "rank"), row[:4], strict=True)) for row in rows
            ]
            plain = [one for one in listed if one["need"] not in sensitive]
            open_bytes = orjson.dumps({**head, **({} if mixed else level), "scores": plain})
            whole_bytes = orjson.dumps({**head, **level, "scores": listed})
            if open_bytes == whole_bytes:
                whole_bytes = b""
            file.write(open_bytes + whole_bytes)
            middle = offset + len(open_bytes)
            places[household] = [grid, microgrid, offset, middle, middle + len(whole_bytes)]
            offset = middle + len(whole_bytes)
    (place / PLACES).write_bytes(orjson.dumps(places))


def _places(known: Known) -> dict[str, tuple[str, str]]:
    present = np.flatnonzero(known.present)
    records = known.records
    return {
        str(household): (str(grid), str(microgrid))
        for household, grid, microgrid in zip(
            records.household_ids[present],
            records.grid_ids[known.grid[present]],
            records.microgrid_ids[known.microgrid[present]],
            strict=True,
        )
    }


def _by_household(scores: pd.DataFrame) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Each household with its (need, p_request, p_need, rank, version), in the order of the scores."""
    columns = [
        scores["household_id"].to_list(),
        scores["need"].to_list(),
        scores["p_request"].round(DECIMALS).to_list(),
        scores["p_need"].round(DECIMALS).to_list(),
        scores["rank"].astype(int).to_list(),
        scores["model_version"].astype(str).to_list(),
    ]
    found: dict[str, list[tuple[Any, ...]]] = {}
    for household, *row in zip(*columns, strict=True):
        found.setdefault(household, []).append(tuple(row))
    yield from found.items()


def _visit_rows(visits: pd.DataFrame, risk: pd.DataFrame) -> list[dict[Any, Any]]:
    from service.outreach import COLUMNS

    tier = dict(zip(risk["household_id"], risk["tier"], strict=True))
    columns = [*COLUMNS, *(one for one in (*_VISIT_TEXTS, "coordinator", "p_need") if one in visits)]
    rows = _records(visits[columns].assign(as_of=visits["as_of"].astype(str)))
    for row in rows:
        row["tier"] = tier.get(row["household_id"])
        row["worker_id"] = row["worker_id"] or None
    return rows


def _read_visits(place: Path) -> list[dict[str, Any]]:
    return orjson.loads((place / VISITS).read_bytes()) if (place / VISITS).is_file() else []


def _withdrawn(before: list[dict[str, Any]], rows: list[dict[Any, Any]]) -> list[dict[str, Any]]:
    """Rows served before that are on the list no more: outcomes of a list on a phone or on paper may still come."""
    here = {row["outreach_id"] for row in rows}
    return [{**row, "withdrawn": True} for row in before if row["outreach_id"] not in here]


def read_pointer(workspace: Path) -> dict[str, Any]:
    """Which directory holds each week, and the revision, which grows with every change."""
    try:
        return json.loads((workspace / SERVED / POINTER).read_text("utf-8"))
    except FileNotFoundError:
        return {"revision": 0, "weeks": {}, "feed": []}


@contextmanager
def _switching(workspace: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Change the pointer after the block; one command at a time."""
    served = workspace / SERVED
    served.mkdir(parents=True, exist_ok=True)
    with (served / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pointer = read_pointer(workspace)
        before = dict(pointer["weeks"])
        yield served, pointer
        for as_of in sorted(pointer["weeks"])[:-WEEKS_KEPT]:
            del pointer["weeks"][as_of]
        pointer["revision"] += 1
        changed = [as_of for as_of, name in pointer["weeks"].items() if before.get(as_of) != name]
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        pointer["feed"] += [{"revision": pointer["revision"], "as_of": as_of, "at": at} for as_of in changed]
        pointer["feed"] = pointer["feed"][-200:]
        write_atomically(served / POINTER, json.dumps(pointer, indent=1).encode())
        _remove_unused(served, set(pointer["weeks"].values()))


def _remove_unused(served: Path, used: set[str]) -> None:
    """What no longer is served, and what a killed command left. Readers keep the files they have open."""
    for place in served.iterdir():
        if place.is_dir() and place.name not in used:
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _partial(served: Path) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=served))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def community_of(week: dict[str, Any]) -> Community:
    """The community's settings as they were when the week was made."""
    return Community.model_validate(week["community"])
