"""Mistakes in a community.yaml, in the words of the language in force and at the place as users name it."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from features.language import say


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
