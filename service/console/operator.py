"""The name of whoever works at the command line, for the audit log and for what is handed out."""

import getpass
import os
from datetime import date

from features.language import say

LONGEST = 120


def operator() -> str:
    """Return the name of the computer's account, ``command:ACCOUNT``, with the account before sudo if there is one.

    An account without a name is named by its number.
    """
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        account = str(os.getuid())
    before = os.environ.get("SUDO_USER", "")
    said = f"command:{before}>{account}" if before and before != account else f"command:{account}"
    return "".join(letter if letter.isprintable() else "?" for letter in said)[:LONGEST]


def mark() -> str:
    """Write who makes a list, and when: stands on every workbook and page, so that a copy of it can be traced.

    The day, not the minute: lists that are made again unchanged stay the same files.
    """
    who, today = operator().removeprefix("command:"), date.today()
    return say(f"{who} 于 {today} 生成", f"made by {who} on {today}")
