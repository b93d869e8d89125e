"""Reporting effects: which households ask more or less, whatever the need, learned from requests.

What a need depends on differs from need to need; how readily a household turns to the office shows in all needs alike.
So effects of the time since arrival, of each attribute and of each micro-grid are fitted to the requests of all needs
together. How much of them is reporting, and how much is need, only visits can tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit

from features.point_in_time.town_summary import prior_strength, shrunk
from models.dataset.sample import Table
from models.estimators.penalised_glm import fit_penalised_logistic, ridge_prior

ARRIVED_WITHIN = (91, 182, 364, 546, 728, 1092)  # days since a household was first registered
MOST_ROWS = 100_000
INVERSE_PENALTY = 0.3
NEED_SPREAD = 3.0
ATTRIBUTE_SPREAD = 0.5
FARTHEST = 3.0  # standard deviations; attributes are kept within


@dataclass(frozen=True)
class ReportingEffects:
    """Effects on the log-odds of a request, the same for all needs."""

    attributes: list[str]  # feature names
    center: np.ndarray  # float64 [attributes]
    scale: np.ndarray  # float64 [attributes], inf for a constant
    arrival_effects: np.ndarray  # float64 [ARRIVED_WITHIN]: a newcomer has the sum of them
    attribute_effects: np.ndarray  # float64 [attributes]
    microgrid_ids: np.ndarray  # str, sorted
    microgrid_effects: np.ndarray  # float64 [micro-grids]

    def attribute_columns(self, matrix: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Standardise the attributes, times a prior spread: float64 [rows, attributes]; unknown ones are 0."""
        values = matrix[:, _places(names, self.attributes)].astype(np.float64)
        values -= self.center
        values /= self.scale
        np.clip(values, -FARTHEST, FARTHEST, out=values)
        return ATTRIBUTE_SPREAD * np.nan_to_num(values, copy=False)

    def by_source(
        self, matrix: np.ndarray, names: Sequence[str], microgrid: np.ndarray, attributes: np.ndarray
    ) -> np.ndarray:
        """float64 [rows, 3]: by arrival, attributes, micro-grid.

        ``microgrid``: id of each row's, 0 for one that is new; ``attributes``: from
        ``attribute_columns``."""
        return np.column_stack(
            [
                arrival_columns(matrix, names) @ self.arrival_effects,
                attributes @ self.attribute_effects,
                self._of_microgrid(microgrid),
            ]
        )

    def _of_microgrid(self, microgrid: np.ndarray) -> np.ndarray:
        if not len(self.microgrid_ids):
            return np.zeros(len(microgrid))
        place = np.searchsorted(self.microgrid_ids, microgrid.astype(str))
        place = np.minimum(place, len(self.microgrid_ids) - 1)
        return np.where(self.microgrid_ids[place] == microgrid, self.microgrid_effects[place], 0.0)


def _places(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    place = {name: index for index, name in enumerate(names)}
    return [place[name] for name in wanted]


def arrival_columns(matrix: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Tell whether the household is known for less than so many days: float64 [rows, ARRIVED_WITHIN], 1 or 0."""
    days = matrix[:, list(names).index("household.days_known")]  # NaN: there from the beginning
    with np.errstate(invalid="ignore"):
        return np.column_stack([days < limit for limit in ARRIVED_WITHIN]).astype(np.float64)


def fit_reporting_effects(
    table: Table, names: list[str], microgrid: np.ndarray, seed: int = 0
) -> ReportingEffects:
    """Fit the effects to a training table with some requests.

    names: of the attributes. microgrid: str [rows], id of each row's micro-grid, '' unknown.
    seed: of the sample of rows.
    """
    rows = np.arange(len(table))
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_ROWS, replace=False))
    center, scale = moments(table.matrix[rows][:, _places(table.names, names)].astype(np.float64))
    nothing = np.zeros(0)
    effects = ReportingEffects(names, center, scale, nothing, nothing, np.empty(0, dtype=str), nothing)
    need, label = table.need[rows], table.label[rows]
    columns = _columns(effects, table, rows)
    weight = table.weight[rows].astype(np.float64)
    weight /= (weight * label).sum() / label.sum()
    prior = ridge_prior(columns.shape[1], 1 / INVERSE_PENALTY, label, weight)
    value = fit_penalised_logistic(columns, label, weight, prior)
    expected = weight * expit(columns @ value[:-1] + value[-1])
    positive = label > 0
    pair = table.household[rows][positive].astype(np.int64) * (int(need.max()) + 1) + need[positive]
    repeats = positive.sum() / len(np.unique(pair))
    ids, of_microgrids = _microgrid_effects(microgrid[rows].astype(str), weight * label, expected, repeats)
    first, last = len(ARRIVED_WITHIN), len(ARRIVED_WITHIN) + len(names)
    return replace(
        effects,
        arrival_effects=value[:first],
        attribute_effects=value[first:last],
        microgrid_ids=ids,
        microgrid_effects=of_microgrids,
    )


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute mean and standard deviation (inf for a constant) of each column's known values: float64 [columns]."""
    stated = ~np.isnan(values)
    count = np.maximum(stated.sum(axis=0), 1)
    center = np.where(stated, values, 0).sum(axis=0) / count
    spread = np.sqrt(np.where(stated, (values - center) ** 2, 0).sum(axis=0) / count)
    return center, np.where(spread > 0, spread, np.inf)


def _columns(effects: ReportingEffects, table: Table, rows: np.ndarray) -> np.ndarray:
    """Return columns for arrival and attributes, then those for the needs and for the town's level of the day."""
    matrix, need = table.matrix[rows], table.need[rows]
    level = matrix[:, table.names.index("town_requests_expected")].astype(np.float64)
    return np.column_stack(
        [
            arrival_columns(matrix, table.names),
            effects.attribute_columns(matrix, table.names),
            NEED_SPREAD * (need[:, None] == np.arange(need.max() + 1)),
            np.log(np.nan_to_num(level) + 0.01),
        ]
    )


def _microgrid_effects(
    microgrid: np.ndarray, asked: np.ndarray, expected: np.ndarray, repeats: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return ids, and the log of requests over those expected, shrunk; ``repeats``: rows that count the same request."""
    ids, place = np.unique(microgrid, return_inverse=True)
    count, usual = np.bincount(place, asked, len(ids)), np.bincount(place, expected, len(ids))
    strength = prior_strength(count, usual, repeats * usual)
    return ids, np.where(ids == "", 0.0, np.log(shrunk(count, usual, strength)))
