"""Log-linear model: logistic regression on transformed features for each need, held near a shared one.

It is a baseline, and one of the members of the ensemble.
"""

from dataclasses import dataclass, replace

import numpy as np

from models.estimators.penalised_glm import NormalPrior, Stop, fit_penalised_logistic
from models.estimators.threads import in_threads

SKEWED = 1.0  # skewness above which a column without negative values is taken as log(1 + x / its median)
FARTHEST = 4.0  # standard deviations; transformed values are kept within
SELDOM = 0.005  # share of the rows in which a column must be missing (or present) for a column that says so
ROWS_LOOKED_AT = 40_000  # rows from which a column's centre and spread are taken
SHARED_RIDGE = 20.0  # in effective positives
OWN_RIDGE = 60.0
INTERCEPT_RIDGE = 1e-3
# so near that float32 sums can tell, and no nearer than a blend needs
STOP = Stop(steps=40, least_gain=2.2e-9, near=1e-5, polish=False)
ROWS_AT_ONCE = 1024  # so many fit the processor's cache
FEW_ROWS = 100  # so few are read at once, whatever their needs


@dataclass(frozen=True)
class Transform:
    """Rules that turn feature columns into columns of about unit spread without missing values."""

    logarithm: np.ndarray  # bool [features]
    unit: np.ndarray  # float64 [features]: x / unit goes into the logarithm
    center: np.ndarray  # float64 [features]
    scale: np.ndarray  # float64 [features], inf for a constant column
    told: np.ndarray  # int64 [missing]: features that have a column 'is missing'

    def apply(self, matrix: np.ndarray) -> np.ndarray:
        """Transform features: float32 [rows, features + missing]; missing values become 0 (the mean)."""
        columns = np.empty((len(matrix), matrix.shape[1] + len(self.told)), dtype=np.float32)
        which = np.flatnonzero(self.logarithm)
        unit, center, scale = (
            array.astype(np.float32) for array in (self.unit[which], self.center, self.scale)
        )
        for first in range(0, len(matrix), ROWS_AT_ONCE):
            part = slice(first, first + ROWS_AT_ONCE)
            values = columns[part, : matrix.shape[1]]
            np.copyto(values, matrix[part])
            values[:, which] = np.log1p(np.maximum(values[:, which], 0) / unit)
            values -= center
            values /= scale
            np.clip(values, -FARTHEST, FARTHEST, out=values)
            values[np.isnan(values)] = 0
            columns[part, matrix.shape[1] :] = np.isnan(matrix[part, self.told])
        return columns

    def without(self, features: list[int]) -> "Transform":
        """Return the same transform with some features (positions) held constant."""
        scale = self.scale.copy()
        scale[features] = np.inf
        return replace(self, scale=scale, told=np.setdiff1d(self.told, features))


@dataclass(frozen=True)
class Logistic:
    """Log-odds = intercept of the need + coefficients of the need times transformed features."""

    transform: Transform
    intercept: np.ndarray  # float64 [needs]
    coefficients: np.ndarray  # float64 [needs, features + missing]

    def log_odds(self, matrix: np.ndarray, need: np.ndarray, needs: np.ndarray | None = None) -> np.ndarray:
        """Compute log-odds: float64 [rows].

        matrix: float32 [rows, features]. need: int [rows]. needs: positions of the needs to compute, by default all;
        rows of other needs may be 0.
        """
        result = np.zeros(len(matrix))
        if len(matrix) <= FEW_ROWS:
            columns = self.transform.apply(matrix)
            terms = np.einsum("ij,ij->i", columns, self.coefficients.astype(np.float32)[need])
            return terms + self.intercept[need]

        def fill(position: int) -> None:
            rows = np.flatnonzero(need == position)
            for part in np.array_split(rows, max(1, len(rows) // 50_000)):
                columns = self.transform.apply(matrix[part])
                result[part] = (
                    columns @ self.coefficients[position].astype(np.float32) + self.intercept[position]
                )

        in_threads(fill, (np.unique(need) if needs is None else needs).tolist())
        return result

    def contributions(self, matrix: np.ndarray, need: np.ndarray) -> np.ndarray:
        """Compute each feature's contribution to the log-odds, relative to its mean: float64 [rows, features]."""
        terms = self.transform.apply(matrix) * self.coefficients[need]
        features = matrix.shape[1]
        parts = terms[:, :features].astype(np.float64)
        parts[:, self.transform.told] += terms[:, features:]
        return parts


def fit_transform(matrix: np.ndarray, weight: np.ndarray, seed: int = 0) -> Transform:
    """Fit a transform to weighted rows, or to a sample of ROWS_LOOKED_AT of them.

    matrix: float32 [rows, features], NaN missing. weight: float [rows]. seed: of the sample.
    """
    rows = np.arange(len(matrix))
    if len(rows) > ROWS_LOOKED_AT:
        rows = np.sort(np.random.default_rng(seed).choice(rows, ROWS_LOOKED_AT, replace=False))
    weight = weight[rows].astype(np.float64)
    count, columns = matrix.shape[1], np.ascontiguousarray(matrix[rows].T)
    logarithm, unit = np.zeros(count, dtype=bool), np.ones(count)
    center, scale, kept = np.zeros(count), np.full(count, np.inf), []
    for column in range(count):
        value = columns[column].astype(np.float64)
        stated = ~np.isnan(value)
        share = np.average(stated, weights=weight)
        if SELDOM < share < 1 - SELDOM:
            kept.append(column)
        value, heavy = value[stated], weight[stated]
        if not len(value) or value.min() == value.max():
            continue
        mean, spread = _moments(value, heavy)
        if value.min() >= 0 and _skewness((value - mean) / spread, heavy) > SKEWED:
            logarithm[column], unit[column] = True, np.median(value[value > 0])
            mean, spread = _moments(np.log1p(value / unit[column]), heavy)
        center[column], scale[column] = mean, spread
    return Transform(logarithm, unit, center, scale, np.array(kept, dtype=np.int64))


def _skewness(away: np.ndarray, weight: np.ndarray) -> float:
    """Compute the skewness of standardised values. Two products are far faster than a power of 3."""
    return float(np.average(away * away * away, weights=weight))


def _moments(value: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    mean = np.average(value, weights=weight)
    return float(mean), float(max(np.sqrt(np.average((value - mean) ** 2, weights=weight)), 1e-9))


def fit_logistic(
    transform: Transform,
    matrix: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    need: np.ndarray,
    needs: int,
    seed: int = 0,
    most_rows: int = 150_000,
) -> Logistic:
    """Fit one model over all needs, then each need's own coefficients, pulled towards the shared ones.

    transform: fitted on these features.
    matrix: float32 [rows, features].
    label: int8 [rows], 0 or 1.
    weight: float [rows], positive, in any unit.
    need: int [rows], position below ``needs``.
    seed, most_rows: of the sample that is taken where there are more rows.

    A need without positive rows keeps the shared coefficients.
    """
    rows = np.arange(len(label))
    if len(rows) > most_rows:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most_rows, replace=False))
    columns = transform.apply(matrix[rows])
    target, heavy, which = label[rows].astype(np.float32), weight[rows].astype(np.float32), need[rows]
    total = np.array(
        [_log_odds_of(target[which == position], heavy[which == position]) for position in range(needs)]
    )
    shared, _ = _fit(columns, target, heavy, total[which].astype(np.float32), SHARED_RIDGE)
    intercept, coefficients = total.copy(), np.tile(shared, (needs, 1))
    for position in range(needs):
        of_need = which == position
        if target[of_need].any():
            columns_of = columns[of_need]
            base = np.float32(total[position]) + columns_of @ shared.astype(np.float32)
            steps, shift = _fit(columns_of, target[of_need], heavy[of_need], base, OWN_RIDGE)
            coefficients[position] += steps
            intercept[position] += shift
    return Logistic(transform, intercept, coefficients)


def _log_odds_of(target: np.ndarray, weight: np.ndarray) -> float:
    positive, total = float(weight @ target), float(weight.sum())
    return float(np.log((positive + 0.1) / (total - positive + 10.0)))


def _fit(
    columns: np.ndarray, target: np.ndarray, weight: np.ndarray, offset: np.ndarray, ridge: float
) -> tuple[np.ndarray, float]:
    """Fit ridge-penalised coefficients and an intercept on top of an offset.

    The penalty is ``ridge`` / 2 times the squared coefficients where a positive row weighs 1 on average.
    """
    unit = float((weight * target).sum() / max(target.sum(), 1))
    weight = (weight / max(unit, 1e-9)).astype(np.float32)
    precision = np.append(np.full(columns.shape[1], ridge), INTERCEPT_RIDGE)
    prior = NormalPrior(np.zeros(len(precision)), precision)
    value = fit_penalised_logistic(columns, target, weight, prior, offset, STOP)
    return value[:-1], float(value[-1])
