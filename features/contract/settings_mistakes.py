"""Mistakes in a community.yaml, in the words of the language in force and at the place as users name it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from features.language import say

QUOTES = ("“", "”", "‘", "’", "＂", "＇")
AS_THEY_ARE = ("name", "ask", "zh", "en", "organiser", "values")  # keys of texts for people, or of a table
WIDE = re.compile("[：\\u3000\\u00a0]")
COLUMN_KEYS = ("names", "reasons")  # sections whose keys are columns of a table


def mistake_line(error: ValidationError, value: Any) -> str:
    """Write the first mistake as ``needs[meals].severity: must be 3 or less``, and how many more there are.

    ``value`` is the content that was checked: entries of lists are named by their ids where they have one.
    """
    first = error.errors()[0]
    more = error.error_count() - 1
    tail = say(f"（另有 {more} 处）", f" (and {more} more)") if more else ""
    return f"{_place(first['loc'], value) or 'community.yaml'}: {mistake_words(first)}{tail}"


def _place(parts: Sequence[int | str], value: Any) -> str:
    place = ""
    for part in parts:
        if isinstance(part, int):
            value = value[part] if isinstance(value, Sequence) and part < len(value) else None
            identifier = value.get("id") if isinstance(value, Mapping) else None
            place += f"[{part + 1 if identifier is None else identifier}]"
        else:
            value = value.get(part) if isinstance(value, Mapping) else None
            place += f".{part}" if place else part
    return place


def mistake_words(mistake: Mapping[str, Any]) -> str:
    """Write in words what one of pydantic's errors says."""
    limits = mistake.get("ctx", {})
    known = {
        "missing": lambda: say("缺少这一项", "is missing"),
        "string_type": lambda: say(
            "请写成文字；数字、日期、是和否请加引号，例如 '12'",
            "write a text; put numbers, dates and yes or no in quotes, such as '12'",
        ),
        "string_too_short": lambda: say("不能是空的", "may not be empty"),
        "too_short": lambda: say("至少要有一项", "needs at least one entry"),
        "tuple_type": lambda: say("请写成列表，例如 [甲, 乙]", "write a list, such as [one, two]"),
        "greater_than": lambda: say(f"要大于 {limits['gt']:g}", f"must be more than {limits['gt']:g}"),
        "greater_than_equal": lambda: say(f"要不小于 {limits['ge']:g}", f"must be {limits['ge']:g} or more"),
        "less_than": lambda: say(f"要小于 {limits['lt']:g}", f"must be less than {limits['lt']:g}"),
        "less_than_equal": lambda: say(f"要不大于 {limits['le']:g}", f"must be {limits['le']:g} or less"),
        "literal_error": lambda: say(f"只能是 {limits['expected']}", f"must be {limits['expected']}"),
    }
    kind = str(mistake["type"])
    if kind in known:
        return known[kind]()
    if kind.startswith(("int_", "float_")):
        whole = kind.startswith("int_")
        return say("请写整数", "write a whole number") if whole else say("请写数字", "write a number")
    if kind.startswith("bool_"):
        return say("请写 true 或 false", "write true or false")
    if kind.startswith(("model_", "dict_")):
        return say("请写成“键: 值”", "write key: value pairs")
    return str(mistake["msg"]).removeprefix("Value error, ")


def unread_keys(section: BaseModel, where: str) -> list[str]:
    """List the keys of a section that nothing reads, each with its place."""
    unread = [f"{where}{key}" for key in (section.__pydantic_extra__ or {})]
    for name in type(section).model_fields:
        if isinstance(value := getattr(section, name), BaseModel):
            unread += unread_keys(value, f"{where}{name}.")
        elif isinstance(value, tuple):
            for item in (entry for entry in value if isinstance(entry, BaseModel)):
                unread += unread_keys(item, f"{where}{name}[{getattr(item, 'id', '')}].")
    return unread


def slip_of_signs(value: Any, place: str = "") -> str:
    """Tell the first text that Chinese signs keep from being what was meant: quotes of a word processor, or an entry of a
    list with a wide comma, which would be one entry; "" where there is none. Texts for people or of tables may have both.
    """
    parts: Sequence[tuple[str, Any]] = ()
    if isinstance(value, Mapping):
        odd = next((str(key) for key in value if WIDE.search(str(key))), "")
        if odd and place.split(".")[-1] not in COLUMN_KEYS:
            return say(
                f"{place or '顶层'}: “{odd}” 里有中文冒号或全角空格，成了另一个键；请换成英文冒号加空格、普通空格",
                f"{place or 'at the top'}: {odd} has a wide colon or blank and is another key; use plain ones",
            )
        parts = [
            (f"{place}.{key}" if place else str(key), part)
            for key, part in value.items()
            if key not in AS_THEY_ARE
        ]
    elif isinstance(value, list | tuple):
        names = [part.get("id", "") if isinstance(part, Mapping) else "" for part in value]
        parts = [
            (f"{place}[{name}]" if name else place, part) for name, part in zip(names, value, strict=True)
        ]
        joined = next((part for part in value if isinstance(part, str) and re.search("[，、；]", part)), None)
        if joined:
            return say(
                f"{place}: “{joined}” 里有中文逗号或顿号，成了一项；请用英文逗号（,）隔开",
                f"{place}: {joined} has a wide comma and is one entry; separate entries by a plain comma",
            )
    elif isinstance(value, str) and value.startswith(QUOTES) and value.endswith(QUOTES):
        return say(
            f"{place}: {value} 带着中文引号，引号成了内容；请去掉，或改成英文引号",
            f"{place}: {value} has curly quotes, which became part of it; leave them out, or use straight ones",
        )
    return next((slip for where, part in parts if (slip := slip_of_signs(part, where))), "")
