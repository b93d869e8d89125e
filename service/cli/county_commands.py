"""Commands about several communities together."""

from pathlib import Path

import click

from features.language import say
from service.console.terminal import show_line, stage

group = click.Group()


@group.command(
    help=say(
        "几个社区的合计，一页，不含姓名（WORKSPACES：各社区的工作区，community.yaml 要有 sharing: {figures: true}）",
        "one page with the sums of several communities, without names (each must allow it by sharing: {figures: true})",
    )
)
@click.argument(
    "workspaces", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), default="county.html", show_default=True
)
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
