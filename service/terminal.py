"""What every command shares: dates, timed stages, and one clear line for every mistake."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

import click

from features.language import UserError, say

YEARS = (1900, 2200)  # beyond: a slip of the pen
INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it


class Day(click.ParamType):
    """A date as 2025-09-01."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The date that a text names."""
        if isinstance(value, date):
            return value
        for style in ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d"):
            try:
                day = datetime.strptime(value, style).date()
            except ValueError:
                continue
            if YEARS[0] <= day.year <= YEARS[1]:
                return day
        self.fail(
            say(f"“{value}”不是日期，请写成 2025-09-01", f"“{value}” is no date; write 2025-09-01"),
            param,
            ctx,
        )


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Print how long a stage took."""
    begin = time.perf_counter()
    yield
    click.echo(f"  {name} {time.perf_counter() - begin:.1f} s")


def show(lines: Iterable[str]) -> None:
    """Print lines."""
    for line in lines:
        click.echo(line)


def run(command: Callable[[], int | None]) -> int:
    """Run a command and return its exit code; every mistake ends in one clear line, no traceback."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        code = command() or 0
    except click.ClickException as error:
        code = _fail(error.format_message(), error.exit_code)
    except UserError as error:
        code = _fail(str(error))
    except (click.Abort, KeyboardInterrupt):
        code = _fail(say("已中断，可以重新运行", "interrupted; run it again"), INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except (OSError, MemoryError) as error:
        code = _fail(_said(error))
    except Exception as error:
        if not _is_database_error(error):
            raise
        code = _fail(_said(error))
    return code


def _fail(line: str, code: int = 1) -> int:
    click.echo(say(f"错误：{line}", f"Error: {line}"), err=True)
    return code


def _said(error: BaseException) -> str:
    """What an error of the system says, as one line with the file that it is about."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0]


def _is_database_error(error: Exception) -> bool:
    """Whether the store failed (disk full, no permission): told like any error of the system."""
    duckdb = sys.modules.get("duckdb")
    return duckdb is not None and isinstance(error, duckdb.Error)
