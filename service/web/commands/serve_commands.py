"""The command that serves."""

import os
from pathlib import Path

import click

from features.language import say

group = click.Group()


@group.command(help=say("启动服务：API 和页面", "serve the API and the pages"))
@click.pass_obj
def serve(workspace: Path) -> None:
    """Serve until a signal ends it."""
    # a request is too small for threads of its own, and they would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from service.web.run import serve

    serve(workspace)
