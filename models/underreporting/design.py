"""Design matrix of the estimators of p_need: a few columns for each pair, next to the request model's score."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.special import expit

from features.blocks.build import Features
from models.underreporting.reporting_effects import FARTHEST, ReportingEffects, arrival_columns, moments

ASKED_WITHIN = (28, 56, 84)  # days; a need found so soon after a request is likely the one asked for
SILENT_FOR = 182  # days without a request, after which a need found is one that the household kept to itself
VISITED_WITHIN = 56  # days in which a visit's outcome still tells
USUAL_SCORE = -7.0  # log of requests a day
# prior standard deviations of the coefficients of the columns, before the penalty of ``visit_model``
SPREADS = {
    "targeted": 3.5,
    "asked": 10.0,
    "score": 2.0,
    "score_of_asked": 5.0,
    "town": 1.0,
    "visit": 1.0,
    "effects": 2.0,
    "score_of_effect": 1.0,
    "past": 0.35,
}
# what the request model made its score of, and may have weighed otherwise had needs been its aim
PAST = tuple(
    """
    similar_ratio area_ratio other_needs_ratio own_ratio expected_without_own expected_requests
    microgrid_ratio_28_days microgrid_ratio_91_days microgrid_ratio_364_days microgrid_recent_ratio
    requests_all_time decayed_requests_half_life_120_days other_needs_requests_364_days season_index
    town_growth
    """.split()
)
EFFECTS = "kinds_"  # begins the names of the effects' arrays on disk
LITTLE = 1e-3  # added to PAST before the logarithm


@dataclass(frozen=True)
class DesignMatrix:
    """Pairs of household and need as the estimators read them, one a row."""

    household: np.ndarray  # int32
    need: np.ndarray  # int16
    score: np.ndarray  # float64: log of the requests a day that the request model expects, about USUAL_SCORE
    effects: np.ndarray  # float64 [rows, 3]: reporting effects by arrival, attributes, micro-grid
    # float64 [rows, columns]: all of these and more, each times its prior spread; first those of ``first_columns``
    columns: np.ndarray
    matrix: np.ndarray  # float32 [rows, features]
    asked: np.ndarray  # int8: 0 where it asked within the first of ASKED_WITHIN, ...; their number where not
    silent: np.ndarray  # bool: did not ask within SILENT_FOR days
    targeted: np.ndarray  # bool: seen on a visit from a list; what is expected of a visit is so of one by lot

    def __len__(self) -> int:
        return len(self.need)

    @property
    def tree_columns(self) -> np.ndarray:
        """Return the columns for trees: float32 [rows, features + 5], the features, need, score and effects."""
        return np.column_stack([self.matrix, self.need, self.score, self.effects]).astype(np.float32)

    @property
    def lately(self) -> np.ndarray:
        """Tell which pairs asked within the last of ASKED_WITHIN: bool [rows]."""
        return self.asked < len(ASKED_WITHIN)

    def take(self, keep: np.ndarray) -> "DesignMatrix":
        """Select the rows at positions (or a mask) ``keep``."""
        return DesignMatrix(*(getattr(self, field.name)[keep] for field in fields(self)))


def first_columns(needs: int) -> int:
    """Count the ``DesignMatrix.columns`` for need, time since the request, request score and targeted visit."""
    return needs + len(ASKED_WITHIN) + 2


@dataclass(frozen=True)
class DesignReader:
    """Turns features into the design matrix; what it takes from the past is fitted once."""

    effects: ReportingEffects
    horizon: np.ndarray  # float64 [needs] days of the label window
    past_center: np.ndarray  # float64 [PAST]: mean of the logarithms
    past_scale: np.ndarray  # float64 [PAST]: and their standard deviation

    def read(
        self,
        features: Features,
        microgrid: np.ndarray,
        log_odds: np.ndarray,
        targeted: np.ndarray | None = None,
    ) -> DesignMatrix:
        """Make the design matrix of some pairs.

        features: of the pairs
        microgrid: str [rows], id of the micro-grid
        log_odds: float64 [rows], of a request in the window, by the request model
        targeted: bool [rows], the visit was chosen by a list; none by default
        """
        matrix, names, rows = features.matrix, list(features.names), features.rows
        targeted = np.zeros(len(rows), dtype=bool) if targeted is None else targeted
        score = np.log(-np.log1p(-expit(np.clip(log_odds, -14, 7))) / self.horizon[rows.need]) - USUAL_SCORE
        since = _value(matrix, names, "days_since_request")
        with np.errstate(invalid="ignore"):
            asked = np.sum([~(since <= days) for days in ASKED_WITHIN], axis=0).astype(np.int8)
            silent = ~(since <= SILENT_FOR)
        attributes = self.effects.attribute_columns(matrix, names)
        effects = self.effects.by_source(matrix, names, microgrid, attributes)
        since_asked = asked[:, None] == np.arange(len(ASKED_WITHIN))
        first = {"asked": since_asked, "score": score[:, None], "targeted": targeted[:, None]}
        last = {
            "score_of_asked": score[:, None] * since_asked,
            "town": _town_lately(matrix, names),
            "visit": _last_visit(matrix, names),
            "effects": effects,
            "score_of_effect": score[:, None] * effects,
            "past": np.clip((_past(matrix, names) - self.past_center) / self.past_scale, -FARTHEST, FARTHEST),
        }
        columns = np.column_stack(
            [
                rows.need[:, None] == np.arange(len(self.horizon)),
                *_spread(first),
                arrival_columns(matrix, names),
                attributes,
                *_spread(last),
            ]
        )
        return DesignMatrix(
            rows.household, rows.need, score, effects, columns, matrix, asked, silent, targeted
        )

    def to_arrays(self) -> dict[str, Any]:
        """Return all fields, and those of the effects, by name, for ``from_arrays``."""
        arrays = {name: value for name, value in vars(self).items() if name != "effects"}
        return {**arrays, **{EFFECTS + name: value for name, value in vars(self.effects).items()}}

    @staticmethod
    def from_arrays(arrays: dict[str, Any]) -> "DesignReader":
        """Make a reader from what ``to_arrays`` returned."""
        effects = {
            key.removeprefix(EFFECTS): value for key, value in arrays.items() if key.startswith(EFFECTS)
        }
        arrays_of = {name: value for name, value in arrays.items() if not name.startswith(EFFECTS)}
        effects["attributes"] = effects["attributes"].tolist()
        return DesignReader(ReportingEffects(**effects), **arrays_of)


def _spread(blocks: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Multiply blocks of columns by their prior spreads."""
    return [SPREADS[name] * columns for name, columns in blocks.items()]


def _value(matrix: np.ndarray, names: Sequence[str], name: str) -> np.ndarray:
    """Return one feature: float64 [rows]."""
    return matrix[:, list(names).index(name)].astype(np.float64)


def _last_visit(matrix: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Tell whether a recent visit found the need, and whether it found none: bool [rows, 2]."""
    needed = _value(matrix, names, "last_visit_needed")
    with np.errstate(invalid="ignore"):
        lately = _value(matrix, names, "days_since_visit") <= VISITED_WITHIN
    return np.column_stack([lately & (needed == 1), lately & (needed == 0)])


def fit_reader(
    effects: ReportingEffects, horizon: np.ndarray, matrix: np.ndarray, names: Sequence[str]
) -> DesignReader:
    """Fit the reader for pairs like those of ``matrix``.

    effects: fitted reporting effects. horizon: float64 [needs], days of the label window.
    matrix: float32 [rows, features]. names: of the features.
    """
    center, scale = moments(_past(matrix, names))
    return DesignReader(effects, horizon, center, scale)


def _past(matrix: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return the logarithms of the features PAST: float64 [rows, PAST]."""
    places = [list(names).index(name) for name in PAST]
    return np.log(np.nan_to_num(matrix[:, places].astype(np.float64)) + LITTLE)


def _town_lately(matrix: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Compare the town's recent requests (month, quarter) with those of the window: float64 [rows, 2], logarithms.

    The request model looks ahead; a visit finds what is there now.
    """
    month, quarter, expected = (
        _value(matrix, names, f"town_requests_{window}") for window in ("28_days", "91_days", "expected")
    )
    little = 1e-3  # requests a household and year
    ratios = (np.stack([month, quarter], axis=1) + little) / (expected[:, None] + little)
    return np.clip(np.log(np.nan_to_num(ratios, nan=1.0)), -2, 2)
