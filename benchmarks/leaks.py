"""Are attributes that know the answer found, and honest ones left alone? Small towns, clean and with leaks planted.

    python benchmarks/leaks.py --towns 30 --planted 10

Every town is made up, of 600 to 1,000 households and of one of five styles. In the first ``--planted`` of them leaks of
five kinds are planted, one column each, into rows that hold from long before. Prints a line a kind: in how many towns
it was found; and the false alarms: columns of the clean towns that were named.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from features.ingest.ingest import ingest
from features.point_in_time.records import known_before
from features.simulation.simulate import simulate
from features.store.reader import read_records
from models.training.leaks import Leak, find_leaks

NEEDS_SERVED = 3  # the leaks speak of so many needs
CUT = 0.6  # of the requests: one leak knows those before only


def read(files: Path, name: str) -> pd.DataFrame:
    """One table of a town's directory."""
    parquet = files / f"{name}.parquet"
    return pd.read_parquet(parquet) if parquet.exists() else pd.read_csv(files / f"{name}.csv", dtype=str)


def plant(files: Path, seed: int) -> list[str]:
    """Write five leaking columns into the households' table; their names."""
    draw = np.random.default_rng(seed)
    homes, requests = read(files, "households"), read(files, "requests")
    served = requests["need"].value_counts().index[:NEEDS_SERVED]
    mine = requests[requests["need"].isin(served)].copy()
    mine["when"] = pd.to_datetime(mine["requested_at"].str[:19], format="mixed", errors="coerce")
    whose = homes["household_id"]
    last = whose.map(mine.groupby("household_id")["when"].max())
    count = whose.map(mine.groupby("household_id").size()).fillna(0).astype(int)
    cut = mine["when"].quantile(CUT)
    early = whose.isin(mine.loc[mine["when"] < cut, "household_id"])
    officers = np.array(["王主任", "李主任", "赵主任"])[draw.integers(0, 3, len(homes))]
    noise = draw.random(len(homes)) < 0.05
    columns = {
        "aid_paid_on": last.dt.date.astype(object),
        "case_officer": pd.Series(np.where(last.notna(), officers, None), index=homes.index),
        "times_served": count,
        "care_level": np.select([count >= 3, count >= 1], ["高", "中"], "低"),
        "was_client": (early ^ noise).map({True: "是", False: "否"}),
    }
    homes = homes.assign(**columns)
    for old in files.glob("households.*"):
        old.unlink()
    homes.to_csv(files / "households.csv", index=False)
    return list(columns)


def found_in(files: Path) -> list[Leak]:
    """What is named when the town of a directory is retrained."""
    with tempfile.TemporaryDirectory() as workspace:
        ingest(files, Path(workspace))
        records = read_records(Path(workspace))
        return find_leaks(known_before(records, int(np.nanmax(records.requests.recorded)) + 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--towns", type=int, default=30)
    parser.add_argument("--planted", type=int, default=10)
    given = parser.parse_args()
    caught: dict[str, int] = {}
    alarms: list[str] = []
    for seed in range(given.towns):
        with tempfile.TemporaryDirectory() as place:
            files = Path(place) / "town"
            homes = 600 + 100 * (seed % 5)
            simulate(
                files, households=homes, weeks=104, seed=seed, grids=3, microgrids=8, style=seed % 5, draws=1
            )
            alarms += [f"town {seed}: {one.attribute}: {one.en}" for one in found_in(files)]
            if seed < given.planted:
                columns = plant(files, seed)
                named = {one.attribute for one in found_in(files)}
                for column in columns:
                    caught[column] = caught.get(column, 0) + (column in named)
    for column, times in caught.items():
        print(f"{column}: found in {times} of {given.planted} towns")
    print(f"false alarms on {given.towns} clean towns: {len(alarms)}", *alarms, sep="\n  ")


if __name__ == "__main__":
    main()
