"""Commands on webhooks: addresses that are told of a new week and of alarms."""

from pathlib import Path

import click

from features.language import say, say_line
from service.console.terminal import show, show_line
from service.web.hooks.subscribers import EVENTS, KINDS, STANDARD

group = click.Group()


@group.group(
    help=say("新一周的名单和警报通知到哪些地址", "addresses that are told of a new week and of alarms")
)
def webhooks() -> None:
    """Group the commands on webhooks."""


@webhooks.command("add", help=say("添加一个地址", "add an address"))
@click.argument("url")
@click.option("--kind", type=click.Choice(KINDS), default=STANDARD, help=say("哪一种", "which kind"))
@click.option("--secret", default="", help=say("机器人的加签密钥", "the secret with which a robot signs"))
@click.option(
    "--event", "events", type=click.Choice(EVENTS), multiple=True, help=say("哪些事", "which events")
)
@click.pass_obj
def add(workspace: Path, url: str, kind: str, secret: str, events: tuple[str, ...]) -> None:
    """Add an address and show its secret once."""
    from service.web.hooks.subscribers import add_subscriber

    added = add_subscriber(workspace, url, kind, secret, events or EVENTS)
    lines = [say(f"已添加 {added.id}（{kind}）", f"added {added.id} ({kind})")]
    if kind == STANDARD:
        lines += say_line(
            f"签名密钥（只显示这一次）{added.secret}", f"signing secret (shown once): {added.secret}"
        )
    show(lines)


@webhooks.command("list", help=say("列出地址", "list the addresses"))
@click.pass_obj
def listed(workspace: Path) -> None:
    """List the addresses without what makes them secret."""
    from urllib.parse import urlsplit

    from service.web.hooks.subscribers import read_subscribers

    subscribers = read_subscribers(workspace)
    show(
        f"{subscriber.id}\t{subscriber.kind}\t{urlsplit(subscriber.url).hostname}\t{', '.join(subscriber.events)}"
        for subscriber in subscribers
    ) if subscribers else show_line("没有地址", "no addresses")


@webhooks.command("remove", help=say("删去一个地址", "remove an address"))
@click.argument("identifier", metavar="ID")
@click.pass_obj
def remove(workspace: Path, identifier: str) -> None:
    """Remove an address; what waits for it is not sent any more."""
    from service.web.hooks.subscribers import remove_subscriber

    remove_subscriber(workspace, identifier)
    show_line(f"已删去 {identifier}", f"removed {identifier}")


@webhooks.command("send", help=say("发出到期的通知", "send what is due"))
@click.pass_obj
def send(workspace: Path) -> None:
    """Send what is due; for a timer where no service runs."""
    from service.web.hooks.outbox import send_due

    show(send_due(workspace) or [say("没有要发的", "nothing is due")])
