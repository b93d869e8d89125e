"""A week of a town too large for one piece of memory: worked on in parts, see ``features.store.partitions``."""

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from features.atomic import copy_atomically, open_atomically
from features.language import say
from features.point_in_time.records import Records, day_of
from features.store.reader import count_households
from service.weekly.list_week import RISK, SCORES, Stage, week_directory
from service.weekly.model_lines import about, hindsight

if TYPE_CHECKING:
    from features.store.partitions import Parts
    from models.scoring.partitions import Scoring

LARGE = 40_000  # households, from which a town is worked on in parts


def parts_of(workspace: Path, stage: Stage) -> "Parts | None":
    """The parts of a large town, brought up to its records; None for a town to be read in one piece."""
    if count_households(workspace) < int(os.environ.get("XIANYING_LARGE", LARGE)):
        return None
    from features.store.partitions import lay_out, root_of

    with stage(say("分片", "lay out in parts")):
        return lay_out(workspace, root_of(workspace))


def sample_of(parts: "Parts", stage: Stage, show: Callable[[list[str]], None]) -> Records:
    """The records of the parts on which a large town's model is trained."""
    drawn = parts.sample
    with stage(say("读取记录", "read the records")):
        records = parts.read(drawn)
    households = len(records.household_ids)
    show(
        [
            say(
                f"在抽取的 {len(drawn)}/{len(parts)} 片、{households} 户上训练",
                f"trained on a sample: {len(drawn)} of {len(parts)} parts, {households} households",
            )
        ]
    )
    return records


def score_large(
    workspace: Path, parts: "Parts", as_of: date, output: Path, stage: Stage, spark: bool = False
) -> "tuple[Scoring, list[str]]":
    """``score_week`` for a large town: the same tables, and their parts below the parts' root."""
    from features.store.storage import key_of
    from models.registry.registry import champion
    from models.scoring.executors import here, on_spark
    from models.scoring.partitions import prepare, score_parts

    with stage(say("读取模型", "load the champion")):
        model = champion(workspace, parts.community)
    with stage(say("全社区概要", "tables of the whole town")):
        scoring = prepare(parts, model.model, str(model.version), day_of(as_of))
    with stage(say("评分", "score")):
        score_parts(scoring, on_spark if spark else here)
    with stage(say("写出", "write")):
        home = week_directory(workspace, as_of)
        households = _joined(scoring, "risk", home / RISK)
        count = _joined(scoring, "scores", home / SCORES)
        for kept, copy in ((home / RISK, output.with_name(RISK)), (home / SCORES, output)):
            if copy.resolve() != kept.resolve() and key_of(str(copy)) != scoring.whole_key:
                copy_atomically(kept, copy)
    line = say(
        f"{as_of}：{households} 户、{count} 条评分，{len(parts)} 片，模型版本 {model.version}，写入 {output}",
        f"{as_of}: {households} households, {count} scores in {len(parts)} parts, model version {model.version},"
        f" in {output}",
    )
    return scoring, [line, *about(model, parts.community), *hindsight(model, as_of)]


def scores_of_large(workspace: Path, parts: "Parts", as_of: date, stage: Stage) -> Path:
    """The week's scores of a large town, a row group a part; scored first where they are missing or old."""
    from features.store.storage import key_of
    from models.registry.registry import champion
    from models.scoring.partitions import prepare

    path = week_directory(workspace, as_of) / SCORES
    with stage(say("全社区概要", "tables of the whole town")):
        model = champion(workspace, parts.community)
        scoring = prepare(parts, model.model, str(model.version), day_of(as_of))
    if key_of(str(path)) != scoring.whole_key:
        score_large(workspace, parts, as_of, workspace / SCORES, stage)
    return path


def features_of_large(
    workspace: Path, parts: "Parts", as_of: date, stage: Stage, spark: bool = False
) -> list[str]:
    """Write the features of every part below the parts' root; a line on where they are."""
    from models.registry.registry import champion
    from models.scoring.executors import here, on_spark
    from models.scoring.partitions import Building, prepare

    with stage(say("读取模型", "load the champion")):
        model = champion(workspace, parts.community)
    with stage(say("特征", "features")):
        scoring = prepare(parts, model.model, str(model.version), day_of(as_of))
        list((on_spark if spark else here)(Building(scoring), range(len(parts))))
    place = f"{parts.root}/features/as_of={as_of}"
    return [say(f"特征在 {place}", f"features are in {place}")]


def _joined(scoring: "Scoring", kind: str, path: Path) -> int:
    """Write the tables of all parts into one file, a row group each, unless it is there; the number of rows."""
    from features.store.storage import get_table, key_of

    key = {"key": scoring.whole_key}
    if key_of(str(path)) == scoring.whole_key:
        return pq.read_metadata(path).num_rows
    with open_atomically(path) as file:
        first = get_table(scoring.place(kind, 0)).schema.with_metadata(key)
        count = 0
        with pq.ParquetWriter(file, first) as writer:
            for number in range(len(scoring.parts)):
                table = get_table(scoring.place(kind, number)).replace_schema_metadata(key)
                writer.write_table(table, row_group_size=max(len(table), 1))
                count += len(table)
    return count
