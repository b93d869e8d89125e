"""Which table a name points at that is not quite a table's: of a file, a sheet or a column."""

import re
import unicodedata

from features.contract.tables import TABLES

REFUSALS = "opt_outs"
_REFUSING = re.compile(
    r"拒访|勿扰|勿访|打扰|(?:拒绝|谢绝|婉拒|不再|不要|停止|禁止|不愿|不接受)(?:再)?(?:被)?(?:联系|联络|走访|上门|来访|访问|回访)"
    r"|opt.?out|do.?not.?(?:contact|call|visit|disturb)|no.?(?:contact|visits?)(?![a-z])|(?<![a-z])dnc(?![a-z])"
)
_LOOSELY = re.compile(r"拒绝|谢绝|婉拒|黑名单|退出|refus|unsubscri|black.?list")


def table_named(name: str) -> str | None:
    """The table that a name points at, None where it points at none.

    >>> table_named("opt_outs - 副本"), table_named("Requests 2"), table_named("黑名单"), table_named("notes")
    ('opt_outs', 'requests', 'opt_outs', None)
    """
    plain = unicodedata.normalize("NFKC", name).lower()
    for table in TABLES:
        singular = re.escape(table.removesuffix("s")).replace("_", r"[\s_\-]*")
        if re.search(rf"(?<![a-z]){singular}s?(?![a-z])", plain):
            return table
    return REFUSALS if names_refusal(name) or _LOOSELY.search(plain) else None


def names_refusal(name: str) -> bool:
    """Whether the name of a column, or what a cell says, speaks of refused visits.

    >>> names_refusal("是否拒访"), names_refusal("免打扰"), names_refusal("DNC"), names_refusal("退出低保")
    (True, True, True, False)
    """
    return bool(_REFUSING.search(unicodedata.normalize("NFKC", name).lower()))
