"""Make exports look like real ones: repeated and unreadable rows, dates in many formats."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

OTHER_FORMATS = 0.1  # share of requests whose times are written in another way
TIME_FORMATS = ("%Y/%m/%d %H:%M", "%Y年%m月%d日 %H:%M", "%Y-%m-%dT%H:%M:%S+08:00")
BAD_DATES = ("2025-13-45", "昨天", "0000-00-00", "31/02/2024")
SPOILS: Mapping[str, Mapping[str, Sequence[str | None]]] = {
    "households": {"valid_from": BAD_DATES, "household_id": (None,), "grid_id": (None,)},
    "requests": {
        "requested_at": BAD_DATES,
        "household_id": ("H000000", None),
        "request_id": (None,),
        "need": ("养宠物", "unknown_need"),
    },
    "outreach": {"household_id": ("H000000",), "outcome": ("maybe",), "arm": ("抽样",)},
}


def soil(tables: Mapping[str, pd.DataFrame], share: float, seed: int) -> dict[str, pd.DataFrame]:
    """Mix the time formats of the tables, and add repeated and unusable rows.

    ``tables``: by the contract's names. ``share``: of each table's rows, in [0, 1], so many are added. ``seed``: the
    same seed gives the same rows.
    """
    rng = np.random.default_rng([seed, 10])
    soiled = {**tables, "requests": _mix_formats(tables["requests"], rng)}
    for name, spoils in SPOILS.items():
        soiled[name] = _with_bad_rows(soiled[name], share, spoils, rng)
    return soiled


def _mix_formats(requests: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Write the times of some requests in other formats; formats without seconds drop them."""
    form = rng.choice(len(TIME_FORMATS) + 1, len(requests), p=[1 - OTHER_FORMATS, *[OTHER_FORMATS / 3] * 3])
    mixed = requests.copy()
    for column in ("requested_at", "recorded_at"):
        times = pd.to_datetime(requests[column])
        for number, pattern in enumerate(TIME_FORMATS, start=1):
            mixed[column] = mixed[column].where(form != number, times.dt.strftime(pattern))
    return mixed


def _with_bad_rows(
    table: pd.DataFrame, share: float, spoils: Mapping[str, Sequence[str | None]], rng: np.random.Generator
) -> pd.DataFrame:
    """Copy some rows: every second copy is unchanged, the others get a new id and one spoiled cell."""
    place = rng.integers(0, len(table), round(share * len(table))) if len(table) else np.zeros(0, np.int64)
    copies = table.iloc[place].copy()
    spoiled = {
        spoil: copies[spoil].to_numpy(dtype=object).copy()
        for spoil in (table.columns[0], *spoils, "text")
        if spoil in table
    }
    for number in range(1, len(copies), 2):
        column = str(rng.choice(list(spoils)))
        if table.columns[0] != "household_id":
            spoiled[table.columns[0]][number] = f"X{number:06d}"
        if column == "need" and "text" in spoiled:
            spoiled["text"][number] = None
        spoiled[column][number] = spoils[column][int(rng.integers(len(spoils[column])))]
    mixed = pd.concat([table, copies.assign(**spoiled)])
    order = np.argsort(np.concatenate([np.arange(len(table)), place + 0.5]), kind="stable")
    return mixed.iloc[order]
