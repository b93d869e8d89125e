"""The name of whoever works at the command line, for the audit log and for what is handed out."""

import getpass
import os

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
