"""The command line. Commands import what they need when they run, so that each starts at once."""

import atexit
import gc
import os
import sys
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path

import click

from features.language import UserError, say
from service.cli.simulate import simulate
from service.console.terminal import Commands, Day, progress, run, show, stage
from service.web.commands.commands import COMMANDS
from service.weekly.opening import open_town, speak

Directory = click.Path(path_type=Path, file_okay=False)
File = click.Path(path_type=Path, dir_okay=False)


as_of_option = click.option(
    "--as-of",
    type=Day(),
    help=say(
        "以哪一天为准（默认本周一，或数据结束后的第一个周一）",
        "date (default: this week's Monday, or the first after the data)",
    ),
)

spark_option = click.option(
    "--spark",
    is_flag=True,
    help=say(
        "大社区的各片在 Apache Spark 上算（pip install 'xianying[scale]'）",
        "work on the parts of a large town on Apache Spark (pip install 'xianying[scale]')",
    ),
)


@click.group(
    cls=Commands,
    help=say(
        "先应：未呼先应，预测各户需求并生成每周走访名单",
        "Needs before they are asked for: weekly outreach lists",
    ),
)
@click.option(
    "--workspace",
    type=Directory,
    envvar="XIANYING_WORKSPACE",
    default="workspace",
    show_default=True,
    help=say(
        "工作区目录（或环境变量 XIANYING_WORKSPACE）", "where all state is kept (or XIANYING_WORKSPACE)"
    ),
)
@click.version_option(package_name="xianying")
@click.pass_context
def commands(context: click.Context, workspace: Path) -> None:
    """Serve residents' needs before they ask."""
    context.obj = workspace


@commands.command(
    help=say(
        "建一个空工作区，附示例 community.yaml", "make an empty workspace with an example community.yaml"
    )
)
@click.pass_obj
def init(workspace: Path) -> None:
    """Make an empty workspace."""
    from importlib.resources import files

    from features.atomic import write_atomically

    path = workspace / "community.yaml"
    if path.exists():
        show([say(f"{path} 已存在，未改动", f"{path} is there already: left as it is")])
        return
    write_atomically(path, files("features").joinpath("xishan.yaml").read_bytes())
    show(
        [
            say(
                f"已生成 {path}：请改成本社区的需求和项目，再运行 xianying ingest 目录",
                f"wrote {path}: make its needs and programmes your own, then run xianying ingest DIR",
            )
        ]
    )


@commands.command(help=say("检查并读入一个数据目录", "check a directory of data and load it"))
@click.argument("directory", type=Directory)
@click.pass_obj
def ingest(workspace: Path, directory: Path) -> None:
    """Load a directory of the contract."""
    _ingest(workspace, directory)


def _ingest(workspace: Path, directory: Path) -> None:
    from features.ingest.ingest import ingest

    show(ingest(directory, workspace, tell=progress()).lines())


@commands.command(
    help=say("训练、验证、校准并登记一个新模型", "train, validate, calibrate and register a model")
)
@as_of_option
@click.option(
    "--tune",
    type=click.FloatRange(min=0),
    metavar="MINUTES",
    help=say(
        "先用这么多分钟为树搜索更好的参数；0 恢复默认参数",
        "search this many minutes for better parameters of the trees first; 0: the usual ones",
    ),
)
@spark_option
@click.pass_obj
def retrain(workspace: Path, as_of: date | None, tune: float | None, spark: bool) -> None:
    """Train a challenger; the first becomes the champion, later ones pass the gate or wait."""
    if tune:
        # Optuna ranks parameters with it; before LightGBM: models.estimators.boosting says why
        import sklearn  # noqa: F401

    from features.point_in_time.records import Records, day_of, known_before
    from models.registry.registry import draw_report, log_retrain, make_ready
    from models.training.retrain import Retraining, retrain
    from models.training.tune import Tuning
    from service.web.published.model_shelf import publish_models
    from service.weekly.large_town import sample_of
    from service.weekly.list_week import champion_or_none

    town, as_of = open_town(workspace, as_of)
    records = town if isinstance(town, Records) else sample_of(town, stage, show)
    with stage(say("读取模型", "load the champion")):
        champion = champion_or_none(workspace, records.community)
    tuning = None if tune is None else Tuning(tune, journal=workspace / "tuning.journal")
    before = champion.model if champion else None
    how = Retraining(tuning=tuning, prepare=partial(make_ready, workspace), draw=draw_report)
    if spark and not isinstance(town, Records):
        from models.scoring.executors import on_spark
        from models.training.sample_partitions import FromParts

        how = replace(how, source=FromParts(town, day_of(as_of)), each=on_spark)
    retrained = retrain(records, day_of(as_of), before, how)
    show([f"  {name} {seconds:.1f} s" for name, seconds in retrained.seconds.items()])
    show(retrained.notes)
    with stage(say("登记", "register")):
        registered = log_retrain(workspace, retrained, known_before(records, day_of(as_of)))
        publish_models(workspace)
    show(registered.decision.reasons)
    version = registered.version
    show(
        [
            say(f"版本 {version} 已启用", f"version {version} is the champion now")
            if registered.promoted
            else say(
                f"版本 {version} 未启用；要启用请运行 xianying promote {version}",
                f"version {version} is not in force; to put it in force run xianying promote {version}",
            )
        ]
    )


@commands.command(
    help=say(
        "手动启用一个版本（默认最新的挑战者）", "make a version the champion (default: the newest challenger)"
    )
)
@click.argument("version", type=int, required=False)
@click.pass_obj
def promote(workspace: Path, version: int | None) -> None:
    """Make a version the champion by hand."""
    from models.registry.registry import promote
    from service.web.published.model_shelf import publish_models

    speak(workspace)
    with stage(say("启用", "promote")):
        chosen = promote(workspace, version)
        publish_models(workspace)
    show([say(f"现在启用版本 {chosen}", f"version {chosen} is the champion now")])


@commands.command(help=say("退回上一个启用的版本", "go back to the champion before"))
@click.pass_obj
def rollback(workspace: Path) -> None:
    """Make the champion before the champion again."""
    from models.registry.registry import rollback
    from service.web.published.model_shelf import publish_models

    speak(workspace)
    with stage(say("退回", "roll back")):
        chosen = rollback(workspace)
        publish_models(workspace)
    show([say(f"现在启用版本 {chosen}", f"version {chosen} is the champion now")])


@commands.command(help=say("用启用的模型给所有住户评分", "score every household with the champion"))
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


@commands.command(
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


@commands.command(
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


@commands.command(
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


@commands.command(
    help=say("读回填好的工作簿：结果和反馈", "read outcomes and feedback back from filled-in workbooks")
)
@click.argument("files", type=File, nargs=-1, required=True)
@click.pass_obj
def record(workspace: Path, files: tuple[Path, ...]) -> None:
    """Read filled-in workbooks; exits 1 when some rows were refused."""
    from service.weekly.list_week import record_files

    speak(workspace)
    lines, refused = record_files(workspace, list(files), stage)
    show(lines)
    if refused:
        raise UserError("\n".join(refused))


@commands.command(
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


@commands.command(
    help=say("查看数据是否新鲜、往周预测准不准", "how fresh the data are and how past weeks did")
)
@as_of_option
@click.pass_obj
def monitor(workspace: Path, as_of: date | None) -> None:
    """Data freshness, quarantine, and past weeks' scores and lists."""
    from service.weekly.monitor_week import monitor_week

    town, as_of = open_town(workspace, as_of)
    show(monitor_week(workspace, town, as_of, stage))


commands.add_command(simulate)


for command in COMMANDS:
    commands.add_command(command)


def main() -> None:
    """Entry point."""
    code = 1

    def leave() -> None:
        """End without clearing up in memory, which takes a fifth of a second after a week's lists."""
        ended = code
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                ended = ended or 1
        os._exit(ended)

    # the first to be registered is the last to be called: libraries end their work before
    atexit.register(leave)
    # threads that wait must not spin, and sums go in one order: an office computer does other work beside a retrain
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Arrow's own pool keeps what was freed: 40 MB more at 10,000 households, and no faster
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    # as Python sets it, looking for cycles takes a fifteenth of a command's time
    gc.set_threshold(100_000, 20, 20)
    code = run(lambda: commands(standalone_mode=False))
    sys.exit(code)


if __name__ == "__main__":
    main()
