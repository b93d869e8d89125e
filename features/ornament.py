"""Figures, cards and reports: the work can do without them, and a failure of theirs must never stop it."""

import logging
from collections.abc import Callable
from typing import TypeVar

from features.language import UserError, say_line

Made = TypeVar("Made")
log = logging.getLogger(__name__)


def ornament(name: tuple[str, str], make: Callable[[], Made], otherwise: Made, lines: list[str]) -> Made:
    """Make something that the work can do without; where that fails, add a line and go on.

    name: what is made, in Chinese and in English
    make: makes it
    otherwise: taken where ``make`` raises
    lines: gets one line that names what is missing and why; the traceback goes to the log (level INFO)

    Raises OSError, UserError: a full disk or a user's mistake stops the rest of the work as well.
    """
    try:
        return make()
    except (OSError, UserError):
        raise
    except Exception as error:
        log.info("left out: %s", name[1], exc_info=True)
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]
        lines += say_line(
            f"{name[0]}没有做成，已略过，其余照常（{reason}）",
            f"{name[1]} could not be made and is left out, all else goes on ({reason})",
        )
        return otherwise
