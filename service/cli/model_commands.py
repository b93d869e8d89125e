"""Commands that train a model and put one in force."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from features.language import say, say_line
from service.cli.options import as_of_option, spark_option
from service.console.terminal import show, show_line, stage
from service.web.commands.service_database import enter_command
from service.weekly.opening import open_town, speak

if TYPE_CHECKING:
    from models.registry.registry import Registered

group = click.Group()
NOTES, MOST_REASONS = "retrain-notes.txt", 2  # of a retrain; of the gate's decision
STAGES = {  # of a training, in words
    "features": ("算特征", "features"),
    "tune": ("定参数", "parameters"),
    "validate": ("分段验证", "validation"),
    "train": ("训练", "training"),
    "lend": ("训练借给新社区的模型", "model to lend"),
    "explain": ("找理由", "reasons"),
    "visits": ("学抽签走访", "random visits"),
    "evaluate": ("评估", "evaluation"),
}


@group.command(
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
    """Train a challenger; the first becomes the champion, later ones must pass the gate."""
    if tune:
        # Optuna ranks parameters with it; before LightGBM: models.estimators.boosting says why
        import sklearn  # noqa: F401

    from features.atomic import write_atomically
    from features.point_in_time.records import day_of, known_before
    from models.registry.champion import with_own_validation
    from models.registry.registry import draw_report, log_retrain, make_ready
    from models.training.retrain import retrain
    from models.training.retraining import Retraining
    from models.training.tune import Tuning
    from service.web.published.model_shelf import publish_models
    from service.weekly.score_cache import champion_or_none

    town, as_of = open_town(workspace, as_of)
    with stage(say("读取样本", "read the sample")):
        records = town.read(town.sample)
    show(_sampled(len(town.sample), len(town), len(records.household_ids)))
    with stage(say("读取模型", "load the champion")):
        champion = champion_or_none(workspace, records.community)
    tuning = None if tune is None else Tuning(tune, journal=workspace / "tuning.journal")
    before = with_own_validation(workspace, champion, records) if champion else None
    how = Retraining(tuning=tuning, prepare=partial(make_ready, workspace), draw=draw_report)
    if spark:
        from models.dataset.sample import FromPartitions
        from models.scoring.executors import on_spark

        how = replace(how, source=FromPartitions(town, day_of(as_of)), each=on_spark)
    retrained = retrain(records, day_of(as_of), before, how)
    show(retrained.worst)
    with stage(say("登记", "register")):
        enter_command(workspace, "model.retrain", as_of.isoformat())
        registered = log_retrain(workspace, retrained, known_before(records, day_of(as_of)))
        publish_models(workspace)
    notes = workspace / NOTES
    write_atomically(notes, "\n".join([*retrained.notes, _time_of(retrained.seconds), ""]).encode())
    _show_registered(workspace, registered, "retrain")
    show_line(f"其余都在 {notes} 和服务的“模型”页", f"all else: {notes}, and the service's page of models")


def _time_of(seconds: Mapping[str, float]) -> str:
    """Write how long each stage of a training took."""
    spent = say("，", ", ").join(f"{say(*STAGES[stage])} {taken:.1f} s" for stage, taken in seconds.items())
    return say(f"用时：{spent}", f"time: {spent}")


def _show_registered(workspace: Path, registered: "Registered", command: str) -> None:
    """Show the gate's decision on a new version, and log its coming into force. ``command``: that made it."""
    show([*registered.lines, *registered.decision.reasons[:MOST_REASONS]])
    if registered.promoted:
        enter_command(workspace, "model.promote", f"version {registered.version}, by {command}")
    show([in_force_line(registered.version, registered.promoted)])


@group.command(
    help=say(
        "历史还短，先借邻近社区的模型（WORKSPACES 是它们的工作区，各自的 community.yaml 要写 sharing: {model: true}）",
        "a community with a short history: borrow the model of a neighbour (WORKSPACES are theirs, and each must allow"
        " it by sharing: {model: true} in its community.yaml)",
    )
)
@click.argument(
    "workspaces", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@as_of_option
@click.pass_obj
def borrow(workspace: Path, workspaces: tuple[Path, ...], as_of: date | None) -> None:
    """Register a neighbour's model with this community's level; it comes into force where none was trained here."""
    from features.point_in_time.records import day_of, known_before
    from models.registry.registry import lent_models, log_retrain, make_ready
    from models.training.borrow import as_retrained, borrow
    from service.web.published.model_shelf import publish_models
    from service.weekly.score_cache import champion_or_none

    town, as_of = open_town(workspace, as_of)
    with stage(say("读取邻近社区的模型", "load the neighbours' models")):
        neighbours = lent_models(workspaces)
        make_ready(workspace)
    records = town.read(town.sample)
    with stage(say("试用", "try them here")):
        borrowed = borrow(records, day_of(as_of), neighbours)
    show(borrowed.notes)
    champion = champion_or_none(workspace, records.community)
    retrained = as_retrained(borrowed, champion.model if champion else None)
    enter_command(workspace, "model.borrow", as_of.isoformat())
    registered = log_retrain(workspace, retrained, known_before(records, day_of(as_of)))
    publish_models(workspace)
    _show_registered(workspace, registered, "borrow")


def in_force_line(version: int, promoted: bool) -> str:
    """Say whether a new version is in force, and else how to put it there."""
    if promoted:
        return say(f"版本 {version} 已启用", f"version {version} is the champion now")
    return say(
        f"版本 {version} 没有启用，上面写着它比在用的差在哪；在用的模型照用，周一名单照出，不用做什么。"
        f"看过了还是要换，才运行 xianying promote {version}",
        f"version {version} is not in force, the lines above say where it is worse; the champion stays, lists are made as"
        f" before, and there is nothing to do. To put it in force all the same run xianying promote {version}",
    )


def _sampled(drawn: int, partitions: int, households: int) -> list[str]:
    """Write a line when a model is trained on only some partitions; else none."""
    return say_line(
        f"在抽取的 {drawn}/{partitions} 片、{households} 户上训练",
        f"trained on a sample: {drawn} of {partitions} partitions, {households} households",
    ) * (drawn < partitions)


@group.command(
    help=say(
        "手动启用一个版本（默认最新的候选）", "make a version the champion (default: the newest challenger)"
    )
)
@click.argument("version", type=int, required=False)
@click.pass_obj
def promote(workspace: Path, version: int | None) -> None:
    """Make a version the champion by hand."""
    from models.registry.registry import promote
    from service.web.published.model_shelf import publish_models

    speak(workspace)
    enter_command(workspace, "model.promote", f"version {version or ''}".strip())
    with stage(say("启用", "promote")):
        chosen = promote(workspace, version)
        publish_models(workspace)
    show_line(f"现在启用版本 {chosen}", f"version {chosen} is the champion now")


@group.command(help=say("退回上一个启用的版本", "go back to the champion before"))
@click.pass_obj
def rollback(workspace: Path) -> None:
    """Make the champion before the champion again."""
    from models.registry.registry import rollback
    from service.web.published.model_shelf import publish_models

    speak(workspace)
    enter_command(workspace, "model.rollback", "")
    with stage(say("退回", "roll back")):
        chosen = rollback(workspace, publish_models)
    show_line(f"现在启用版本 {chosen}", f"version {chosen} is the champion now")
