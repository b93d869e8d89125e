"""Commands for residents' rights, and for moving into the records what came in through the service."""

import json
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import click

from features.language import say
from service.console.operator import operator
from service.console.terminal import Day, show, show_line
from service.web.commands.service_database import service_database

group = click.Group()


def _open(workspace: Path, household_id: str) -> Any:
    """Open the service's database, for a household about which there are records."""
    from service.web.rights.rights import known_household

    known_household(workspace, household_id)
    return service_database(workspace)


def _today(workspace: Path) -> date:
    from features.store.reader import read_settings
    from service.web.intake.outcomes import today_in

    return today_in(read_settings(workspace).community.timezone)


@group.command(
    help=say(
        "把网页和手机上收到的结果、诉求、谢绝、更正、删除转进记录",
        "take what came in through the service into the records",
    )
)
@click.pass_obj
def drain(workspace: Path) -> None:
    """Move what came in through the service into the records."""
    from service.web.intake.handover import drain_service

    show(drain_service(workspace) or [say("没有要转入的", "nothing came in")])


@group.group(help=say("居民权利：为什么上名单、谢绝、查阅、更正、删除", "residents' rights"))
def resident() -> None:
    """Group the commands on residents' rights."""


household = click.argument("household")


@resident.command("why", help=say("为什么上了名单（可以念给居民听）", "why a household is listed, in words"))
@household
@click.pass_obj
def why(workspace: Path, household: str) -> None:
    """Say why a household is listed."""
    from service.web.audit.log import enter
    from service.web.published.restrictions import Restrictions
    from service.web.published.weeks import Shelf
    from service.web.rights.rights import why_listed

    database = _open(workspace, household)
    restrictions = Restrictions(workspace, database, partial(_today, workspace))
    restrictions.refresh()
    shelf = Shelf(workspace)
    shelf.refresh()
    with database.writing() as session:
        enter(session, operator(), "resident.why", household)
    show(why_listed(shelf.served, household, household in restrictions.refusing))


@resident.command("refuse", help=say("登记不要再来，马上生效", "note a refusal of automated listing"))
@household
@click.option("--until", type=Day(), help=say("到哪一天为止", "until which day"))
@click.pass_obj
def refuse(workspace: Path, household: str, until: date | None) -> None:
    """Note that a household refuses automated listing."""
    from service.web.published.weeks import Shelf
    from service.web.rights.rights import refuse, refuses_from

    shelf = Shelf(workspace)
    shelf.refresh()
    begins = refuses_from(shelf.served, _today(workspace))
    refuse(_open(workspace, household), operator(), household, begins, until)
    show_line(f"{household} 已登记不要再来，从现在起不上名单", f"{household} is on no list from now on")


@resident.command("accept", help=say("收回谢绝", "end a refusal"))
@household
@click.pass_obj
def accept(workspace: Path, household: str) -> None:
    """End a household's refusals."""
    from service.web.rights.rights import accept

    count = accept(workspace, _open(workspace, household), operator(), household, _today(workspace))
    show_line(f"收回 {count} 条谢绝", f"{count} refusals ended")


@resident.command("export", help=say("导出一户的全部资料（JSON）", "everything held of a household, as JSON"))
@household
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help=say("写到文件", "a file to write")
)
@click.pass_obj
def export(workspace: Path, household: str, output: Path | None) -> None:
    """Write everything that is stored about a household."""
    from features.atomic import write_atomically
    from service.web.published.weeks import Shelf
    from service.web.rights.rights import export

    database = _open(workspace, household)
    shelf = Shelf(workspace)
    shelf.refresh()
    data = export(workspace, database, shelf.served, operator(), household)
    text = json.dumps(data, ensure_ascii=False, indent=1, default=str)
    if output:
        write_atomically(output, text.encode())
        show_line(f"已写入 {output}", f"wrote {output}")
    else:
        show([text])


@resident.command("correct", help=say("更正一项登记信息", "correct an attribute"))
@household
@click.argument("attribute")
@click.argument("value")
@click.pass_obj
def correct(workspace: Path, household: str, attribute: str, value: str) -> None:
    """Correct an attribute of a household."""
    from service.web.intake.handover import drain
    from service.web.rights.rights import correct

    database = _open(workspace, household)
    correct(workspace, database, operator(), household, attribute, value or None)
    show(drain(workspace, database))
    show_line(
        "来源系统里也要更正，否则下次导入会改回去",
        "correct it at the source too, or the next export changes it back",
    )


@resident.command(
    "delete", help=say("从全部数据里删掉一户，只留一个标记", "delete a household from everything")
)
@household
@click.option("--yes", is_flag=True, help=say("不再询问", "do not ask again"))
@click.pass_obj
def delete(workspace: Path, household: str, yes: bool) -> None:
    """Delete a household from everything; the wish is stored first, so that an interrupted command can be run again."""
    from features.store.reader import read_settings
    from service.web.intake.handover import drain
    from service.web.rights.rights import ask_deletion, deletion_waits, known_household

    read_settings(workspace)
    database = service_database(workspace)
    if not deletion_waits(database, household):
        known_household(workspace, household)
        if not yes:
            click.confirm(
                say(f"确定删除 {household}？不能恢复", f"Delete {household}? This cannot be undone"),
                abort=True,
            )
        ask_deletion(database, operator(), household)
    show(drain(workspace, database))
