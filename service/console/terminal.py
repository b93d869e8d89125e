"""Helpers for all commands: dates, timed stages, and one clear line for every mistake."""

import errno
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from features.alphabet import shown
from features.language import UserError, language, say

YEARS = (1900, 2200)  # beyond: a slip of the pen
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FULL_IN_WORDS = ("no space left", "disk is full", "file too large", "max_temp_directory_size")
READ_ONLY_IN_WORDS = ("readonly database", "read-only transaction")  # of SQLite and PostgreSQL
# not every command loads them
DATABASE_ERRORS = {"_duckdb.Error", "sqlite3.Error", "sqlalchemy.exc.DBAPIError"}
IN_CHINESE = {
    errno.ENOENT: "没有这个文件或目录",
    errno.EACCES: "没有权限",
    errno.EPERM: "没有权限",
    errno.EROFS: "只能读，不能写",
    errno.EISDIR: "是目录，不是文件",
    errno.ENOTDIR: "不是目录",
    errno.EEXIST: "已经存在",
    errno.EADDRINUSE: "地址已被占用",
}
WORKSPACE = "--workspace"
PATIENCE = 2.0  # seconds after which a command says what it is at
AGAIN = 0.1  # seconds from one interruption of queries to the next
INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it
Stage = Callable[
    [str], AbstractContextManager[None]
]  # shows a step by its name while it runs, as ``stage`` does


def at_end(work: Callable[[], object]) -> None:
    """Do something when the command that runs has ended, however it ends; nothing where none runs."""
    context = click.get_current_context(silent=True)
    if context is not None:
        context.call_on_close(work)


class Day(click.ParamType):
    """A command-line date, such as 2025-09-01."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Return the date that a text names."""
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
    """Print how long the enclosed stage took."""
    begin = time.perf_counter()
    yield
    click.echo(f"  {name} {time.perf_counter() - begin:.1f} s")


def show(lines: Iterable[str]) -> None:
    """Print lines, without what a file's name or cell could tell the terminal to do."""
    for line in lines:
        click.echo(shown(line))


def show_line(zh: str, en: str) -> None:
    """Print one line in the language in force."""
    show([say(zh, en)])


def read_hidden(name: str, twice: bool = False) -> str:
    """Read a secret from the terminal without showing it, or a line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    return click.prompt(name, hide_input=True, confirmation_prompt=twice)


def progress() -> Callable[[str], None]:
    """Return a function that prints a line for each step, once the work has taken longer than PATIENCE."""
    begin = time.perf_counter()

    def tell(line: str) -> None:
        if time.perf_counter() - begin > PATIENCE:
            click.echo(f"  {line}")

    return tell


class Commands(click.Group):
    """Commands of a workspace, which is their context's object; a full disk gives the same message in all of them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; ``--workspace`` may stand after the command as well as before it."""
        return super().parse_args(ctx, _workspace_first(args))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises UserError when the disk is full, whichever library noticed it."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            place = _full(error, ctx.obj)
            if place is None:
                raise
            raise UserError(
                f"{place}：磁盘满了，没有写完；以前的数据和名单没有变。请腾出空间后再运行同一命令",
                f"{place}: the disk is full, not everything could be written; data and lists of before are as "
                "they were. Make room and run the same command again",
            ) from error


def _workspace_first(args: list[str]) -> list[str]:
    """Move ``--workspace`` and its value to the front of the arguments.

    >>> _workspace_first(["ingest", "data", "--workspace", "here"])
    ['--workspace', 'here', 'ingest', 'data']
    """
    front: list[str] = []
    rest: list[str] = []
    left = iter(args)
    for argument in left:
        if argument == "--":
            rest += [argument, *left]
        elif argument.startswith(f"{WORKSPACE}="):
            front.append(argument)
        elif argument == WORKSPACE:
            value = next(left, None)
            front += [argument] if value is None else [argument, value]
        else:
            rest.append(argument)
    return front if front[-1:] == [WORKSPACE] else front + rest  # without a value: Click says so


def _full(error: BaseException | None, workspace: Path) -> Path | None:
    """Name the directory whose disk is full; None if the error has another cause."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return Path(error.filename).parent if isinstance(error.filename, str) else workspace
        if any(words in str(error).lower() for words in FULL_IN_WORDS):
            return workspace
        error = error.__cause__ or error.__context__
    return None


def run(command: Callable[[], int | None]) -> int:
    """Run a command and return its exit code; every mistake ends in one clear line, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        with _queries_hear_interruptions():
            code = command() or 0
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
    except click.ClickException as error:
        code = _fail(mistyped_line(error), error.exit_code)
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
        if _is_interruption(error):
            code = _fail(say("已中断，可以重新运行", "interrupted; run it again"), INTERRUPTED)
        elif _is_database_error(error):
            code = _fail(_said(error))
        else:
            raise
    return code


@contextmanager
def _queries_hear_interruptions() -> Iterator[None]:
    """Make Ctrl-C end a query that is under way.

    DuckDB looks for signals only between the main thread's pieces of work, and one piece may take minutes. The signal
    therefore wakes another thread, which interrupts repeatedly until the command has ended, since DuckDB forgets an
    interruption that comes while a query is being planned.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ended = threading.Event()
    heard, sender = socket.socketpair()
    sender.setblocking(False)
    before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)

    def interrupt() -> None:
        while (numbers := heard.recv(64)) and signal.SIGINT not in numbers:
            pass
        while numbers and not ended.wait(AGAIN):
            from features.store.database import (
                interrupt_queries,  # commands without records do not load DuckDB
            )

            interrupt_queries()

    listening = threading.Thread(target=interrupt, daemon=True)
    listening.start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(before)
        sender.close()
        listening.join()
        heard.close()


def _fail(line: str, code: int = 1) -> int:
    click.echo(say(f"错误：{line}", f"Error: {line}"), err=True)
    return code


def _said(error: BaseException) -> str:
    """Write an error of the system as one line, with the file that it is about.

    Of SQLAlchemy's errors only what the database said, as the rest of the text holds the row that was written.
    """
    error = getattr(error, "orig", None) or error
    if any(words in str(error).lower() for words in READ_ONLY_IN_WORDS):
        return say(f"数据库{IN_CHINESE[errno.EROFS]}", "the database can only be read")
    if isinstance(error, OSError) and error.strerror:
        zh = IN_CHINESE.get(error.errno or 0, error.strerror)
        return (
            say(f"{error.filename}：{zh}", f"{error.filename}: {error.strerror}")
            if error.filename
            else say(zh, error.strerror)
        )
    return (str(error).splitlines() or [type(error).__name__])[0]


def _is_interruption(error: Exception) -> bool:
    """Tell whether Ctrl-C came while DuckDB was at work, for which DuckDB raises an error of its own."""
    return str(error).lower().startswith(("query interrupted", "interrupt error"))


def _is_database_error(error: Exception) -> bool:
    """Tell whether DuckDB, SQLite or SQLAlchemy raised the error (disk full, no permission)."""
    kinds = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
    return bool(kinds & DATABASE_ERRORS)


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
