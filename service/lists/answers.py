"""Read what people write into a list: outcomes, feedback, marks and dates."""

import re
from datetime import date, datetime, timedelta
from typing import Any

from features.contract.tables import FEEDBACK, OUTCOMES
from features.language import say

EXCEL_EPOCH = date(1899, 12, 30)
MARKS = 5  # satisfaction is marked from 1 to 5
OUTCOME_WORDS = {
    "needed": ("需要", "needed", "need", "yes", "是", "有需要", "要", "有", "√", "✓", "✔", "对", "y"),
    "not_needed": (
        *("不需要", "not needed", "not_needed", "no", "否", "无需要", "没有需要"),
        *("不用", "不用了", "不要", "暂不需要", "没需要", "无需", "×", "✗", "✘", "n"),
    ),
    "declined": ("婉拒", "declined", "拒绝", "refused", "谢绝", "不愿意", "不想说"),
    "not_reached": (
        *("未遇见", "not reached", "not_reached", "未遇到", "没遇见", "不在家"),
        *("没人", "没有人", "家里没人", "无人", "未遇", "没开门", "敲门没人", "nobody home"),
    ),
    "moved_away": ("已搬走", "moved away", "moved_away", "搬走", "搬走了", "已迁出"),
    "deceased": ("已去世", "deceased", "去世", "已故", "过世"),
}
FEEDBACK_WORDS = {
    "satisfied": ("满意", "satisfied", "无", "没有", "none"),
    "wrong_person": ("人不对", "wrong person", "wrong_person", "查无此人"),
    "already_helped": ("已有帮扶", "already helped", "already_helped", "已帮扶", "已解决"),
    "reason_wrong": ("理由不对", "reason wrong", "reason_wrong", "情况不符"),
    "do_not_contact": (
        *("不要再来", "do not contact", "do_not_contact", "不要联系", "谢绝走访"),
        *("已搬走", "搬走", "已去世", "去世"),  # better told as an outcome, but never to be passed over
    ),
}
OUTCOME_OF = {word: outcome for outcome in OUTCOMES for word in OUTCOME_WORDS[outcome]}
FEEDBACK_OF = {word: kind for kind in FEEDBACK for word in FEEDBACK_WORDS[kind]}
NUMBERS = "①②③"
ONE_REASON = re.compile(r"(?:理由|reason)\s*([①②③123])\s*(?:不对|wrong)")
DATE = re.compile(r"(?:(\d{4})\s*[-/.年]\s*)?(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?(?:[ T].*)?")


def plain_words(text: str) -> str:
    """Strip what people write around an answer: blanks, full stops, quotes, a tick before the word.

    >>> plain_words(" 不需要。"), plain_words("√ 需要"), plain_words("√"), plain_words("Needed!")
    ('不需要', '需要', '√', 'needed')
    """
    text = re.sub(r"\s+", " ", text).strip(" 。．.！!，,；;：:、“”\"'").lower()
    return re.sub(r"^[√✓✔☑]\s*(?=.)", "", text)


def outcome_names() -> dict[str, str]:
    """Name each outcome of the contract as the drop-down shows it."""
    return {outcome: say(OUTCOME_WORDS[outcome][0], OUTCOME_WORDS[outcome][1]) for outcome in OUTCOMES}


def feedback_names() -> dict[str, str]:
    """Name each kind of feedback."""
    return {kind: say(FEEDBACK_WORDS[kind][0], FEEDBACK_WORDS[kind][1]) for kind in FEEDBACK}


def feedback_choices() -> list[str]:
    """List what the drop-down for feedback shows: each kind, and which of the reasons is wrong."""
    names = feedback_names()
    wrong_reason = [say(f"理由{number}不对", f"reason {number} wrong") for number in (1, 2, 3)]
    before = [names[kind] for kind in FEEDBACK[:4]]
    return [*before, *wrong_reason, names["do_not_contact"]]


def read_feedback(text: str) -> tuple[str, int | None] | None:
    """Read a kind of feedback and the position, from zero, of the reason it names; None if unreadable.

    >>> read_feedback("人不对"), read_feedback("理由②不对"), read_feedback("也许")
    (('wrong_person', None), ('reason_wrong', 1), None)
    """
    text = plain_words(text)
    if match := ONE_REASON.fullmatch(text):
        number = match[1]
        return "reason_wrong", NUMBERS.index(number) if number in NUMBERS else int(number) - 1
    kind = FEEDBACK_OF.get(text)
    return (kind, None) if kind else None


def read_mark(text: str) -> int | None:
    """Read a satisfaction from 1 to 5; None for anything else.

    >>> read_mark("4分"), read_mark("5"), read_mark("6")
    (4, 5, None)
    """
    match = re.fullmatch(r"([1-5])\s*(?:分|星)?", plain_words(text))
    return int(match[1]) if match else None


def read_date(value: Any, as_of: date) -> date | None:
    """Read a date as people write it; without a year, take the one nearest to ``as_of``. None for anything else."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 100_000:
        return EXCEL_EPOCH + timedelta(days=int(value))
    match = DATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    years = [int(match[1])] if match[1] else [as_of.year, as_of.year + 1, as_of.year - 1]
    choices = []
    for year in years:
        try:
            choices.append(date(year, int(match[2]), int(match[3])))
        except ValueError:
            continue
    return min(choices, key=lambda choice: abs(choice - as_of), default=None)


def contradiction(
    household_id: str, through_service: tuple[str, date], on_paper: tuple[str, date], counts: str
) -> str:
    """Say in one line that paper and the service contradict each other, and which counts."""
    (reported, day), (written, paper_day) = through_service, on_paper
    return say(
        f"户 {household_id}：手机或接口登记“{reported}”（{day}），纸质表“{written}”（{paper_day}）；"
        f"{which_counts(day, paper_day)}“{counts}”，两条都留着",
        f"household {household_id}: “{reported}” through the service ({day}), “{written}” on paper ({paper_day});"
        f" {which_counts(day, paper_day)}: “{counts}”; both are kept",
    )


def which_counts(day: date, other: date) -> str:
    """Say which of two outcomes counts that were found on these days."""
    if day == other:
        return say("同一天去的，算后登记的", "both on one day: what was recorded later counts")
    return say("算较晚去的那次", "the later visit counts")
