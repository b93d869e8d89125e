"""How the champion does on the Complete Journey, against simple rankings, by need.

Recomputes labels and rankings from the contract's own files, without the project's features or labels, so
that it is also an independent check of them. Usage, after `make real`:

    python benchmarks/real_data.py real/data real/workspace 2017-09-04 2017-10-02 2017-11-06
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import average_precision_score, roc_auc_score

HORIZON = 28
REPLICATES = 100
MODEL, COUNT = "model", "requests so far"
Metric = Callable[[np.ndarray, np.ndarray], float]


def day(text: str) -> int:
    return (pd.Timestamp(text) - pd.Timestamp("1970-01-01")).days


class History:
    """The requests of a directory: time, household and need of each, numbered in order of their ids."""

    def __init__(self, directory: Path) -> None:
        households = pd.read_csv(directory / "households.csv", dtype=str)
        requests = pd.read_csv(directory / "requests.csv", dtype=str)
        self.grids = households[["household_id", "grid_id", "valid_from"]]
        self.households = np.sort(households["household_id"].unique())
        self.needs = np.sort(requests["need"].unique())
        local = pd.to_datetime(requests["requested_at"].str[:19])
        self.time = ((local - pd.Timestamp("1970-01-01")) / pd.Timedelta(days=1)).to_numpy()
        self.household = np.searchsorted(self.households, requests["household_id"])
        self.need = np.searchsorted(self.needs, requests["need"])

    def total(self, weight: np.ndarray) -> np.ndarray:
        """Sum of the requests' weights by household (rows) and need (columns)."""
        table = np.zeros((len(self.households), len(self.needs)))
        np.add.at(table, (self.household, self.need), weight)
        return table

    def asked(self, as_of: int) -> np.ndarray:
        return self.total((self.time >= as_of) & (self.time < as_of + HORIZON)) > 0

    def so_far(self, as_of: int) -> np.ndarray:
        return self.total(self.time < as_of)

    def fading(self, as_of: int) -> np.ndarray:
        age = as_of - self.time
        return self.total(np.where(age > 0, 0.5 ** (age.clip(0) / 120), 0))

    def grid_rate(self, as_of: int) -> np.ndarray:
        known = self.grids[self.grids["valid_from"].map(day) < as_of].sort_values("valid_from")
        grid = known.drop_duplicates("household_id", keep="last").set_index("household_id")["grid_id"]
        grid = grid.reindex(self.households)
        recent = pd.DataFrame(self.total((self.time < as_of) & (self.time >= as_of - HORIZON)) > 0)
        return recent.groupby(grid.to_numpy()).transform("mean").to_numpy()


RANKINGS: dict[str, Callable[[History, int], np.ndarray]] = {
    COUNT: History.so_far,
    "fading count (half-life 120 days)": History.fading,
    "grid average of four weeks": History.grid_rate,
}


def probabilities(history: History, ranking: Callable[[History, int], np.ndarray], as_of: int) -> np.ndarray:
    """A ranking as probabilities, by what the same values meant four weeks earlier (isotonic, per need)."""
    before, asked, now = (
        ranking(history, as_of - HORIZON),
        history.asked(as_of - HORIZON),
        ranking(history, as_of),
    )
    columns = []
    for need in range(len(history.needs)):
        curve = IsotonicRegression(out_of_bounds="clip").fit(before[:, need], asked[:, need])
        columns.append(curve.predict(now[:, need]))
    return np.stack(columns, axis=1)


def model_scores(workspace: Path, date: str, history: History) -> np.ndarray:
    path = workspace / "weeks" / date / "scores.parquet"
    if not path.exists():
        sys.exit(f"{path} is missing: run retrain and score --as-of {date} on this workspace first")
    table = pd.read_parquet(path).pivot_table(index="household_id", columns="need", values="p_request")
    return table.reindex(index=history.households, columns=history.needs).to_numpy()


def precision(asked: np.ndarray, score: np.ndarray, share: float) -> float:
    """Expected precision of the first ``share`` of the list, households with equal scores in random order."""
    places = max(1, round(share * len(score)))
    cut = -np.partition(-score, places - 1)[places - 1]
    above, tied = score > cut, score == cut
    return float((asked[above].sum() + asked[tied].mean() * (places - above.sum())) / places)


def calibration_error(asked: np.ndarray, probability: np.ndarray) -> float:
    """Mean distance between predicted and observed share over ten equally large bins."""
    bins = np.array_split(np.argsort(probability, kind="stable"), 10)
    gaps = [len(one) * abs(asked[one].mean() - probability[one].mean()) for one in bins]
    return float(sum(gaps) / len(asked))


RANKED: dict[str, Metric] = {
    "precision at 2%": partial(precision, share=0.02),
    "precision at 5%": partial(precision, share=0.05),
    "average precision": lambda asked, score: float(average_precision_score(asked, score)),
    "AUC": lambda asked, score: float(roc_auc_score(asked, score)),
}
CALIBRATED: dict[str, Metric] = {
    "Brier": lambda asked, probability: float(np.mean((asked - probability) ** 2)),
    "calibration error": calibration_error,
    "predicted / observed": lambda asked, probability: float(probability.sum() / max(1, asked.sum())),
}
Scores = dict[str, list[tuple[np.ndarray, np.ndarray]]]  # method -> (ranking, probability) of each date


def measure(asked: list[np.ndarray], scores: Scores, rows: np.ndarray) -> np.ndarray:
    """Every metric of every method and need, averaged over the dates: methods x needs x metrics."""
    out = np.zeros((len(scores), asked[0].shape[1], len(RANKED) + len(CALIBRATED)))
    for position, dates in enumerate(scores.values()):
        for truth, (ranking, probability) in zip(asked, dates, strict=True):
            for need in range(truth.shape[1]):
                label = truth[rows, need].astype(float)
                values = [metric(label, ranking[rows, need]) for metric in RANKED.values()]
                values += [metric(label, probability[rows, need]) for metric in CALIBRATED.values()]
                out[position, need] += np.array(values) / len(asked)
    return out


def compared(point: np.ndarray, draws: np.ndarray, model: int, rival: int) -> list[str]:
    """For each ranking metric: rival, model, 90% interval of the difference, and who wins.

    ``point`` [methods, metrics] and ``draws`` [replicates, methods, metrics].
    """
    cells = []
    for metric in range(len(RANKED)):
        low, high = np.quantile(draws[:, model, metric] - draws[:, rival, metric], [0.05, 0.95])
        verdict = "wins" if low > 0 else "loses" if high < 0 else "ties"
        cells.append(
            f"{point[rival, metric]:.3f}, {point[model, metric]:.3f} ({low:+.3f} to {high:+.3f}) {verdict}"
        )
    return cells


def print_row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |")


def report(needs: np.ndarray, methods: list[str], point: np.ndarray, draws: np.ndarray) -> None:
    """Print the tables as Markdown; ``draws`` has the replicates in front of the axes of ``point``."""
    mean, mean_draws = point.mean(axis=1), draws.mean(axis=2)
    print_row("method, mean of the needs", *RANKED, *CALIBRATED)
    print_row(*["---"] * (1 + len(RANKED) + len(CALIBRATED)))
    for row, method in enumerate(methods):
        spread = mean_draws[:, row].std(axis=0)
        print_row(method, *(f"{v:.4f} ± {s:.4f}" for v, s in zip(mean[row], spread, strict=True)))
    print()
    print_row("the model against", *(f"{name}: theirs, the model's (difference)" for name in RANKED))
    print_row(*["---"] * (1 + len(RANKED)))
    model, count = methods.index(MODEL), methods.index(COUNT)
    for rival, method in enumerate(methods):
        if rival != model:
            print_row(method, *compared(mean, mean_draws, model, rival))
    print()
    print_row("need", *(f"{name}: count's, the model's (difference)" for name in RANKED))
    print_row(*["---"] * (1 + len(RANKED)))
    for need, title in enumerate(needs):
        print_row(title, *compared(point[:, need], draws[:, :, need], model, count))


def main(arguments: list[str]) -> None:
    if len(arguments) < 3:
        sys.exit("usage: python benchmarks/real_data.py DATA WORKSPACE DATE...")
    history, workspace, dates = History(Path(arguments[0])), Path(arguments[1]), arguments[2:]
    asked = [history.asked(day(date)) for date in dates]
    scores: Scores = {MODEL: [(p := model_scores(workspace, date, history), p) for date in dates]}
    for name, ranking in RANKINGS.items():
        scores[name] = [
            (ranking(history, day(date)), probabilities(history, ranking, day(date))) for date in dates
        ]
    rng = np.random.default_rng(0)
    everyone = np.arange(len(history.households))
    resampled = [rng.integers(0, len(everyone), len(everyone)) for _ in range(REPLICATES)]
    draws = np.stack([measure(asked, scores, rows) for rows in resampled])
    report(history.needs, list(scores), measure(asked, scores, everyone), draws)


if __name__ == "__main__":
    main(sys.argv[1:])
