"""Whose workspace it is: what root writes into another account's workspace, the service of that account cannot write."""

import os
import pwd
from pathlib import Path

from features.language import UserError


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
