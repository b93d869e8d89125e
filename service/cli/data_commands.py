"""Commands that take data into a workspace, read an office's own ledgers, and fill in its own forms."""

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from features.language import UserError, joined_names, say
from service.cli.options import Directory, File
from service.console.terminal import Day, progress, show, show_line, stage
from service.weekly.opening import speak, take_in

if TYPE_CHECKING:
    from features.mapping.ledger_sheets import LedgerSheet

group = click.Group()


@group.command(help=say("检查并读入一个数据目录", "check a directory of data and load it"))
@click.argument("directory", type=Directory)
@click.pass_obj
def ingest(workspace: Path, directory: Path) -> int:
    """Load a directory of the contract; exit with 3 if something should be looked at, with 1 if nothing was taken."""
    from service.ledgers.take_in import ingest_directory
    from service.web.published.from_records import publish_from_records

    taken = ingest_directory(directory, workspace, tell=progress())
    publish_from_records(workspace)
    show([*taken.lines, *taken.report.lines()])
    return taken.exit_code()


@group.command(
    help=say(
        "只检查一个数据目录，不读入；退出码和 ingest 一样",
        "check a directory without loading it; exits as ingest does",
    )
)
@click.argument("directory", type=Directory)
@click.pass_obj
def check(workspace: Path, directory: Path) -> int:
    """Report what ingest would report, and change nothing."""
    from service.ledgers.take_in import ingest_directory

    taken = ingest_directory(directory, workspace, tell=progress(), dry=True)
    only = say(
        f"这只是检查，还没有读入；没问题就运行 xianying ingest {directory}",
        f"checked only, nothing is loaded yet; next: xianying ingest {directory}",
    )
    show([*taken.lines, *taken.report.lines(), only])
    return taken.exit_code()


@group.command(
    help=say("读回填好的工作簿：结果和反馈", "read outcomes and feedback back from filled-in workbooks")
)
@click.argument("files", type=File, nargs=-1, required=True)
@click.pass_obj
def record(workspace: Path, files: tuple[Path, ...]) -> None:
    """Store outcomes and feedback of filled-in workbooks; exit with 1 when some rows were refused."""
    from service.weekly.record_week import record_files

    speak(workspace)
    take_in(workspace)
    lines, refused = record_files(workspace, list(files), stage)
    show(lines)
    if refused:
        raise UserError("\n".join(refused))


@group.command(
    name="map",
    help=say(
        "看懂一份台账（工作簿或 CSV），提出并保存怎样读它",
        "look at a ledger (workbook or CSV), propose and keep how it is read",
    ),
)
@click.argument("file", type=File)
@click.option("--yes", is_flag=True, help=say("不再问，照提议保存", "keep the proposal without asking"))
@click.option(
    "--column",
    "given",
    multiple=True,
    metavar="NAME=FIELD",
    help=say(
        "指明一列是什么，可以写多次；不读的写 ignored",
        "say what a column is, may be repeated; ignored: not read",
    ),
)
@click.pass_obj
def map_ledger(workspace: Path, file: Path, yes: bool, given: tuple[str, ...]) -> None:
    """Propose how a ledger is read, and keep it beside the ledger once somebody agrees."""
    from features.mapping.ledger_sheets import read_ledger
    from features.mapping.mapping_file import mapping_path, with_earlier, write_mapping
    from features.mapping.propose import propose
    from service.ledgers.category_table import add_categories
    from service.ledgers.proposal_lines import proposal_lines
    from service.ledgers.settings import ledger_settings, ledger_zone

    sheets = read_ledger(file)
    proposal = propose(file, sheets, ledger_zone(file.parent, workspace), _given(given, sheets))
    show(proposal_lines(proposal, sheets))
    if not yes and not sys.stdin.isatty():
        show_line(
            "没有保存：同意请加 --yes，改一列请加 --column 列=字段",
            "not kept: add --yes to agree, --column NAME=FIELD to change a column",
        )
        return
    if yes or click.confirm(say("就这样保存？", "Keep this?"), default=True):
        path, mapping = with_earlier(mapping_path(file), proposal.mapping)
        write_mapping(path, mapping)
        show_line(
            f"已保存 {path}，可以改；以后 xianying ingest 照它读",
            f"wrote {path}, which you may change; xianying ingest reads by it from now on",
        )
        if community := ledger_settings(file.parent, workspace):
            show(add_categories(file.parent, workspace, community, sheets, proposal.mapping))


@group.command(
    help=say(
        "按单位自己的表格回填一段时间的走访：一户一条",
        "fill in the office's own form with a period's visits: one row a household",
    )
)
@click.argument("template", type=File)
@click.option("--from", "begin", type=Day(), required=True, help=say("从哪一天", "first day"))
@click.option("--to", "end", type=Day(), required=True, help=say("到哪一天（含）", "last day"))
@click.option(
    "--output",
    type=File,
    help=say("写到哪里（默认工作区的 reports）", "where to write (default: reports of the workspace)"),
)
@click.pass_obj
def report(workspace: Path, template: Path, begin: date, end: date, output: Path | None) -> None:
    """Fill in a form from visits, outcomes and warnings."""
    from features.atomic import write_atomically
    from features.linking.decisions import read_decisions
    from features.linking.register import read_register
    from features.store.reader import read_records
    from service.ledgers.form import REPORTS, fill_form, form_name
    from service.ledgers.households_of_rows import Register
    from service.ledgers.period_rows import period_rows
    from service.weekly.week_directory import all_listed

    speak(workspace)
    if end < begin:
        raise UserError(f"--to {end} 早于 --from {begin}", f"--to {end} lies before --from {begin}")
    listed = all_listed(workspace, ["outreach_id", "worker_id"])
    workers = dict(zip(listed["outreach_id"], listed["worker_id"], strict=True))
    rows = period_rows(workspace, read_records(workspace), workers, begin, end)
    register = Register(read_register(workspace), read_decisions(workspace))
    filled = fill_form(template, rows, register, workspace)
    path = output or workspace / REPORTS / form_name(template, begin, end)
    write_atomically(path, filled.content)
    show([*filled.lines, say(f"已写入 {path}", f"wrote {path}")])


def _given(texts: tuple[str, ...], sheets: "Sequence[LedgerSheet]") -> dict[str, str]:
    """Read ``NAME=FIELD``. Raises UserError for a column or a field that is not there."""
    from features.mapping.field_names import FIELDS

    given = {}
    by_name = {entry.zh: field for field, entry in FIELDS.items()}
    names = {name for sheet in sheets for name in sheet.names if name}
    for text in texts:
        name, _, field = text.rpartition("=")
        field = by_name.get(field, field)
        if name not in names or field not in FIELDS:
            fields = [say(f"{entry.zh}（{field}）", field) for field, entry in FIELDS.items()]
            known = joined_names(sorted(names) if name not in names else fields)
            raise UserError(f"--column {text}：应是下列之一：{known}", f"--column {text}: not one of {known}")
        given[name] = field
    return given
