"""The made-up town that the contestants work on, as one workspace and as plain tables.

python town.py DATA HOUSEHOLDS SEED
"""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from with_xianying import attribute_number
from work import CATEGORIES, DATES, HORIZON, NUMBERS, STEP, WINDOWS

from features.point_in_time.cohort import MONDAY
from features.point_in_time.records import Records, date_of
from features.store.reader import read_records

NEED = "home_repair"  # asked for most; its horizon is HORIZON, its window begins on the as-of date
WEEKS = (DATES * STEP + WINDOWS[-1] + 2 * HORIZON) // 7 + 1


def make_town(data: Path, households: int, seed: int) -> None:
    """Simulates a town, ingests it into ``data/workspace``, and writes the same records as Parquet tables."""
    if (data / "work.json").is_file():
        return
    town = data / "town"
    size = ("--households", str(households), "--weeks", str(WEEKS), "--seed", str(seed))
    _xianying("simulate", str(town), *size)
    _xianying("--workspace", str(data / "workspace"), "ingest", str(town))
    write_tables(read_records(data / "workspace"), data)


def _xianying(*arguments: str) -> None:
    command = [sys.executable, "-c", "from service.cli.commands import main; main()", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 3):  # 3: read, with things to look at
        raise SystemExit(done.stderr[-2000:])


def write_tables(records: Records, data: Path) -> None:
    """``requests.parquet``, ``households.parquet`` and ``work.json`` of these records.

    Households are integers; categories are codes. ``recorded`` and ``known`` are when a row was known.
    """
    requests = records.requests
    table = {"household": requests.household, "need": requests.need.astype(np.int32)}
    table |= {"recorded": times(requests.visible_from), "requested": times(requests.requested)}
    pd.DataFrame(table).to_parquet(data / "requests.parquet", index=False)
    rows = {"household": records.households.household, "known": times(records.households.visible_from)}
    values = {}
    for name in CATEGORIES:
        texts = records.households.attributes[name]
        rows[name] = texts.codes.astype(np.int32)
        values[name] = len(texts.distinct)
    for name in NUMBERS:
        rows[name] = attribute_number(records, name).astype(np.float32)
    pd.DataFrame(rows).to_parquet(data / "households.parquet", index=False)
    monday = MONDAY + 7 * ((int(records.last_day) - 2 * HORIZON - MONDAY) // 7)
    first = date_of(monday) - timedelta(days=STEP * (DATES - 1))
    needs = [need.id for need in records.community.needs]
    work = {"first": first.isoformat(), "need": needs.index(NEED), "needs": len(needs), "values": values}
    (data / "work.json").write_text(json.dumps(work))


def times(days: np.ndarray) -> np.ndarray:
    """Days since 1970-01-01 as datetime64[us]."""
    return np.datetime64(0, "us") + np.round(days * 86_400_000_000).astype("timedelta64[us]")


if __name__ == "__main__":
    make_town(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
