"""A control chart of weekly counts whose limits come from the history's own variation."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import nbinom, poisson

FEWEST = 12  # weeks of history, below which nothing is said
RECENT = 8  # weeks that give the level
YEAR = 52
SEASON = 3  # weeks to each side of the same week last year
SEASON_PRIOR = 5.0  # counts that draw last year's change from its recent weeks to its season towards none
FALSE_ALARMS = 0.5  # expected a quarter, over all streams of a town
QUARTER = 13  # weeks
TRIMMED = 0.76  # mean of a chi-squared variable of one degree of freedom without its largest twentieth
TESTS = 4  # of each stream in a run: two windows, two directions


@dataclass(frozen=True)
class Signal:
    """A stream that left its limits: over how many weeks, what came and what was usual."""

    weeks: int
    count: int
    usual: float
    up: bool


def signal(counts: np.ndarray, streams: int) -> Signal | None:
    """Compare the newest week, and the newest two, with the weeks before.

    A count must lie outside the limits both of the last ``RECENT`` weeks and, where the history reaches so far, of
    what last year's season makes of them, so that a season that comes again is no alarm. Limits are quantiles of a
    negative binomial with the history's dispersion, so that over all streams ``FALSE_ALARMS`` come by chance in a
    quarter (Bonferroni).

    counts: int [weeks], the newest first.
    streams: number of streams that are watched, at least 1.

    Returns None within the limits, or where the history is too short.
    """
    level = FALSE_ALARMS / (QUARTER * TESTS * streams)
    for weeks in (1, 2):
        history = counts[weeks:]
        if len(history) < FEWEST:
            return None
        came = int(counts[:weeks].sum())
        dispersion = _dispersion(history)
        references = [weeks * mean for mean in _levels(history, weeks)]
        for up in (True, False):
            if all(_tail(came, usual, dispersion, up) < level for usual in references):
                return Signal(weeks, came, references[0], up)
    return None


def _levels(history: np.ndarray, weeks: int) -> list[float]:
    """Return the mean of the recent weeks, and what last year's season makes of it where the history reaches it.

    That is the recent mean times last year's change from the same recent weeks to the same season: a stream that grew
    since is compared with its own level. Where only the season is reached, it is the season's mean.
    """
    recent = float(history[:RECENT].mean())
    same = YEAR - weeks
    if len(history) <= same + SEASON:
        return [recent]
    season = float(history[same - SEASON : same + SEASON + 1].mean())
    before = history[YEAR : YEAR + RECENT]
    if len(before) < RECENT:
        return [recent, season]
    change = (RECENT * season + SEASON_PRIOR) / (float(before.sum()) + SEASON_PRIOR)
    return [recent, recent * change]


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
