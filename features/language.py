"""Texts in Chinese (the default) and English, written side by side where they are used."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Made = TypeVar("Made")

LANGUAGES = ("zh", "en")
_language = "zh"
_speaking: ContextVar[str] = ContextVar("speaking", default="")


class UserError(Exception):
    """A mistake that the user can correct: shown as one line, without a traceback.

    The line says which file, row and column, and what to do: in Chinese and in English, or in the language in force.
    """

    def __init__(self, zh: str, en: str = "") -> None:
        super().__init__(say(zh, en or zh))


class Mistake(ValueError):
    """A value that settings may not have, in Chinese and in English; pydantic adds the place."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(say(zh, en))


def set_language(language: str) -> None:
    """Choose the language of every text from now on: ``zh`` (or ``zh-CN``) or ``en``."""
    global _language
    _language = "en" if language.lower().startswith("en") else "zh"


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Put the texts made inside this block in a language, whatever was chosen before."""
    before = _speaking.set(language)
    try:
        yield
    finally:
        _speaking.reset(before)


def in_language(chosen: str, make: Callable[..., Made], *given: Any) -> Made:
    """Return what ``make(*given)`` returns when its texts are in the language ``chosen``."""
    with speaking(chosen):
        return make(*given)


def in_languages(make: Callable[..., Made], *given: Any) -> dict[str, Made]:
    """Return what ``make(*given)`` returns in each language."""
    return {chosen: in_language(chosen, make, *given) for chosen in LANGUAGES}


def language() -> str:
    """Return the language in force: of ``speaking``, of ``XIANYING_LANGUAGE``, the one chosen, or Chinese."""
    forced = _speaking.get() or os.environ.get("XIANYING_LANGUAGE", "")
    if forced:
        return "en" if forced.lower().startswith("en") else "zh"
    return _language


def say(zh: str, en: str) -> str:
    """Return the text in the language in force."""
    return en if language() == "en" else zh


def say_line(zh: str, en: str) -> list[str]:
    """Return the text in the language in force as one line, to be added to others."""
    return [say(zh, en)]


def joined_names(names: Iterable[object]) -> str:
    """Join names in a text.

    >>> joined_names(["助餐", "陪诊"])
    '助餐、陪诊'
    """
    return say("、", ", ").join(map(str, names))


def grid_words(grid: str) -> str:
    """Return a grid's name for a text: 网格 G01, unless its id already says that it is one.

    >>> grid_words("G01"), grid_words("第三网格")
    ('网格 G01', '第三网格')
    """
    return say(grid if "网格" in grid else f"网格 {grid}", f"grid {grid}")


def microgrid_words(microgrid: str) -> str:
    """Return a micro-grid's name for a text: 微网格 3, unless its id already says that it is one.

    >>> microgrid_words("3"), microgrid_words("东里微网格")
    ('微网格 3', '东里微网格')
    """
    return say(microgrid if "网格" in microgrid else f"微网格 {microgrid}", f"micro-grid {microgrid}")
