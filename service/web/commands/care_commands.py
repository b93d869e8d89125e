"""Commands that keep the service in order: backup, restore, fields, papers of record, and the audit log."""

from datetime import date
from pathlib import Path

import click

from features.language import UserError, say
from service.console.operator import refuse_root_elsewhere
from service.console.terminal import read_hidden, show, show_line, stage
from service.web.commands.service_database import service_database

File = click.Path(path_type=Path, dir_okay=False)


group = click.Group()


@group.command(
    help=say("把工作区和服务数据库备份成一个文件", "the workspace and the service's database in one file")
)
@click.argument("file", type=File)
@click.option(
    "--encrypt", is_flag=True, help=say("加密；口令从终端或标准输入读取", "encrypt; asks for a passphrase")
)
@click.option(
    "--cipher",
    type=click.Choice(("aes-256-gcm", "sm4-gcm")),
    help=say("加密算法，默认 aes-256-gcm", "cipher of --encrypt, aes-256-gcm by default"),
)
@click.option(
    "--with-secret",
    is_flag=True,
    help=say("加密的备份里带上 secret.key", "put secret.key into an encrypted backup"),
)
@click.pass_obj
def backup(workspace: Path, file: Path, encrypt: bool, cipher: str | None, with_secret: bool) -> None:
    """Back up the workspace and the database; a workspace that does not exist, probably mistyped, is an error."""
    from service.web.rights.backup import back_up
    from service.web.rights.sealing import AES

    if not workspace.is_dir():
        raise UserError(f"{workspace}：没有这个工作区", f"{workspace}: no such workspace")
    if cipher and not encrypt:
        raise UserError("--cipher 只能和 --encrypt 一起用", "--cipher goes with --encrypt only")
    passphrase = _new_passphrase() if encrypt else None
    with stage(say("备份", "back up")):
        count = back_up(workspace, service_database(workspace), file, passphrase, with_secret, cipher or AES)
    kept = "" if encrypt else say("；没有加密，请放在加密的盘里", "; it is not encrypted: keep it encrypted")
    show([say(f"{count} 个文件写入 {file}", f"{count} files in {file}") + kept])


def _new_passphrase() -> str:
    from service.web.rights.sealing import SHORTEST

    passphrase = read_hidden(say("口令", "Passphrase"), twice=True)
    if len(passphrase) < SHORTEST:
        raise UserError(f"口令至少要 {SHORTEST} 个字符", f"a passphrase needs {SHORTEST} characters")
    return passphrase


@group.command(
    help=say("把备份恢复到空的工作区和空的数据库", "put a backup into an empty workspace and database")
)
@click.argument("file", type=File)
@click.option(
    "--tombstones",
    type=File,
    help=say(
        "较新的 tombstones.json：其中的住户再次删除", "a newer tombstones.json: delete its households again"
    ),
)
@click.option(
    "--secret",
    type=File,
    help=say(
        "原工作区的 secret.key，用来核对签名",
        "secret.key of the workspace that made it: checks the signature",
    ),
)
@click.option(
    "--foreign",
    is_flag=True,
    help=say("确认来源可靠，不核对签名", "restore it although nothing shows who made it"),
)
@click.pass_obj
def restore(workspace: Path, file: Path, tombstones: Path | None, secret: Path | None, foreign: bool) -> None:
    """Put a backup into an empty workspace and an empty database."""
    from service.web.rights.restore import Restoring, restore
    from service.web.rights.sealing import sealed

    if not file.is_file():
        raise UserError(f"{file}：没有这个文件", f"{file}: no such file")
    if not workspace.exists():
        refuse_root_elsewhere(workspace.absolute().parent)
    passphrase = read_hidden(say("口令", "Passphrase")) if sealed(file) else None
    workspace.mkdir(parents=True, exist_ok=True)
    with stage(say("恢复", "restore")):
        how = Restoring(tombstones, secret, passphrase, foreign)
        lines = restore(file, workspace, service_database(workspace), how)
    show(lines)


@group.command(
    help=say(
        "检查整个工作区：损坏、权限、磁盘、时钟；有问题时退出码为 1",
        "look over the whole workspace: damage, permissions, disk, clock; exits 1 when anything is wrong",
    )
)
@click.pass_obj
def doctor(workspace: Path) -> None:
    """Look over the workspace."""
    from service.web.database.engine import database_of
    from service.web.rights.doctor import findings, owner_findings

    if not workspace.is_dir():
        raise UserError(f"{workspace}：没有这个工作区", f"{workspace}: no such workspace")
    wrong = owner_findings(workspace)
    if not wrong:
        with database_of(workspace) as database:
            wrong = findings(workspace, database)
    if wrong:
        raise UserError("\n".join(wrong))
    show_line("一切正常", "all is well")


@group.group(
    help=say("字段登记：目的、依据、敏感、期限", "the register of fields: purpose, ground, retention")
)
def fields() -> None:
    """Group the commands on the register of fields."""


@fields.command(
    "draft", help=say("生成或补全 fields.yaml 供填写", "make fields.yaml, or add what is missing")
)
@click.pass_obj
def draft_fields(workspace: Path) -> None:
    """Write the register with every column that holds data."""
    from features.atomic import write_atomically
    from service.web.rights.fields import FILE, draft

    path = workspace / FILE
    write_atomically(path, draft(workspace).encode())
    show_line(
        f"已写入 {path}，请填写后运行 xianying fields check",
        f"wrote {path}: fill it in, then fields check",
    )


@fields.command(
    "check", help=say("核对字段登记；有问题时退出码为 1", "check the register; exits 1 when it is wrong")
)
@click.pass_obj
def check_fields(workspace: Path) -> None:
    """Check the register of fields."""
    from service.web.rights.fields import check

    wrong = check(workspace, date.today())
    if wrong:
        raise UserError("\n".join(wrong))
    show_line("字段登记齐全", "every field is registered")


@group.command(
    help=say(
        "生成档案文书：版本比较、影响评估、透明度记录、公示、审计资料",
        "write the papers of record: comparison of versions, impact assessments, notice, audit pack",
    )
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help=say(
        "写到哪个目录（默认 工作区/papers）", "directory to write to (default: papers in the workspace)"
    ),
)
@click.pass_obj
def papers(workspace: Path, output: Path | None) -> None:
    """Write the papers of record and say how much is left to people in each."""
    from service.web.rights.papers import FOLDER, write_papers

    place = output or workspace / FOLDER
    left = write_papers(workspace, service_database(workspace), place, date.today())
    show(
        say(f"{place / name}：待填 {count} 处", f"{place / name}: {count} blanks to fill in")
        for name, count in left.items()
    )


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
