"""Feedback in words: what was just recorded, and what the coordinator should know of it each week."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from features.contract import FEEDBACK
from features.language import say
from service.answers import feedback_names


def recorded_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A line on feedback rows just stored; none without any."""
    if not rows:
        return []
    kinds, names = Counter(row["kind"] for row in rows), feedback_names()
    counted = [f"{names[kind]} {kinds[kind]}" for kind in FEEDBACK if kinds[kind]]
    refusing = len({row["household_id"] for row in rows if row["kind"] == "do_not_contact"})
    line = say(f"记录反馈 {len(rows)} 条", f"{len(rows)} rows of feedback recorded")
    if counted:
        line += say("：", ": ") + say("，", ", ").join(counted)
    if refusing:
        line += say(
            f"；{refusing} 户从现在起不再列入名单", f"; {refusing} households are on no list from now on"
        )
    return [line]
