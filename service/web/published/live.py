"""Scoring and explaining one household while serving, with what the week's batch left behind."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from features.blocks.build import Features, build
from features.point_in_time.cohort import cohort
from features.point_in_time.posted_household import Posted, posted_records
from features.point_in_time.records import Known, Records, Rows, known_before
from features.point_in_time.subset import alone
from models.scoring.explain import Reason, explained
from models.scoring.live import LiveScores, TownState, score_apart
from models.scoring.model import NeedModel
from service.web.published.town_files import read_records, read_state
from service.web.published.week_files import MODEL

NEED = "need"  # the feature that says which need a row is about, by its position
_loading = threading.Lock()


@dataclass(frozen=True)
class Live:
    """One week's model and town."""

    directory: Path
    model: NeedModel
    state: TownState

    def score(self, posted: Posted, in_town: bool) -> LiveScores:
        """Scores of posted records as of the week's date."""
        state = self.state
        records = posted_records(
            posted,
            state.community,
            state.grid_ids,
            state.microgrid_ids,
            state.has_residents,
            state.has_outreach,
        )
        return score_apart(state, self.model, records, in_town)

    @cached_property
    def columns(self) -> list[str]:
        """The model's features, but for the need's position."""
        return [name for name in self.model.feature_names if name != NEED]

    def p_request(self, matrix: np.ndarray, needs: Sequence[str]) -> np.ndarray:
        """float64 per row of a float32 [rows, features] matrix with ``columns``. KeyError for an unknown need."""
        index = self.state.community.need_index()
        need = np.array([index[one] for one in needs], dtype=np.int16)
        rows = Rows(np.arange(len(need), dtype=np.int32), need)
        if NEED in self.model.feature_names:
            matrix = np.insert(matrix, self.model.feature_names.index(NEED), need, axis=1)
        features = Features(matrix, self.model.feature_names, rows, self.state.as_of)
        return self.model.predict(features, self.state.shift)

    @cached_property
    def records(self) -> Records:
        """The town's records, read when the first explanation is asked for."""
        with _loading:
            return read_records(self.directory)

    @cached_property
    def known(self) -> Known:
        """What was known of the town."""
        return known_before(self.records, self.state.as_of)

    def explain(self, household_id: str, need: str, most: int = 5) -> list[Reason]:
        """The facts that raised one score, as on the lists; KeyError where the household cannot have the need."""
        household = int(pd.Index(self.records.household_ids).get_indexer(pd.Index([household_id]))[0])
        if household < 0:
            raise KeyError(household_id)
        one = known_before(alone(self.records, household), self.state.as_of, self.state.town)
        wanted = cohort(one)
        place = np.flatnonzero(wanted.need == self.state.community.need_index()[need])
        if not len(place):
            raise KeyError(need)
        features = build(one, wanted.take(place), self.model.schema, self.state.town)
        there = Rows(np.array([household], dtype=np.int32), features.rows.need)
        whole = Features(features.matrix, features.names, there, features.as_of)
        with _loading:  # facts fill caches of the town that are not made for two threads
            return explained(self.model, self.known, whole, np.zeros(1, dtype=np.int64), most)[0]


def load_live(directory: Path) -> Live | None:
    """What was published with a week; None where only its lists were."""
    with _loading:
        state = read_state(directory)
        return Live(directory, NeedModel.load(directory / MODEL), state) if state else None
