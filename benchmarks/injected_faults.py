"""How soon is a fault of a town's exports named? Breaks the weekly exports of made-up towns.

    python benchmarks/injected_faults.py towns --households 2000 --seeds 71 72 73

Each town hands in everything each Monday. After two exports as they should be, a fault begins: a channel goes silent, a
need is renamed, dates flip, birth years shift, 500 households appear. Prints for each fault and seed the weekly run
(1 or 2) that named it with its line, what had been there before, and how many requests a week it touched.
"""

import argparse
import shutil
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from features.ingest.ingest import ingest
from features.point_in_time.records import day_of
from features.simulation.simulate import simulate
from features.store.database import open_store
from features.store.export_history import new_unknown_needs, rows_set_aside
from features.store.reader import read_settings
from models.monitoring.alarms import Alarm, set_aside_alarms, stream_alarms, unknown_need_alarms
from models.monitoring.streams import streams

END = date(2026, 6, 15)  # the faults begin in a week whose days are months, too
BEGINS = END - timedelta(weeks=2)
WEEKS_MADE = 120
KNOWN = {
    "requests": "recorded_at",
    "outreach": "contacted_at",
    "households": "valid_from",
    "residents": "valid_from",
    "opt_outs": "from",
}
Tables = dict[str, pd.DataFrame]
Fault = tuple[str, float, Callable[[Tables], Tables]]


def made(place: Path, households: int, style: int, seed: int) -> Tables:
    """Make a town unless it is there; return its tables as texts."""
    if not (place / "truth").is_dir():
        simulate(place, households, WEEKS_MADE, seed, style=style, dirty=0.0, draws=1, end=END)
    tables = {path.stem: pd.read_csv(path, dtype=str) for path in place.glob("*.csv")}
    residents = pd.read_parquet(place / "residents.parquet")
    whole = residents.select_dtypes("number").columns
    return tables | {"residents": residents.astype(dict.fromkeys(whole, "Int64"))}


def exported(tables: Tables, until: date) -> Tables:
    """Cut the tables to what the office knew on a day."""
    end, cut = until.isoformat(), {}
    for name, rows in tables.items():
        cut[name] = rows[rows[KNOWN[name]].astype(str) < end] if name in KNOWN else rows
    asked = cut["requests"].copy()
    asked.loc[asked["resolved_at"].fillna("") >= end, ["resolved_at", "satisfaction"]] = np.nan
    return cut | {"requests": asked}


def faults(tables: Tables) -> Iterator[Fault]:
    """List the faults: a name, requests a week that it touches (NaN: none), and what breaks the tables."""
    asked = tables["requests"]
    lately = asked[(asked["recorded_at"] >= (BEGINS - timedelta(weeks=8)).isoformat())]
    lately = lately[lately["recorded_at"] < BEGINS.isoformat()]

    def new(rows: Tables) -> pd.Series:
        return rows["requests"]["recorded_at"] >= BEGINS.isoformat()

    def with_requests(rows: Tables, **columns: pd.Series) -> Tables:
        return rows | {"requests": rows["requests"].assign(**columns)}

    for channel, count in lately["channel"].value_counts().items():
        yield (
            f"channel {channel} silent",
            count / 8,
            lambda rows, channel=channel: (
                rows | {"requests": rows["requests"][~(new(rows) & (rows["requests"]["channel"] == channel))]}
            ),
        )
    for need, count in lately["need"].value_counts().items():
        yield (
            f"need {need} renamed",
            count / 8,
            lambda rows, need=need: with_requests(
                rows,
                need=rows["requests"]["need"].mask(
                    new(rows) & (rows["requests"]["need"] == need), f"{need}_new"
                ),
            ),
        )
    for title, written in (("year-day-month", "%Y-%d-%m %H:%M"), ("day/month/year", "%d/%m/%Y %H:%M")):
        yield (
            f"dates become {title}",
            len(lately) / 8,
            lambda rows, written=written: with_requests(
                rows,
                **{
                    column: rows["requests"][column].mask(
                        new(rows), pd.to_datetime(rows["requests"][column]).dt.strftime(written)
                    )
                    for column in ("requested_at", "recorded_at")
                },
            ),
        )
    yield "birth years + 10", np.nan, lambda rows: rows | {"residents": _older(rows["residents"])}
    yield "500 new households", np.nan, lambda rows: rows | {"households": _grown(rows["households"])}


def _older(residents: pd.DataFrame) -> pd.DataFrame:
    return residents.assign(birth_year=residents["birth_year"] + 10)


def _grown(households: pd.DataFrame) -> pd.DataFrame:
    begin = (BEGINS + timedelta(days=1)).isoformat()
    added = households.iloc[[0] * 500].assign(
        household_id=[f"N{number:04d}" for number in range(500)], valid_from=begin
    )
    return pd.concat([households, added])


def hand_in(tables: Tables, settings: Path, place: Path, workspace: Path) -> None:
    """Write an export and take it in."""
    place.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        rows.to_csv(place / f"{name}.csv", index=False)
    shutil.copy(settings, place)
    ingest(place, workspace, accept=True)


def alarms(workspace: Path, as_of: date) -> list[Alarm]:
    """Raise the alarms about what reached the records."""
    day = day_of(as_of)
    found = stream_alarms(streams(workspace, day), read_settings(workspace), day)
    with open_store(workspace, read_only=True) as connection:
        unknown, aside = new_unknown_needs(connection), rows_set_aside(connection)
    return [*found, *unknown_need_alarms(unknown), *set_aside_alarms(aside)]


def named(tables: Tables, town: Path, healthy: Path, fault: Fault) -> tuple[int, str]:
    """Return the weekly run that first raised an alarm, 0 for none, and the alarms' lines."""
    _, _, break_it = fault
    place = healthy.with_suffix(".broken")
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(healthy, place / "workspace")
    for run in (1, 2):
        monday = BEGINS + timedelta(weeks=run)
        broken = break_it(exported(tables, monday))
        hand_in(broken, town / "community.yaml", place / "export", place / "workspace")
        if found := alarms(place / "workspace", monday):
            return run, "; ".join(alarm.zh for alarm in found)
    return 0, ""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place", type=Path)
    parser.add_argument("--households", type=int, default=2000)
    parser.add_argument("--style", type=int, default=0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[71, 72, 73])
    given = parser.parse_args()
    for seed in given.seeds:
        town = given.place / f"{given.households}-{given.style}-{seed}"
        tables, healthy = made(town, given.households, given.style, seed), town.with_suffix(".workspace")
        shutil.rmtree(healthy, ignore_errors=True)
        for monday in (BEGINS - timedelta(weeks=1), BEGINS):
            hand_in(
                exported(tables, monday),
                town / "community.yaml",
                town.with_suffix(".export"),
                healthy,
            )
        nothing: Fault = ("nothing breaks", np.nan, lambda rows: rows)
        for fault in [nothing, *faults(tables)]:
            run, line = named(tables, town, healthy, fault)
            print(f"| {fault[0]} | {fault[1]:.1f} | {seed} | {run or '-'} | {line} |", flush=True)


if __name__ == "__main__":
    main()
