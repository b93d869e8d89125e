"""Commands of the week: scores, lists, demand, and how the weeks before did."""

from datetime import date
from pathlib import Path

import click

from features.language import UserError, say
from service.cli.options import Directory, File, as_of_option, spark_option
from service.console.terminal import show, stage
from service.weekly.opening import open_town

group = click.Group()


@group.command(help=say("用启用的模型给所有住户评分", "score every household with the champion"))
@as_of_option
@click.option(
    "--output",
    type=File,
    help=say("写到哪里（默认 工作区/scores.parquet）", "where to (default: WORKSPACE/scores.parquet)"),
)
@spark_option
@click.pass_obj
def score(workspace: Path, as_of: date | None, output: Path | None, spark: bool) -> None:
    """Score every household of a date."""
    from features.point_in_time.records import Records
    from service.weekly.large_town import score_large
    from service.weekly.list_week import SCORES, score_week

    town, as_of = open_town(workspace, as_of)
    output = output or workspace / SCORES
    if isinstance(town, Records):
        _, lines = score_week(workspace, town, as_of, output, stage)
    else:
        _, lines = score_large(workspace, town, as_of, output, stage, spark)
    show(lines)


@group.command(
    help=say(
        "写出大社区每户每项的特征（Parquet，按片）", "write a large town's features, Parquet files by part"
    )
)
@as_of_option
@spark_option
@click.pass_obj
def features(workspace: Path, as_of: date | None, spark: bool) -> None:
    """The features of every household and need as the champion takes them."""
    from features.point_in_time.records import Records
    from service.weekly.large_town import features_of_large

    town, as_of = open_town(workspace, as_of)
    if isinstance(town, Records):
        raise UserError(
            say("住户不多，不分片：用不着写出特征", "not a large town: it is not laid out in parts")
        )
    show(features_of_large(workspace, town, as_of, stage, spark))


@group.command(
    help=say(
        "生成一周走访名单：每网格一个工作簿和打印页，另有概览",
        "the week's lists: a workbook and a page a grid, and an overview",
    )
)
@as_of_option
@click.option(
    "--output",
    type=Directory,
    help=say("写到哪个目录（默认 工作区/weeks/日期）", "directory (default: WORKSPACE/weeks/DATE)"),
)
@click.pass_obj
def outreach(workspace: Path, as_of: date | None, output: Path | None) -> None:
    """Make the week's lists."""
    from features.point_in_time.records import Records
    from service.weekly.list_week import list_week, week_directory

    town, as_of = open_town(workspace, as_of)
    output = output or week_directory(workspace, as_of)
    if isinstance(town, Records):
        show(list_week(workspace, town, as_of, output, stage))
    else:
        from service.weekly.large_lists import list_large

        show(list_large(workspace, town, as_of, output, stage))


@group.command(
    help=say(
        "预计各需求各网格有多少户申请，对照项目名额",
        "how many households will ask, by need and grid, against seats",
    )
)
@as_of_option
@click.pass_obj
def demand(workspace: Path, as_of: date | None) -> None:
    """Expected demand against seats."""
    from service.weekly.demand_week import demand_week

    town, as_of = open_town(workspace, as_of)
    show(demand_week(workspace, town, as_of, stage))


@group.command(
    help=say(
        "周一一次做完：ingest、score、outreach、demand、monitor",
        "Monday in one go: ingest, score, outreach, demand, monitor",
    )
)
@click.argument("directory", type=Directory)
@as_of_option
@click.pass_obj
def weekly(workspace: Path, directory: Path, as_of: date | None) -> None:
    """What cron runs on Monday."""
    from service.weekly.monday import weekly

    weekly(workspace, directory, as_of, stage, show)


@group.command(help=say("查看数据是否新鲜、往周预测准不准", "how fresh the data are and how past weeks did"))
@as_of_option
@click.pass_obj
def monitor(workspace: Path, as_of: date | None) -> None:
    """Data freshness, quarantine, and past weeks' scores and lists."""
    from service.weekly.monitor_week import monitor_week

    town, as_of = open_town(workspace, as_of)
    show(monitor_week(workspace, town, as_of, stage))
