"""Factors of attributes: how much more households with an attribute's value ask than the town, shrunk towards 1.

Multiplicative rates as insurers use them (Bailey's minimum bias): every attribute is cut into bins, and each
bin has a factor on the town's rate such that expected and observed requests agree, fitted in turns.
"""

from bisect import bisect_right
from math import isnan, log

import numpy as np

from features.blocks import household, residents
from features.blocks.catalogue import with_role
from features.point_in_time.cohort import eligible
from features.point_in_time.records import Known
from features.point_in_time.remembered import remembered
from features.point_in_time.schema import Schema
from features.point_in_time.town import AttributeFactors
from features.point_in_time.town_summary import asked, days_observed, decayed_days, members, rate
from features.units import YEAR_OF_WEEKS

BINS = 6
SWEEPS = 2  # turns over all attributes; a third changes nothing worth its time
ROWS_AT_ONCE = 4096
HALF_LIFE = 200  # days; what attributes mean drifts, as children grow up
PRIOR = 25.0  # expected requests that pull a bin's factor towards 1
FEWEST = 50  # households that state an attribute
LEAST_TOLD = log(1.1)  # logarithm of a factor that makes an attribute worth telling
ALIKE = 1.25  # households are similar whose ratios differ by less than this factor


def fit(
    known: Known, schema: Schema, count: np.ndarray, expected: np.ndarray
) -> tuple[AttributeFactors, ...]:
    """Fit the factors of each attribute's bins, one attribute after another, in two rounds.

    ``count``, ``expected``: float64 [households, needs], requests and those that the town's rate leads to expect, 0
    where not eligible. Attributes that fewer than 50 households state, or that do not vary, get none.
    """
    names = columns_of(known, schema)
    cut = {name: _edges(values[known.present]) for name, values in names.items()}
    edges = {name: edge for name, edge in cut.items() if edge is not None}
    codes = {name: codes_of(known, schema, name, edge) for name, edge in edges.items()}
    factors = {name: np.ones((len(edge) + 2, count.shape[1])) for name, edge in edges.items()}
    able = expected > 0
    observed, left = np.where(able, count, 0.0), np.where(able, expected, 0.0)
    having = {name: members(codes[name], len(factor)) for name, factor in factors.items()}
    seen = {name: member @ observed for name, member in having.items()}
    for _ in range(SWEEPS):
        for name, code in codes.items():
            step = (seen[name] + PRIOR) / (having[name] @ left + PRIOR)
            factors[name] *= step
            for first in range(0, len(left), ROWS_AT_ONCE):  # a part that fits the processor's cache
                part = slice(first, first + ROWS_AT_ONCE)
                left[part] *= step.take(code[part], axis=0)
    return tuple(AttributeFactors(name, edge, factors[name]) for name, edge in edges.items())


@remembered
def similar_factors(known: Known, schema: Schema) -> tuple[AttributeFactors, ...]:
    """Return the factors of attributes, fitted on the town's requests of recent years."""
    if known.town is not None:
        return known.town.similar_factors
    able = eligible(known)
    count = asked(known).decayed(HALF_LIFE) * able
    exposure = able * decayed_days(days_observed(known), HALF_LIFE)[:, None]
    return fit(known, schema, count, exposure * rate(count.sum(0), exposure.sum(0)))


@remembered
def similar_ratio(known: Known, schema: Schema, columns: tuple[AttributeFactors, ...]) -> np.ndarray:
    """Compute the product of a household's factors, its requests over the town's: float64 [households, needs], above 0.

    ``columns``: factors of the attributes, as ``similar_factors`` returns them.
    """
    log = np.zeros((known.household_count, len(known.community.needs)))
    for column in columns:
        logarithms, code = np.log(column.factors), codes_of(known, schema, column.name, column.edges)
        for first in range(0, len(log), ROWS_AT_ONCE):
            part = slice(first, first + ROWS_AT_ONCE)
            log[part] += logarithms.take(code[part], axis=0)
    return np.exp(log)


@remembered
def columns_of(known: Known, schema: Schema) -> dict[str, np.ndarray]:
    """Gather the attributes of the blocks household and residents by feature name: float32 [households] each."""
    of_blocks = [feature for block in (household, residents) for feature in block.features(schema)]
    values = household.household_columns(known, schema)
    if schema.has_residents:
        values = {**values, **residents.household_columns(known, schema)}
    return {name: values[name] for name in with_role(of_blocks, "attribute", "arrival")}


def _edges(values: np.ndarray) -> np.ndarray | None:
    """Return the boundaries between values, or between quantiles of many; None where nothing can be distinguished."""
    stated = values[~np.isnan(values)].astype(np.float64)
    if len(stated) < FEWEST:
        return None
    distinct = np.unique(stated)
    if len(distinct) == 1 and len(stated) == len(values):
        return None
    if len(distinct) <= BINS:
        return (distinct[1:] + distinct[:-1]) / 2
    return np.unique(np.quantile(stated, np.arange(1, BINS) / BINS))


def codes_of(known: Known, schema: Schema, name: str, edges: np.ndarray) -> np.ndarray:
    """Find the bin that each household's attribute is in: uint8 [households]; the last bin where it is not known.

    ``name``: of a feature among ``columns_of``. ``edges``: float64, ascending, the boundaries between bins.
    """
    return _codes(known, schema, name, edges.tobytes())


@remembered
def _codes(known: Known, schema: Schema, name: str, edges_as_bytes: bytes) -> np.ndarray:
    values, edges = columns_of(known, schema)[name], np.frombuffer(edges_as_bytes)
    codes = np.searchsorted(edges, values, side="right").astype(np.uint8)
    codes[np.isnan(values)] = len(edges) + 1
    return codes


def attribute_logarithms(known: Known, schema: Schema, household_index: int, need: int) -> dict[str, float]:
    """Return the logarithm of a household's factors for a need, by the name of the attribute's reason.

    0 means as the town asks. Factors of features that share a reason are added up.
    """
    logarithm_of: dict[str, float] = {}
    for fact, values, edges, logarithms in _attribute_tables(known, schema):
        value = float(values[household_index])
        code = len(edges) + 1 if isnan(value) else bisect_right(edges, value)
        logarithm_of[fact] = logarithm_of.get(fact, 0.0) + logarithms[code][need]
    return logarithm_of


@remembered
def _attribute_tables(
    known: Known, schema: Schema
) -> list[tuple[str, np.ndarray, list[float], list[list[float]]]]:
    """List each attribute's reason, values, edges and log factors, the last two as lists: fast to read singly."""
    values = columns_of(known, schema)
    of_feature = {
        feature.name: feature.fact for block in (household, residents) for feature in block.features(schema)
    }
    return [
        (of_feature[factor.name], values[factor.name], factor.edges.tolist(), np.log(factor.factors).tolist())
        for factor in similar_factors(known, schema)
    ]


def similar_neighbours(
    known: Known, schema: Schema, household_index: int, need: int, kind: str
) -> tuple[int, int]:
    """Count the similar households nearby, and those of them that asked for the need within the last 364 days.

    Similar are other households whose ``similar_ratio`` for the need differs by less than a factor of 1.25. ``kind``:
    in the same ``grid`` or ``microgrid``. Returns both counts, 0 for a household that is in no such area.
    """
    where = known.area(kind)
    if where[household_index] < 0:
        return 0, 0
    near = eligible(known)[:, need] & known.present & (where == where[household_index])
    near[household_index] = False
    ratio = similar_ratio(known, schema, similar_factors(known, schema))[:, need]
    at_home = ratio[household_index]
    near &= (ratio > at_home / ALIKE) & (ratio < at_home * ALIKE)
    return int(near.sum()), int((near & _asked_within_a_year(known)[:, need]).sum())


@remembered
def _asked_within_a_year(known: Known) -> np.ndarray:
    return asked(known).count(0, YEAR_OF_WEEKS) > 0
