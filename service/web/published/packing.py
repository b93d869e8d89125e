"""The files of one published week: answers ready as bytes, lists, demand, and what live scores need."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from features.contract.community import Community
from features.language import language
from features.point_in_time.records import Known, Records, date_of, microgrid_numbers
from models.demand.expected import expected_demand
from models.registry.champion import Champion, read_copy
from models.registry.tracking import registry_address
from models.scoring.live import TownState
from models.scoring.score import TIERS
from service.lists.feedback_week import FeedbackWeek
from service.lists.visit_rows import as_rows
from service.planning.planner import COLUMNS
from service.web.base.access import mixed_risk
from service.web.published.town_files import write_records, write_state
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

DECIMALS = 8
AT_ONCE = 1024  # households whose rows are lists at the same time
_VISIT_TEXTS = (
    "contact",
    "members",
    "last_contact",
    "programme",
    "ask",
    "why",
    "reason_kinds",
    "worker_name",
    "role",
)


@dataclass(frozen=True)
class Listed:
    """A week's lists: described visits and feedback, each by language, and the workers (``workers_of``)."""

    visits: dict[str, pd.DataFrame]
    feedback: dict[str, FeedbackWeek]
    workers: pd.DataFrame


def pack(
    place: Path,
    before: Path | None,
    workspace: Path,
    scores: pd.DataFrame,
    risk: pd.DataFrame,
    records: Records,
    known: Known,
    model: Champion,
    state: TownState | None,
    listed: Listed | None,
) -> None:
    """Write one week's files into the directory ``place``; ``before``: where the week's files were until now."""
    corrected = model.model.visited is not None
    made_of = fingerprint(scores, risk, known, corrected)
    if before and read_week(before).get("answers") == made_of:
        for name in (CONTENT, PLACES, DEMAND, AREAS):
            link(before / name, place / name)
    else:
        write_households(place, scores, risk, known, corrected)
        demand = expected_demand(scores, known, model.model.spread)
        (place / DEMAND).write_bytes(as_json(rows_of(demand)))
        (place / AREAS).write_bytes(as_json(areas(scores, risk, known)))
    write_live(place, workspace, model, state, records, before)
    held = read_visits(before) if before else []
    if listed:
        rows = visit_rows(listed.visits, risk)
        held = rows + withdrawn(held, rows)
        write_around(place, listed)
    elif before and (before / AROUND).is_file():
        link(before / AROUND, place / AROUND)
    (place / VISITS).write_bytes(as_json(held))
    version = max(scores["model_version"].astype(str).unique(), default="")
    said = week(
        known.community, known.as_of, version, int(known.present.sum()), bool(listed or held), corrected
    )
    (place / WEEK).write_bytes(as_json({**said, "answers": made_of}))


def fingerprint(scores: pd.DataFrame, risk: pd.DataFrame, known: Known, corrected: bool) -> str:
    """What the answers of a week are made of, in few letters: the same for the same answers and sums."""
    digest = hashlib.blake2b(digest_size=16)
    numbers = [scores[name] for name in ("p_request", "p_need", "rank")] + [risk["risk"]]
    for one in (*(column.to_numpy() for column in numbers), known.grid, known.microgrid):
        digest.update(np.ascontiguousarray(one).tobytes())
    texts = [scores[name] for name in ("household_id", "need", "model_version")]
    for some in (*texts, risk["household_id"], risk["tier"], known.grid_ids, known.microgrid_ids):
        digest.update("\x1f".join(np.asarray(some, dtype=object).tolist()).encode())
    settings = known.community.model_dump_json()
    digest.update(f"{known.as_of} {corrected} {DECIMALS} {len(scores)} {len(risk)} {settings}".encode())
    return digest.hexdigest()


def write_live(
    place: Path,
    workspace: Path,
    model: Champion,
    state: TownState | None,
    records: Records,
    before: Path | None,
) -> None:
    """The model's files, the town's state and the records: all that scores or explains one household."""
    write_model(place, workspace, model)
    if state:
        write_state(place, state)
        write_records(place, records)
    elif before and (before / STATE).is_file():
        for name in (STATE, RECORDS):
            link(before / name, place / name)


def write_model(place: Path, workspace: Path, model: Champion) -> None:
    """The model's files."""
    copy = read_copy(workspace, registry_address(workspace))
    if copy and copy[0] == model.version:
        shutil.copytree(copy[1], place / MODEL, copy_function=link)
    else:
        model.model.save(place / MODEL)


def link(source: str | Path, target: str | Path) -> None:
    """The same file under another name, or a copy where the file system cannot."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def week(
    community: Community, as_of: int, version: str, households: int, listed: bool, corrected: bool
) -> dict[str, Any]:
    """What a week is: its date, model, settings, whether its lists were made, and silence is corrected."""
    return {
        "as_of": date_of(as_of).isoformat(),
        "model_version": version,
        "published_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "households": households,
        "listed": listed,
        "silence_corrected": corrected,
        "community": community.model_dump(mode="json"),
    }


def as_json(value: Any) -> bytes:
    """Anything as JSON, NumPy's numbers included."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)


def rows_of(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    """Rows as dictionaries; NaN becomes null."""
    return as_rows(frame.astype(object).where(frame.notna(), None))


def write_households(
    place: Path, scores: pd.DataFrame, risk: pd.DataFrame, known: Known, corrected: bool
) -> None:
    """The answer for every household, ready as bytes, and where each stands."""
    places, offset = {}, 0
    with (place / CONTENT).open("wb") as file:
        for household, where, without, whole in answers(scores, risk, known, corrected):
            file.write(without + whole)
            middle = offset + len(without)
            places[household] = [*where, offset, middle, middle + len(whole)]
            offset = middle + len(whole)
    (place / PLACES).write_bytes(orjson.dumps(places))


def answers(
    scores: pd.DataFrame, risk: pd.DataFrame, known: Known, corrected: bool
) -> Iterator[tuple[str, tuple[str, str], bytes, bytes]]:
    """Each household with its grid and micro-grid, and its answer twice: without sensitive needs, and with them where
    there are any (else empty)."""
    community = known.community
    sensitive = {need.id for need in community.needs if need.sensitive}
    mixed = mixed_risk(community)
    where = _places(known)
    level_of = [round(one, DECIMALS) for one in risk["risk"].to_numpy(np.float64).tolist()]
    risks = dict(zip(risk["household_id"], zip(level_of, risk["tier"], strict=True), strict=True))
    as_of = date_of(known.as_of).isoformat()
    for household, version, rows in _by_household(scores):
        grid, microgrid = where[household]
        head = {
            "household_id": household,
            "as_of": as_of,
            "grid_id": grid,
            "microgrid_id": microgrid,
            "model_version": version,
            "silence_corrected": corrected,
        }
        level = dict(zip(("risk", "tier"), risks[household], strict=True)) if household in risks else {}
        plain = [text for need, text in rows if need not in sensitive]
        without = _answer({**head, **({} if mixed else level)}, plain)
        whole = _answer({**head, **level}, [text for _, text in rows])
        yield household, (grid, microgrid), without, b"" if without == whole else whole


def _answer(head: dict[str, Any], scores: list[bytes]) -> bytes:
    return orjson.dumps(head)[:-1] + b',"scores":[' + b",".join(scores) + b"]}"


def _places(known: Known) -> dict[str, tuple[str, str]]:
    present = np.flatnonzero(known.present)
    return {
        str(household): (str(grid), str(microgrid))
        for household, grid, microgrid in zip(
            known.household_ids[present],
            known.grid_ids[known.grid[present]],
            microgrid_numbers(known.microgrid_ids)[known.microgrid[present]],
            strict=True,
        )
    }


def _by_household(scores: pd.DataFrame) -> Iterator[tuple[str, str, list[tuple[str, bytes]]]]:
    """Each household with the model's version and its scores, (need, JSON), in the order of its first score."""
    code, households = pd.factorize(scores["household_id"])
    if (np.diff(code) < 0).any():
        order = np.argsort(code, kind="stable")
        scores, code = scores.iloc[order], code[order]
    begins = np.searchsorted(code, np.arange(len(households) + 1)).tolist()
    columns = scores[["need", "p_request", "p_need", "rank", "model_version"]].round(DECIMALS)
    for first in range(0, len(households), AT_ONCE):
        ends = begins[first : first + AT_ONCE + 1]
        need, *numbers, version = (columns[name].iloc[ends[0] : ends[-1]].to_list() for name in columns)
        table = list(zip(need, _scores_as_json(need, *numbers), strict=True))
        for household, begin, end in zip(households[first:], ends, ends[1:], strict=False):
            yield household, version[begin - ends[0]], table[begin - ends[0] : end - ends[0]]


def _scores_as_json(need: list[str], *numbers: list[float]) -> Iterator[bytes]:
    """Each score as JSON from its columns, need, p_request, p_need and rank: each column is told as a whole."""
    names = {one: orjson.dumps(one) for one in set(need)}
    texts = (orjson.dumps(one)[1:-1].split(b",") for one in numbers)
    for row in zip((names[one] for one in need), *texts, strict=True):
        yield b'{"need":%b,"p_request":%b,"p_need":%b,"rank":%b}' % row


def areas(scores: pd.DataFrame, risk: pd.DataFrame, known: Known) -> list[dict[Any, Any]]:
    """Of each micro-grid: households, how many of each tier, and how many are expected to ask for each need."""
    where = pd.DataFrame.from_dict(_places(known), orient="index", columns=["grid_id", "microgrid_id"])
    keys = [where["grid_id"], where["microgrid_id"]]
    tier = pd.Series(risk["tier"].to_numpy(), risk["household_id"]).reindex(where.index)
    counted = pd.crosstab(keys, tier).reindex(columns=list(TIERS), fill_value=0)
    table = where.groupby(["grid_id", "microgrid_id"]).size().rename("households").to_frame()
    table = table.join(counted).fillna(0)
    home = where.reindex(scores["household_id"])
    by = [home["grid_id"].to_numpy(), home["microgrid_id"].to_numpy(), scores["need"].to_numpy()]
    sums = scores["p_request"].groupby(by).sum()
    expected: dict[tuple[str, str], dict[str, float]] = {}
    for (grid, microgrid, need), value in zip(sums.index.tolist(), sums.tolist(), strict=True):
        expected.setdefault((grid, microgrid), {})[need] = round(value, 4)
    rows = rows_of(table.reset_index())
    return [{**row, "expected": expected.get((row["grid_id"], row["microgrid_id"]), {})} for row in rows]


def write_around(place: Path, listed: Listed) -> None:
    """What surrounds a week's lists: the workers with their visits, and feedback in each language."""
    workers = rows_of(listed.workers)
    feedback = {one: asdict(told) for one, told in listed.feedback.items()}
    (place / AROUND).write_bytes(as_json({"workers": workers, "feedback": feedback}))


def visit_rows(visits: dict[str, pd.DataFrame], risk: pd.DataFrame) -> list[dict[Any, Any]]:
    """The rows of the lists with what pages and other systems show of them, in the language in force;
    ``translated`` holds the texts that are others in another one."""
    own, tier = visits[language()], dict(zip(risk["household_id"], risk["tier"], strict=True))
    columns = [*COLUMNS, *(one for one in (*_VISIT_TEXTS, "coordinator", "p_need") if one in own)]
    rows = rows_of(own[columns].assign(as_of=own["as_of"].astype(str)))
    for row in rows:
        row["tier"] = tier.get(row["household_id"])
        row["worker_id"] = row["worker_id"] or None
        row["translated"] = {}
    texts = ["reason", *(name for name in _VISIT_TEXTS if name in own)]
    for other in visits.keys() - {language()}:
        for row, words in zip(rows, rows_of(visits[other][texts]), strict=True):
            row["translated"][other] = {name: text for name, text in words.items() if text != row[name]}
    return rows


def withdrawn(before: list[dict[str, Any]], rows: list[dict[Any, Any]]) -> list[dict[str, Any]]:
    """Rows served before that are on the list no more: outcomes of a list on a phone or on paper may still come."""
    here = {row["outreach_id"] for row in rows}
    return [{**row, "withdrawn": True} for row in before if row["outreach_id"] not in here]
