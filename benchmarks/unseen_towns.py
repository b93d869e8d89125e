"""How good are the scores on towns whose truth is known? Makes towns, runs the commands, compares.

    python benchmarks/unseen_towns.py towns --households 20000 --styles 0 1 2 --seeds 100
    python benchmarks/unseen_towns.py towns --town TOWN --workspace WORKSPACE --as-of 2025-08-25

The first makes each town in ``towns/``, runs ingest, retrain and score on it and prints a Markdown table; the
second only compares the scores of a workspace with the truth of a town. Both write ``unseen_towns.csv``.
"""

import argparse
import json
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from features.simulation.simulate import simulate

SHARE = 0.02  # of a need's rows: the length of the list
BINS = 10


def expected_precision(score: pd.Series, true: pd.Series, share: float = SHARE) -> float:
    """Mean true probability in the top share by score, ties broken at random."""
    length = max(1, round(share * len(score)))
    values = score.to_numpy(np.float64)
    edge = np.sort(values)[-length]
    above, tied = values > edge, values == edge
    chances = true.to_numpy(np.float64)
    return (chances[above].sum() + (length - above.sum()) * chances[tied].mean()) / length


def calibration_error(predicted: pd.Series, happened: pd.Series) -> float:
    """Mean distance of predicted and happened over ten bins of equal size, in order of the prediction."""
    order = np.argsort(predicted.to_numpy(), kind="stable")
    bins = np.array_split(order, BINS)
    gaps = [abs(predicted.iloc[one].mean() - happened.iloc[one].astype(float).mean()) for one in bins]
    return float(np.average(gaps, weights=[len(one) for one in bins]))


def share_of_top(score: pd.Series, group: pd.Series) -> float:
    """Share of a group in the top by score."""
    return expected_precision(score, group.astype(float))


def request_figures(rows: pd.DataFrame) -> dict[str, float]:
    """p_request of one need against its truth."""
    oracle = expected_precision(rows["true_request"], rows["true_request"])
    return {
        "pairs": len(rows),
        "asked": int(rows["asked"].sum()),
        "oracle": oracle,
        "request": expected_precision(rows["p_request"], rows["true_request"]) / oracle,
        "count": expected_precision(rows["asked_last_year"], rows["true_request"]) / oracle,
        "request_error_true": calibration_error(rows["p_request"], rows["true_request"]),
        "request_error": calibration_error(rows["p_request"], rows["asked"]),
        "request_expected": rows["p_request"].sum(),
        "request_true": rows["true_request"].sum(),
    }


def need_figures(rows: pd.DataFrame) -> dict[str, float]:
    """p_need of one need against its truth, among pairs that did not ask within twelve weeks."""
    silent = rows[~rows["asked_within_12_weeks"]]
    oracle = expected_precision(silent["true_need"], silent["true_need"])
    return {
        "need_oracle": oracle,
        "need": expected_precision(silent["p_need"], silent["true_need"]) / oracle,
        "need_by_request": expected_precision(silent["p_request"], silent["true_need"]) / oracle,
        "need_count": expected_precision(silent["asked_last_year"], silent["true_need"]) / oracle,
        "new_in_top": share_of_top(silent["p_need"], silent["new_resident"]),
        "new_in_oracle": share_of_top(silent["true_need"], silent["new_resident"]),
        "new_in_need": float(np.average(silent["new_resident"], weights=silent["true_need"])),
        "need_error_true": calibration_error(silent["p_need"], silent["true_need"]),
        "need_expected": silent["p_need"].sum(),
        "need_true": silent["true_need"].sum(),
    }


def compare(scores: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """One row of figures for each need and one, ``all``: means, sums, and errors over pooled rows."""
    true = truth.rename(columns={"p_request": "true_request", "p_need": "true_need"})
    scores = scores[["household_id", "need", "p_request", "p_need"]]
    both = true.merge(scores, on=["household_id", "need"], how="left")
    unscored = both["p_request"].isna()
    both = both.fillna({"p_request": 0.0, "p_need": 0.0})
    table = pd.DataFrame(
        {need: request_figures(rows) | need_figures(rows) for need, rows in both.groupby("need", sort=True)}
    ).T
    sums = ["pairs", "asked", "request_expected", "request_true", "need_expected", "need_true"]
    whole = table.mean()
    whole[sums] = table[sums].sum()
    silent = both[~both["asked_within_12_weeks"]]
    whole["request_error_true"] = calibration_error(both["p_request"], both["true_request"])
    whole["request_error"] = calibration_error(both["p_request"], both["asked"])
    whole["need_error_true"] = calibration_error(silent["p_need"], silent["true_need"])
    whole["new_in_need"] = float(np.average(silent["new_resident"], weights=silent["true_need"]))
    table.loc["all"] = whole
    table["expected_to_asked"] = table["request_expected"] / table["asked"]
    table["expected_to_true"] = table["request_expected"] / table["request_true"]
    table["need_expected_to_true"] = table["need_expected"] / table["need_true"]
    table["unscored"] = [*unscored.groupby(both["need"]).sum(), unscored.sum()]
    return table


def xianying(workspace: Path, *arguments: str) -> None:
    """Run a command of the program."""
    command = [sys.executable, "-m", "service.cli", "--workspace", str(workspace), *arguments]
    code = subprocess.run(command, check=False).returncode
    if code not in (0, 3):  # 3: read, with things to look at
        raise SystemExit(f"{arguments[0]}: exit code {code}")


def run_commands(town: Path, workspace: Path, as_of: date) -> dict[str, float]:
    """Ingest, retrain and score through the command line; seconds of each."""
    seconds = {}
    for step in (["ingest", str(town)], ["retrain", "--as-of", str(as_of)], ["score", "--as-of", str(as_of)]):
        begin = time.monotonic()
        xianying(workspace, *step)
        seconds[step[0]] = time.monotonic() - begin
    return seconds


def evaluate(town: Path, workspace: Path, as_of: date) -> pd.DataFrame:
    """Figures of the scores that a workspace holds for one date."""
    truth = pd.read_parquet(town / "truth" / "probabilities.parquet")
    truth = truth[truth["as_of"] == as_of.isoformat()]
    scores = pd.read_parquet(workspace / "weeks" / as_of.isoformat() / "scores.parquet")
    if truth.empty:
        sys.exit(f"{town}: no truth for {as_of}; simulate with --as-of {as_of}")
    return compare(scores, truth)


SHOWN = {
    "asked": "asked",
    "request": "p_request / oracle",
    "count": "last year's count / oracle",
    "request_error": "calibration error",
    "request_error_true": "against truth",
    "expected_to_asked": "expected / asked",
    "expected_to_true": "expected / true",
    "need": "p_need / oracle",
    "need_by_request": "p_request for it",
    "need_count": "count for it",
    "new_in_top": "new in top",
    "new_in_need": "new of silent needs",
    "need_expected_to_true": "silent needs expected / true",
}


def markdown(table: pd.DataFrame, title: str) -> str:
    """The figures as a Markdown table, one line a need."""
    lines = [
        f"### {title}",
        "",
        "| need | " + " | ".join(SHOWN.values()) + " |",
        "|" + "---|" * (len(SHOWN) + 1),
    ]
    for need, row in table.iterrows():
        cells = [
            f"{row[name]:.0f}"
            if name == "asked"
            else f"{row[name]:.4f}"
            if "error" in name
            else f"{row[name]:.3f}"
            for name in SHOWN
        ]
        lines.append(f"| {need} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Scores against the truth of synthetic towns.")
    parser.add_argument("out", type=Path, help="where towns, workspaces and unseen_towns.csv go")
    parser.add_argument("--households", type=int, default=20_000)
    parser.add_argument("--weeks", type=int, default=200)
    parser.add_argument("--styles", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--seeds", type=int, nargs="+", default=[100])
    parser.add_argument("--as-of", type=date.fromisoformat, default=date(2025, 8, 25))
    parser.add_argument("--town", type=Path, help="compare this town only, with --workspace")
    parser.add_argument("--workspace", type=Path)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    tables = {}
    if options.town:
        tables["town"] = evaluate(options.town, options.workspace, options.as_of)
        print(markdown(tables["town"], str(options.town)))
    else:
        for style in options.styles:
            for seed in options.seeds:
                name = f"style {style} seed {seed}"
                town = options.out / f"town-{style}-{seed}"
                workspace = options.out / f"workspace-{style}-{seed}"
                simulate(
                    town, options.households, options.weeks, seed, end=options.as_of, style=style, dirty=0
                )
                seconds = run_commands(town, workspace, options.as_of)
                tables[name] = evaluate(town, workspace, options.as_of)
                print(
                    markdown(tables[name], f"{name} {json.dumps({k: round(v) for k, v in seconds.items()})}")
                )
    options.out.mkdir(parents=True, exist_ok=True)
    pd.concat(tables, names=["town", "need"]).to_csv(options.out / "unseen_towns.csv", float_format="%.5f")


if __name__ == "__main__":
    main()
