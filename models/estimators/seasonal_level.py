"""Seasonal level: how many households of the whole town will ask in each need's window, by its weekly counts.

Trees average over seasons, so the sum of their probabilities comes out too high when a season ends. The weekly number
of requests, by contrast, is a short series, which a log-linear model with a trend, yearly waves and school holidays
carries forward well. Its level corrects that of the probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, gammaln

from features.blocks.seasons import summer_holiday, winter_holiday
from features.contract.need_kinds import FEWEST_TOLD
from features.point_in_time.labels import label_begin, label_end, window_days
from features.point_in_time.records import Known
from features.point_in_time.town_summary import asked, days_since_first
from features.units import GREGORIAN_YEAR, WEEK
from models.dataset.split import STEP

WAVES = 6
WAVE_SPREAD = 0.2  # prior standard deviation of the yearly wave; the k-th overtone's is a k-th of it
HOLIDAY_SPREAD = 0.5
TREND_SPREAD = 0.15  # a year
SHORTEST_FOR_WAVES = 1.25 * GREGORIAN_YEAR  # days recorded
RECENT_HALF_LIFE = 6.0  # weeks: what is remembered of the latest deviations
RECENT_PRIOR = 0.15  # variance of the deviation from the waves that lasts for some weeks
LATELY = 8  # weeks in which a need that stopped or began is noticed
SHORTEST_BEFORE_CHANGE = 26  # weeks recorded before them
MOST_SILENT = 10.0  # requests that would have come, from which silence is no chance (one in 20,000)
CHANGED_PRIOR = 0.01  # chance that a need stopped or began in them
CHANGED_STRENGTH = 0.5  # expected requests that pull the factor of one that did towards 1
FORESIGHT_VARIANCE = 0.25  # of the factor between what was foreseen and what came, without any change
CLEARLY = 0.95  # probability from which a need is taken to have stopped or begun
RIPE = 28.0  # days after which a request counts as recorded, if it ever will be
LENT_REQUESTS = 5.0  # requests' worth of trust in the level of a need where a season was lent
LENT_DECIMALS = 2  # of a season that travels
SHARED_ASKERS = 4.0  # of a need, as which the ratio of the others counts: needs differ in it by a half


@dataclass(frozen=True)
class Series:
    """Weekly requests of each need up to the as-of day."""

    begins: np.ndarray  # float64 [weeks]: first day of each week
    count: np.ndarray  # float64 [weeks, needs]
    # float64 [weeks]: households known before the week times share of requests recorded by now
    exposure: np.ndarray


@dataclass(frozen=True)
class Course:
    """Times of requests by need, and the day since when each household is known: of a town or of one partition.

    Only requests of households that are present, and that were known before the week of the request: nobody can foresee
    a request by which a household becomes known.
    """

    as_of: int
    need: np.ndarray  # int16 per request, -1 where unknown
    requested: np.ndarray  # float64 days
    recorded: np.ndarray  # float64 days
    since: np.ndarray  # float64 days per household that is known


@dataclass(frozen=True)
class Ahead:
    """Requests that a town's weekly counts lead to expect in each need's window."""

    requests: np.ndarray  # float64 [needs]
    # float64 [needs]: probability that the need stopped or began lately; 0 unless it is clear
    changed: np.ndarray


def course_of(known: Known) -> Course:
    """Collect the course of a town, or of the households that live in one partition."""
    rows = known.requests
    since = np.where(known.present, known.known_since, np.nan)
    # of the week of each request
    begins = known.as_of - WEEK * np.ceil((known.as_of - rows.requested) / WEEK)
    early = since[rows.household] < begins
    return Course(
        known.as_of,
        rows.need[early],
        rows.requested[early],
        rows.recorded[early],
        since[known.present],
    )


def joined_course(courses: Sequence[Course]) -> Course:
    """Join the courses of a town's partitions, at least one."""
    columns = zip(
        *((course.need, course.requested, course.recorded, course.since) for course in courses), strict=True
    )
    return Course(courses[0].as_of, *map(np.concatenate, columns))


def weekly_requests(course: Course, needs: int) -> Series:
    """Count requests by week, in whole weeks back from the as-of day to the first request."""
    requested = course.requested
    weeks = max(int(days_since_first(requested, course.as_of) // WEEK), 0)
    begins = course.as_of - WEEK * np.arange(weeks, 0, -1.0)
    of_need = course.need >= 0
    week = weeks - 1 - np.floor((course.as_of - requested[of_need] - 1e-9) / WEEK).astype(int)
    inside = (week >= 0) & (week < weeks)
    cell = week[inside] * needs + course.need[of_need][inside]
    count = np.bincount(cell, minlength=weeks * needs).reshape(weeks, needs).astype(float)
    present = np.searchsorted(np.sort(course.since), begins)  # since before the week
    share = _recorded_share(course, course.as_of - begins - WEEK / 2)
    return Series(begins, count, np.maximum(present, 1) * share)


def _recorded_share(course: Course, age: np.ndarray) -> np.ndarray:
    """Estimate the share of requests recorded within ``age`` days, from the delays of older ones: float64, as ``age``."""
    delay = (course.recorded - course.requested)[course.as_of - course.requested >= RIPE]
    if not len(delay):
        return np.ones(len(age))
    return np.maximum(np.searchsorted(np.sort(delay), age, side="right") / len(delay), 0.05)


def _design(days: np.ndarray, origin: float) -> tuple[np.ndarray, np.ndarray]:
    """Return columns (trend, waves, holidays) at each day, and the prior standard deviation of their coefficients."""
    years = (days - origin) / GREGORIAN_YEAR
    columns, spread = [years], [TREND_SPREAD]
    for wave in range(1, WAVES + 1):
        angle = 2 * np.pi * wave * (days / GREGORIAN_YEAR)
        columns += [np.sin(angle), np.cos(angle)]
        spread += [WAVE_SPREAD / wave] * 2
    for kind in (summer_holiday, winter_holiday):
        columns.append(_share_within(days, kind))
        spread.append(HOLIDAY_SPREAD)
    return np.stack(columns, axis=1), np.array(spread)


def _share_within(days: np.ndarray, kind) -> np.ndarray:
    """Compute the share of the week around each day that lies within a holiday: float64 [days]."""
    if not len(days):
        return np.empty(0)
    first, last = 1970 + int(days.min() // 365.25) - 1, 1970 + int(days.max() // 365.25) + 1
    inside = np.zeros(len(days))
    for year in range(first, last + 1):
        begin, end = kind(year)
        inside += np.clip(np.minimum(days + WEEK / 2, end) - np.maximum(days - WEEK / 2, begin), 0, None)
    return inside / WEEK


def season_of(known: Known) -> np.ndarray:
    """Fit the season that the town can lend to others: float64 [needs, 1 + coefficients], rounded.

    A row has the log of the requests a household and week in the mean of the year, then the coefficients of the waves and
    holidays of ``_design``. All are NaN for a need of which fewer than FEWEST_TOLD households asked; the coefficients
    are where the records are too short to tell a season.
    """
    course, askers = course_of(known), (asked(known).total() > 0).sum(axis=0)
    series = weekly_requests(course, len(askers))
    columns, spread = _design(series.begins + WEEK / 2, known.as_of)
    season = np.full((len(askers), len(spread)), np.nan)  # the level in place of the trend
    for need in np.flatnonzero((askers >= FEWEST_TOLD) & series.count.any(axis=0)):
        offered = slice(_first_offered(series.count[:, need], series.exposure), None)
        count, exposure = series.count[offered, need], series.exposure[offered]
        fit = _fitted(columns[offered], spread, count, exposure, len(count))
        season[need, 0] = np.log(fit.usual) + fit.coefficients[0]
        if len(count) * WEEK >= SHORTEST_FOR_WAVES:
            season[need, 1:] = fit.coefficients[2:]
    return season.round(LENT_DECIMALS)


def joined_season(seasons: Sequence[np.ndarray]) -> np.ndarray:
    """Average the seasons of towns, at least one, where they have any: float64, as ``season_of`` returns them."""
    stacked = np.stack(seasons)
    finite = np.isfinite(stacked)
    mean = np.where(finite, stacked, 0).sum(axis=0) / np.maximum(finite.sum(axis=0), 1)
    mean[~finite[:, :, 0].any(axis=0), 0] = np.nan
    return mean


def ahead(known: Known, lent: np.ndarray | None = None) -> Ahead:
    """Expect each need's requests in its window from the town's weekly counts, as known at the as-of day.

    lent: the season of other towns, from ``joined_season``, of which the town's own is taken to differ little.
    """
    begin, end = label_begin(known.community, known.as_of), label_end(known.community, known.as_of)
    course = course_of(known)
    series = weekly_requests(course, len(begin))
    each = [
        _expected(series, need, np.array([first]), np.array([last]), lent)
        for need, (first, last) in enumerate(zip(begin, end, strict=True))
    ]
    requests = np.array([result[0][0] for result in each]) * len(course.since)
    return Ahead(requests, np.array([result[1] for result in each]))


def expected_between(
    course: Course, begin: np.ndarray, end: np.ndarray, lent: np.ndarray | None = None
) -> np.ndarray:
    """Expect the whole town's requests in [begin, end): float64 [needs, spans].

    begin, end: days, float64 [needs, spans]. lent: see ``ahead``.
    """
    series = weekly_requests(course, len(begin))
    each = [_expected(series, need, begin[need], end[need], lent)[0] for need in range(len(begin))]
    return np.array(each).reshape(begin.shape) * len(course.since)


def asking_per_request(known_now: Known, days: np.ndarray, asking: np.ndarray) -> np.ndarray:
    """Compute how many households ask at all per request that the weekly rates give to a cohort: float64 [needs].

    known_now: what is known now.
    days: past as-of days.
    asking: float64 [days, needs], households of the cohort that asked in the window; NaN where that is not known yet.

    These households, summed over the days, are divided by the requests that as many households make in the same weeks
    at the weekly rates of the town, and drawn to the other needs' ratio where few asked. A need that nobody asked for
    gets 1.
    """
    course, needs = course_of(known_now), asking.shape[1]
    series = weekly_requests(course, needs)
    rate = np.cumsum(series.count / np.maximum(series.exposure, 1e-9)[:, None], axis=0)
    rate = np.vstack([np.zeros(needs), rate])
    ends = np.append(series.begins, course.as_of)
    since = np.sort(course.since)
    made = np.zeros(asking.shape)
    for index, day in enumerate(days):
        first, last = label_begin(known_now.community, day), label_end(known_now.community, day)
        households = np.searchsorted(since, day)
        for need in np.flatnonzero(np.isfinite(asking[index])):
            until, before = np.interp([last[need], first[need]], ends, rate[:, need])
            made[index, need] = households * (until - before)
    repeats = np.maximum(window_days(known_now.community) / STEP, 1)
    return _shared_ratio(np.nansum(asking, axis=0), made.sum(axis=0), repeats)


def _shared_ratio(seen: np.ndarray, total: np.ndarray, repeats: np.ndarray) -> np.ndarray:
    """Divide ``seen`` by ``total``, both float64 [needs], each ratio drawn to their geometric mean; 1 where either is 0.

    repeats: float64 [needs], how many windows count the same asker.
    """
    some = (total > 0) & (seen > 0)
    if not some.any():
        return np.ones(len(seen))
    ratio, askers = seen[some] / total[some], seen[some] / repeats[some]
    shared = np.exp(np.average(np.log(ratio), weights=askers / (askers + SHARED_ASKERS)))
    drawn = np.ones(len(seen))
    drawn[some] = (askers + SHARED_ASKERS) / (askers / ratio + SHARED_ASKERS / shared)
    return drawn


def _expected(
    series: Series, need: int, begins: np.ndarray, ends: np.ndarray, lent: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Expect one household's requests in [begins, ends), float64 [spans]; also return the probability of a change.

    The change is that the need stopped or began lately; its probability is 0 below CLEARLY. With a season that was lent
    it is 1 until the town's own history shows one: the probabilities cannot know the level of the weeks to come.
    """
    middle, count = series.begins + WEEK / 2, series.count[:, need]
    origin = middle[-1] if len(middle) else begins[0]
    columns, spread = _design(middle, origin)
    season, usual = _lent(lent, need, len(spread))
    if usual is None and not count.any():
        return np.zeros(len(begins)), 0.0
    exposure = series.exposure * np.exp(columns @ season)
    offered = slice(_first_offered(count, exposure), None)
    columns, count, exposure = columns[offered], count[offered], exposure[offered]
    short, changed = len(count) * WEEK < SHORTEST_FOR_WAVES, 0.0
    if short:
        spread = spread * 0.01  # waves of less than a year and a bit are noise
    fit = _fitted(columns, spread, count, exposure, len(count), usual)
    lasting = _lasting(count, exposure * fit.rate(columns), fit.noise)
    if len(count) >= SHORTEST_BEFORE_CHANGE + LATELY:
        before = _fitted(columns, spread, count, exposure, len(count) - LATELY, usual)
        foreseen = float((exposure * before.rate(columns))[-LATELY:].sum())
        changed, factor = _change(float(count[-LATELY:].sum()), foreseen, before.noise)
        fit, lasting, changed = (before, factor, changed) if changed >= CLEARLY else (fit, lasting, 0.0)
    elif offered.start:
        changed = 1.0  # too new a need for the probabilities to know its level
    expected = np.empty(len(begins))
    for place, (begin, end) in enumerate(zip(begins, ends, strict=True)):
        weeks = np.arange(begin + min(WEEK, end - begin) / 2, end, WEEK)
        later, _ = _design(weeks, origin)
        later[:, 0] = np.minimum(later[:, 0], 0.25)  # a trend is not carried far
        rate = fit.rate(later) * np.exp(later @ season)
        expected[place] = rate.mean() * (end - begin) / WEEK * lasting
    return expected, changed if usual is None or not short else 1.0


def _lent(lent: np.ndarray | None, need: int, columns: int) -> tuple[np.ndarray, float | None]:
    """Return the coefficients of ``_design`` that were lent, zeros if none, and the requests a household and week."""
    if lent is None or np.isnan(lent[need, 0]):
        return np.zeros(columns), None
    return np.append(0.0, lent[need, 1:]), float(np.exp(lent[need, 0]))  # no trend


def _first_offered(count: np.ndarray, exposure: np.ndarray) -> int:
    """The week of a need's first request, where half a year or more before it was silent beyond chance; else 0.

    Nobody could ask for it then. Such years would be read as a season, or a trend, that goes on. A need that began in
    the last weeks is left to ``_change``.
    """
    if not count.any():
        return 0
    first = int(np.argmax(count > 0))
    usual = count[first:].sum() / max(float(exposure[first:].sum()), 1e-9)
    silent = usual * float(exposure[:first].sum()) > MOST_SILENT
    return first if silent and first >= SHORTEST_BEFORE_CHANGE and len(count) - first > LATELY else 0


@dataclass(frozen=True)
class Fit:
    """A log-linear rate of requests a household and week; noise: the variance of counts over Poisson's."""

    usual: float
    coefficients: np.ndarray
    noise: float

    def rate(self, columns: np.ndarray) -> np.ndarray:
        """Compute the rate for each row of ``_design``: float64 [rows]."""
        return self.usual * np.exp(self.coefficients[0] + columns @ self.coefficients[1:])


def _fitted(
    columns: np.ndarray,
    spread: np.ndarray,
    count: np.ndarray,
    exposure: np.ndarray,
    weeks: int,
    lent: float | None = None,
) -> Fit:
    """Fit the rate on the first ``weeks``, and on LENT_REQUESTS at the rate that was lent."""
    columns, count, exposure = columns[:weeks], count[:weeks], exposure[:weeks]
    if lent is not None:
        columns = np.vstack([columns, np.zeros(len(spread))])
        count, exposure = np.append(count, LENT_REQUESTS), np.append(exposure, LENT_REQUESTS / lent)
    usual = max(float(count.sum()), 0.5) / float(exposure.sum())
    return Fit(usual, *_fit(columns, spread, count, exposure * usual))


def _lasting(count: np.ndarray, fitted: np.ndarray, noise: float) -> float:
    """Estimate the factor by which the latest weeks deviate from the fitted level, shrunk to 1 by its uncertainty."""
    age = np.arange(len(count), 0, -1.0) - 0.5
    weight = np.exp2(-age / RECENT_HALF_LIFE)
    seen, usual = float(weight @ count), float(weight @ fitted)
    strength = noise / RECENT_PRIOR
    return (seen + strength) / (usual + strength)


def _change(seen: float, usual: float, noise: float) -> tuple[float, float]:
    """Return the probability that the latest weeks differ from those before, and the factor if they do.

    ``seen`` requests came where ``usual`` were expected from the weeks before. The factor between them has one of two
    gamma priors of mean 1: a narrow one, for seasons and trends that were foreseen badly, and seldom a wide one, for a
    change. Bayes' rule gives the probability of the second.
    """
    priors = np.array([1 / FORESIGHT_VARIANCE, CHANGED_STRENGTH])
    chances = _chance(seen / noise, usual / noise, priors) + np.log([1 - CHANGED_PRIOR, CHANGED_PRIOR])
    most = max(seen, usual)  # a need that was never asked for before has no level to be drawn to
    factor = (most * seen / usual + CHANGED_STRENGTH) / (most + CHANGED_STRENGTH)
    return float(expit(chances[1] - chances[0])), factor


def _chance(seen: float, usual: float, strength: np.ndarray) -> np.ndarray:
    """Compute the log-likelihood of ``seen`` where ``usual`` is expected times a gamma factor of mean 1.

    The count is then negative binomial; terms without ``strength``, the shape of the gamma distribution, are left out.
    """
    much = gammaln(seen + strength) - gammaln(strength)
    return much + strength * np.log(strength / (strength + usual)) - seen * np.log(strength + usual)


def _fit(
    columns: np.ndarray, spread: np.ndarray, count: np.ndarray, usual: np.ndarray
) -> tuple[np.ndarray, float]:
    """Fit a Poisson regression with normal priors; return intercept and coefficients, and its overdispersion (>= 1)."""
    with_one = np.column_stack([np.ones(len(columns)), columns])
    prior = np.append(1e-4, 1 / spread**2)
    coefficients, noise = np.zeros(with_one.shape[1]), 1.0
    for _ in range(25):
        mean = usual * np.exp(np.clip(with_one @ coefficients, -6, 6))
        noise = max(1.0, float(np.sum((count - mean) ** 2 / np.maximum(mean, 0.1)) / max(len(count) - 8, 1)))
        slope = with_one.T @ (count - mean) / noise - prior * coefficients
        curve = (with_one.T * (mean / noise)) @ with_one + np.diag(prior)
        step = np.linalg.solve(curve, slope)
        coefficients += np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-6:
            break
    return coefficients, noise
