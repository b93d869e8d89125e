"""Commands that look back: a week made again, where a row of a list came from, and several communities together."""

from datetime import date
from pathlib import Path

import click

from features.language import say
from service.cli.options import Directory, File
from service.console.terminal import Day, show, show_line, stage

group = click.Group()


@group.command(
    help=say("重做过去的一周，逐字节核对", "make a past week again and compare it with what was handed out")
)
@click.argument("as_of", metavar="DATE", type=Day())
@click.option(
    "--output", type=Directory, help=say("重做的表写到哪个目录", "a directory for the tables that are made")
)
@click.pass_obj
def replay(workspace: Path, as_of: date, output: Path | None) -> int:
    """Make a past week again; exits 3 where a value differs."""
    from service.replay.replay import replay
    from service.weekly.opening import speak

    speak(workspace)
    lines, same = replay(workspace, as_of, output, stage)
    show(lines)
    return 0 if same else 3


@group.command(
    help=say(
        "名单上一行怎么来的、谁看过、后来怎样",
        "where a row of a list came from, who saw it and what came of it",
    )
)
@click.argument("outreach_id", metavar="OUTREACH_ID")
@click.pass_obj
def trace(workspace: Path, outreach_id: str) -> None:
    """Follow a row of a list back to its model and data, and on to its outcome."""
    from service.console.operator import operator
    from service.replay.trace import trace
    from service.web.database.engine import database_of
    from service.weekly.opening import speak, take_in

    speak(workspace)
    take_in(workspace)
    with database_of(workspace) as database:
        show(trace(workspace, outreach_id, database, operator()))


@group.command(
    help=say(
        "几个社区的合计，一页，不含姓名（WORKSPACES：各社区的工作区，community.yaml 要有 sharing: {figures: true}）",
        "one page with the sums of several communities, without names (each must allow it by sharing: {figures: true})",
    )
)
@click.argument(
    "workspaces", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option("--output", type=File, default="county.html", show_default=True)
@click.option(
    "--title", default=lambda: say("各社区合计", "Communities together"), help=say("标题", "heading")
)
def county(workspaces: tuple[Path, ...], output: Path, title: str) -> None:
    """Write the page of a county."""
    from features.atomic import write_atomically
    from service.county.figures import figures_of
    from service.county.page import county_page

    with stage(say("读取各社区", "read the communities")):
        communities = figures_of(workspaces)
    write_atomically(output, county_page(title, communities).encode())
    show_line(
        f"{len(communities)} 个社区的合计在 {output}",
        f"sums of {len(communities)} communities: {output}",
    )
