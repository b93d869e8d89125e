"""Say what the records do not cover: requests from before their household is known, entered much later, or not at all."""

import numpy as np

from features.language import say
from features.point_in_time.labels import recording_delays
from features.point_in_time.records import Known, date_of

EARLY_SHARE = 0.2  # of the requests, made before their household is known, from which on it is said
SAME_START = 0.8  # of these made before any household is known: then the register is a snapshot
FEWEST = 10  # requests
LATE_DAYS = 28
QUARTER, YEAR = 91, 364  # days
FALLEN = 1 / 3  # of the requests of the same quarter a year before, below which it is said
FEWEST_BEFORE = 30  # requests of that quarter


def coverage_lines(known: Known) -> list[str]:
    """Write lines on why what was known at a date may be too little to learn from."""
    requests, since = known.requests, known.known_since
    begun = since[~np.isnan(since)]
    if not len(begun) or not len(requests):
        return []
    early = int((requests.requested < since[requests.household]).sum())
    first = float(begun.min())
    lines = early_line(str(date_of(first)), int((requests.requested < first).sum()), early, len(requests))
    delay = recording_delays(known)[0]
    return [*lines, *late_line(float(np.median(delay)), len(delay)), *fallen_line(known)]


def fallen_line(known: Known) -> list[str]:
    """Write the line on a quarter with far fewer requests than the same one a year before; none where they go on.

    What was recorded late is left out of the earlier quarter, too: the newest requests may still come.
    """
    delay, age = recording_delays(known)
    lately = int((age <= QUARTER).sum())
    before = int(((age > YEAR) & (age <= YEAR + QUARTER) & (delay <= age - YEAR)).sum())
    if before < FEWEST_BEFORE or lately >= FALLEN * before:
        return []
    return [
        say(
            f"近 {QUARTER // 7} 周只有 {lately} 条诉求，去年同期 {before} 条：请核对导出是否完整、有没有渠道停报；"
            "真的少了，就不用管",
            f"only {lately} requests within {QUARTER // 7} weeks, {before} in the same weeks of last year: check that the"
            " export is whole and no channel has stopped; if there were so few, there is nothing to do",
        )
    ]


def early_line(first: str, before_all: int, early: int, total: int) -> list[str]:
    """Write the line on requests from before their household is known; none where they are few.

    first: day from which the first household is known.
    before_all: number of requests from before that day.
    early: number of requests from before their own household is known.
    total: number of requests.
    """
    if total < FEWEST or early < EARLY_SHARE * total:
        return []
    if before_all >= SAME_START * early:
        return [
            say(
                f"住户从 {first} 起才有记录：{total} 条诉求中 {before_all} 条在此之前；"
                "valid_from 请填入住日期，不要填导出日期",
                f"households are known only from {first}: {before_all} of {total} requests came before; give the day"
                " of moving in",
            )
        ]
    return [
        say(
            f"{total} 条诉求中 {early} 条比那一户的 valid_from 还早；valid_from 请填住进来的日子，不要填导出的日子",
            f"{early} of {total} requests came before their household is known; give the day of moving in",
        )
    ]


def late_line(median_days: float | None, count: int) -> list[str]:
    """Write the line on requests that are entered late, by their median delay in days; none where they are not late."""
    if median_days is None or count < FEWEST or median_days <= LATE_DAYS:
        return []
    weeks = int(median_days // 7)
    return [
        say(
            f"一半诉求登记时已晚了 {weeks} 周以上（成批补录？）：近期的诉求还没登记全，请随到随录",
            f"half of the requests are recorded more than {weeks} weeks late: labels are not complete; enter them"
            " as they come",
        )
    ]
