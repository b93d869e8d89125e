"""Time and peak memory of each stage by the size of the town, each stage in a fresh process.

    python benchmarks/stages.py --households 1000 --households 3000 --output results

Writes ``stages.csv`` (a row a size and stage, with machine, date and versions), and prints it with the slope of
log seconds over log households: 1 is linear. CPU seconds are told beside wall seconds, as a busy machine
stretches the latter; quote ratios, not seconds.
"""

import contextlib
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import pandas as pd
import psutil
from matplotlib.figure import Figure

STAGES = ("ingest", "retrain", "score", "outreach", "demand", "monitor")
LIBRARIES = ("lightgbm", "numpy", "pandas", "scipy", "duckdb")
WEEKS = 156
LOOK = 0.1  # seconds
MEASURES = ("wall_s", "cpu_s", "peak_mb")


def measured(*arguments: str) -> dict[str, float]:
    """Wall and CPU seconds of one command in a fresh process and its children, and the peak of their resident
    memory together (MB, looked at every tenth of a second)."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "from service.cli.commands import main; main()"
    process = psutil.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident(process))
        time.sleep(LOOK)
    if process.returncode not in (0, 3):  # 3: read, with things to look at
        raise click.ClickException(f"{' '.join(arguments)}: exit code {process.returncode}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "wall_s": time.perf_counter() - start,
        "cpu_s": used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mb": peak / 1e6,
    }


def resident(process: psutil.Process) -> int:
    """Bytes of a process and its children that no other process shares, and what the largest of them shares."""
    own, shared = 0, 0
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            memory = one.memory_info()
            own += memory.rss - memory.shared
            shared = max(shared, memory.shared)
    return own + shared


def stages_of(households: int, seed: int, place: Path) -> list[dict[str, object]]:
    """One row a stage, of a made-up town of this size in ``place``; a town that is there already is taken."""
    town, workspace = place / f"town-{households}", place / f"workspace-{households}"
    if not (town / "workers.csv").is_file():  # the last file to be written
        areas = ["--grids", str(max(1, households // 750)), "--microgrids", str(max(1, households // 140))]
        size = ["--households", str(households), "--weeks", str(WEEKS), "--seed", str(seed)]
        measured("simulate", str(town), *size, *areas)
    shutil.rmtree(workspace, ignore_errors=True)
    rows = []
    for stage in STAGES:
        more = [str(town)] if stage == "ingest" else []
        found = measured("--workspace", str(workspace), stage, *more)
        rows.append({"households": households, "stage": stage, **found})
        click.echo(f"{households} {stage}: {found['wall_s']:.0f} s, {found['peak_mb']:.0f} MB")
    return rows


def slopes(table: pd.DataFrame) -> pd.DataFrame:
    """Columns stage and one a measure: its log-log slope over the sizes; NaN of a single size."""
    rows = []
    for stage, own in table.groupby("stage", sort=False):
        size = np.log(own["households"])
        fits = {
            measure: np.polyfit(size, np.log(own[measure]), 1)[0] if len(own) > 1 else np.nan
            for measure in MEASURES
        }
        rows.append({"stage": stage, **fits})
    return pd.DataFrame(rows)


def projected(table: pd.DataFrame, households: int) -> pd.DataFrame:
    """Columns stage and one a measure for a larger town: the largest one's, carried on along the slope between the
    two largest. Not measured, and to be marked so."""
    rows = []
    for stage, own in table.sort_values("households").groupby("stage", sort=False):
        last, slope = own.iloc[-1], slopes(own.iloc[-2:]).iloc[0]
        factor = households / last["households"]
        rows.append(
            {"stage": stage, **{measure: last[measure] * factor ** slope[measure] for measure in MEASURES}}
        )
    return pd.DataFrame(rows)


def plot(table: pd.DataFrame, path: Path) -> None:
    """CPU seconds and peak memory over the size, one line a stage."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    for axes, measure in zip(figure.subplots(1, 2), ("cpu_s", "peak_mb"), strict=True):
        for stage, own in table.groupby("stage", sort=False):
            axes.plot(own["households"], own[measure], marker="o", label=str(stage))
        axes.set(xscale="log", yscale="log", xlabel="households", ylabel=measure)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=100)


@click.command()
@click.option("--households", multiple=True, type=int, default=(10_000, 50_000), show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option(
    "--place", type=click.Path(path_type=Path, file_okay=False), help="where towns and workspaces are kept"
)
@click.option("--project", type=int, help="a larger size to carry the slopes on to")
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), default=Path("benchmarks/results")
)
def main(
    households: tuple[int, ...], seed: int, place: Path | None, project: int | None, output: Path
) -> None:
    """Measure every stage for towns of these sizes."""
    place = place or Path(tempfile.mkdtemp(prefix="xianying-stages-"))
    output.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    about = {"date": date.today().isoformat(), "machine": platform.machine(), "cpus": os.cpu_count()}
    about |= {"python": platform.python_version(), **{library: version(library) for library in LIBRARIES}}
    for household in sorted(households):
        rows += stages_of(household, seed, place)
        table = pd.DataFrame(rows).assign(load=round(os.getloadavg()[0], 1), **about)
        table.round(2).to_csv(output / "stages.csv", index=False)  # what is done is kept
    plot(table, output / "stages.png")
    click.echo(table[["households", "stage", *MEASURES]].round(2).to_string(index=False))
    click.echo("log-log slopes\n" + slopes(table).round(2).to_string(index=False))
    if project:
        click.echo(f"projected to {project} households, not measured")
        click.echo(projected(table, project).round(0).to_string(index=False))


if __name__ == "__main__":
    main()
