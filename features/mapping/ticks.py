"""Sheets that are ticked off: a column a day, or a column for each answer that may be given."""

import re
from collections.abc import Sequence

from features.contract.spoken_values import read_truth

TICKED_DAYS = 7  # columns named by days from which a sheet is ticked off by day
FEWEST_OPTIONS = 2  # columns of one question
_DAY_NAME = re.compile(r"(?:(?:\d{4}[-./年])?\d{1,2}[-./月])?(?:[12]?\d|3[01])[日号]?")
_OPTION = re.compile(
    r"(?P<asked>.+?)[:：/](?P<option>[^:：/]+)|(?P<number>[^()（）]+)[(（](?P<inside>[^()（）]+)[)）]"
)
_LETTER = re.compile(r"^[A-Za-z][.、．:：]")


def ticked_by_day(names: Sequence[str]) -> bool:
    """Whether a sheet has a column a day in which people are ticked off, as meals and attendance are kept."""
    return sum(bool(_DAY_NAME.fullmatch(name)) for name in names) >= TICKED_DAYS


def option_of(name: str) -> tuple[str, str]:
    """Return what a column asks and the answer that is ticked in it; empty texts for other columns.

    >>> option_of("需要的服务:助餐"), option_of("3(B.陪诊配药)"), option_of("需求/托管"), option_of("住址")
    (('需要的服务', '助餐'), ('3', '陪诊配药'), ('需求', '托管'), ('', ''))
    """
    match = _OPTION.fullmatch(name)
    if not match:
        return "", ""
    return match["asked"] or match["number"], _LETTER.sub("", match["option"] or match["inside"])


def tick(text: str) -> bool | None:
    """Read a cell that is ticked or not; None for other texts.

    >>> tick("√"), tick("1"), tick("0"), tick("3个")
    (True, True, False, None)
    """
    return {"1": True, "0": False}.get(text, read_truth(text))


def options_among(samples_by_name: dict[str, Sequence[str]]) -> set[str]:
    """Return the columns that are ticked for an answer, of questions that have several.

    samples_by_name: different texts of each column.
    """
    ticked = [
        (option_of(name)[0], name)
        for name, samples in samples_by_name.items()
        if option_of(name)[1] and all(tick(text) is not None for text in samples)
    ]
    asked = [question for question, _ in ticked]
    return {name for question, name in ticked if asked.count(question) >= FEWEST_OPTIONS}
