"""Commands on the audit log."""

from pathlib import Path

import click

from features.language import UserError, say
from service.console.terminal import show, show_line
from service.web.commands.service_database import service_database

group = click.Group()


@group.group(help=say("审计日志：谁看了什么", "the audit log: who saw what"))
def audit() -> None:
    """Group the commands on the audit log."""


@audit.command("verify", help=say("逐条核对审计日志没有被改动", "check that no entry was changed or removed"))
@click.option("--head", help=say("以前记下的“条数:哈希”", "COUNT:HASH that was noted earlier"))
@click.pass_obj
def verify_audit(workspace: Path, head: str | None) -> None:
    """Check the chain; exit with 1 when it is broken."""
    from service.web.audit.anchor import FILE, anchor_missing
    from service.web.audit.log import check_head, verify

    database = service_database(workspace)
    verdict = verify(database, workspace)
    if verdict.broken is not None:
        raise UserError(
            f"第 {verdict.broken} 条起不符：日志被改动过",
            f"broken at entry {verdict.broken}: it was changed",
        )
    if verdict.lost is not None:
        raise UserError(
            f"另处记下的第 {verdict.lost} 条不在日志里：日志被截断或改动过",
            f"entry {verdict.lost} was noted elsewhere and is no longer in the log: it was cut off or changed",
        )
    if verdict.entries and anchor_missing(workspace):
        show_line(
            f"注意：没有本工作区签名的 audit/{FILE}，是否被截断只能看每周小结和另存的一行",
            f"note: there is no audit/{FILE} signed by this workspace; only the weeks' summaries and a line kept "
            "elsewhere tell whether the log was cut off",
        )
    if head:
        check_head(database, head)
    show(
        [
            say(
                f"{verdict.entries} 条，全部相符；请把下面一行另存他处：",
                f"{verdict.entries} entries, all in order; keep this elsewhere:",
            ),
            f"{verdict.entries}:{verdict.head}",
        ]
    )
