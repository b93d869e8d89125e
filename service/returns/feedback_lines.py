"""Print feedback: what was just recorded, and each week's sums for the coordinator."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from features.contract.tables import FEEDBACK
from features.language import say, say_line
from service.lists.answers import feedback_names

if TYPE_CHECKING:
    from service.lists.feedback_week import FeedbackWeek


def recorded_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Summarise feedback rows that were just stored in one line; return no line without rows."""
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
            f"；{refusing} 户从现在起不再上名单", f"; {refusing} households are on no list from now on"
        )
    return [line]


def feedback_lines(week: "FeedbackWeek") -> list[str]:
    """Summarise the week's feedback: complaints and marks since the Monday before, then how often reasons were wrong."""
    if not week:
        return [say("还没有收到反馈", "no feedback yet")]
    counts = [f"{row['name']} {row['new']}/{row['all']}" for row in week.counts if row["all"]]
    lines = [
        say("反馈（上周以来/累计）：", "feedback (since last Monday/so far): ")
        + (say("，", ", ").join(counts) or say("没有意见", "no complaints"))
        + _marks(week)
    ]
    if week.agreed:
        lines += say_line(
            f"这周约好再去 {len(week.agreed)} 户次", f"{len(week.agreed)} visits agreed for this week"
        )
    return lines + [quality_line(row) for row in week.quality if row["wrong"]]


def _marks(week: "FeedbackWeek") -> str:
    marks = week.marks
    if not marks["all"]:
        return ""
    new = f"{marks['new_mean']:.1f}" if marks["new"] else "—"
    return say(
        f"；满意度 {new}（{marks['new']:.0f} 份）/{marks['all_mean']:.1f}（{marks['all']:.0f} 份）",
        f"; mean mark {new} ({marks['new']:.0f})/{marks['all_mean']:.1f} ({marks['all']:.0f})",
    )


def quality_line(row: dict[str, Any]) -> str:
    """Say how often reasons of one group were called wrong, with the 95% interval."""
    share = f"{row['share']:.1%}"
    interval = f"{row['low_95']:.1%}–{row['high_95']:.1%}"
    return say(
        f"  理由“{row['name']}”：交回 {row['listed']} 条，{row['wrong']} 条说不对（{share}，95% 区间 {interval}）",
        f"  reasons “{row['name']}”: {row['wrong']} of {row['listed']} that came back said to be wrong"
        f" ({share}, 95% interval {interval})",
    )
