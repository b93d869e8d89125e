"""Kill every writing command at random moments, run it again, and compare with a run that nothing disturbed.

    python benchmarks/kills.py [--kills 50] [--minutes 600] [--commands ingest record ...] [--households 50] [--place DIR]

A small simulated town is made once. Each kill begins with a copy of it: the command runs in a process of its own, which
is killed (SIGKILL, with its children) by turns at a moment drawn between its start and the time that it takes
undisturbed, and just before a drawn one of its writes (a file opened for writing, moved or removed); then it runs once
more. The workspace must then hold what it holds after an undisturbed run: rows of the records, scores,
lists, the served week, the service's rows, the number of models, and no file that belongs to neither. One line each.
What a command imports is imported once, in the process from which all tries are forked.
"""

import argparse
import contextlib
import hashlib
import importlib
import json
import os
import random
import re
import select
import shutil
import signal
import sqlite3
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pandas as pd

from features.atomic import PARTIAL
from features.language import set_language
from service.cli.commands import commands
from service.console.terminal import run

FIRST, NEXT = "2025-09-01", "2025-09-08"
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"}
WRITING = os.O_WRONLY | os.O_RDWR
FINE = (0, 3)  # exit codes: done, and done with things to look at
VOLATILE = re.compile(r"[0-9a-f]{8,}|\d{8}-\d{6}|\d{4}-\d{2}-\d{2}T[\d:.]+")
PASSING = (
    ".db-wal",
    ".db-shm",
    PARTIAL,
)  # what a killed command left of a file goes with the next writing of it
OF_VERSIONS = ("promote", "rollback")  # begin with two versions, of which the second is in force
LOGS = {"audit", "audit_entries", "alembic_version"}  # a command that ran twice is entered twice
Build = Callable[[Path], list[str]]


@dataclass(frozen=True)
class Kill:
    """When a command is killed: after so many seconds, or before its write of this number."""

    seconds: float | None = None
    write: int | None = None


def count_writes(workspace: Path, counted: Path, kill: Kill) -> None:
    """Count this process's writes in a workspace into a file, and end the process before the one that is drawn."""
    place, number = str(workspace.parent), 0

    def heard(event: str, given: tuple[Any, ...]) -> None:
        nonlocal number
        writes = event in CHANGES or (event == "open" and isinstance(given[2], int) and given[2] & WRITING)
        if not writes or place not in str(given[0]):
            return
        number += 1
        os.pwrite(handle, str(number).encode(), 0)
        if number == kill.write:
            os.killpg(0, signal.SIGKILL)

    handle = os.open(counted, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    sys.addaudithook(heard)


def forked(work: Callable[[], int], kill_after: float | None = None) -> tuple[int | None, float]:
    """Run ``work`` in a process of its own; its exit code, None where it was killed, and the seconds it took."""
    begin, child = time.monotonic(), os.fork()
    if not child:
        code = 70
        try:
            os.setpgid(0, 0)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            code = work()
        finally:
            os._exit(code)
    with contextlib.suppress(OSError):  # whichever of both comes first
        os.setpgid(child, child)
    handle = os.pidfd_open(child)
    ended, _, _ = select.select([handle], [], [], kill_after)
    seconds = time.monotonic() - begin
    os.close(handle)
    if not ended:
        os.killpg(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return (None if code < 0 else code), seconds


def xianying(workspace: Path, *arguments: str, kill: Kill = Kill()) -> tuple[int | None, float]:
    """Run a command on a workspace."""

    def work() -> int:
        set_language("en")
        count_writes(workspace, workspace.parent.with_suffix(".writes"), kill)
        code = run(lambda: commands(["--workspace", str(workspace), *arguments], standalone_mode=False))
        workspace.parent.with_suffix(".modules").write_text("\n".join(sys.modules))
        return code

    return forked(work, kill.seconds)


def state(place: Path) -> dict[str, str]:
    """What a place holds, by name: read in a process of its own, so that this one stays free to fork."""
    with tempfile.NamedTemporaryFile() as told:

        def work() -> int:
            try:
                Path(told.name).write_text(json.dumps(_state(place)))
            except Exception as error:
                Path(told.name).write_text(repr(error))
                return 1
            return 0

        code, _ = forked(work)
        if code != 0:
            raise RuntimeError(f"{place} cannot be read: {Path(told.name).read_text()}")
        return json.loads(Path(told.name).read_text())


def _state(place: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.is_file() and (told := _told(path, name)) is not None:
            found[VOLATILE.sub("#", name)] = told
    return found


def _told(path: Path, name: str) -> str | None:
    """What one file says, without moments and random names; None for what need not be equal."""
    top = name.split("/")[0] if "/" in name else ""
    if top in ("audit", "mlartifacts", "out_of_time", "quarantine") or path.suffix in PASSING:
        return None
    if path.name == "records.duckdb":
        return _digest(_store(path))
    if path.name == "mlflow.db":
        return _digest(_rows(path, ["SELECT name, version FROM model_versions ORDER BY 2"]))
    if path.suffix == ".db":
        return _digest(_service(path))
    if path.suffix == ".parquet":
        return _digest(pd.read_parquet(path).astype(str).to_csv())
    if path.suffix == ".gz":
        with tarfile.open(path) as archive:
            return _digest(sorted(VOLATILE.sub("#", entry) for entry in archive.getnames()))
    if path.suffix == ".xlsx":
        sheets = openpyxl.load_workbook(path).worksheets
        return _digest([[sheet.title, *map(str, sheet.values)] for sheet in sheets])
    if path.suffix in (".csv", ".yaml") or path.name in ("refusals.json", "recorded.json"):
        return _digest(path.read_bytes())
    return "there"


def _store(path: Path) -> dict[str, list[str]]:
    """The rows of every table; a moment of recording says when the command ran, and is left out."""
    with duckdb.connect(str(path), read_only=True) as connection:
        tables = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
        found = {}
        for table in tables:
            rows = connection.sql(f'SELECT * FROM "{table}"').df()
            rows = rows.drop(columns=[one for one in ("read_at", "taken_at") if one in rows])
            found[table] = sorted(map(str, rows.itertuples(index=False)))
        return found


def _service(path: Path) -> dict[str, list[str]]:
    with sqlite3.connect(path) as connection:
        tables = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {
            table: sorted(map(str, connection.execute(f"SELECT count(*) FROM {table}")))
            for table in sorted({*tables} - LOGS)
        }


def _rows(path: Path, queries: list[str]) -> list[Any]:
    with sqlite3.connect(path) as connection:
        return [sorted(map(str, connection.execute(query))) for query in queries]


def _digest(value: Any) -> str:
    content = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def prepare(place: Path, households: int) -> None:
    """Make a town with a champion, the lists of a week with answers, and an export of the week after."""
    town, later, workspace = place / "town", place / "later", place / "workspace"
    size = ["--households", str(households), "--weeks", "80", "--grids", "2", "--microgrids", "4"]
    steps = [
        ("simulate", str(town), *size, "--end", FIRST, "--dirty", "0"),
        ("simulate", str(later), *size, "--weeks", "81", "--end", NEXT, "--dirty", "0"),
        ("ingest", str(town)),
        ("retrain", "--as-of", FIRST),
        ("outreach", "--as-of", FIRST),
    ]
    for step in steps:
        code, seconds = xianying(workspace, *step)
        print(f"prepared: {step[0]} {seconds:.1f} s", flush=True)
        assert code in FINE, f"{step[0]}: {code}"
    assert forked(lambda: answer(workspace))[0] == 0
    shutil.copytree(workspace, place / "second")
    for on, step in (
        (place / "second", ("retrain", "--as-of", NEXT)),
        (place / "second", ("promote", "2")),
        (workspace, ("backup", str(place / "backup.tar.gz"))),
    ):
        assert xianying(on, *step)[0] in FINE, step


def answer(workspace: Path) -> int:
    """Fill in the workbooks of the week: each row was met, and every third asks for another need."""
    for path in (workspace / "weeks" / FIRST).glob("grid-*.xlsx"):
        book = openpyxl.load_workbook(path)
        for sheet in book.worksheets:
            header = next(row for row in sheet.iter_rows(max_row=10) if row[-1].value == "outreach_id")
            column = next(cell.column for cell in header if cell.value in ("结果", "outcome"))
            for number, row in enumerate(range(header[0].row + 1, sheet.max_row + 1)):
                sheet.cell(row, column, ("需要", "不需要", "未遇见")[number % 3])
        book.save(path)
    return 0


def commands_of(place: Path) -> dict[str, Build]:
    """The arguments of each writing command, given the workspace of a try."""

    def households(workspace: Path) -> str:
        return str(pd.read_parquet(workspace / "weeks" / FIRST / "outreach.parquet")["household_id"].iloc[0])

    target = households(place / "workspace")
    secret = str(place / "workspace" / "secret.key")
    return {
        "ingest": lambda workspace: ["ingest", str(place / "later")],
        "retrain": lambda workspace: ["retrain", "--as-of", FIRST],
        "score": lambda workspace: ["score", "--as-of", NEXT],
        "outreach": lambda workspace: ["outreach", "--as-of", NEXT],
        "demand": lambda workspace: ["demand", "--as-of", NEXT],
        "record": lambda workspace: [
            "record",
            *map(str, sorted((workspace / "weeks" / FIRST).glob("grid-*.xlsx"))),
        ],
        "backup": lambda workspace: ["backup", str(workspace / "backup.tar.gz")],
        "promote": lambda workspace: ["promote", "1"],
        "rollback": lambda workspace: ["rollback"],
        "restore": lambda workspace: ["restore", str(place / "backup.tar.gz"), "--secret", secret],
        "resident delete": lambda workspace: ["resident", "delete", target, "--yes"],
        "weekly": lambda workspace: ["weekly", str(place / "later"), "--as-of", NEXT, "--accept"],
    }


def attempt(place: Path, name: str, build: Build, kill: Kill = Kill()) -> tuple[dict[str, str], bool, float]:
    """Run a command on a copy, killed and run again where a moment is given: state, whether it was killed, seconds."""
    workspace = place / f"try-{os.getpid()}" / "workspace"
    shutil.rmtree(workspace.parent, ignore_errors=True)
    workspace.parent.mkdir()
    if name == "restore":
        workspace.mkdir(mode=0o700)
    else:
        shutil.copytree(place / ("second" if name in OF_VERSIONS else "workspace"), workspace)
    arguments = build(workspace)
    code, seconds = xianying(workspace, *arguments, kill=kill)
    killed = code is None
    if killed:
        code, _ = xianying(workspace, *arguments)
    # it was done already: there is no such household, no earlier champion, or the place is no longer empty
    gone = name in ("resident delete", "rollback", "restore") and killed and code == 1
    if code not in FINE and not gone:
        raise RuntimeError(f"{name} ended with {code} after {kill}")
    return state(workspace), killed, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--commands", nargs="*")
    parser.add_argument("--households", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes", type=float, default=600, help="after which no further try of a command begins"
    )
    parser.add_argument("--place", type=Path)
    given = parser.parse_args()
    place = given.place or Path(tempfile.mkdtemp(prefix="kills-"))
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "backup.tar.gz").is_file():
        prepare(place, given.households)
    wanted = commands_of(place)
    draw, wrong = random.Random(given.seed), 0
    for name in given.commands or wanted:
        end = time.monotonic() + 60 * given.minutes
        whole, _, _ = attempt(place, name, wanted[name])
        for module in (place / f"try-{os.getpid()}.modules").read_text().split():
            with contextlib.suppress(Exception):  # a few load only as part of others
                importlib.import_module(module)
        again, _, seconds = attempt(place, name, wanted[name])
        writes = int((place / f"try-{os.getpid()}.writes").read_text() or 0)
        unsteady = {key for key in whole.keys() | again.keys() if whole.get(key) != again.get(key)}
        killed, done = 0, 0
        differing: dict[str, int] = {}
        while done < given.kills and time.monotonic() < end:
            done += 1
            kill = Kill(seconds=draw.uniform(0, seconds))
            if done % 2 and writes:
                kill = Kill(write=draw.randint(1, writes))
            try:
                found, was_killed, _ = attempt(place, name, wanted[name], kill)
            except RuntimeError as error:
                differing[str(error)] = differing.get(str(error), 0) + 1
                continue
            killed += was_killed
            for key in found.keys() | whole.keys():
                if found.get(key) != whole.get(key) and key not in unsteady:
                    differing[key] = differing.get(key, 0) + 1
        wrong += bool(differing)
        told = "; ".join(f"{key}: {count}" for key, count in sorted(differing.items())[:8]) or "equal"
        steady = f", not compared: {sorted(unsteady)}" if unsteady else ""
        print(
            f"{name}: {done} tries of {seconds:.1f} s and {writes} writes, {killed} killed, {told}{steady}",
            flush=True,
        )
    sys.exit(min(wrong, 1))


if __name__ == "__main__":
    main()
