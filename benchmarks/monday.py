"""Next Monday's scores and lists for all needs in a fresh process, beside a plain script that does one need.

    python benchmarks/monday.py --households 10000 --rounds 5 --output results

Makes a town, ingests and retrains it and fits the script's model, unless ``--work`` names a place where that was done.
Then ``contestants/plain_monday.py list`` and ``xianying outreach`` (which scores first) run in turn, so that a busy
machine slows both. Writes ``monday-THREADS.json``: every run, the median of wall seconds, CPU seconds and peak memory of
both, and their ratios.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np

SCRIPT = Path(__file__).parent / "contestants" / "plain_monday.py"
NEED = "summer_childcare"
LIBRARIES = ("lightgbm", "numpy", "pandas", "scipy", "duckdb", "xlsxwriter")
MEASURES = ("wall_s", "cpu_s", "peak_mb")
XIANYING = ["-c", "from service.cli.commands import main; main()"]


def measured(arguments: list[str], threads: int) -> dict[str, float]:
    """Wall and CPU seconds and the peak of resident memory (MB) of one fresh Python process."""
    start = time.perf_counter()
    surroundings = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, env=surroundings)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise click.ClickException(f"{' '.join(arguments)}: exit code {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return {
        "wall_s": round(time.perf_counter() - start, 2),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": round(used.ru_maxrss * unit / 1e6, 1),
    }


def prepare(work: Path, households: int) -> None:
    """A town, its workspace with a champion, and the script's model."""
    if (work / "plain.txt").is_file():
        return
    town, workspace = str(work / "town"), str(work / "workspace")
    for arguments in (
        ["simulate", town, "--households", str(households)],
        ["--workspace", workspace, "ingest", town],
        ["--workspace", workspace, "retrain"],
        ["--workspace", workspace, "outreach"],
    ):
        code = subprocess.run([sys.executable, *XIANYING, *arguments], check=False).returncode
        if code not in (0, 3):  # 3: read, with things to look at
            raise click.ClickException(f"{' '.join(arguments)}: exit code {code}")
    command = [sys.executable, str(SCRIPT), "train", town, NEED, as_of(work), str(work / "plain.txt")]
    subprocess.run(command, check=True)


def as_of(work: Path) -> str:
    """The week that was listed."""
    return sorted((work / "workspace" / "weeks").iterdir())[-1].name


def rounds_of(work: Path, rounds: int, threads: int) -> dict[str, list[dict[str, float]]]:
    """The runs of both in turn."""
    day, workspace = as_of(work), work / "workspace"
    plain = [
        str(SCRIPT),
        "list",
        str(work / "town"),
        NEED,
        day,
        str(work / "plain.txt"),
        str(work / "plain.xlsx"),
    ]
    found: dict[str, list[dict[str, float]]] = {"plain": [], "xianying": []}
    for _ in range(rounds):
        found["plain"].append(measured(plain, threads))
        for made in ("weeks", "served"):
            shutil.rmtree(workspace / made, ignore_errors=True)
        command = [*XIANYING, "--workspace", str(workspace), "outreach", "--as-of", day]
        found["xianying"].append(measured(command, threads))
    return found


def _priority() -> str:
    """Whether the runs went before all other work, as under ``chrt --fifo 1``."""
    fifo = hasattr(os, "sched_getscheduler") and os.sched_getscheduler(0) == os.SCHED_FIFO
    return ", real-time priority" if fifo else ""


@click.command()
@click.option("--households", default=10_000, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--threads", default=1, show_default=True, help="of LightGBM and NumPy, in both")
@click.option("--work", type=click.Path(path_type=Path, file_okay=False), default=Path("monday-work"))
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), default=Path())
def main(households: int, rounds: int, threads: int, work: Path, output: Path) -> None:
    """Measure both."""
    work.mkdir(parents=True, exist_ok=True)
    prepare(work, households)
    runs = rounds_of(work, rounds, threads)
    median = {
        who: {measure: float(np.median([run[measure] for run in own])) for measure in MEASURES}
        for who, own in runs.items()
    }
    result = {
        "households": households,
        "needs": {"plain": 1, "xianying": 12},
        "threads": threads,
        "median": median,
        "ratio": {
            measure: round(median["xianying"][measure] / median["plain"][measure], 2) for measure in MEASURES
        },
        "runs": runs,
        "date": date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}{_priority()}",
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
    }
    output.mkdir(parents=True, exist_ok=True)
    (output / f"monday-{threads}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    click.echo(json.dumps({one: result[one] for one in ("median", "ratio")}, indent=1))


if __name__ == "__main__":
    main()
