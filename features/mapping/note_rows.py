"""Rows of a ledger's sheet that are no records: the header once more, notes, sums, signatures, titles, examples."""

import re
from collections.abc import Sequence
from typing import Any

from features.contract.spoken_values import is_example
from features.mapping.field_names import field_named, plain_name

_WHO = (
    "household_id",
    "record_id",
    "person",
    "householder",
    "address",
    "phone",
    "id_card",
)  # fields that tell whose
FEWEST = 2  # columns that a table has
_NOTE = re.compile(
    r"^[\s(（]*(?:(?:本[日周月季年]|全[月年]|当月)?合\s*计|小\s*计|总\s*计|共\s*计|备\s*注\s*[:：]|说\s*明|注\s*[:：]|注\s*\d|填\s*表|制\s*表|审\s*[核批]|单位负责人|负责人\s*[:：]|填报|联系人\s*[:：]|统计人|报送|盖章|签字|日\s*期\s*[:：])"
)


def repeats_header(row: Sequence[Any], names: Sequence[str]) -> bool:
    """Whether a row is the header once more, as on every printed page."""
    texts = [
        (re.sub(r"\s+", "", str(value)), name) for value, name in zip(row, names, strict=False) if value != ""
    ]
    return len(texts) >= FEWEST and all(
        plain_name(text) == plain_name(name.split("/")[-1]) for text, name in texts
    )


def is_note(row: Sequence[Any], names: Sequence[str]) -> bool:
    """Whether a row is a note, a sum, a signature line, the title of a section, or an example of how to fill it in."""
    filled = [value for value in row if value != ""]
    first = filled[0]
    if isinstance(first, str) and (_NOTE.match(first) or is_example(first, names=True)):
        return True
    cells = [(name, value) for name, value in zip(names, row, strict=False) if isinstance(value, str)]
    if any(is_example(value, (field_named(name) or ("",))[0] in _WHO) for name, value in cells):
        return True
    named = sum(1 for name in names if name)
    alone = len(set(map(str, filled))) == 1 and list(row).index(first) < FEWEST
    return alone and named > FEWEST and isinstance(first, str)
