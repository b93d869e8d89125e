"""featuretools: deep feature synthesis with cutoff times, then the fits of the plain script.

python with_featuretools.py DATA OUTPUT

One calculation a window, as a window (``training_window``) belongs to a whole calculation there; a fourth one
without a window for the attributes. It does not work on pandas 3 (1.31.0).
"""

import sys
from pathlib import Path

import featuretools as ft
import numpy as np
import pandas as pd
from with_pandas import labels_at
from work import (
    CATEGORIES,
    FRESH,
    NUMBERS,
    WINDOWS,
    Stopwatch,
    feature_names,
    fit_all,
    read_work,
    save_checked,
)


def entity_set(requests, households, needs, values):
    """Households with their requests and the versions of their attributes, each known from a time on."""
    requests, households = requests.drop(columns="requested"), households.copy()
    requests["need"] = pd.Categorical(requests["need"], categories=range(needs))
    for column in CATEGORIES:
        for code in range(values[column]):
            households[f"{column}_{code}"] = (households[column] == code).astype("float64")
    versions = households.drop(columns=list(CATEGORIES)).astype(dict.fromkeys(NUMBERS, "float64"))
    both = ft.EntitySet("town")
    everyone = pd.DataFrame({"household": np.sort(households["household"].unique())})
    both.add_dataframe(everyone, "households", index="household")
    both.add_dataframe(
        requests,
        "requests",
        index="request",
        make_index=True,
        time_index="recorded",
        logical_types={"need": "Categorical"},
    )
    both.add_dataframe(versions, "versions", index="version", make_index=True, time_index="known")
    both.add_relationship("households", "household", "requests", "household")
    both.add_relationship("households", "household", "versions", "household")
    both.add_interesting_values(dataframe_name="requests", values={"need": list(range(needs))})
    return both


def definitions(both, needs):
    """The features of a window, and those of the attributes."""
    past = {"entityset": both, "target_dataframe_name": "households", "features_only": True, "max_depth": 1}
    asked = ft.dfs(
        **past,
        agg_primitives=["count", "time_since_last"],
        where_primitives=["count"],
        trans_primitives=[],
        ignore_dataframes=["versions"],
    )
    home = ft.dfs(**past, agg_primitives=["max"], trans_primitives=[], ignore_dataframes=["requests"])
    return asked, home


def renamed(frame, window, needs):
    """A window's columns as the work names them."""
    names = {"COUNT(requests)": f"requests_{window}"}
    names |= {f"COUNT(requests WHERE need = {need})": f"need{need}_{window}" for need in range(needs)}
    since = frame.pop("TIME_SINCE_LAST(requests.recorded)")  # seconds
    frame = frame.rename(columns=names)
    frame[f"recency_{window}"] = (FRESH - np.ceil(since.astype("float64") / 86_400)).fillna(0)
    return frame


def main(data, output):
    """All of the work."""
    watch = Stopwatch()
    dates, need, needs, values = read_work(data)
    names = feature_names(needs, values)
    requests = pd.read_parquet(data / "requests.parquet")
    households = pd.read_parquet(data / "households.parquet")
    watch.done("read")
    since = households.groupby("household")["known"].min()
    days = [pd.Timestamp(date) for date in dates]
    cutoff = pd.concat([pd.DataFrame({"household": since.index[since < day], "time": day}) for day in days])
    label = np.concatenate([labels_at(day, requests, need, since.index[since < day]) for day in days])
    watch.done("cohort and labels")
    both = entity_set(requests, households, needs, values)
    asked, home = definitions(both, needs)
    how = {
        "entityset": both,
        "cutoff_time": cutoff,
        "include_cutoff_time": False,
        "cutoff_time_in_index": True,
    }
    parts = [
        renamed(
            ft.calculate_feature_matrix(asked, training_window=ft.Timedelta(window, "d"), **how),
            window,
            needs,
        )
        for window in WINDOWS
    ]
    attributes = ft.calculate_feature_matrix(home, **how)
    parts.append(attributes.rename(columns=lambda name: name[len("MAX(versions.") : -1]))
    order = pd.MultiIndex.from_frame(cutoff)
    frame = pd.concat([part.loc[order] for part in parts], axis=1)
    matrix = frame[names].astype("float64").fillna(0).astype("float32")
    as_of = cutoff["time"].to_numpy().astype("datetime64[s]")
    watch.done("features")
    rows_by_date = [int((since < day).sum()) for day in days]
    fit_all(output, matrix, label, cutoff["household"].to_numpy(), as_of, rows_by_date)
    watch.done("fits")
    save_checked(output, matrix.to_numpy(), names, label, cutoff["household"].to_numpy(), as_of, dates)
    watch.done("check")
    watch.save(output)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
