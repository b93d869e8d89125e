"""What somebody writes in an afternoon: next Monday's list for one need, in pandas and LightGBM.

    python plain_monday.py train TOWN NEED AS_OF MODEL
    python plain_monday.py list TOWN NEED AS_OF MODEL LIST.xlsx

Reads the town's files as they are, counts past requests, scores every household, and writes the best 300 to a workbook.
"""

import sys
from pathlib import Path

import lightgbm as lgb
import pandas as pd

WINDOWS = (28, 91, 364)
HORIZON = 56  # days
DATES = 12  # as-of dates four weeks apart to train on
VISITS = 300


def features(town: Path, need: str, as_of: pd.Timestamp) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features by household as of a date, and the requests for the need."""
    homes = pd.read_csv(town / "households.csv", low_memory=False)
    requests = pd.read_csv(
        town / "requests.csv", usecols=["household_id", "requested_at", "need", "recorded_at"]
    )
    for frame, column in ((requests, "requested_at"), (requests, "recorded_at"), (homes, "valid_from")):
        when = pd.to_datetime(frame[column], errors="coerce", format="ISO8601", utc=True)
        frame[column] = when.dt.tz_localize(None)
    homes = (
        homes[homes["valid_from"] < as_of]
        .sort_values("valid_from")
        .drop_duplicates("household_id", keep="last")
    )
    homes = homes.dropna(subset=["household_id", "microgrid_id"]).set_index("household_id")
    residents = pd.read_parquet(town / "residents.parquet")
    age = as_of.year - residents["birth_year"]
    known = requests[requests["recorded_at"] < as_of]
    days = (as_of - known["requested_at"]).dt.days
    table = pd.DataFrame(index=homes.index)
    for column in homes.columns.drop(["grid_id", "microgrid_id", "valid_from"]):
        values = homes[column]
        table[column] = values if values.dtype.kind in "fib" else pd.factorize(values)[0]
    for name, low, high in (("children", 0, 17), ("adults", 18, 59), ("elders", 60, 120)):
        table[f"{name}_living_here"] = residents[age.between(low, high)].groupby("household_id").size()
    mine = known["need"] == need
    for window in WINDOWS:
        lately = days <= window
        table[f"own_{window}"] = known[mine & lately].groupby("household_id").size()
        table[f"all_{window}"] = known[lately].groupby("household_id").size()
        around = known[mine & lately]["household_id"].map(homes["microgrid_id"]).value_counts()
        table[f"near_{window}"] = homes["microgrid_id"].map(around)
    table["since_own"] = days[mine].groupby(known["household_id"]).min()
    table["since_any"] = days.groupby(known["household_id"]).min()
    table["week"] = as_of.week
    counts = [name for name in table if name.startswith(("own_", "all_", "near_")) or name.endswith("_here")]
    table[counts] = table[counts].fillna(0)
    return table, requests[requests["need"] == need]


def train(town: Path, need: str, as_of: pd.Timestamp, model: Path) -> None:
    """Fit one classifier to past as-of dates."""
    tables, labels = [], []
    for step in range(DATES):
        day = as_of - pd.Timedelta(days=HORIZON + 28 * step)
        table, asked = features(town, need, day)
        inside = (asked["requested_at"] >= day) & (asked["requested_at"] < day + pd.Timedelta(days=HORIZON))
        tables.append(table)
        labels.append(table.index.isin(asked.loc[inside, "household_id"]))
    rows = pd.concat(tables)
    label = pd.concat([pd.Series(label) for label in labels])
    fitted = lgb.LGBMClassifier(n_estimators=200, learning_rate=0.05, verbosity=-1).fit(rows, label)
    fitted.booster_.save_model(model)


def write_list(town: Path, need: str, as_of: pd.Timestamp, model: Path, target: Path) -> None:
    """Score every household and write the best."""
    table, _ = features(town, need, as_of)
    table["chance"] = lgb.Booster(model_file=model).predict(table)
    best = table.sort_values("chance", ascending=False).head(VISITS)
    best.reset_index()[["household_id", "chance", "own_364", "near_28"]].to_excel(target, index=False)


if __name__ == "__main__":
    what, town, need, as_of, model, *rest = sys.argv[1:]
    if what == "train":
        train(Path(town), need, pd.Timestamp(as_of), Path(model))
    else:
        write_list(Path(town), need, pd.Timestamp(as_of), Path(model), Path(rest[0]))
