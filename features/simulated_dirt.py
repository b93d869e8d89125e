"""What real exports look like: rows that stand twice, cannot be read or point nowhere, and mixed date formats."""

import numpy as np
import pandas as pd

BAD_DATES = ("2025-13-45", "昨天", "0000-00-00", "31/02/2024")
TIME_FORMATS = ("%Y/%m/%d %H:%M", "%Y年%m月%d日 %H:%M", "%Y-%m-%dT%H:%M:%S+08:00")


def soil(tables: dict[str, pd.DataFrame], share: float, seed: int) -> dict[str, pd.DataFrame]:
    """The tables with other date formats and, added to the good rows, a ``share`` of duplicates and unusable rows."""
    rng = np.random.default_rng([seed, 10])
    soiled = dict(tables)
    soiled["requests"] = _requests(tables["requests"], share, rng)
    soiled["households"] = _with_spoiled(
        tables["households"],
        share / 2,
        rng,
        {"valid_from": BAD_DATES, "household_id": (None,), "grid_id": (None,)},
    )
    soiled["outreach"] = _with_spoiled(
        tables["outreach"],
        share,
        rng,
        {"household_id": ("H999999",), "outcome": ("maybe",), "arm": ("抽样",)},
    )
    return soiled


def _requests(table: pd.DataFrame, share: float, rng: np.random.Generator) -> pd.DataFrame:
    mixed = table.copy()
    for chosen, form in zip(
        np.array_split(rng.permutation(len(table))[: round(0.1 * len(table))], 3), TIME_FORMATS, strict=True
    ):
        for column in ("requested_at", "recorded_at"):
            place = mixed.columns.get_loc(column)
            mixed.iloc[chosen, place] = pd.to_datetime(table[column].iloc[chosen]).dt.strftime(form)
    return _with_spoiled(
        mixed,
        share,
        rng,
        {
            "requested_at": BAD_DATES,
            "household_id": ("H999999", None),
            "request_id": (None,),
            "need": ("养宠物", "unknown_need"),
            "satisfaction": (9,),
        },
    )


def _with_spoiled(
    table: pd.DataFrame, share: float, rng: np.random.Generator, ways: dict[str, tuple]
) -> pd.DataFrame:
    """Insert copies of rows: half of them unchanged, half with a new id and one column spoiled."""
    count = round(share * len(table))
    if not count:
        return table
    place = rng.integers(0, len(table), count)
    copies = table.iloc[place].astype(object).copy()
    for number in range(count // 2):
        column = str(rng.choice(list(ways)))
        identity = table.columns[0]
        if identity != "household_id":
            copies.iloc[number, 0] = f"X{number:06d}"
        copies.iloc[number, table.columns.get_loc(column)] = ways[column][rng.integers(len(ways[column]))]
        if column == "need":
            copies.iloc[number, table.columns.get_loc("text")] = None
    mixed = pd.concat([table.astype(object), copies])
    return mixed.iloc[np.argsort(np.concatenate([np.arange(len(table)), place + 0.5]), kind="stable")]
