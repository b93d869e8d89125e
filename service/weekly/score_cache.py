"""Make, publish and keep a week's scores, and take them from the week's directory while they are fresh."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.atomic import copy_atomically, flush_to_disk, scratch_directory
from features.contract.community import Community
from features.contract.settings_file import SETTINGS_FILE
from features.language import say
from features.point_in_time.records import day_of
from features.store.database import STORE
from features.store.partitions import Partitions
from models.estimators.calibrate import at_bound
from models.evaluation.soundness import bound_lines
from models.registry.registry import Champion, NoChampion, champion
from models.scoring.executors import Each, local
from models.scoring.live import town_state
from models.scoring.score import Scored, TownScores, score, score_town
from service.console.terminal import Stage
from service.web.published.packing import ScoredWeek, digest_of
from service.web.published.partition_answers import answer_partition
from service.web.published.provenance import note_made
from service.web.published.publish import publish
from service.weekly.model_lines import about, hindsight
from service.weekly.week_directory import RISK, SCORES, readable, week_directory

TEXT, NUMBER = pa.string(), pa.float64()
SCHEMAS = {
    SCORES: {
        "household_id": TEXT,
        "need": TEXT,
        "as_of": pa.date32(),
        "p_request": NUMBER,
        "p_need": NUMBER,
        "rank": pa.int32(),
        "model_version": TEXT,
    },
    RISK: {"household_id": TEXT, "as_of": pa.date32(), "risk": NUMBER, "tier": TEXT},
}


@dataclass(frozen=True)
class WeekScores:
    """A week's scores and risks in its directory, with one row group for each partition.

    ``memory``: scores and features of a town in one partition that was scored just now.
    """

    home: Path
    memory: Scored | None = None
    alarms: tuple[str, ...] = ()  # lines on levels that are not to be trusted, where it was scored just now

    def scores(self, number: int) -> pd.DataFrame:
        """Return the scores of a partition, with the contract's columns."""
        return self.memory.scores if self.memory else self._table(SCORES, number)

    def risk(self, number: int) -> pd.DataFrame:
        """Return the risks of a partition."""
        return self.memory.risk if self.memory else self._table(RISK, number)

    def path(self, name: str) -> Path:
        """Return the path of the table SCORES or RISK."""
        return self.home / name

    def pieces(self) -> Iterator[pa.Table]:
        """Read the scores, one partition at a time: household_id and need as dictionaries, and p_request."""
        return scored_pieces(self.path(SCORES))

    def _table(self, name: str, number: int) -> pd.DataFrame:
        with (
            readable(self.path(name)),
            pq.ParquetFile(self.path(name), page_checksum_verification=True) as file,
        ):
            return file.read_row_group(number).to_pandas()


def scored_pieces(path: Path) -> Iterator[pa.Table]:
    """Read a week's scores, one row group at a time: household_id and need as dictionaries, and p_request.

    Raises UserError when they cannot be read.
    """
    texts = ["household_id", "need"]
    with readable(path), pq.ParquetFile(path, read_dictionary=texts, page_checksum_verification=True) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, [*texts, "p_request"])


def scored_by(path: Path) -> str:
    """Return the version of the model that made a week's scores, or "" where there are none."""
    with readable(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        for number in range(file.num_row_groups):
            for version in file.read_row_group(number, ["model_version"])["model_version"]:
                return str(version)
    return ""


def champion_or_none(workspace: Path, community: Community) -> Champion | None:
    """Return the champion in force, or None where there is none for these needs."""
    try:
        return champion(workspace, community, refresh=True)
    except NoChampion:
        return None


def score_week(
    workspace: Path, town: Partitions, as_of: date, output: Path, stage: Stage, each: Each = local
) -> list[str]:
    """Score every household of a date with the champion, publish the scores, and keep their tables.

    ``output``: a further path for the scores; the risks go beside it. ``stage`` shows each step; ``each`` calls a task
    for every partition (``models.scoring.executors``).

    Returns lines: how many households were scored, and warnings about the model.
    """
    with stage(say("读取模型", "load the champion")):
        model = champion(workspace, town.community)
    scores = _made(workspace, town, as_of, model, output, stage, each)
    households, count = (pq.read_metadata(scores.path(name)).num_rows for name in (RISK, SCORES))
    line = say(
        f"{as_of}：{households} 户、{count} 条评分，模型版本 {model.version}，写入 {output}",
        f"{as_of}: {households} households, {count} scores, model version {model.version}, in {output}",
    )
    return [*scores.alarms, line, *about(model, town.community), *hindsight(model, as_of)]


def current_scores(
    workspace: Path, town: Partitions, as_of: date, model: Champion, stage: Stage, each: Each = local
) -> WeekScores:
    """Return the scores of a date: those that are kept while fresh, else made, published and kept now.

    ``model``: the champion; scores of another version are not fresh. ``stage`` and ``each`` are as in ``score_week``.
    """
    home = week_directory(workspace, as_of)
    if _is_fresh(workspace, home, town, model):
        return WeekScores(home)
    return _made(workspace, town, as_of, model, workspace / SCORES, stage, each)


def _is_fresh(workspace: Path, home: Path, town: Partitions, model: Champion) -> bool:
    """Tell whether scores are kept that were made from these records and settings, by this model, in these partitions."""
    if not ((home / SCORES).is_file() and (home / RISK).is_file()):
        return False
    made_from = {name: (home / name).stat().st_mtime_ns for name in (SCORES, RISK)}
    if made_from != _changed(workspace) or scored_by(home / SCORES) not in ("", str(model.version)):
        return False
    with readable(home / SCORES):
        cut = json.loads((pq.read_metadata(home / SCORES).metadata or {}).get(b"partitions", b"0"))
    return cut == len(town)


def _changed(workspace: Path) -> dict[str, int]:
    """Return when records and settings were changed, in ns: the times that the tables SCORES and RISK carry.

    Only equal times count, so that a clock that was wrong makes no old scores fresh.
    """
    sources = {SCORES: workspace / STORE, RISK: workspace / SETTINGS_FILE}
    return {name: path.stat().st_mtime_ns if path.is_file() else 0 for name, path in sources.items()}


def _made(
    workspace: Path,
    town: Partitions,
    as_of: date,
    model: Champion,
    output: Path,
    stage: Stage,
    each: Each,
) -> WeekScores:
    """Score a town; the tables get the times that make them fresh last, once the week is published and all is copied."""
    home, changed = week_directory(workspace, as_of), _changed(workspace)
    with scratch_directory(workspace) as place:
        with stage(say("评分", "score")):
            making, scored = computed_scores(town, as_of, model, place, each)
        with stage(say("写出", "write")):
            week = scored_week(town, as_of, making, scored.fitted.shares, model, each)
            publish(workspace, week, town_state(scored, town))
            home.mkdir(parents=True, exist_ok=True)
            for name in (RISK, SCORES):
                os.replace(making.path(name), home / name)
            note_made(home, model, town.community, (RISK, SCORES))
            for kept, copy in ((home / RISK, output.with_name(RISK)), (home / SCORES, output)):
                if copy.resolve() != kept.resolve():
                    copy_atomically(kept, copy)
            for name in (RISK, SCORES):
                os.utime(home / name, ns=(changed[name], changed[name]))
    return WeekScores(home, making.memory, alarms=tuple(bound_lines(at_bound(scored.shift), town.community)))


def computed_scores(
    town: Partitions, as_of: date, model: Champion, home: Path, each: Each
) -> tuple[WeekScores, TownScores]:
    """Compute a date's scores and risks, and write their tables into a directory.

    ``home``: the directory. ``each`` calls a task for every partition.
    """
    if len(town) == 1:
        memory = score(town.read([0]), model.model, day_of(as_of), model.version)
        scored = memory.town_scores
    else:
        memory, scored = None, score_town(town, model.model, day_of(as_of), str(model.version), each)
    scores = WeekScores(home, memory)
    _write(scores, scored, len(town))
    return scores, scored


def scored_week(
    town: Partitions, as_of: date, scores: WeekScores, shares: np.ndarray, model: Champion, each: Each
) -> ScoredWeek:
    """Return the scores in the form in which they are published.

    ``scores``: the week's tables. ``shares``: ``models.demand.cells.span_shares`` of the town. ``each`` calls a task
    for every partition.
    """
    known = scores.memory.known if scores.memory else None
    corrected = model.model.visited is not None
    task = partial(answer_partition, town, day_of(as_of), scores, corrected, shares, known)
    made_of = digest_of([scores.path(SCORES), scores.path(RISK)], town.community, model)
    return ScoredWeek(town, day_of(as_of), model, lambda: each(task, range(len(town))), made_of)


def _write(scores: WeekScores, scored: TownScores, partitions: int) -> None:
    """Write the tables of all partitions into two files, one row group for each partition."""
    scores.home.mkdir(parents=True, exist_ok=True)
    schemas = {
        name: pa.schema(list(columns.items()), {b"partitions": str(partitions).encode()})
        for name, columns in SCHEMAS.items()
    }
    files = {
        name: pq.ParquetWriter(scores.path(name), schema, write_page_checksum=True)
        for name, schema in schemas.items()
    }
    for number in range(partitions):
        frames = (scores.scores(0), scores.risk(0)) if scores.memory else scored.frames(number)
        for name, frame in zip((SCORES, RISK), frames, strict=True):
            table = pa.Table.from_pandas(frame, schemas[name], preserve_index=False)
            table = table.replace_schema_metadata(schemas[name].metadata)
            files[name].write_table(table, row_group_size=max(len(table), 1))
    for writer in files.values():
        writer.close()
    flush_to_disk(map(scores.path, files))
