"""Commands of the week: scores, lists, demand, and a look back at past weeks."""

from datetime import date
from pathlib import Path

import click

from features.language import say
from service.cli.options import Directory, File, as_of_option, spark_option
from service.console.terminal import show, show_line, stage
from service.weekly.opening import open_town

group = click.Group()


@group.command(help=say("用现用模型给所有住户评分", "score every household with the champion"))
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
    from models.scoring.executors import local, on_spark
    from service.weekly.score_cache import score_week
    from service.weekly.week_directory import SCORES

    town, as_of = open_town(workspace, as_of)
    show(
        score_week(workspace, town, as_of, output or workspace / SCORES, stage, on_spark if spark else local)
    )


@group.command(
    help=say(
        "写出每户每项的特征（Parquet，按片）", "write every household's features, Parquet files by partition"
    )
)
@as_of_option
@spark_option
@click.pass_obj
def features(workspace: Path, as_of: date | None, spark: bool) -> None:
    """Write the features of every household and need, as the champion takes them."""
    from features.point_in_time.records import day_of
    from features.store.partitions import root_of
    from models.registry.registry import champion
    from models.scoring.executors import local, on_spark
    from models.scoring.score import write_features

    town, as_of = open_town(workspace, as_of)
    with stage(say("读取模型", "load the champion")):
        model = champion(workspace, town.community).model
    directory = f"{root_of(workspace)}/features/as_of={as_of}"
    with stage(say("特征", "features")):
        write_features(town, model, day_of(as_of), directory, on_spark if spark else local)
    show_line(f"特征在 {directory}", f"features are in {directory}")


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
    from service.weekly.list_week import list_week
    from service.weekly.week_directory import week_directory

    town, as_of = open_town(workspace, as_of)
    show(list_week(workspace, town, as_of, output or week_directory(workspace, as_of), stage))


@group.command(
    help=say(
        "算各需求、各网格预计多少户来申请，名额够不够",
        "how many households will ask, by need and grid, against seats",
    )
)
@as_of_option
@click.pass_obj
def demand(workspace: Path, as_of: date | None) -> None:
    """Write expected demand against seats."""
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
@click.option(
    "--accept",
    is_flag=True,
    help=say("这批导出跟以往差别很大，但核对过没错", "take an export that differs much from those before"),
)
@click.pass_obj
def weekly(workspace: Path, directory: Path, as_of: date | None, accept: bool) -> int:
    """What cron runs on Monday; exits 3 when something in the data should be looked at, as ingest does."""
    from service.weekly.monday import weekly

    code = weekly(workspace, directory, as_of, stage, show, accept)
    _train_on_alarm(workspace, as_of)
    return code


def _train_on_alarm(workspace: Path, as_of: date | None) -> None:
    """Train where the settings allow it and an alarm asks for it; the gate decides as after any other training."""
    from features.store.reader import read_settings
    from service.cli.model_commands import retrain
    from service.weekly.monitor_week import training_is_due

    if training_is_due(workspace, read_settings(workspace)):
        show_line(
            "有警报，照设置重新训练（retrain_on_alarm）",
            "an alarm asks for training (retrain_on_alarm)",
        )
        click.get_current_context().invoke(retrain, as_of=as_of)


@group.command(
    help=say("看数据是不是最新的、前几周预测得准不准", "how fresh the data are and how past weeks did")
)
@as_of_option
@click.pass_obj
def monitor(workspace: Path, as_of: date | None) -> int:
    """Show alarms, the data's freshness, the quarantine, and how past weeks did; exits 3 where there is an alarm."""
    from service.weekly.monitor_week import monitor_week
    from service.weekly.week_directory import read_alarms

    town, as_of = open_town(workspace, as_of)
    show(monitor_week(workspace, town, as_of, stage))
    _train_on_alarm(workspace, as_of)
    return 3 if read_alarms(workspace) else 0
