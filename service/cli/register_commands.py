"""Commands on the register itself: households and people who stand twice, and decisions about unsure links."""

from datetime import date, datetime, time, timedelta
from pathlib import Path

import click

from features.language import UserError, say
from service.cli.options import File
from service.console.terminal import Day, show, show_line
from service.weekly.opening import speak

group = click.Group()
as_of = click.option(
    "--as-of",
    type=Day(),
    help=say(
        "从哪一周的名单起算（默认下一份名单）", "the lists from which on it counts (default: the next ones)"
    ),
)


@group.group(
    help=say("登记表：重复的住户和居民，合并、迁移、撤销", "duplicates in the register: merge, move, undo")
)
def households() -> None:
    """Group the commands on households of the register."""


def _since(workspace: Path, given: date | None) -> datetime:
    """Return the time from which a change counts: the last second before the lists of ``given``, or the next ones."""
    from datetime import UTC

    from service.console.terminal import stage
    from service.weekly.as_of_date import default_as_of
    from service.weekly.opening import read_town

    day = given or default_as_of(read_town(workspace, stage), datetime.now(UTC))[0]
    return datetime.combine(day, time()) - timedelta(seconds=1)


@households.command(
    help=say("找出疑似重复的住户和居民，写成核对表", "propose duplicates, as a workbook to decide in")
)
@click.option(
    "--output",
    type=File,
    help=say("写到哪个文件（默认工作区 review/duplicates.xlsx）", "the workbook to write"),
)
@click.pass_obj
def duplicates(workspace: Path, output: Path | None) -> None:
    """Write the households and people that may stand twice into a workbook."""
    from features.atomic import write_atomically
    from service.cli.register_decisions import proposed_duplicates
    from service.lists.review_workbook import duplicates_workbook

    speak(workspace)
    pairs, register = proposed_duplicates(workspace)
    if not len(pairs):
        show_line("没有发现疑似重复", "no duplicates were found")
        return
    path = output or workspace / "review" / "duplicates.xlsx"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, duplicates_workbook(pairs, register))
    count = (pairs["kind"] == "household").sum()
    line = say(
        f"疑似重复：住户 {count} 对、居民 {len(pairs) - count} 对；请在 {path} 填“决定”，再运行 xianying review {path}",
        f"{count} pairs of households and {len(pairs) - count} of people: decide in {path}, then run xianying review"
        f" {path}",
    )
    show([line])


@households.command(
    help=say("把 DROP 并入 KEEP；--person 合并居民", "merge DROP into KEEP; --person: of residents")
)
@click.argument("keep")
@click.argument("drop")
@click.option("--person", is_flag=True, help=say("编号是居民的", "the ids are residents'"))
@as_of
@click.pass_obj
def merge(workspace: Path, keep: str, drop: str, person: bool, as_of: date | None) -> None:
    """Merge a household or person into another one, with its history."""
    from service.cli.register_decisions import change_register

    speak(workspace)
    show(
        change_register(workspace, "person" if person else "household", drop, keep, _since(workspace, as_of))
    )


@households.command(help=say("居民 PERSON 迁到住户 HOUSEHOLD", "move a resident to another household"))
@click.argument("person")
@click.argument("household")
@click.option(
    "--from", "begins", type=Day(), required=True, help=say("从哪天起住在那里", "the day of moving")
)
@as_of
@click.pass_obj
def move(workspace: Path, person: str, household: str, begins: date, as_of: date | None) -> None:
    """Move a resident to another household from a day on."""
    from service.cli.register_decisions import change_register

    speak(workspace)
    moved = datetime.combine(begins, time())
    show(change_register(workspace, "move", person, household, _since(workspace, as_of), moved))


@households.command(help=say("列出所做的变更", "list the changes made"))
@click.pass_obj
def changes(workspace: Path) -> None:
    """List merges and moves with their numbers."""
    from service.cli.register_decisions import change_lines

    speak(workspace)
    show(change_lines(workspace) or [say("没有变更", "no changes")])


@households.command(help=say("撤销第 NUMBER 号变更", "undo a change by its number"))
@click.argument("number", type=int)
@as_of
@click.pass_obj
def undo(workspace: Path, number: int, as_of: date | None) -> None:
    """Undo a merge or move: from the next lists on, rows count where they stood before."""
    from service.cli.register_decisions import undo_register_change

    speak(workspace)
    show(undo_register_change(workspace, number, _since(workspace, as_of)))


@group.command(
    help=say(
        "读回核对表里的决定，以后一直沿用", "take decisions from review workbooks; they are used from then on"
    )
)
@click.argument("files", type=File, nargs=-1, required=True)
@click.pass_obj
def review(workspace: Path, files: tuple[Path, ...]) -> None:
    """Keep the decisions of filled-in review workbooks; exit with 1 when some could not be read."""
    from service.cli.register_decisions import take_reviews

    speak(workspace)
    lines, refused = take_reviews(workspace, list(files), lambda: _since(workspace, None))
    show(lines)
    if refused:
        raise UserError("\n".join(refused))
