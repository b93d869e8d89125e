"""Load on the service beside an empty FastAPI endpoint and MLflow's own server of the same models.

    python benchmarks/service_load.py WORKSPACE [--seconds 1] [--rounds 20] [--connections 8] [--without-mlflow]

One process each, 8 connections, rounds in turn so that a busy machine slows all of them alike: medians over the
rounds, the best round of each, which other programs disturbed least, and the server's processor time for an answer,
which they hardly change. The workspace needs a
champion and a scored week. MLflow's server is started without a new environment and takes the model's features; the
service takes the same rows (``/v1/live/features``), and the household's raw records (``/v1/live/scores``).
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
from load import measure, request, together

from features.blocks.build import build
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Records, date_of, known_before, microgrid_numbers
from features.point_in_time.subset import alone
from features.store.reader import read_records
from service.web.auth import people
from service.web.base.settings import command_settings
from service.web.database.engine import open_database
from service.web.published.live import Live
from service.web.published.weeks import Shelf, Week

SCOPES = ("scores:read", "sensitive:read", "live:score")
BENCH = Path(__file__).parent
EMPTY, MLFLOW = "empty FastAPI endpoint", "live: mlflow models serve"
START = "from service.cli.commands import main; main()"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def running(
    command: list[str], port: int, path: str, patience: float = 180, **more: str
) -> Iterator[psutil.Process]:
    """A server that answers; with all its processes ended afterwards."""
    fixed = {"PYTHONPATH": str(BENCH.parent)}
    path_of = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # mlflow starts a program of that place
    process = subprocess.Popen(
        command,
        env={**os.environ, "PATH": path_of, **fixed, **more},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2).read()
                break
            except OSError:
                time.sleep(0.3)
                if process.poll() is not None:
                    raise SystemExit(f"{command} ended with {process.returncode}") from None
        yield psutil.Process(process.pid)
    finally:
        if process.poll() is None:
            for one in [*psutil.Process(process.pid).children(recursive=True), process]:
                one.kill()
        process.wait()


def processor(process: psutil.Process) -> float:
    """Seconds of processor time that a process and its children took."""
    times = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
    return sum(time.user + time.system for time in times)


def memory(process: psutil.Process) -> float:
    """MB of a process and its children."""
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]) / 1e6


def posted(live: Live, records: Records, household: int) -> tuple[bytes, bytes, bytes]:
    """One household as raw records, as rows of features for the service, and for MLflow."""
    state, own = live.state, alone(records, household)
    grid = str(records.grid_ids[known_before(records, state.as_of).grid[household]])
    town = state.partitions[state.partition_of(grid)].town
    one = known_before(own, state.as_of, town)
    found = build(one, cohort(one), live.model.schema, town)
    names = [state.community.needs[need].id for need in found.rows.need]
    columns = live.columns
    place = [found.names.index(name) for name in columns]
    rows = [
        [need, *(None if np.isnan(value) else float(value) for value in row[place])]
        for need, row in zip(names, found.matrix, strict=True)
    ]
    split = {"dataframe_split": {"columns": ["need", *columns], "data": rows}}
    # the feature that holds the need's position is filled by the registered model itself, but its schema asks for it
    extra = [name for name in live.model.feature_names if name not in columns and name != "need"]
    assert not extra
    return json.dumps(raw(own)).encode(), json.dumps(split).encode(), json.dumps(split).encode()


def raw(records: Records) -> dict:
    """The household's rows as another system posts them."""
    return {
        "household_id": str(records.household_ids[0]),
        "households": [_home(records, row) for row in range(len(records.households))],
        "residents": [_resident(records, row) for row in range(len(records.residents))],
        "requests": [
            _request(records, row) for row in range(len(records.requests)) if records.requests.need[row] >= 0
        ],
    }


def _home(records: Records, row: int) -> dict:
    rows = records.households
    return {
        "grid_id": records.grid_ids[rows.grid[row]],
        "microgrid_id": str(microgrid_numbers([records.microgrid_ids[rows.microgrid[row]]])[0]),
        "valid_from": _when(rows.valid_from[row]),
        "attributes": _attributes(rows.attributes, row),
    }


def _resident(records: Records, row: int) -> dict:
    rows = records.residents
    born = rows.born[row]
    return {
        "resident_id": str(rows.resident[row]),
        "valid_from": _when(rows.valid_from[row]),
        "birth_date": None if np.isnan(born) else date_of(born).isoformat(),
        "attributes": _attributes(rows.attributes, row),
    }


def _request(records: Records, row: int) -> dict:
    rows = records.requests
    return {
        "need": records.community.needs[rows.need[row]].id,
        "requested_at": _when(rows.requested[row]),
        "recorded_at": _when(rows.visible_from[row]),
        "resolved_at": _when(rows.resolved[row]),
        "satisfaction": None if np.isnan(rows.satisfaction[row]) else float(rows.satisfaction[row]),
    }


def _when(day: float) -> str | None:
    return None if np.isnan(day) else str(np.datetime64(round(day * 86400), "s"))


def _attributes(columns, row: int) -> dict:
    return {name: value for name, column in columns.items() if (value := column.at(row)) is not None}


class Case(NamedTuple):
    """What is measured: requests to one of the servers."""

    server: str
    requests: list


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--without-mlflow", action="store_true")
    given = parser.parse_args()
    workspace = given.workspace.resolve()
    shelf = Shelf(workspace)
    shelf.refresh()
    week = shelf.served.newest
    live = week.live
    cases = cases_of(workspace, week)
    if given.without_mlflow:
        del cases[MLFLOW]
    print(
        f"{len(week.places)} households, {len(live.state.community.needs)} needs, {len(live.columns)} features"
    )
    with ExitStack() as stack:
        ports, processes = {}, {}
        for server in {case.server: None for case in cases.values()}:
            ports[server] = free_port()
            starting = running(**server_of(server, ports[server], workspace, live.state.version))
            processes[server] = stack.enter_context(starting)
        rounds: dict[str, list] = {name: [] for name in cases}
        for number in range(given.rounds + 1):
            for name, (server, requests) in cases.items():
                before = processor(processes[server])
                seconds = given.seconds if number else 1.0
                measured = measure(ports[server], requests, given.connections, seconds)
                measured.processor = processor(processes[server]) - before
                if number:
                    rounds[name].append(measured)
        used = {name: memory(processes[case.server]) for name, case in cases.items()}
    print_table(rounds, used)


def cases_of(workspace: Path, week: Week) -> dict[str, Case]:
    """Prepare the requests of each case by its name."""
    live, records = week.live, read_records(workspace)
    key = people.make_key(open_database(command_settings(workspace)), "benchmark", SCOPES, days=1)
    bearer, typed = {"Authorization": f"Bearer {key}"}, {"Content-Type": "application/json"}
    present = np.flatnonzero(known_before(records, live.state.as_of).present)
    chosen = np.random.default_rng(0).choice(present, min(40, len(present)), replace=False)
    raws, rows, invocations = zip(*(posted(live, records, int(home)) for home in chosen), strict=True)

    def posts(path: str, headers: dict[str, str], bodies: Sequence[bytes]) -> list:
        return [request("POST", path, {**headers, **typed}, body) for body in bodies]

    stored = [request("GET", f"/v1/households/{household}/scores", bearer) for household in week.places]
    return {
        EMPTY: Case("empty", [request("GET", "/", {})]),
        "stored scores of one household": Case("service", stored),
        "live: rows of features": Case("service", posts("/v1/live/features", bearer, rows)),
        "live: raw records": Case("service", posts("/v1/live/scores", bearer, raws)),
        MLFLOW: Case("mlflow", posts("/invocations", {}, invocations)),
    }


def server_of(name: str, port: int, workspace: Path, version: str) -> dict[str, Any]:
    """Say how a server is started: the arguments of ``running``."""
    at = str(port)
    if name == "empty":
        command = [sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level", "warning", "--port", at]
        return {"command": [*command, "--app-dir", str(BENCH), "empty_app:app"], "port": port, "path": "/"}
    if name == "mlflow":
        command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/xianying/{version}"]
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{workspace / 'mlflow.db'}"
        command += ["--env-manager", "local", "-p", at, "-w", "1"]
        return {"command": command, "port": port, "path": "/ping", "MLFLOW_TRACKING_URI": uri}
    return {
        "command": [sys.executable, "-c", START, "--workspace", str(workspace), "serve"],
        "port": port,
        "path": "/v1/health",
        "XIANYING_ENVIRONMENT": "development",
        "XIANYING_PORT": at,
        "XIANYING_RATE": "100000000/minute",
        "XIANYING_LOG_LEVEL": "warning",
    }


def print_table(rounds: dict[str, list], used: dict[str, float]) -> None:
    """Print a line for each case: its rate beside that of the empty endpoint, or of MLflow where both score live."""
    table = {name: together(measured) for name, measured in rounds.items()}
    empty, mlflow = table[EMPTY], table.get(MLFLOW)
    for name, row in table.items():
        pairs = zip(rounds[name], rounds[EMPTY], strict=True)
        share = statistics.median(measured.rate / nothing.rate for measured, nothing in pairs)
        beside = f"{share:5.2f} of the empty endpoint ({row['best'] / empty['best']:.2f} at best)"
        if mlflow and name.startswith("live"):
            beside = (
                f"{row['rate'] / mlflow['rate']:5.1f} x mlflow ({row['best'] / mlflow['best']:.1f} at best)"
            )
        print(
            f"{name:32} {row['rate']:7.0f}/s, best {row['best']:7.0f}/s  p50 {row['p50']:7.2f} ms  "
            f"p99 {row['p99']:7.2f} ms  processor {row['processor']:5.0f} µs"
            f" ({empty['processor'] / row['processor']:.2f} of the empty endpoint)  {used[name]:4.0f} MB"
            f"  failed {row['failed']:.0f}  {beside}"
        )


if __name__ == "__main__":
    main()
