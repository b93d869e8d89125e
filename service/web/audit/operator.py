"""Who works at the command line, as the audit log names them."""

import getpass
import os

LONGEST = 120


def operator() -> str:
    """Name the account of the computer: ``command:ACCOUNT``, and who became it where sudo says so.

    An account without a name is named by its number.
    """
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        account = str(os.getuid())
    before = os.environ.get("SUDO_USER", "")
    said = f"command:{before}>{account}" if before and before != account else f"command:{account}"
    return "".join(letter if letter.isprintable() else "?" for letter in said)[:LONGEST]
