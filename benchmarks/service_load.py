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
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import psutil
from load import measure, request, together

from features.blocks.build import build
from features.point_in_time.cohort import cohort
from features.point_in_time.records import Records, known_before
from features.point_in_time.subset import alone
from features.store.reader import read_records
from service.web.auth import people
from service.web.base.settings import command_settings
from service.web.database.engine import open_database
from service.web.published.live import Live
from service.web.published.weeks import Shelf

SCOPES = ("scores:read", "sensitive:read", "live:score")
BENCH = Path(__file__).parent
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
    return sum(one.user + one.system for one in times)


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

    def when(day: float) -> str | None:
        if np.isnan(day):
            return None
        seconds = round(day * 86400)
        return str(np.datetime64(seconds, "s"))

    needs = [need.id for need in records.community.needs]

    def attributes(columns, row: int) -> dict:
        return {name: value for name, one in columns.items() if (value := one.at(row)) is not None}

    rows = records.households
    homes = [
        {
            "grid_id": records.grid_ids[rows.grid[row]],
            "microgrid_id": records.microgrid_ids[rows.microgrid[row]],
            "valid_from": when(rows.valid_from[row]),
            "attributes": attributes(rows.attributes, row),
        }
        for row in range(len(rows))
    ]
    people_rows = records.residents
    residents = [
        {
            "resident_id": str(people_rows.resident[row]),
            "valid_from": when(people_rows.valid_from[row]),
            "birth_date": str(
                date(1970, 1, 1) + (date(1970, 1, 2) - date(1970, 1, 1)) * int(people_rows.born[row])
            )
            if not np.isnan(people_rows.born[row])
            else None,
            "attributes": attributes(people_rows.attributes, row),
        }
        for row in range(len(people_rows))
    ]
    asked = records.requests
    requests = [
        {
            "need": needs[asked.need[row]],
            "requested_at": when(asked.requested[row]),
            "recorded_at": when(asked.visible_from[row]),
            "resolved_at": when(asked.resolved[row]),
            "satisfaction": None if np.isnan(asked.satisfaction[row]) else float(asked.satisfaction[row]),
        }
        for row in range(len(asked))
        if asked.need[row] >= 0
    ]
    return {
        "household_id": str(records.household_ids[0]),
        "households": homes,
        "residents": residents,
        "requests": requests,
    }


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
    database = open_database(command_settings(workspace))
    key = people.make_key(database, "benchmark", SCOPES, days=1)
    bearer = {"Authorization": f"Bearer {key}"}
    typed = {"Content-Type": "application/json"}
    households = list(week.places)
    live = week.live
    records = read_records(workspace)
    present = np.flatnonzero(known_before(records, live.state.as_of).present)
    chosen = np.random.default_rng(0).choice(present, min(40, len(present)), replace=False)
    bodies = [posted(live, records, int(one)) for one in chosen]
    print(
        f"{len(households)} households, {len(live.state.community.needs)} needs, {len(live.columns)} features"
    )
    ports = {name: free_port() for name in ("empty", "service", "mlflow")}
    uvicorn = [sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level", "warning", "--port"]
    with ExitStack() as stack:
        processes = {
            "empty": stack.enter_context(
                running(
                    [*uvicorn, str(ports["empty"]), "--app-dir", str(BENCH), "empty_app:app"],
                    ports["empty"],
                    "/",
                )
            ),
            "service": stack.enter_context(
                running(
                    [sys.executable, "-c", START, "--workspace", str(workspace), "serve"],
                    ports["service"],
                    "/v1/health",
                    XIANYING_ENVIRONMENT="development",
                    XIANYING_PORT=str(ports["service"]),
                    XIANYING_RATE="100000000/minute",
                    XIANYING_LOG_LEVEL="warning",
                )
            ),
        }
        cases = {
            "empty FastAPI endpoint": ("empty", [request("GET", "/", {})]),
            "stored scores of one household": (
                "service",
                [request("GET", f"/v1/households/{one}/scores", bearer) for one in households],
            ),
            "live: rows of features": (
                "service",
                [request("POST", "/v1/live/features", {**bearer, **typed}, body[1]) for body in bodies],
            ),
            "live: raw records": (
                "service",
                [request("POST", "/v1/live/scores", {**bearer, **typed}, body[0]) for body in bodies],
            ),
        }
        if not given.without_mlflow:
            version = live.state.version
            port = ports["mlflow"]
            uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{workspace / 'mlflow.db'}"
            command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/xianying/{version}"]
            processes["mlflow"] = stack.enter_context(
                running(
                    [*command, "--env-manager", "local", "-p", str(port), "-w", "1"],
                    port,
                    "/ping",
                    MLFLOW_TRACKING_URI=uri,
                )
            )
            cases["live: mlflow models serve"] = (
                "mlflow",
                [request("POST", "/invocations", typed, body[2]) for body in bodies],
            )
        rounds: dict[str, list] = {name: [] for name in cases}
        for number in range(given.rounds + 1):
            for name, (server, requests) in cases.items():
                before = processor(processes[server])
                found = measure(
                    ports[server], requests, given.connections, 1.0 if number == 0 else given.seconds
                )
                found.processor = processor(processes[server]) - before
                if number:
                    rounds[name].append(found)
        table = {name: together(found) for name, found in rounds.items()}
        used = {name: memory(process) for name, process in processes.items()}
    first = "empty FastAPI endpoint"
    beside_empty = {
        name: statistics.median(
            one.rate / other.rate for one, other in zip(found, rounds[first], strict=True)
        )
        for name, found in rounds.items()
    }
    mlflow = table.get("live: mlflow models serve")
    for name, row in table.items():
        beside = f"{beside_empty[name]:5.2f} of the empty endpoint ({row['best'] / table[first]['best']:.2f} at best)"
        if mlflow and name.startswith("live"):
            beside = (
                f"{row['rate'] / mlflow['rate']:5.1f} x mlflow ({row['best'] / mlflow['best']:.1f} at best)"
            )
        processor_share = table[first]["processor"] / row["processor"]
        print(
            f"{name:32} {row['rate']:7.0f}/s, best {row['best']:7.0f}/s  p50 {row['p50']:7.2f} ms  "
            f"p99 {row['p99']:7.2f} ms  processor {row['processor']:5.0f} µs ({processor_share:.2f} of"
            f" the empty endpoint)  {used[cases[name][0]]:4.0f} MB  failed {row['failed']:.0f}  {beside}"
        )


if __name__ == "__main__":
    main()
