"""Who made a list, and on which day: stands on every workbook and page, so that a copy of it can be traced."""

from datetime import date

from features.language import say
from service.console.operator import operator


def mark() -> str:
    """Write who makes a list, and when.

    The day, not the minute: lists that are made again unchanged stay the same files.
    """
    who, today = operator().removeprefix("command:"), date.today()
    return say(f"{who} 于 {today} 生成", f"made by {who} on {today}")
