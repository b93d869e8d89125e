"""Block: requests expected of a household, put together step by step.

The town's rate, times what households with its attributes ask, times what its micro-grid asks, times what it
asks besides this need, times what it asked itself: each shrunk, and each beyond what the steps before explain
(a gamma-Poisson model fitted by the method of moments). A share follows the requests of late.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from features.blocks.areas import Area, fit_area
from features.blocks.catalogue import each, listed
from features.blocks.similar import similar_factors, similar_neighbours, similar_ratio
from features.contract.need_kinds import FEWEST_TOLD, Telling
from features.language import say
from features.point_in_time.cohort import eligible
from features.point_in_time.records import Known, Rows
from features.point_in_time.schema import Schema
from features.point_in_time.town import TownSummary
from features.point_in_time.town_summary import (
    STRONGEST,
    WEAKEST,
    asked,
    days_observed,
    days_recorded,
    overlap,
    prior_strength,
    rate,
    shrunk,
)
from features.units import YEAR_OF_WEEKS

FEWEST_SIMILAR = 10  # households; of fewer a share says nothing
LATE_HALF_LIVES = (45, 90, 180)  # days
LATE_SHARE = 0.1  # share of the requests expected that follows those of late
LATE = 90  # days; the half-life of what is expected in the window
MOST_EXPONENT = 1.5
STEPS = 6  # of Newton's method
FEATURES = listed(
    "requests",
    "expected",
    "similar_ratio | 同类家庭申请次数与全社区之比 | Requests of similar households over the town's | all time | ratio | similar",
    "similar_requests | 同类家庭每年申请次数 | Requests of similar households a year | all time | requests a year | similar",
    "area_ratio | 本微网格邻居申请次数与其同类家庭之比（收缩） | Neighbours' requests in the micro-grid over those of similar households, shrunk | all time | ratio | neighbours_long",
    "other_needs_ratio | 本户其他事项申请次数与预期之比（收缩） | The household's requests for other needs over those expected, shrunk | all time | ratio | other_needs",
    "expected_without_own | 不看本户申请本项的历史，预计每年申请次数 | Requests a year expected before the household's own requests for it are seen | all time | requests a year | similar",
    "own_ratio | 本户申请本项次数与预期之比（收缩） | The household's requests for it over those expected, shrunk | all time | ratio | asked_before",
    "expected_requests | 预计每年申请次数 | Requests a year expected | all time | requests a year | expected",
    *each(
        LATE_HALF_LIVES,
        "expected_requests_late_{}_days | 预计每年申请次数，近来申请每{}天折半 | Requests a year expected, requests of late worth half after {} days | all time | requests a year | expected",
    ),
    "expected_in_window | 窗口内预计申请次数 | Requests expected in the label window | all time | requests | expected",
)


@dataclass(frozen=True)
class ExpectedTown:
    """What each step of the product takes from the whole town."""

    rates: np.ndarray  # [needs] requests per eligible household and day
    anything: Area  # micro-grids, all needs as one
    microgrids: Area
    others_strength: float
    exponents: np.ndarray  # [needs] of the other needs' ratio: 0 where it tells nothing, 1 as much as it says
    own_strengths: np.ndarray  # [needs]
    mean: np.ndarray  # [needs] mean over eligible households of the product of the ratios
    late_means: dict[int, np.ndarray]  # [needs] mean decayed requests of eligible households, by half-life


@dataclass(frozen=True)
class Own:
    """Requests so far and days of exposure: float64 [households, needs] each; 0 where not eligible."""

    count: np.ndarray
    exposure: np.ndarray


def _own(known: Known) -> Own:
    able = eligible(known)
    return Own(asked(known).total() * able, able * days_observed(known)[:, None])


def summarise(known: Known, schema: Schema, fitted: ExpectedTown | None = None) -> ExpectedTown:
    """Fit every step on what the steps before it leave unexplained.

    ``known``: the whole town, or a sample of its grids. ``fitted``: an earlier fit, of which everything is kept except
    the sums of the micro-grids; these are then those of ``known``.
    """
    if fitted:
        own = _own(known)
        expected = own.exposure * fitted.rates * similar_ratio(known, schema, similar_factors(known, schema))
        anything, microgrids = _areas(known, own, expected, fitted)
        return replace(fitted, anything=anything, microgrids=microgrids)
    own, able, past = _own(known), eligible(known), asked(known)
    rates = rate(own.count.sum(0), own.exposure.sum(0))
    product = similar_ratio(known, schema, similar_factors(known, schema))
    expected = own.exposure * rates * product
    anything, microgrids = _areas(known, own, expected)
    step = _of_anything(anything, known, own.count, expected)
    product = product * step * microgrids.besides(known.microgrid, own.count, expected * step)
    expected = own.exposure * rates * product
    others_strength = prior_strength(own.count.sum(1), expected.sum(1))
    others = _others(own.count, expected, others_strength)
    exponents = _exponents(own.count, expected, others)
    product = product * others**exponents
    expected = own.exposure * rates * product
    own_strengths = _lasting_strengths(known, own.count, expected)
    product = product * shrunk(own.count, expected, own_strengths)
    households = able.sum(0)
    return ExpectedTown(
        rates=rates,
        anything=anything,
        microgrids=microgrids,
        others_strength=others_strength,
        exponents=exponents,
        own_strengths=own_strengths,
        mean=rate((product * able).sum(0), households),
        late_means={days: rate((past.decayed(days) * able).sum(0), households) for days in LATE_HALF_LIVES},
    )


def _areas(
    known: Known, own: Own, expected: np.ndarray, fitted: ExpectedTown | None = None
) -> tuple[Area, Area]:
    """Fit the micro-grids twice: for all needs as one, and for each need beyond that."""
    count, mean = own.count.sum(1, keepdims=True), expected.sum(1, keepdims=True)
    anything = fit_area(known, "microgrid", count, mean, fitted.anything if fitted else None)
    step = _of_anything(anything, known, own.count, expected)
    of_need = fitted.microgrids if fitted else None
    return anything, fit_area(known, "microgrid", own.count, expected * step, of_need)


def _of_anything(area: Area, known: Known, count: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Compute the micro-grid's requests for any need over those expected: float64 [households, 1], shrunk to 1."""
    return area.besides(known.microgrid, count.sum(1, keepdims=True), expected.sum(1, keepdims=True))


def _others(count: np.ndarray, expected: np.ndarray, strength: float) -> np.ndarray:
    """Compute the household's requests for other needs over those expected: float64 [households, needs], shrunk to 1."""
    return shrunk(count.sum(1, keepdims=True) - count, expected.sum(1, keepdims=True) - expected, strength)


def _exponents(count: np.ndarray, expected: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Fit the exponent of ``others`` for each need by Poisson likelihood with a free intercept: float64 [needs]."""
    exponents = np.zeros(count.shape[1])
    for need in range(len(exponents)):
        able = expected[:, need] > 0
        seen, mean, log = count[able, need], expected[able, need], np.log(others[able, need])
        for _ in range(STEPS):
            weight = mean * np.exp(exponents[need] * log)
            weight = weight * rate(seen.sum(), weight.sum())
            slope, curve = ((seen - weight) * log).sum(), (weight * log**2).sum()
            exponents[need] = np.clip(exponents[need] + rate(slope, curve), 0.0, MOST_EXPONENT)
    return exponents


def _lasting_strengths(known: Known, count: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Estimate the prior strength of the household's own ratio from what lasts over the years: float64 [needs].

    A request makes another one soon after more likely. The variance of the counts takes that for a difference between
    households; the covariance of two periods does not. What the covariance leaves over of the variance counts as
    dispersion beyond Poisson's.
    """
    past, days = asked(known), days_observed(known)
    split = min(YEAR_OF_WEEKS, days_recorded(known) / 2)
    late = past.count(0, split) * eligible(known)
    share = rate(overlap(days, 0, split), days)[:, None]
    late_expected, early_expected = expected * share, expected * (1 - share)
    late_expected = late_expected * rate(late.sum(0), late_expected.sum(0))
    early_expected = early_expected * rate((count - late).sum(0), early_expected.sum(0))
    together = ((late - late_expected) * (count - late - early_expected)).sum(0)
    lasting = rate((late_expected * early_expected).sum(0), np.maximum(together, 0))
    excess = ((count - expected) ** 2).sum(0) - rate((expected**2).sum(0), lasting)
    strength = lasting * np.maximum(rate(excess, expected.sum(0)), 1.0)
    return np.where(lasting > 0, np.clip(strength, WEAKEST, STRONGEST), STRONGEST)


def block(known: Known, rows: Rows, town: TownSummary, schema: Schema) -> dict[str, np.ndarray]:
    """Compute the block's columns for the pairs ``rows`` as of ``known.as_of``.

    ``town`` gives the fitted steps (``town.parts["expected"]``), the factors of attributes and the season's expectation.
    Returns float32 [len(rows)] by feature name: ratios to what is expected (1 = as expected) and requests a year, and
    requests in the label window.
    """
    table, own, past, able = town.parts["expected"], _own(known), asked(known), eligible(known)
    similar = similar_ratio(known, schema, town.similar_factors)
    expected = own.exposure * table.rates * similar
    step = _of_anything(table.anything, known, own.count, expected)
    area = step * table.microgrids.besides(known.microgrid, own.count, expected * step)
    others = _others(own.count, expected * area, table.others_strength)
    without_own = similar * area * others**table.exponents
    own_ratio = shrunk(own.count, own.exposure * table.rates * without_own, table.own_strengths)
    product = without_own * own_ratio
    year = table.rates * YEAR_OF_WEEKS
    columns = {
        "similar_ratio": similar,
        "similar_requests": similar * year,
        "area_ratio": area,
        "other_needs_ratio": others,
        "expected_without_own": without_own * year,
        "own_ratio": own_ratio,
        "expected_requests": product * year,
    }
    for days in LATE_HALF_LIVES:
        late = rate(past.decayed(days) * able, np.broadcast_to(table.late_means[days], able.shape))
        relative = (1 - LATE_SHARE) * product / np.where(table.mean > 0, table.mean, 1) + LATE_SHARE * late
        columns[f"expected_requests_late_{days}_days"] = relative * table.mean * year
        if days == LATE:
            weeks = np.array([need.horizon_weeks for need in known.community.needs])
            in_season = town.parts["seasons"]["town_requests_expected"] * weeks * 7 / YEAR_OF_WEEKS
            columns["expected_in_window"] = relative * in_season
    return {name: values[rows.household, rows.need].astype(np.float32) for name, values in columns.items()}


def _similar(known: Known, schema: Schema, household: int, need: int) -> str:
    """Tell how many similar households nearby asked within a year; "" where so few could be recognised."""
    for kind, zh, en in (("microgrid", "微网格", "micro-grid"), ("grid", "网格", "grid")):
        alike, asking = similar_neighbours(known, schema, household, need, kind)
        if asking >= FEWEST_TOLD and alike >= FEWEST_SIMILAR:
            return say(
                f"本{zh}情况差不多的{alike}户里，近一年有{asking}户申请过",
                f"{asking} of {alike} similar households in this {en} asked within a year",
            )
    return ""


KIND = ("同类家庭", "similar households")  # what reasons of this block are called
# What is expected of a household rests on its own requests and on its attributes, which have reasons of their own.
FACTS: dict[str, Callable[[Known, Schema, int, int], str]] = {"similar": _similar, "expected": _similar}
TELLING = dict.fromkeys(FACTS, Telling("similar", "list"))
