"""The commands that serve, and that bring the service's database to a version of the program."""

import os
from pathlib import Path

import click

from features.language import UserError, joined_names, say
from service.console.terminal import show_line

group = click.Group()


@group.command(help=say("启动服务：API 和页面", "serve the API and the pages"))
@click.pass_obj
def serve(workspace: Path) -> None:
    """Serve until a signal ends it."""
    # a request is too small for threads of its own, and they would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from service.web.run import serve

    serve(workspace)


@group.command(
    help=say(
        "把服务数据库升到本程序的版本；装回旧程序之前用 --to 退回",
        "bring the service's database to this program's version, or back before an older program is installed",
    )
)
@click.option(
    "--to",
    metavar="MIGRATION",
    help=say("退回或升到这一步（默认最新）", "go to this one (default: the newest)"),
)
@click.pass_obj
def migrate(workspace: Path, to: str | None) -> None:
    """Migrate the service's database and say where it is."""
    from service.console.operator import operator
    from service.web.audit.log import enter
    from service.web.commands.service_database import service_database
    from service.web.database import engine as databases

    known = databases.migrations()
    if to is not None and to not in known:
        names = joined_names(known)
        raise UserError(f"没有 {to} 这一步，只有 {names}", f"there is no migration {to}, only {names}")
    database = service_database(workspace)
    if to is not None and to != known[-1]:
        with database.writing() as session:
            enter(session, operator(), "database.migrate", "", "", to)
        databases.migrate(database.engine, to)
    show_line(
        f"服务数据库在 {databases.present(database.engine)}，本程序最新为 {known[-1]}",
        f"the service's database is at {databases.present(database.engine)}; this program knows {known[-1]}",
    )
    database.engine.dispose()
