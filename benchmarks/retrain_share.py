"""How much of ``retrain`` is LightGBM's own training, in wall time and in processor time, and where the rest goes.

    python benchmarks/retrain_share.py --households 10000 --households 50000 --output results

Each ``retrain`` runs on a made-up town in a fresh workspace and a fresh process. LightGBM's own are the cutting into
bins (``Dataset.construct``) and boosting (``lightgbm.train``); its predictions are not. Everything else is told by
the command's stages. What other threads do while trees grow stands by itself: it takes processor time, not wall time
beside that of the trees. Writes ``retrain_share.json``.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any

import click

TRAINING, BESIDES, BESIDE = "LightGBM", "start, reading, end", "beside LightGBM"
FEATURES = "features"
LIBRARIES = ("lightgbm", "numpy", "pandas", "scipy", "mlflow", "matplotlib")


class Beside:
    """Wall and processor seconds of tasks in threads beside the main one, those that still run included."""

    def __init__(self) -> None:
        self.ended = [0.0, 0.0]
        self.running: dict[
            int, tuple[int, float]
        ] = {}  # by thread: its clock, and what that showed at the start
        self.lock = Lock()

    def processor(self) -> float:
        """Processor seconds so far."""
        with self.lock:
            running = [time.clock_gettime(clock) - start for clock, start in self.running.values()]
            return self.ended[1] + sum(running)

    def run(self, task: Callable, *arguments: Any, **named: Any) -> Any:
        """Run a task in this thread, and count it."""
        wall, own, thread = time.perf_counter(), time.thread_time(), threading.get_ident()
        with self.lock:
            self.running[thread] = (time.pthread_getcpuclockid(thread), own)
        try:
            return task(*arguments, **named)
        finally:
            with self.lock:
                del self.running[thread]
                self.ended[0] += time.perf_counter() - wall
                self.ended[1] += time.thread_time() - own


class Clock:
    """Seconds of wall and processor time by span of the main thread; time inside an inner span is not the outer one's.

    Processor time of a span is that of the whole process but for tasks beside it.
    """

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}
        self.open = [BESIDES]
        self.besides = Beside()
        self.last = self.now()

    def now(self) -> tuple[float, float]:
        """Both clocks."""
        return time.perf_counter(), time.process_time() - self.besides.processor()

    def turn(self) -> None:
        """Book what passed since the last turn on the innermost open span."""
        now = self.now()
        booked = self.spent.setdefault(self.open[-1], [0.0, 0.0])
        for at in range(2):
            booked[at] += now[at] - self.last[at]
        self.last = now

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Everything in this block belongs to ``name``."""
        self.turn()
        self.open.append(name)
        try:
            yield
        finally:
            self.turn()
            self.open.pop()

    def timed(self, owner: Any, name: str, span: str) -> None:
        """From now on the calls of a function in the main thread belong to ``span``."""
        function: Callable = getattr(owner, name)

        @wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            if threading.current_thread() is not threading.main_thread():
                return function(*arguments, **named)
            with self.span(span):
                return function(*arguments, **named)

        setattr(owner, name, call)

    def beside(self, make: type[ThreadPoolExecutor]) -> type[ThreadPoolExecutor]:
        """Threads whose tasks are counted as beside, unless the features are built by them."""
        clock = self

        class Counted(make):  # type: ignore[misc,valid-type]
            def submit(self, task: Callable, *arguments: Any, **named: Any) -> Future:
                if clock.open[-1] == FEATURES:
                    return super().submit(task, *arguments, **named)
                return super().submit(clock.besides.run, task, *arguments, **named)

        return Counted


def retrain_here(workspace: Path, result: Path, arguments: list[str]) -> None:
    """Run the command in this process and write what each span took."""
    clock = Clock()
    import sklearn  # noqa: F401  # before LightGBM, as the command does

    import lightgbm  # isort: skip

    from models.estimators import threads
    from models.registry import registry
    from models.training import retrain
    from service.cli import commands as cli

    clock.timed(lightgbm, "train", TRAINING)
    clock.timed(lightgbm.Dataset, "construct", TRAINING)
    clock.timed(registry, "log_retrain", "log")
    threads.ThreadPoolExecutor = clock.beside(ThreadPoolExecutor)  # type: ignore[misc]
    retrain._Stages.stage = lambda _, name: clock.span(name)
    sys.argv = ["xianying", "--workspace", str(workspace), "retrain", *arguments]
    try:
        cli.main()
    except SystemExit as end:
        if end.code:
            raise
    finally:
        clock.turn()
        result.write_text(json.dumps({**clock.spent, BESIDE: clock.besides.ended}))


def share(spent: dict[str, list[float]]) -> dict[str, Any]:
    """Wall and processor seconds of every span, and what part of all is outside LightGBM's training."""
    spans = {name: one for name, one in spent.items() if name != BESIDE}
    wall = sum(span[0] for span in spans.values())
    cpu = sum(one[1] for one in spent.values())
    rows = {name: {"wall_s": round(one[0], 2), "cpu_s": round(one[1], 2)} for name, one in spent.items()}
    return {
        "outside_wall": round(1 - spent[TRAINING][0] / wall, 3),
        "outside_cpu": round(1 - spent[TRAINING][1] / cpu, 3),
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "spans": dict(sorted(rows.items(), key=lambda one: -one[1]["cpu_s"])),
    }


def measured(workspace: Path, again: bool = False) -> dict[str, Any]:
    """What ``share`` says of a retrain in a fresh process."""
    with tempfile.TemporaryDirectory() as place:
        result = Path(place) / "spent.json"
        here = [sys.executable, __file__, "--here", str(workspace), "--result", str(result)]
        surroundings = {
            "OMP_WAIT_POLICY": "PASSIVE",
            "OPENBLAS_NUM_THREADS": "1",
            **os.environ,
        }  # as the command
        subprocess.run(here, check=True, stdout=subprocess.DEVNULL, env=surroundings)
        found = share(json.loads(result.read_text()))
    return {"retrain": "again" if again else "first", "load": round(os.getloadavg()[0], 1), **found}


def of_town(households: int, again: bool) -> list[dict[str, Any]]:
    """A retrain of a made-up town of this size and, where wanted, a second one that compares with the first."""
    with tempfile.TemporaryDirectory() as place:
        town, workspace = f"{place}/town", Path(place) / "workspace"
        command = [sys.executable, "-c", "from service.cli.commands import main; main()"]
        for one in (
            ["simulate", town, "--households", str(households), "--weeks", "156"],
            ["--workspace", str(workspace), "ingest", town],
        ):
            code = subprocess.run([*command, *one], check=False, stdout=subprocess.DEVNULL).returncode
            if code not in (0, 3):  # 3: read, with things to look at
                raise click.ClickException(f"{' '.join(one)}: exit code {code}")
        runs = [measured(workspace)] + ([measured(workspace, True)] if again else [])
        return [{"households": households, **run} for run in runs]


@click.command()
@click.option("--households", multiple=True, type=int, default=(10_000,), show_default=True)
@click.option("--again", is_flag=True, help="also a second retrain, which compares with the champion")
@click.option(
    "--workspace", type=click.Path(path_type=Path), help="retrain this one instead of a made-up town"
)
@click.option("--output", type=click.Path(path_type=Path), default=Path("benchmarks/results"))
@click.option("--here", type=click.Path(path_type=Path), hidden=True)
@click.option("--result", type=click.Path(path_type=Path), hidden=True)
def main(
    households: tuple[int, ...],
    again: bool,
    workspace: Path | None,
    output: Path,
    here: Path | None,
    result: Path | None,
) -> None:
    """Measure the share of LightGBM's training in ``retrain``."""
    if here and result:
        retrain_here(here, result, [])
        return
    about = {"date": date.today().isoformat(), "machine": platform.machine(), "cpus": os.cpu_count()}
    about |= {"python": platform.python_version(), **{library: version(library) for library in LIBRARIES}}
    output.mkdir(parents=True, exist_ok=True)
    runs: list[dict[str, Any]] = []
    for one in sorted(households) if workspace is None else [0]:
        runs += of_town(one, again) if workspace is None else [measured(workspace)]
        text = json.dumps({"about": about, "runs": runs}, indent=1)
        (output / "retrain_share.json").write_text(text + "\n")  # what is done is kept
    click.echo(text)


if __name__ == "__main__":
    main()
