"""A week's lists are the same, however many processes make them, and need none of the training's libraries."""

import subprocess
import sys
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np
import pandas as pd
from served_town import NEWEST, copy_workspace
from small_town import AS_OF

from features.atomic import copy_atomically
from features.point_in_time.records import date_of
from features.store.partitions import InMemory
from features.store.reader import read_records
from service.weekly.list_week import list_week
from service.weekly.score_cache import score_week
from service.weekly.week_directory import RISK, SCORES, read_table, week_directory

HEAVY = ("mlflow", "matplotlib", "fastapi", "sqlalchemy", "sklearn", "scipy.stats")


def _list(workspace: Path) -> Path:
    home = week_directory(workspace, date_of(AS_OF))
    list_week(workspace, InMemory(read_records(workspace)), date_of(AS_OF), home, lambda _: nullcontext())
    return home


def test_lists_are_the_same_whether_scored_just_before_or_in_another_run(tmp_path: Path) -> None:
    workspace = copy_workspace(tmp_path)
    home = week_directory(workspace, date_of(AS_OF))
    town = InMemory(read_records(workspace))
    score_week(workspace, town, date_of(AS_OF), workspace / SCORES, lambda _: nullcontext())
    kept = read_table(home / SCORES)
    _list(workspace)
    apart = {path.name: path.read_bytes() for path in home.iterdir()}
    (home / SCORES).unlink()
    _list(workspace)
    together = {path.name: path.read_bytes() for path in home.iterdir()}
    assert len(read_table(home / "outreach.parquet")) > 0
    assert together == apart
    pd.testing.assert_frame_equal(read_table(home / SCORES), kept)
    assert np.isfinite(kept["p_need"]).all()


def test_lists_after_a_score_that_was_killed_leave_the_same_tables(tmp_path: Path, monkeypatch) -> None:
    workspace = copy_workspace(tmp_path)
    _list(workspace)
    tables = {name: (workspace / name).read_bytes() for name in (SCORES, RISK)}
    home = week_directory(workspace, date_of(AS_OF))
    for times in range(3):
        for path in (*tables, home / SCORES):
            (workspace / path).unlink()
        calls = iter(range(times))

        def killed(source: Path, target: Path, calls=calls) -> None:
            if next(calls, None) is None:
                raise KeyboardInterrupt
            copy_atomically(source, target)

        with monkeypatch.context() as patched:
            patched.setattr("service.weekly.score_cache.copy_atomically", killed)
            with suppress(KeyboardInterrupt):
                _list(workspace)
        _list(workspace)
        assert {name: (workspace / name).read_bytes() for name in tables} == tables


def test_scoring_and_listing_load_neither_mlflow_nor_matplotlib_nor_the_service(tmp_path: Path) -> None:
    workspace = copy_workspace(tmp_path)
    code = (
        "import sys\nfrom service.cli.commands import commands\n"
        f"for command in ('score', 'outreach'):\n"
        f"    commands(['--workspace', {str(workspace)!r}, command, '--as-of', {NEWEST!r}], standalone_mode=False)\n"
        f"print('loaded', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"
