"""How good are the scores on real panels, beside an afternoon's work? Product, a plain LightGBM, a logistic regression,
the count and a fading count, on the same rows in the same run.

    python benchmarks/real_data.py real/nafld 2019-01-07 [DATE...] --output real/results
    python benchmarks/real_data.py HOSPITAL 2007-07-02 --active 364 --output real/results

The directory is in the contract's form and holds what came after the dates, too. For each date a copy is cut there,
ingested, trained on and scored; then what followed is counted. ``--active``: only households with a request within so
many days before the date. Labels and rankings are recomputed from the files, without the project's features or labels,
so that it is also an independent check of them. Prints Markdown and writes one CSV a panel.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import yaml
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

WINDOWS = (28, 91, 364)  # days
DATES, APART = 26, 28  # as-of days the plain models learn from, and days between them
YEAR = 364
HALF_LIFE = 120  # days, of the fading count
TREES = {"objective": "binary", "num_leaves": 15, "learning_rate": 0.05, "verbosity": -1, "seed": 0}
ROUNDS = 200
LOGISTIC_ROWS = 60_000
REPLICATES = 100
ROWS_TO_LOOK_AT = 3  # what ingest exits with where it set rows aside or took them with notes
PRODUCT, PLAIN, LOGISTIC, COUNT, FADING = "product", "plain LightGBM", "logistic", "count", "fading count"
METRICS = ("precision at 2%", "average precision", "AUC", "calibration error")
TIMES = {
    "households": "valid_from",
    "residents": "valid_from",
    "requests": "requested_at",
    "outreach": "contacted_at",
    "opt_outs": "from",
}


def day(text: str) -> int:
    return (pd.Timestamp(text) - pd.Timestamp("1970-01-01")).days


def days(times: pd.Series) -> np.ndarray:
    local = pd.to_datetime(times.astype(str).str[:19], format="mixed")
    return ((local - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)).to_numpy()


def read(directory: Path, table: str) -> pd.DataFrame | None:
    if (directory / f"{table}.parquet").exists():
        return pd.read_parquet(directory / f"{table}.parquet")
    path = directory / f"{table}.csv"
    return pd.read_csv(path, dtype={"household_id": str}, low_memory=False) if path.exists() else None


def needed(directory: Path, table: str) -> pd.DataFrame:
    rows = read(directory, table)
    if rows is None:
        sys.exit(f"{directory}: {table}.csv or {table}.parquet is missing")
    return rows


class History:
    """The requests of a directory: time, household and need of each, numbered in order of their ids."""

    def __init__(self, directory: Path) -> None:
        households, requests = needed(directory, "households"), needed(directory, "requests")
        content = yaml.safe_load((directory / "community.yaml").read_text(encoding="utf-8"))
        self.needs = np.sort(requests["need"].unique())
        weeks = {need["id"]: need["horizon_weeks"] for need in content["needs"]}
        self.horizon = np.array([7 * weeks[need] for need in self.needs])
        self.households = np.sort(households["household_id"].astype(str).unique())
        self.time = days(requests["requested_at"])
        self.household = np.searchsorted(self.households, requests["household_id"].astype(str))
        self.need = np.searchsorted(self.needs, requests["need"])
        first = households.assign(since=days(households["valid_from"])).sort_values("since")
        newest = first.drop_duplicates("household_id", keep="last").set_index("household_id")
        self.since = first.groupby("household_id")["since"].min().reindex(self.households).to_numpy()
        newest.index = newest.index.astype(str)
        newest = newest.reindex(self.households).drop(
            columns=["since", "valid_from", "grid_id", "microgrid_id"]
        )
        columns = [
            one if pd.api.types.is_numeric_dtype(one) else one.astype("category").cat.codes
            for _, one in newest.items()
        ]
        self.attributes = (
            np.array([column.to_numpy(float) for column in columns]).reshape(-1, len(self.households)).T
        )

    def total(self, keep: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
        """Number (or weight) of the requests to keep by household (rows) and need (columns)."""
        shape = (len(self.households), len(self.needs))
        cell = self.household[keep] * shape[1] + self.need[keep]
        heavy = None if weight is None else weight[keep]
        return np.bincount(cell, heavy, shape[0] * shape[1]).reshape(shape).astype(float)

    def asked(self, as_of: int) -> np.ndarray:
        return self.total((self.time >= as_of) & (self.time < as_of + self.horizon[self.need])) > 0

    def so_far(self, as_of: int) -> np.ndarray:
        return self.total(self.time < as_of)

    def fading(self, as_of: int) -> np.ndarray:
        age = as_of - self.time
        return self.total(age > 0, np.exp2(-np.maximum(age, 0) / HALF_LIFE))

    def columns(self, as_of: int) -> np.ndarray:
        """Every need's counts in 4, 13 and 52 weeks and ever, days since, in the same season last year; attributes."""
        age = as_of - self.time
        counts = [self.total((age > 0) & (age <= length)) for length in WINDOWS]
        last = np.full((len(self.households), len(self.needs)), np.inf)
        np.minimum.at(last, (self.household[age > 0], self.need[age > 0]), age[age > 0])
        moved = YEAR - age
        season = self.total((moved >= 0) & (moved < self.horizon[self.need]) & (age > 0))
        known = (as_of - self.since)[:, None]
        date = np.full(
            (len(self.households), 1), (pd.Timestamp("1970-01-01") + pd.Timedelta(days=as_of)).day_of_year
        )
        since = np.where(np.isinf(last), np.nan, last)
        return np.hstack([*counts, self.so_far(as_of), since, season, self.attributes, known, date])


def plain_scores(history: History, as_of: int) -> dict[str, np.ndarray]:
    """A LightGBM and a logistic regression for each need, as one would fit them in an afternoon."""
    scores = {name: np.zeros((len(history.households), len(history.needs))) for name in (PLAIN, LOGISTIC)}
    first, built = np.quantile(history.time, 0.001) + WINDOWS[1], {}
    now = history.columns(as_of)
    for need, horizon in enumerate(history.horizon):
        rows = []
        for back in range(DATES):
            then = as_of - int(horizon) - APART * back
            if then <= first or not (history.since < then).any():
                break
            if then not in built:
                built[then] = (history.columns(then), history.asked(then), history.since < then)
            columns, asked, there = built[then]
            rows.append((columns[there], asked[there, need]))
        if not rows or not any(row[1].any() for row in rows):
            continue
        matrix, label = (np.concatenate(one) for one in zip(*rows, strict=True))
        trees = lgb.train({**TREES, "num_threads": 2}, lgb.Dataset(matrix, label), ROUNDS)
        scores[PLAIN][:, need] = np.asarray(trees.predict(now))
        chosen = np.random.default_rng(0).permutation(len(label))[:LOGISTIC_ROWS]
        if label[chosen].any():
            scores[LOGISTIC][:, need] = logistic(matrix[chosen], label[chosen], now)
    return scores


def logistic(matrix: np.ndarray, label: np.ndarray, now: np.ndarray) -> np.ndarray:
    middle = np.nanmedian(matrix, axis=0)
    middle = np.where(np.isfinite(middle), middle, 0.0)

    def ready(values: np.ndarray) -> np.ndarray:
        return np.log1p(np.maximum(np.where(np.isnan(values), middle, values), 0))

    mean, spread = ready(matrix).mean(axis=0), ready(matrix).std(axis=0) + 1e-9
    model = LogisticRegression(C=0.1, max_iter=300).fit((ready(matrix) - mean) / spread, label)
    return model.predict_proba((ready(now) - mean) / spread)[:, 1]


def cut(directory: Path, out: Path, date: str) -> None:
    """What was known before a date, as a directory of its own."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(directory / "community.yaml", out)
    for table, column in TIMES.items():
        rows = read(directory, table)
        if rows is not None:
            rows[days(rows[column]) < day(date)].to_parquet(out / f"{table}.parquet")


def product_scores(directory: Path, home: Path, date: str, history: History) -> np.ndarray:
    """The champion of a retrain on that date; kept in ``home``, where it is not made twice."""
    workspace, data = home / f"workspace-{date}", home / f"data-{date}"
    path = workspace / "weeks" / date / "scores.parquet"
    if not path.exists():
        shutil.rmtree(workspace, ignore_errors=True)
        cut(directory, data, date)
        command = [sys.executable, "-m", "service.cli", "--workspace", str(workspace)]
        for step in (["ingest", str(data)], ["retrain", "--as-of", date], ["score", "--as-of", date]):
            begin = time.monotonic()
            done = subprocess.run([*command, *step], capture_output=True, text=True, check=False)
            if done.returncode not in (0, ROWS_TO_LOOK_AT):
                sys.exit(f"{step[0]} failed: {done.stderr}")
            print(f"{step[0]} {time.monotonic() - begin:.0f} s", file=sys.stderr)
            (home / f"{step[0]}-{date}.txt").write_text(done.stdout, encoding="utf-8")
    table = pd.read_parquet(path).pivot_table(index="household_id", columns="need", values="p_request")
    return table.reindex(index=history.households, columns=history.needs).fillna(0).to_numpy()


def precision(asked: np.ndarray, score: np.ndarray, share: float = 0.02) -> float:
    """Expected precision of the first ``share`` of the list, households with equal scores in random order."""
    places = max(1, round(share * len(score)))
    edge = -np.partition(-score, places - 1)[places - 1]
    above, tied = score > edge, score == edge
    return float((asked[above].sum() + asked[tied].mean() * (places - above.sum())) / places)


def calibration_error(asked: np.ndarray, probability: np.ndarray) -> float:
    """Mean distance between predicted and observed share over ten equally large bins."""
    bins = np.array_split(np.argsort(probability, kind="stable"), 10)
    return float(
        sum(len(one) * abs(asked[one].mean() - probability[one].mean()) for one in bins) / len(asked)
    )


def measure(asked: np.ndarray, score: np.ndarray) -> np.ndarray:
    """float64 [needs, METRICS]; NaN where nobody, or everybody, asked."""
    rows = []
    for need in range(asked.shape[1]):
        label, mine = asked[:, need].astype(float), score[:, need]
        if 0 < label.sum() < len(label):
            ranked = [
                precision(label, mine),
                average_precision_score(label, mine),
                roc_auc_score(label, mine),
            ]
            rows.append([*ranked, calibration_error(label, mine)])
        else:
            rows.append([np.nan] * len(METRICS))
    return np.array(rows, dtype=float)


def compared(asked: np.ndarray, scores: dict[str, np.ndarray]) -> pd.DataFrame:
    """Per method: macro metrics, the product's lead with its standard error over households, predicted over observed."""
    generator = np.random.default_rng(0)
    draws = [generator.integers(0, len(asked), len(asked)) for _ in range(REPLICATES)]
    macro = {name: np.nanmean(measure(asked, one), axis=0) for name, one in scores.items()}
    again = {
        name: np.array([np.nanmean(measure(asked[rows], one[rows]), axis=0) for rows in draws])
        for name, one in scores.items()
    }
    table = []
    for name, score in scores.items():
        row: dict[str, object] = {"method": name}
        probable = name not in (COUNT, FADING)
        for place, metric in enumerate(METRICS if probable else METRICS[:3]):
            row[metric] = macro[name][place]
            row[f"lead in {metric}"] = macro[PRODUCT][place] - macro[name][place]
            row[f"error of {metric}"] = float(np.std(again[PRODUCT][:, place] - again[name][:, place]))
        if probable:
            row["predicted / observed"] = score.sum() / max(asked.sum(), 1)
        table.append(row)
    return pd.DataFrame(table)


def by_need(needs: Sequence[str], asked: np.ndarray, scores: dict[str, np.ndarray]) -> pd.DataFrame:
    """Observed and predicted households and average precision of product and plain model, a row a need."""
    found = {name: measure(asked, scores[name]) for name in (PRODUCT, PLAIN)}
    return pd.DataFrame(
        {
            "need": needs,
            "observed": asked.sum(axis=0),
            **{f"predicted, {name}": scores[name].sum(axis=0) for name in (PRODUCT, PLAIN)},
            **{f"average precision, {name}": found[name][:, 1] for name in (PRODUCT, PLAIN)},
        }
    )


def shown(table: pd.DataFrame) -> str:
    """Markdown, numbers of four digits."""

    def write(one: object) -> str:
        return f"{one:.4g}" if isinstance(one, float) else str(one)

    lines = ["| " + " | ".join(map(str, table.columns)) + " |", "|" + "---|" * len(table.columns)]
    lines += ["| " + " | ".join(write(one) for one in row) + " |" for row in table.itertuples(index=False)]
    return "\n".join(lines)


def lead(row: pd.Series, metric: str) -> str:
    """A metric with the product's lead over it and the lead's standard error."""
    if metric not in row or pd.isna(row[metric]):
        return ""
    text = f"{row[metric]:.4f}"
    return (
        text
        if row["method"] == PRODUCT
        else (f"{text} ({row[f'lead in {metric}']:+.4f} ± {row[f'error of {metric}']:.4f})")
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("panel", type=Path, help="a directory in the contract's form")
    parser.add_argument("dates", nargs="+", help="Mondays, as 2019-01-07")
    parser.add_argument("--active", type=int, help="only households with a request within so many days")
    parser.add_argument("--output", type=Path, default=Path("real/results"))
    given = parser.parse_args()
    history, home = History(given.panel), given.output / given.panel.name
    home.mkdir(parents=True, exist_ok=True)
    tables = []
    for date in given.dates:
        as_of = day(date)
        there = history.since < as_of
        if given.active:
            lately = (history.time < as_of) & (history.time >= as_of - given.active)
            there &= np.isin(np.arange(len(there)), history.household[lately])
        scores = {PRODUCT: product_scores(given.panel, home, date, history), **plain_scores(history, as_of)}
        scores |= {COUNT: history.so_far(as_of), FADING: history.fading(as_of)}
        asked, mine = history.asked(as_of)[there], {name: one[there] for name, one in scores.items()}
        table = compared(asked, mine)
        tables.append(table.assign(date=date))
        spoken = pd.DataFrame(
            {
                "method": table["method"],
                **{metric: [lead(row, metric) for _, row in table.iterrows()] for metric in METRICS},
            }
        ).assign(ratio=[f"{one:.2f}" if pd.notna(one) else "" for one in table["predicted / observed"]])
        print(f"\n### {given.panel.name}, {date}, {there.sum()} households\n\n{shown(spoken)}\n")
        print(shown(by_need(list(history.needs), asked, mine)), flush=True)
    pd.concat(tables).to_csv(home / "methods.csv", index=False)


if __name__ == "__main__":
    main()
