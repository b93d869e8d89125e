"""Commands on who may use the service: people, and keys of other systems."""

from pathlib import Path

import click

from features.language import say
from service.console.terminal import read_hidden, show, show_line
from service.web.commands.service_database import service_database

group = click.Group()


@group.group(help=say("可以登录的人", "people who may sign in"))
def users() -> None:
    """Group the commands on people who may sign in."""


grid_option = click.option("--grid", help=say("所属网格", "their grid"))
microgrid_option = click.option("--microgrid", help=say("所属微网格", "their micro-grid"))
PASSWORD_HELP = say(
    "密码从终端或标准输入读取，不会显示", "the password is read from the terminal or standard input"
)


def _password() -> str:
    return read_hidden(say("密码", "Password"), twice=True)


def _doubt_place(workspace: Path, grid: str | None, microgrid: str | None) -> None:
    """Warn on standard error when no household of the newest week lives in a place, which is then probably mistyped."""
    from service.web.published.weeks import Shelf

    shelf = Shelf(workspace)
    shelf.refresh()
    newest = shelf.served.newest
    places = {place[:2] for place in newest.places.values()} if newest else set()
    lived_in = any(grid in (None, grid_id) and microgrid in (None, other) for grid_id, other in places)
    if newest is None or lived_in or not (grid or microgrid):
        return
    place = "/".join(part for part in (grid, microgrid) if part)
    click.echo(
        say(
            f"注意：{newest.as_of} 那一周没有住户在 {place}，请核对网格和微网格的编号",
            f"note: in the week of {newest.as_of} nobody lives in {place}; check the ids of grid and micro-grid",
        ),
        err=True,
    )


@users.command("add", help=say("新增一人。", "add a person. ") + PASSWORD_HELP)
@click.argument("login")
@click.option(
    "--role",
    type=click.Choice(["grid_worker", "coordinator", "data_staff", "auditor"]),
    required=True,
    help=say(
        "角色：grid_worker 网格员，coordinator 社区统筹，data_staff 数据员，auditor 审计员",
        "what they may do",
    ),
)
@click.option("--name", default="", help=say("姓名", "their name"))
@grid_option
@microgrid_option
@click.option("--worker", help=say("workers 表里的 worker_id", "their worker_id in the workers table"))
@click.option(
    "--single-sign-on",
    is_flag=True,
    help=say("只用统一认证（单点登录），不设密码", "no password, single sign-on only"),
)
@click.pass_obj
def add_user(
    workspace: Path,
    login: str,
    role: str,
    name: str,
    grid: str | None,
    microgrid: str | None,
    worker: str | None,
    single_sign_on: bool,
) -> None:
    """Add a person."""
    from service.web.auth import people

    password = None if single_sign_on else _password()
    people.add_user(service_database(workspace), login, role, password, name, grid, microgrid, worker)
    show_line(f"已新增 {login}（{role}）", f"added {login} ({role})")
    _doubt_place(workspace, grid, microgrid)


@users.command(
    "password",
    help=say("换密码，并结束其所有登录。", "a new password; ends their sessions. ") + PASSWORD_HELP,
)
@click.argument("login")
@click.pass_obj
def password(workspace: Path, login: str) -> None:
    """Set a person's password."""
    from service.web.auth import people

    people.set_password(service_database(workspace), login, _password())
    show_line(f"{login} 的密码已更换", f"{login} has a new password")


@users.command(
    "second-factor",
    help=say(
        "为一人开通两步登录（密码加手机验证码）；密钥只显示这一次，这人要重新登录",
        "a second factor (codes of an app) for a person; shown this once, ends their sessions",
    ),
)
@click.argument("login")
@click.option("--remove", is_flag=True, help=say("取消两步登录", "take it away"))
@click.pass_obj
def second_factor(workspace: Path, login: str, remove: bool) -> None:
    """Give a person a second factor."""
    from service.web.auth import people

    secret = people.set_second_factor(service_database(workspace), login, remove)
    if secret is None:
        show_line(f"{login} 不再用两步登录", f"{login} has no second factor any more")
        return
    show(
        [
            say(
                "在手机的验证器应用里输入密钥，或把网址做成二维码扫描：",
                "type the key into an authenticator app, or scan the address as a QR code:",
            ),
            secret.key,
            secret.address,
        ]
    )


@users.command("block", help=say("停用一人，结束其所有登录", "shut a person out; ends their sessions"))
@click.argument("login")
@click.pass_obj
def block(workspace: Path, login: str) -> None:
    """Shut a person out."""
    from service.web.auth import people

    people.set_active(service_database(workspace), login, False)
    show_line(f"{login} 已停用", f"{login} is shut out")


@users.command("unblock", help=say("恢复一人，解除锁定", "let a person in again; ends a lock-out"))
@click.argument("login")
@click.pass_obj
def unblock(workspace: Path, login: str) -> None:
    """Let a person in again."""
    from service.web.auth import people

    people.set_active(service_database(workspace), login, True)
    show_line(f"{login} 已恢复", f"{login} may sign in again")


@users.command("list", help=say("列出所有人", "list everybody"))
@click.pass_obj
def list_users(workspace: Path) -> None:
    """List everybody."""
    from service.web.auth import people

    for user in people.users(service_database(workspace)):
        place = "/".join(part for part in (user.grid_id, user.microgrid_id) if part)
        state = "" if user.active else say("停用", "blocked")
        show(["\t".join([user.login, user.role, place, user.name, state]).rstrip()])


@group.group(help=say("其他系统用的 API 密钥", "API keys of other systems"))
def keys() -> None:
    """Group the commands on API keys of other systems."""


@keys.command("create", help=say("新建一个密钥；只显示这一次", "make a key; it is shown this once"))
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    help=say("权限，可多次，如 scores:read", "what it may do, may be repeated, such as scores:read"),
)
@click.option(
    "--days",
    type=click.FloatRange(min=0, min_open=True, max=3660),
    default=365,
    show_default=True,
    help=say("有效天数", "for how many days it works"),
)
@grid_option
@microgrid_option
@click.pass_obj
def create_key(
    workspace: Path,
    name: str,
    scopes: tuple[str, ...],
    days: float,
    grid: str | None,
    microgrid: str | None,
) -> None:
    """Make a key and show it once."""
    from service.web.auth import people

    show([people.make_key(service_database(workspace), name, scopes, days, grid, microgrid)])
    _doubt_place(workspace, grid, microgrid)


@keys.command("list", help=say("列出密钥（不含密钥本身）", "list the keys, without the secrets"))
@click.pass_obj
def list_keys(workspace: Path) -> None:
    """List the keys, without the keys themselves."""
    from service.web.auth import people

    for person in people.keys(service_database(workspace)):
        state = (
            say("已吊销", "revoked")
            if person.revoked_at
            else say("有效至", "until ") + f"{person.expires_at:%Y-%m-%d}"
        )
        place = "/".join(part for part in (person.grid_id, person.microgrid_id) if part)
        show(["\t".join([person.id, person.name, " ".join(person.scopes), place, state])])


@keys.command("revoke", help=say("吊销一个密钥", "revoke a key"))
@click.argument("key_id")
@click.pass_obj
def revoke_key(workspace: Path, key_id: str) -> None:
    """Revoke a key."""
    from service.web.auth import people

    people.revoke_key(service_database(workspace), key_id)
    show_line(f"密钥 {key_id} 已吊销", f"key {key_id} is revoked")
