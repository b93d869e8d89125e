"""The command line. Commands import what they need when they run, so that each starts at once.

A command is a function in one of the modules of ``MODULES``, decorated with that module's ``group.command``.
"""

import sys
from pathlib import Path

import click

from features.language import say
from service.cli import (
    data_commands,
    init_command,
    model_commands,
    register_commands,
    replay_commands,
    simulate,
    text_commands,
    week_commands,
)
from service.cli.options import Directory
from service.console.operator import refuse_root_elsewhere
from service.console.startup import settle_process
from service.console.terminal import Commands, run
from service.web.commands import (
    access_commands,
    care_commands,
    hook_commands,
    rights_commands,
    serve_commands,
)

MODULES = (
    init_command,
    data_commands,
    register_commands,
    model_commands,
    week_commands,
    replay_commands,
    text_commands,
    simulate,
    serve_commands,
    access_commands,
    care_commands,
    hook_commands,
    rights_commands,
)


@click.group(
    cls=Commands,
    help=say(
        "先应：未呼先应，算出哪些户可能有需要，每周出走访名单",
        "Needs before they are asked for: weekly outreach lists",
    ),
)
@click.option(
    "--workspace",
    type=Directory,
    envvar="XIANYING_WORKSPACE",
    default="workspace",
    show_default=True,
    help=say(
        "工作区目录（或环境变量 XIANYING_WORKSPACE）", "where all state is kept (or XIANYING_WORKSPACE)"
    ),
)
@click.version_option(package_name="xianying")
@click.pass_context
def commands(context: click.Context, workspace: Path) -> None:
    """Serve residents' needs before they ask."""
    refuse_root_elsewhere(workspace)
    context.obj = workspace


for module in MODULES:
    for command in module.group.commands.values():
        commands.add_command(command)


def main() -> None:
    """Run the command line and exit with the command's code."""
    settle_process()
    sys.exit(run(lambda: commands(standalone_mode=False)))
