"""A plain pandas script: a loop over the as-of dates, group-bys, LightGBM.

python with_pandas.py DATA OUTPUT
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from work import (
    CATEGORIES,
    FRESH,
    HORIZON,
    NUMBERS,
    WINDOWS,
    Stopwatch,
    feature_names,
    fit_all,
    read_work,
    save_checked,
)


def indicators(households, values):
    """The attribute columns, a row a version of a household."""
    columns = {
        f"{column}_{code}": households[column] == code
        for column in CATEGORIES
        for code in range(values[column])
    }
    return pd.DataFrame(columns).astype("float32").join(households[list(NUMBERS)].astype("float32"))


def features_at(day, requests, households, attributes, needs):
    """The features of one as-of date, a row a household of the cohort."""
    known = households["known"] < day
    part = attributes[known].groupby(households.loc[known, "household"]).max()
    past = requests[requests["recorded"] < day]
    for window in WINDOWS:
        recent = past[past["recorded"] >= day - pd.Timedelta(days=window)]
        count = recent.groupby(["household", "need"]).size().unstack(fill_value=0)  # noqa: PD010
        count = count.reindex(columns=range(needs))
        count = count.rename(columns=lambda need, window=window: f"need{need}_{window}")
        last = recent.groupby("household")["recorded"].max()
        part = part.join(count)
        part[f"requests_{window}"] = recent.groupby("household").size()
        part[f"recency_{window}"] = FRESH - np.ceil((day - last) / pd.Timedelta(days=1))
    return part


def labels_at(day, requests, need, cohort):
    """Who of the cohort asked for the need within the horizon."""
    later = requests[
        (requests["requested"] >= day) & (requests["requested"] < day + pd.Timedelta(days=HORIZON))
    ]
    return cohort.isin(later.loc[later["need"] == need, "household"]).astype("int8")


def main(data, output):
    """All of the work."""
    watch = Stopwatch()
    dates, need, needs, values = read_work(data)
    names = feature_names(needs, values)
    requests = pd.read_parquet(data / "requests.parquet")
    households = pd.read_parquet(data / "households.parquet")
    watch.done("read")
    attributes = indicators(households, values)
    parts, labels = [], []
    for day in map(pd.Timestamp, dates):
        part = features_at(day, requests, households, attributes, needs)
        labels.append(labels_at(day, requests, need, part.index))
        parts.append(part.assign(as_of=day))
    rows_by_date = [len(part) for part in parts]
    frame = pd.concat(parts).reset_index()
    matrix = frame[names].fillna(0).astype("float32")
    label, household = np.concatenate(labels), frame["household"].to_numpy()
    as_of = frame["as_of"].to_numpy().astype("datetime64[s]")
    watch.done("features")
    fit_all(output, matrix, label, household, as_of, rows_by_date)
    watch.done("fits")
    save_checked(output, matrix.to_numpy(), names, label, household, as_of, dates)
    watch.done("check")
    watch.save(output)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
