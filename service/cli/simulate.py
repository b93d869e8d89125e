"""The command ``simulate``: a synthetic town in files, or one that lives on with the product's lists."""

from datetime import date
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from features.language import UserError, joined_names, say
from service.console.terminal import Day, show, show_line, stage

group = click.Group()
# options of the closed loop only
WITH_WEEKS_AHEAD = {"policies", "retrain_every", "seeds", "shares", "explore"}
WITHOUT_WEEKS_AHEAD = {"as_ofs", "dirty"}


@group.command(
    help=say(
        "生成一个虚构社区的数据目录，真实情况另存一处",
        "write a made-up town's data, with its truth beside it",
    )
)
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--households", type=click.IntRange(min=10), default=6000, show_default=True)
@click.option("--weeks", type=click.IntRange(min=1), default=208, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--grids", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--microgrids", type=click.IntRange(min=1), default=43, show_default=True)
@click.option("--end", type=Day(), help=say("数据到哪个周一为止", "the Monday at which the data end"))
@click.option(
    "--as-of",
    "as_ofs",
    type=Day(),
    multiple=True,
    help=say("写出真相的周一，可多次", "Mondays of the truth, may be repeated"),
)
@click.option("--visit-share", type=click.FloatRange(0, 1), default=0.004, show_default=True)
@click.option("--dirty", type=click.FloatRange(0, 1), default=0.01, show_default=True)
@click.option("--style", type=click.IntRange(min=0), default=0, show_default=True)
@click.option(
    "--weeks-ahead",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help=say("再让名单与社区互动多少周（闭环模拟）", "weeks in which the town reacts to lists (closed loop)"),
)
@click.option(
    "--policy",
    "policies",
    type=click.Choice(["product", "uncorrected", "frequency", "random", "oracle"]),
    multiple=True,
    help=say("闭环里谁定名单，可多次（默认全部）", "who makes the lists, may be repeated (default: all)"),
)
@click.option("--retrain-every", type=click.IntRange(min=1), default=8, show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--explore-share",
    "shares",
    type=click.FloatRange(0, 1),
    multiple=True,
    help=say("闭环里抽签的比例，可多次", "share of visits drawn by lot, may be repeated"),
)
@click.option(
    "--explore",
    type=click.Choice(["uniform", "weighted"]),
    help=say("闭环里怎样抽签", "how visits are drawn by lot in the closed loop"),
)
def simulate(out: Path, weeks_ahead: int, **settings: Any) -> None:
    """Write a synthetic town in the contract's files, or let it live on with the product's lists."""
    _refuse_idle(bool(weeks_ahead))
    closed = {name: settings.pop(name) for name in WITH_WEEKS_AHEAD}
    if weeks_ahead:
        _simulate_ahead(out, weeks_ahead, **closed, **settings)
    else:
        _simulate(out, **settings)


def _refuse_idle(ahead: bool) -> None:
    """Raise UserError for options that have no effect with, or without, ``--weeks-ahead``."""
    context = click.get_current_context()
    given = {
        name for name in context.params if context.get_parameter_source(name) == ParameterSource.COMMANDLINE
    }
    idle = given & (WITHOUT_WEEKS_AHEAD if ahead else WITH_WEEKS_AHEAD)
    names = joined_names(param.opts[0] for param in context.command.params if param.name in idle)
    if names and ahead:
        raise UserError(f"{names} 不能与 --weeks-ahead 一起用", f"{names} cannot be used with --weeks-ahead")
    if names:
        raise UserError(f"{names} 只与 --weeks-ahead 一起用", f"{names} can be used with --weeks-ahead only")


def _simulate(out: Path, end: date | None, as_ofs: tuple[date, ...], **settings: Any) -> None:
    from features.simulation.simulate import DEFAULT_END, simulate

    with stage(say("模拟", "simulate")):
        counts = simulate(out, end=end or DEFAULT_END, as_ofs=as_ofs or None, **settings)
    rows = say("，", ", ").join(f"{table} {count}" for table, count in counts.items())
    show_line(
        f"已写入 {out}：{rows} 行；真相在 {out / 'truth'}",
        f"wrote {out}: rows {rows}; truth in {out / 'truth'}",
    )


def _simulate_ahead(
    out: Path,
    weeks_ahead: int,
    policies: tuple[str, ...],
    retrain_every: int,
    seeds: int,
    shares: tuple[float, ...],
    explore: str | None,
    seed: int,
    end: date | None,
    **town: Any,
) -> None:
    from features.simulation.simulate import DEFAULT_END
    from service.experiments.closed_loop import Setting
    from service.experiments.loop_policies import POLICIES
    from service.experiments.loop_report import write_report
    from service.experiments.loop_runs import read_runs, run_all, usual_lot

    names = ("households", "weeks", "grids", "microgrids", "style", "visit_share")
    setting = Setting(
        weeks_ahead=weeks_ahead,
        end=end or DEFAULT_END,
        retrain_every=retrain_every,
        **{name: town[name] for name in names},
    )
    usual = usual_lot()
    run_all(
        out,
        setting,
        policies or POLICIES,
        range(seed, seed + seeds),
        [(share, explore or usual[1]) for share in shares or (usual[0],)],
        lambda line: show([line]),
    )
    files = joined_names(str(path) for path in write_report(out, read_runs(out), usual))
    show_line(f"已写入 {files}", f"wrote {files}")
