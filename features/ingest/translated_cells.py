"""Translate words that people write into the values that the contract allows."""

import re
from collections.abc import Mapping

from features.contract.spoken_values import (
    OPEN,
    SETTLED,
    means_for_good,
    plain,
    read_birth,
    read_moment,
    read_number,
    read_score,
)
from features.contract.table_names import REFUSALS, table_named
from features.contract.tables import Column
from features.ingest import checks

NOT_READ = "row:not read"
_SHORT_YEAR = re.compile(r"^\d{2}\s*[-/.年]\s*\d|[a-z][-\s.,]*\d{2}$")
_SAID_SETTLED = re.compile(r"^\s*已?(?:办结|完成|解决|处理|结案|办理|关闭|答复|回复)[于在：:,，\s]*(?=\d)")
WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "outcome": {
        "needed": ("需要", "有需要", "有需求", "是", "yes"),
        "not_needed": ("不需要", "无需要", "没有需要", "无需求", "没有需求", "否", "no"),
        "declined": ("婉拒", "拒绝", "谢绝", "拒访", "refused"),
        "not_reached": ("未遇见", "未遇到", "没遇见", "不在家", "无人在家", "未联系上", "联系不上"),
        "moved_away": ("已搬走", "搬走", "已迁出", "搬离"),
        "deceased": ("已去世", "去世", "死亡", "已故", "已死亡"),
    },
    "arm": {"targeted": ("定向", "名单"), "random": ("随机", "抽签", "抽样")},
    "role": {
        "grid_worker": ("网格员", "专职网格员", "网格长"),
        "steward": ("微网格长", "微网格员", "楼栋长", "楼长", "管家"),
        "coordinator": ("统筹", "社区统筹", "协调员", "统筹员"),
    },
    "kind": {
        "satisfied": ("满意",),
        "wrong_person": ("人不对", "查无此人"),
        "already_helped": ("已有帮扶", "已帮扶"),
        "reason_wrong": ("理由不对", "情况不符"),
        "do_not_contact": ("不要再来", "不要联系", "谢绝走访", "拒访", "勿扰", "不再联系"),
    },
}


def translated(column: str, kind: Column, text: str, zone: str) -> str | None:
    """Rewrite a text that SQL could not read in a form that it can.

    column, kind: the column of the contract.
    text: one cell, without blanks around it.
    zone: the community's timezone.

    Returns the new text, None where it says that there is nothing, ``NOT_READ`` where nobody knows what it means.
    """
    word = plain(text)
    if column in checks.ENDS and means_for_good(word):
        return None
    if column == "resolved_at" and (word in SETTLED or word in OPEN):
        return checks.SETTLED if word in SETTLED else None
    if kind.allowed:
        words = WORDS.get(column, {})
        refuses = column == "kind" and table_named(word) == REFUSALS  # in whatever words
        return next(
            (allowed for allowed in kind.allowed if word == allowed or word in words.get(allowed, ())),
            checks.REFUSAL if refuses else NOT_READ,
        )
    if column in checks.BIRTHS:
        return _birth(column, text, zone)
    if kind.kind in ("time", "day"):
        if column == "resolved_at":  # 办结于2024-05-01
            text = _SAID_SETTLED.sub("", text)
        moment = read_moment(text, zone)
        return NOT_READ if moment is None else moment.isoformat(" ")
    if column == "satisfaction":
        score = read_score(text)
        return NOT_READ if score is None else str(score)
    number = read_number(text) if kind.kind == "number" else None
    return NOT_READ if number is None else repr(number)


def _birth(column: str, text: str, zone: str) -> str:
    """A birth as the contract has it; a year of two digits can be two."""
    born = read_birth(text)
    if born is None and not _SHORT_YEAR.search(plain(text)):
        moment = read_moment(text, zone)
        born = moment.date() if moment else None
    if born is not None:
        return str(born.year) if column == "birth_year" else born.isoformat()
    number = read_number(text) if column == "birth_year" else None
    return NOT_READ if number is None else f"{number:.10g}"
