"""Where Spark pays: a large town's scores by one process, by one process a core, and on Spark, side by side.

    python benchmarks/engines.py WORKSPACE [WORKSPACE ...] --output benchmarks/results

Each workspace holds records and a champion (``benchmarks/stages.py --place DIR`` leaves such). Every engine scores
the town in a fresh process; each round all engines in turn, so that a machine that slows down slows all
of them. Writes ``engines.csv`` with ratios to one process; the Spark session is started within the time told.
"""

import os
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
import pandas as pd

ENGINES = ("one process", "a process a core", "spark")
CODE = """
import sys
from functools import partial
from pathlib import Path
from features.point_in_time.records import day_of
from features.store.partitions import open_partitions, root_of
from models.registry.registry import champion
from models.scoring.executors import local, on_spark
from models.scoring.score import score_town
from service.weekly.as_of_date import choose_as_of

if __name__ == "__main__":
    workspace, engine = Path(sys.argv[1]).resolve(), sys.argv[2]
    town, model = open_partitions(root_of(workspace)), champion(workspace)
    as_of, _ = choose_as_of(town, None)
    one = partial(local, processes=1)
    each = {"one process": one, "a process a core": local, "spark": on_spark}[engine]
    score_town(town, model.model, day_of(as_of), str(model.version), each)
"""


def laid_out(workspace: Path) -> int:
    """Lay a workspace out in partitions; the number of households."""
    from features.store.layout import lay_out
    from features.store.partitions import root_of

    town = lay_out(workspace, root_of(workspace))
    return sum(part.households for part in town.partitions)


def seconds(workspace: Path, engine: str) -> float:
    """Wall seconds of one engine in a fresh process, from nothing."""
    begin = time.perf_counter()
    code = workspace / "engine.py"
    code.write_text(CODE)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(
        [sys.executable, str(code), str(workspace), engine],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - begin


@click.command()
@click.argument("workspaces", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--rounds", default=3, show_default=True)
@click.option(
    "--output", type=click.Path(path_type=Path, file_okay=False), default=Path("benchmarks/results")
)
def main(workspaces: tuple[Path, ...], rounds: int, output: Path) -> None:
    """Compare the engines on workspaces of several sizes."""
    output.mkdir(parents=True, exist_ok=True)
    rows = []
    for workspace in workspaces:
        households = laid_out(workspace)
        took = {engine: [] for engine in ENGINES}
        for _ in range(rounds):
            for engine in ENGINES:
                took[engine].append(seconds(workspace, engine))
        first = np.array(took[ENGINES[0]])
        for engine, found in took.items():
            ratio = np.median(np.array(found) / first)
            rows.append(
                {"households": households, "engine": engine, "wall_s": np.median(found), "ratio": ratio}
            )
        about = {"date": date.today().isoformat(), "cpus": os.cpu_count(), "rounds": rounds}
        about |= {one: version(one) for one in ("pyspark", "joblib", "lightgbm")}
        table = pd.DataFrame(rows).assign(**about)
        table.round(3).to_csv(output / "engines.csv", index=False)
        click.echo(table.iloc[-len(ENGINES) :, :4].round(2).to_string(index=False))


if __name__ == "__main__":
    main()
