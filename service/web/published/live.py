"""Score and explain one household while serving, with what the week's batch stored."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from features.blocks.activity import ActivityTown
from features.blocks.areas import Area
from features.blocks.build import Features, build
from features.blocks.expected import ExpectedTown
from features.blocks.neighbours import NeighbourTown, Window
from features.contract.community import Community
from features.point_in_time.cohort import cohort
from features.point_in_time.posted_household import Posted, held_name, posted_records
from features.point_in_time.records import Known, Records, Rows, known_before
from features.point_in_time.schema import Attribute
from features.point_in_time.subset import alone
from features.point_in_time.town import AttributeFactors, TownCounts, TownSummary
from features.store.partitions import open_copy
from features.store.plain_file import UnreadableFile, from_file, to_bytes
from models.scoring.explain import Reason, explained
from models.scoring.live import LiveScores, TownState, score_apart
from models.scoring.model import NeedModel
from models.scoring.ranking import Standing
from models.scoring.score import PartitionState
from service.web.published.week_files import MODEL, RECORDS, STATE

NEED = "need"  # the feature that says which need a row is about, by its position
FIRST = np.zeros(1, dtype=np.int64)  # the position of the only pair
MOST_REASONS = 5  # of one score
_loading = threading.Lock()
STATE_KINDS = (
    *(PartitionState, Standing, TownSummary, TownCounts, AttributeFactors, Attribute, Community),
    *(ActivityTown, ExpectedTown, NeighbourTown, Window, Area),
)


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A household that is to be scored, and its scores once they are there."""

    posted: Posted
    partition: int
    in_town: bool
    scores: "Future[LiveScores]" = field(default_factory=Future)


@dataclass(frozen=True)
class Live:
    """One week's model and town, for live scores and explanations."""

    directory: Path
    model: NeedModel
    state: TownState
    _waiting: deque[_Waiting] = field(default_factory=deque, init=False, repr=False, compare=False)
    _scoring: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    def score(self, posted: Posted, grid_id: str, in_town: bool) -> LiveScores:
        """Score posted records as of the week's date. ``grid_id``: where the household lives then.

        Households for which others ask meanwhile wait, and are then scored together: ten take little longer than one.
        """
        own = _Waiting(posted, self.state.partition_of(grid_id), in_town)
        self._waiting.append(own)
        with self._scoring:
            if not own.scores.done():
                groups: dict[tuple[int, bool], list[_Waiting]] = {}
                while self._waiting:
                    household = self._waiting.popleft()
                    groups.setdefault((household.partition, household.in_town), []).append(household)
                for group in groups.values():
                    self._score_group(group)
        return own.scores.result()

    def unknown_attributes(self, posted: Posted, grid_id: str) -> list[str]:
        """List the posted attributes of a household that the community does not have.

        ``grid_id``: where the household lives. Nothing is listed for a week that was published without its columns.
        """
        columns = self.state.partitions[self.state.partition_of(grid_id)].attributes
        given = {name for row in posted.households for name in row["attributes"]}
        return sorted(name for name in given if columns and held_name(name, columns) not in columns)

    def _score_group(self, group: "list[_Waiting]") -> None:
        """Score households of one partition that are all in the week, or all new; one's failure is not the others'."""
        state, number = self.state, group[0].partition
        partition = state.partitions[number]
        try:
            records = posted_records(
                [household.posted for household in group],
                state.community,
                partition.grid_ids,
                partition.microgrid_ids,
                partition.attributes,
                state.has_residents,
                state.has_outreach,
            )
            scores = score_apart(state, self.model, records, group[0].in_town, number)
        except Exception as error:
            if len(group) == 1:
                group[0].scores.set_exception(error)
                return
            for household in group:
                self._score_group([household])
            return
        for household, own in zip(group, scores, strict=True):
            household.scores.set_result(own)

    @cached_property
    def columns(self) -> list[str]:
        """Return the names of the model's features, except the need's position."""
        return [name for name in self.model.feature_names if name != NEED]

    def p_request(self, matrix: np.ndarray, needs: Sequence[str]) -> np.ndarray:
        """Compute p_request of each row: float64 [rows].

        ``matrix``: float32 [rows, features], with ``columns``. ``needs``: the need's id of each row. Raises KeyError
        for an unknown need.
        """
        index = self.state.community.need_index()
        need = np.array([index[need] for need in needs], dtype=np.int16)
        rows = Rows(np.arange(len(need), dtype=np.int32), need)
        if NEED in self.model.feature_names:
            matrix = np.insert(matrix, self.model.feature_names.index(NEED), need, axis=1)
        features = Features(matrix, self.model.feature_names, rows, self.state.as_of)
        return self.model.predict(features, self.state.shift)

    @cached_property
    def _held(self) -> "dict[int, tuple[Records, Known]]":
        return {}

    def _partition(self, number: int) -> "tuple[Records, Known]":
        """Return the records of a partition and what was known of it; only the last one used is kept in memory."""
        if number not in self._held:
            records = open_copy(self.directory / RECORDS).read([number])
            town = self.state.partitions[number].town
            self._held.clear()
            self._held[number] = records, known_before(records, self.state.as_of, town)
        return self._held[number]

    def explain(self, household_id: str, need: str, grid_id: str) -> list[Reason]:
        """Return the reasons that raised one score, as on the lists, the strongest first.

        ``grid_id``: where the household lives in the week. Raises KeyError when the household is not in the records or
        cannot have the need.
        """
        with _loading:  # facts fill caches of the partition that are not made for two threads
            known, features = self._features(household_id, need, grid_id)
            return explained(self.model, known, features, FIRST, MOST_REASONS)[0]

    def weighed(self, household_id: str, need: str, grid_id: str) -> list[tuple[str, float, float]]:
        """Return each feature of one score, its value, and how much it raised the score in log-odds, most first.

        Parameters and errors are those of ``explain``.
        """
        with _loading:
            _, features = self._features(household_id, need, grid_id)
            weights = self.model.contributions(features, FIRST)[0]
        rows = zip(features.names, features.matrix[0].tolist(), weights.tolist(), strict=True)
        return sorted(rows, key=lambda row: -abs(row[2]))

    def _features(self, household_id: str, need: str, grid_id: str) -> tuple[Known, Features]:
        """Return what was known of a partition, and the features of one pair in it."""
        number = self.state.partition_of(grid_id)
        records, known = self._partition(number)
        household = int(pd.Index(records.household_ids).get_indexer(pd.Index([household_id]))[0])
        if household < 0:
            raise KeyError(household_id)
        town = self.state.partitions[number].town
        lone = known_before(alone(records, household), self.state.as_of, town)
        wanted = cohort(lone)
        place = np.flatnonzero(wanted.need == self.state.community.need_index()[need])
        if not len(place):
            raise KeyError(need)
        features = build(lone, wanted.take(place), self.model.schema, town)
        pairs = Rows(np.array([household], dtype=np.int32), features.rows.need)
        return known, Features(features.matrix, features.names, pairs, features.as_of)


def load_live(directory: Path) -> Live | None:
    """Load the model and town published with a week, or return None where only its lists were published."""
    with _loading:
        state = read_state(directory)
        return Live(directory, NeedModel.load(directory / MODEL), state) if state else None


def write_state(place: Path, state: TownState) -> None:
    """Write the town's state into the directory of a published week."""
    (place / STATE).write_bytes(to_bytes(state))


def read_state(place: Path) -> TownState | None:
    """Read the town's state, or None where the week was published without it or by a version with another format."""
    try:
        return from_file(place / STATE, TownState, STATE_KINDS)
    except (FileNotFoundError, UnreadableFile):
        return None
