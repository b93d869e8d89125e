"""Who works at the command line, for the audit log and for what is handed out, and whose workspace it is."""

import getpass
import os
import pwd
from datetime import date
from pathlib import Path

from features.language import UserError, say

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
    who = f"command:{before}>{account}" if before and before != account else f"command:{account}"
    return "".join(letter if letter.isprintable() else "?" for letter in who)[:LONGEST]


def mark() -> str:
    """Write who makes a list, and when: stands on every workbook and page, so that a copy of it can be traced.

    The day, not the minute: lists that are made again unchanged stay the same files.
    """
    who, today = operator().removeprefix("command:"), date.today()
    return say(f"{who} 于 {today} 生成", f"made by {who} on {today}")


def account_name(number: int) -> str:
    """Return the name of an account, or its number where it has none here."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def refuse_root_elsewhere(directory: Path) -> None:
    """Raise UserError where root would write into a directory of another account; one that does not exist is nobody's."""
    if os.geteuid() != 0 or not directory.is_dir() or (owner := directory.stat().st_uid) == 0:
        return
    account = account_name(owner)
    raise UserError(
        f"{directory} 属于账户 {account}，root 写的文件它的服务写不了：请以 {account} 运行"
        f"（runuser -u {account} -- xianying …）",
        f"{directory} belongs to {account}, whose service cannot write what root writes there: run this as "
        f"{account} (runuser -u {account} -- xianying ...)",
    )
