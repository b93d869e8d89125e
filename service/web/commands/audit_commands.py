"""Commands on the audit log."""

from pathlib import Path

import click

from features.language import UserError, say
from service.console.terminal import show
from service.web.commands.service_database import service_database

group = click.Group()


@group.group(help=say("审计日志：谁看了什么", "the audit log: who saw what"))
def audit() -> None:
    """The audit log."""


@audit.command("verify", help=say("逐条核对审计日志没有被改动", "check that no entry was changed or removed"))
@click.option("--head", help=say("以前记下的“条数:哈希”", "COUNT:HASH that was noted earlier"))
@click.pass_obj
def verify_audit(workspace: Path, head: str | None) -> None:
    """Check the chain; exits 1 when it is broken."""
    from service.web.audit.log import check_head, verify

    database = service_database(workspace)
    found = verify(database)
    if found.broken is not None:
        raise UserError(
            say(
                f"第 {found.broken} 条起不符：日志被改动过", f"broken at entry {found.broken}: it was changed"
            )
        )
    if head:
        check_head(database, head)
    show(
        [
            say(
                f"{found.entries} 条，全部相符；请把下面一行另存他处：",
                f"{found.entries} entries, all in order; keep this elsewhere:",
            ),
            f"{found.entries}:{found.head}",
        ]
    )
