"""A control chart of weekly counts whose limits come from the history's own variation."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import nbinom, poisson

from features.blocks.seasons import spring_festival
from features.point_in_time.records import date_of

FEWEST = 12  # weeks of history, below which nothing is said
RECENT = 8  # weeks that give the level
YEAR = 52
SEASON = 3  # weeks to each side of the same week last year
NEAR_FESTIVAL = 13  # weeks before and after Spring Festival in which requests follow the lunar calendar
SEASON_PRIOR = 5.0  # counts that draw last year's change from its recent weeks to its season towards none
FALSE_ALARMS = 0.5  # expected a quarter, over all streams of a town
QUARTER = 13  # weeks
TRIMMED = 0.76  # mean of a chi-squared variable of one degree of freedom without its largest twentieth
WINDOWS = (1, 2)  # newest weeks whose count is compared in both directions
SILENT = (4, 8)  # newest weeks in which nothing at all may have come: what is rare cannot be missed sooner
TESTS = 2 * len(WINDOWS) + len(SILENT)  # of each stream in a run


@dataclass(frozen=True)
class Signal:
    """A stream that left its limits: over how many weeks, what came and what was usual."""

    weeks: int
    count: int
    usual: float
    up: bool


def weeks_to_last_year(as_of: int) -> tuple[int, ...]:
    """Return how many weeks ago the same season was: by the calendar, and near Spring Festival by the days to it, too.

    >>> from datetime import date
    >>> [weeks_to_last_year((date(2026, month, 16) - date(1970, 1, 1)).days) for month in (3, 9)]
    [(52, 55), (52,)]
    """
    day = date_of(as_of)
    festivals = [spring_festival(day.year + years) for years in (-2, -1, 0, 1)]
    before, nearest = min(pairwise(festivals), key=lambda pair: abs((pair[1] - day).days))
    if abs((nearest - day).days) > 7 * NEAR_FESTIVAL:
        return (YEAR,)
    return tuple(sorted({YEAR, round((nearest - before).days / 7)}))


def signal(counts: np.ndarray, streams: int, last_year: tuple[int, ...] = (YEAR,)) -> Signal | None:
    """Compare the newest week, and the newest two, with the weeks before; notice four and eight without any.

    A count must lie outside the limits both of the last ``RECENT`` weeks and, where the history reaches so far, of
    what last year's season makes of them, so that a season that comes again is no alarm. Limits are quantiles of a
    negative binomial with the history's dispersion, so that over all streams ``FALSE_ALARMS`` come by chance in a
    quarter (Bonferroni).

    counts: int [weeks], the newest first.
    streams: number of streams that are watched, at least 1.
    last_year: how many weeks ago the same season was, by each calendar that requests may follow.

    Returns None within the limits, or where the history is too short.
    """
    level = FALSE_ALARMS / (QUARTER * TESTS * streams)
    for weeks in (*WINDOWS, *SILENT):
        history, came = counts[weeks:], int(counts[:weeks].sum())
        if len(history) < FEWEST or (weeks in SILENT and came):
            return None
        dispersion = _dispersion(history)
        references = [weeks * mean for mean in _levels(history, weeks, last_year)]
        for up in (False,) if weeks in SILENT else (True, False):
            if all(_tail(came, usual, dispersion, up) < level for usual in references):
                return Signal(weeks, came, references[0], up)
    return None


def _levels(history: np.ndarray, weeks: int, last_year: tuple[int, ...]) -> list[float]:
    """Return the mean of the recent weeks, and what last year's season makes of it where the history reaches it.

    That is the recent mean times last year's change from the same recent weeks to the same season: a stream that grew
    since is compared with its own level. Where only the season is reached, it is the season's mean.
    """
    recent = float(history[:RECENT].mean())
    levels = [recent]
    for ago in last_year:
        season = history[ago - weeks - SEASON : ago + SEASON]
        before = history[ago : ago + RECENT]
        if len(season) < weeks + 2 * SEASON:
            continue
        mean = float(season.mean())
        change = (RECENT * mean + SEASON_PRIOR) / (float(before.sum()) + SEASON_PRIOR)
        levels.append(mean if len(before) < RECENT else recent * change)
    return levels


def _dispersion(history: np.ndarray) -> float:
    """Estimate variance over mean from the weeks' distances to the mean of the weeks around: at least 1.

    The largest twentieth of the distances is left out, as an earlier fault is no usual variation; TRIMMED makes up for
    those that were none.
    """
    around = np.convolve(history, np.ones(RECENT), "valid") / RECENT
    centre = history[RECENT // 2 : RECENT // 2 + len(around)]
    distance = np.sort((centre - around) ** 2 / np.maximum(around, 0.5))
    kept = distance[: max(1, int(np.ceil(0.95 * len(distance))))]
    return float(max(1.0, kept.mean() / TRIMMED * RECENT / (RECENT - 1)))


def _tail(came: int, usual: float, dispersion: float, up: bool) -> float:
    """Compute the probability of a count at least as extreme, in one direction.

    The level is itself an estimate from RECENT weeks, which widens the distribution.
    """
    mean = max(usual, 0.25)
    wide = dispersion * (1 + 1 / RECENT)
    law = poisson(mean) if wide <= 1 else nbinom(mean / (wide - 1), 1 / wide)
    return float(law.sf(came - 1) if up else law.cdf(came))
