"""The training table: positive pairs and a sample of the negative ones, over many as-of days, in float32."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from features.blocks.build import build, catalogue, summarise
from features.point_in_time.cohort import cohort
from features.point_in_time.labels import labels, usable
from features.point_in_time.records import Known, Records, Rows, known_before
from features.point_in_time.schema import Schema
from features.point_in_time.subset import recorded_since, some
from features.point_in_time.town import TownSummary
from features.store.partitions import Partitions
from models.dataset.feedback_correction import with_outreach

MOST_BYTES = 600_000_000  # of the matrix
MOST_ROWS = 300_000
FEWEST_ROWS = 100_000
FEW = 0.5  # share of a town's households that are sooner read apart from it
NEGATIVES = 8  # for each positive, of all needs together; more of them teach little that is new
HALVINGS = 100  # until the number of rows is found
_read: "list[tuple[FromPartitions, tuple[Records, Known]]]" = []  # of this process, which is handed day after day


@dataclass(frozen=True)
class Table:
    """Rows of (household, need, as-of day); weighted, they stand for the whole population."""

    matrix: np.ndarray  # float32 [rows, features]
    names: list[str]
    label: np.ndarray  # int8
    weight: np.ndarray  # float32: how many pairs a row stands for
    household: np.ndarray  # int32
    need: np.ndarray  # int16
    as_of: np.ndarray  # int32
    days: np.ndarray  # int32 [days]: the as-of days asked for
    pairs: np.ndarray  # float64 [days, 2, needs]: all pairs of each day, without and with a request
    towns: dict[int, TownSummary]  # the town's tables by as-of day

    def __len__(self) -> int:
        return len(self.label)


Source = Callable[[], tuple[Records, Known]]  # the records, and what of them is known now


@dataclass(frozen=True)
class Drawn:
    """The rows of one as-of day, see ``Table``."""

    matrix: np.ndarray
    label: np.ndarray
    weight: np.ndarray
    rows: Rows
    town: TownSummary


def count_pairs(source: Source, day: int) -> np.ndarray:
    """Count the pairs of an as-of day: float64 [2, needs], first those without, then those with a request."""
    records, known_now = source()
    needs = len(records.community.needs)
    rows, label = labelled(known_before(records, day), known_now)
    return np.bincount(label * needs + rows.need, minlength=2 * needs).reshape(2, needs).astype(float)


def draw_rows(
    source: Source, schema: Schema, chance: np.ndarray, seed: int, memory: float, day: int
) -> Drawn:
    """Draw rows of an as-of day and build their features; the draw depends on the seed and the day only.

    chance: float64 [2, needs], of a pair to be kept, by label and need. memory: days.
    """
    records, known_now = source()
    records = recorded_since(records, day - memory)
    known = known_before(records, day)
    rows, label = labelled(known, known_now)
    keep_chance = chance[label, rows.need]
    keep = np.random.default_rng([seed, day]).random(len(rows)) < keep_chance
    rows, town = rows.take(keep), summarise(known, schema)
    weight = (1 / keep_chance[keep]).astype(np.float32)
    matrix = matrix_of(records, known, rows, schema, town)
    return Drawn(matrix, label[keep], weight, rows, town)


def training_table(
    source: Source,
    schema: Schema,
    days: Iterable[int],
    seed: int = 0,
    most_rows: int = MOST_ROWS,
    progress: Callable[[list[int]], Iterable[int]] = iter,
    each: Callable[[Callable[[int], Any], list[int]], Iterable[Any]] = map,
    memory: float = np.inf,
) -> Table:
    """Features and labels of the as-of ``days`` whose labels are complete by now.

    Negatives, and positives where there are more of them than of the negatives drawn, are kept by chance and weighted
    by its inverse; needs share the rows as ``_chances`` says. One day is built at a time, or
    several side by side where ``each`` (see ``models.scoring.executors``) works so. Features see only what was recorded
    in the ``memory`` days before their as-of day.
    """
    days = [int(day) for day in days]
    width, needs = len(catalogue(schema)), len(schema.needs)
    most_rows = min(most_rows, MOST_BYTES // (4 * max(width, 1)))
    pairs = np.array([*each(partial(count_pairs, source), days)]).reshape(len(days), 2, needs)
    chance = _chances(pairs.sum(axis=0), most_rows)
    parts: list[tuple[np.ndarray, ...]] = []
    matrices: list[np.ndarray] = []
    towns: dict[int, TownSummary] = {}
    draw = partial(draw_rows, source, schema, chance, seed, memory)
    for day, drawn in zip(progress(days), each(draw, days), strict=True):
        matrices.append(drawn.matrix)
        towns[day] = drawn.town
        household, need = drawn.rows.household, drawn.rows.need
        parts.append((drawn.label, drawn.weight, household, need, np.full(len(need), day, dtype=np.int32)))
    names = [feature.name for feature in catalogue(schema)]
    kinds = (np.int8, np.float32, np.int32, np.int16, np.int32)
    parts.append(tuple(np.empty(0, dtype=kind) for kind in kinds))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    label, weight, household, need, as_of = columns
    whole = _stacked(matrices, width)
    asked_for = np.array(days, dtype=np.int32)
    return Table(whole, names, label, weight, household, need, as_of, asked_for, pairs, towns)


def matrix_of(records: Records, known: Known, rows: Rows, schema: Schema, town: TownSummary) -> np.ndarray:
    """Build the feature matrix of pairs: float32 [pairs, features].

    records: all records; for few households of a town, those of these households are cut out and used alone.
    known: what of ``records`` was known before the as-of day.
    rows: the pairs.
    schema: of the model.
    town: what ``summarise`` computed from ``known``.
    """
    homes, place = np.unique(rows.household, return_inverse=True)
    if len(homes) > FEW * known.household_count:
        return build(known, rows, schema, town).matrix
    apart = known_before(some(records, homes), known.as_of, town)
    return build(apart, Rows(place.astype(np.int32), rows.need), schema, town).matrix


def labelled(known: Known, known_now: Known) -> tuple[Rows, np.ndarray]:
    """Return the pairs of one as-of day whose label is complete by now, and their labels: int8 [pairs].

    Labels are corrected for what visits from the lists changed, see ``models.dataset.feedback_correction``.
    """
    rows = cohort(known)
    rows = rows.take(usable(known_now, known.as_of)[rows.need])
    # another household has the number now
    rows = rows.take(~(known_now.known_since[rows.household] > known.as_of))
    label, kept = with_outreach(known_now, rows, known.as_of, labels(known_now, rows, known.as_of))
    return rows.take(kept), label[kept]


def _chances(total: np.ndarray, most_rows: int) -> np.ndarray:
    """[2, needs] chance of a pair to be kept, by label and need.

    What n positive and m negative rows tell of a need is as good as 1 / (1/n + 1/m) pairs of one each (case-control
    studies). Rows are spread so that no other spread of as many would keep a larger product of these over the needs: a
    rare need gets many negatives for each positive, a frequent one few, and never more positives than negatives.
    """
    most_rows = min(most_rows, max(FEWEST_ROWS, int((1 + NEGATIVES) * total[1].sum())))
    few = np.maximum(total[1], 1)
    low, high = 0.0, 4.0 * (total.sum() + 1) ** 2
    kept = total
    for _ in range(HALVINGS):
        worth = (low + high) / 2
        kept = np.minimum(total, _spread_rows(few, worth))
        low, high = (worth, high) if kept.sum() <= most_rows else (low, worth)
    return np.minimum(1.0, np.minimum(total, _spread_rows(few, low)) / np.maximum(total, 1))


def _spread_rows(positive: np.ndarray, worth: float) -> np.ndarray:
    """float64 [2, needs] negatives and positives of each need at which one more row is worth the same everywhere.

    Of a need with n positives these are the m negatives with m (m + n) = n ``worth``; where that is fewer than n, as
    many of each.
    """
    negatives = (np.sqrt(positive**2 + 4 * positive * worth) - positive) / 2
    return np.where(negatives < positive, worth / 2, np.stack([negatives, positive]))


def _stacked(matrices: list[np.ndarray], width: int) -> np.ndarray:
    """Stack the matrices below each other, and release each once it is copied: float32 [rows, width]."""
    whole = np.empty((sum(len(matrix) for matrix in matrices), width), dtype=np.float32)
    start = 0
    while matrices:
        block = matrices.pop(0)
        whole[start : start + len(block)] = block
        start += len(block)
    return whole


@dataclass(frozen=True)
class FromPartitions:
    """Reads the sample's partitions in the process that works on a day; a ``models.dataset.sample.Source``."""

    town: Partitions
    as_of: int

    def __call__(self) -> tuple[Records, Known]:
        """Return the records of the partitions in the sample, and what is known of them; read once a process."""
        if not _read or _read[0][0] != self:  # other rows, another day, or other settings
            _read.clear()
            records = self.town.read(self.town.sample)
            _read.append((self, (records, known_before(records, self.as_of))))
        return _read[0][1]
