"""Explain a mistyped command: what is wrong with it and, where something like it exists, what may have been meant."""

import os
import re
from pathlib import Path

import click

from features.language import language


def mistyped_line(error: click.ClickException) -> str:
    """Write one line on a command, option or value that Click could not take."""
    if language() == "en":
        return " ".join(error.format_message().split())
    if isinstance(error, click.NoSuchOption):
        return f"没有选项 {error.option_name}{_meant(error.possibilities)}"
    if isinstance(error, click.exceptions.NoSuchCommand):
        return f"没有命令 {error.command_name}{_meant(error.possibilities)}"
    if type(error) is click.UsageError and error.message == "Missing command.":
        return "缺少命令，用法见 --help"
    if isinstance(error, click.BadOptionUsage):
        return f"{error.option_name} 用得不对，用法见 --help"
    if isinstance(error, click.MissingParameter):
        return f"缺少 {_name(error)}，用法见 --help"
    if isinstance(error, click.BadParameter):
        return f"{_name(error)}：{_value(error)}"
    return " ".join(error.format_message().split())


def _meant(possibilities: list[str] | None) -> str:
    return f"，是不是 {'、'.join(possibilities)}？" if possibilities else "，用法见 --help"


def _name(error: click.BadParameter) -> str:
    if error.param is None:
        return str(error.param_hint or "")
    return error.param.opts[0] if isinstance(error.param, click.Option) else str(error.param.name).upper()


def _value(error: click.BadParameter) -> str:
    """Write in Chinese what is wrong with a value, by the type that was wanted; Click says it in English only."""
    kind = error.param.type if error.param is not None else None
    given = "".join(re.findall("'(.*)'", error.message))
    if isinstance(kind, click.Choice):
        return f"只能是 {'、'.join(map(str, kind.choices))}"
    if isinstance(kind, click.IntRange | click.FloatRange) and "not in the range" in error.message:
        least = "" if kind.min is None else f"，{'要大于' if kind.min_open else '最小'} {kind.min:g}"
        most = "" if kind.max is None else f"，{'要小于' if kind.max_open else '最大'} {kind.max:g}"
        return f"超出范围{least}{most}"
    if isinstance(kind, click.types.IntParamType):
        return f"{given} 不是整数"
    if isinstance(kind, click.types.FloatParamType):
        return f"{given} 不是数字"
    if isinstance(kind, click.Path) and Path(given).exists() and not os.access(given, os.R_OK):
        return f"{given} 没有权限读"
    if isinstance(kind, click.Path):
        return f"{given} 是目录，请给一个文件" if kind.file_okay else f"{given} 是文件，请给一个目录"
    return error.message
