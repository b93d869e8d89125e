"""Measure how long a made-up office's ledgers take from raw files to records: mapped, linked, classified and loaded.

A register of persons (CSV) and a ledger of visits (a workbook) are written by tests/fixtures/noisy_ledger.py; ``map`` and
``ingest`` then run as a clerk runs them, each in a process of its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from openpyxl import Workbook

sys.path.insert(0, "tests")

from fixtures.ledger_town import write_settings
from fixtures.noisy_ledger import make_records, make_town

SAID = (
    "想给老人订餐，一个人做饭不方便",
    "孩子暑假没人带，想报托管班",
    "厨房水管漏水要修",
    "身体健康，无诉求",
    "想问问有没有招聘会",
)


def main() -> None:
    """Write the ledgers, take them in, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--households", type=int, default=20_000)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        raw, workspace = Path(place) / "raw", Path(place) / "workspace"
        raw.mkdir()
        write_ledgers(raw, given.households, given.records, given.seed)
        began, figures = time.perf_counter(), {**vars(given), "cores": len(os.sched_getaffinity(0))}
        for words in (
            ["map", raw / "人口登记表.csv", "--yes"],
            ["map", raw / "走访台账.xlsx", "--yes"],
            ["ingest", raw],
        ):
            lines = run(workspace, words)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        figures |= {
            "seconds": round(time.perf_counter() - began, 1),
            "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
            "megabytes": used.ru_maxrss // 1024,  # of the largest process
            "accounts": next((line for line in lines if "台账" in line), lines),
        }
    print(json.dumps(figures, ensure_ascii=False, indent=1))


def run(workspace: Path, words: list[str | Path]) -> list[str]:
    """Run a command and return its lines; 3 is the exit code where something is to be looked at."""
    command = [sys.executable, "-m", "service.cli", "--workspace", workspace, *words]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True)
    if done.returncode not in (0, 3):
        sys.exit(done.stdout + done.stderr)
    return done.stdout.splitlines()


def write_ledgers(place: Path, households: int, records: int, seed: int) -> None:
    """Write community.yaml, a register of persons, and a ledger of visits with a month on each sheet."""
    homes, register = make_town(households, seed, estates=12)
    write_settings(place / "community.yaml")
    names = {"household_id": "户编号", "person": "姓名", "address": "住址", "phone": "电话"}
    people = register.rename(columns=names).assign(与户主关系="家人")
    people.loc[~people["户编号"].duplicated(), "与户主关系"] = "户主"
    people.to_csv(place / "人口登记表.csv", index=False)
    visits = make_records(homes, register, records, seed + 1)
    rng, book = np.random.default_rng(seed), Workbook(write_only=True)
    for month, places in enumerate(np.array_split(np.arange(len(visits)), 12), 1):
        page = book.create_sheet(f"2025年{month}月")
        page.append(["走访日期", "姓名", "住址", "电话", "走访情况"])
        for row in visits.iloc[places].itertuples():
            page.append(
                [
                    f"{month}月{rng.integers(1, 29)}日",
                    row.person,
                    row.address,
                    row.phone,
                    f"{rng.choice(SAID)}，{row.Index}",
                ]
            )
    book.save(place / "走访台账.xlsx")


if __name__ == "__main__":
    main()
