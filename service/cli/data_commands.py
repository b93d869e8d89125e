"""Commands that make a workspace and take data into it."""

from pathlib import Path

import click

from features.language import UserError, say
from service.cli.options import Directory, File
from service.console.terminal import progress, show, stage
from service.weekly.opening import speak, take_in

group = click.Group()


@group.command(help=say("检查并读入一个数据目录", "check a directory of data and load it"))
@click.argument("directory", type=Directory)
@click.pass_obj
def ingest(workspace: Path, directory: Path) -> int:
    """Load a directory of the contract; exit with 3 if something should be looked at, with 1 if nothing was taken."""
    from service.ledgers.take_in import ingest_directory
    from service.web.published.from_records import publish_from_records

    taken = ingest_directory(directory, workspace, tell=progress())
    publish_from_records(workspace)
    show([*taken.lines, *taken.report.lines()])
    return taken.exit_code()


@group.command(
    help=say(
        "只检查一个数据目录，不读入；退出码和 ingest 一样",
        "check a directory without loading it; exits as ingest does",
    )
)
@click.argument("directory", type=Directory)
@click.pass_obj
def check(workspace: Path, directory: Path) -> int:
    """Report what ingest would report, and change nothing."""
    from service.ledgers.take_in import ingest_directory

    taken = ingest_directory(directory, workspace, tell=progress(), dry=True)
    only = say(
        f"这只是检查，还没有读入；没问题就运行 xianying ingest {directory}",
        f"checked only, nothing is loaded yet; next: xianying ingest {directory}",
    )
    show([*taken.lines, *taken.report.lines(), only])
    return taken.exit_code()


@group.command(
    help=say("读回填好的工作簿：结果和反馈", "read outcomes and feedback back from filled-in workbooks")
)
@click.argument("files", type=File, nargs=-1, required=True)
@click.pass_obj
def record(workspace: Path, files: tuple[Path, ...]) -> None:
    """Store outcomes and feedback of filled-in workbooks; exit with 1 when some rows were refused."""
    from service.weekly.record_week import record_files

    speak(workspace)
    take_in(workspace)
    lines, refused = record_files(workspace, list(files), stage)
    show(lines)
    if refused:
        raise UserError("\n".join(refused))
