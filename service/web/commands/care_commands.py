"""Commands that keep the service in order: backup, restore, the register of fields, the impact assessment."""

from datetime import date
from pathlib import Path

import click

from features.language import UserError, say
from service.console.terminal import show, stage
from service.web.commands.service_database import service_database

File = click.Path(path_type=Path, dir_okay=False)


group = click.Group()


@group.command(
    help=say("把工作区和服务数据库备份成一个文件", "the workspace and the service's database in one file")
)
@click.argument("file", type=File)
@click.pass_obj
def backup(workspace: Path, file: Path) -> None:
    """Back up. A mistyped workspace is not a backup of nothing."""
    from service.web.rights.backup import back_up

    if not workspace.is_dir():
        raise UserError(say(f"{workspace}：没有这个工作区", f"{workspace}: no such workspace"))
    with stage(say("备份", "back up")):
        count = back_up(workspace, service_database(workspace), file)
    show([say(f"{count} 个文件写入 {file}；请加密存放", f"{count} files in {file}; keep it encrypted")])


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
@click.pass_obj
def restore(workspace: Path, file: Path, tombstones: Path | None) -> None:
    """Restore."""
    from service.web.rights.backup import restore

    if not file.is_file():
        raise UserError(say(f"{file}：没有这个文件", f"{file}: no such file"))
    workspace.mkdir(parents=True, exist_ok=True)
    with stage(say("恢复", "restore")):
        lines = restore(file, workspace, service_database(workspace), tombstones)
    show(lines)


@group.group(
    help=say("字段登记：目的、依据、敏感、期限", "the register of fields: purpose, ground, retention")
)
def fields() -> None:
    """The register of fields."""


@fields.command(
    "draft", help=say("生成或补全 fields.yaml 供填写", "make fields.yaml, or add what is missing")
)
@click.pass_obj
def draft_fields(workspace: Path) -> None:
    """Write the register with every column that is held."""
    from features.atomic import write_atomically
    from service.web.rights.fields import FILE, draft

    path = workspace / FILE
    write_atomically(path, draft(workspace).encode())
    show(
        [
            say(
                f"已写入 {path}，请填写后运行 xianying fields check",
                f"wrote {path}: fill it in, then fields check",
            )
        ]
    )


@fields.command(
    "check", help=say("核对字段登记；有问题时退出码为 1", "check the register; exits 1 when it is wrong")
)
@click.pass_obj
def check_fields(workspace: Path) -> None:
    """Check the register."""
    from service.web.rights.fields import check

    wrong = check(workspace, date.today())
    if wrong:
        raise UserError("\n".join(wrong))
    show([say("字段登记齐全", "every field is registered")])


@group.command(
    help=say("生成影响评估草稿（第五十五、五十六条）", "a draft of the impact assessment (arts. 55, 56)")
)
@click.option(
    "--output", type=File, help=say("写到哪里（默认 工作区/impact-assessment.md）", "where to write it")
)
@click.pass_obj
def assess(workspace: Path, output: Path | None) -> None:
    """Write the draft."""
    from features.atomic import write_atomically
    from service.web.rights.assessment import assessment

    path = output or workspace / "impact-assessment.md"
    write_atomically(path, assessment(workspace, service_database(workspace), date.today()).encode())
    show([say(f"草稿在 {path}", f"the draft is {path}")])
