"""Settings of a retrain, and the training table that they ask for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from features.blocks.build import catalogue
from features.blocks.catalogue import with_role
from features.language import say
from features.point_in_time.records import Known, Records
from features.point_in_time.schema import Schema
from models.dataset.sample import MOST_ROWS, Source, Table, training_table
from models.estimators.threads import working_beside
from models.estimators.train import THREADS, Trainer
from models.training.tune import Tuning

Draw = Callable[..., Mapping[str, bytes]]


@dataclass(frozen=True)
class Retraining:
    """Settings of a retrain.

    step_weeks: between the dates trained on. most_rows: of the training table. threads: of LightGBM.
    tuning: a search for better parameters of the trees; without it the champion's are kept.
    source, each: where else the same records can be read, and the training sample be drawn
        (``models.scoring.executors``).
    prepare: other work to do while trees grow; an error in it ends the retrain.
    draw: draws the report's figures while p_need is learned (``models.report.figures.draw_validation``).
    """

    seed: int = 0
    step_weeks: int = 4
    most_rows: int = MOST_ROWS
    threads: int = THREADS
    tuning: Tuning | None = None
    source: Source | None = None
    each: Callable | None = None
    prepare: Callable[[], object] = int
    draw: Draw | None = None


USUAL = Retraining()


def progress(title: str) -> Callable[[Iterable], Iterable]:
    """Return a function that passes items through, and shows how far they are once that takes two seconds."""
    return lambda items: tqdm(items, desc=title, delay=2, leave=False)


def drawn_table(
    records: Records,
    known: Known,
    schema: Schema,
    days: Sequence[int],
    how: Retraining,
    memory: float = np.inf,
) -> Table:
    """Draw the training table.

    records: all records. known: what is known now. schema: of the features.
    days: as-of days to train on.
    how: settings.
    memory: days before each of them of which features see what was recorded.
    """
    source = how.source or (lambda: (records, known))
    shown = progress(say("训练数据", "training data"))
    with working_beside(how.threads) as executor:
        each = how.each or executor.map
        return training_table(source, schema, days, how.seed, how.most_rows, shown, each, memory)


def trainer_of(table: Table, schema: Schema, how: Retraining) -> Trainer:
    """Cut a training table into bins for the members. ``schema``: of its features. ``how``: settings."""
    only_plain = len(with_role(catalogue(schema), "each_need"))
    return Trainer(table, len(schema.needs), how.seed, how.threads, only_plain)
