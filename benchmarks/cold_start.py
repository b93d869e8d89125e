"""What does a community with eight weeks of requests gain by a neighbour's model? Made-up towns whose truth is known.

    PYTHONPATH=.:benchmarks python benchmarks/cold_start.py OUT --seeds 900 960 --dates 2025-06-02 2025-10-06

Makes the neighbours, which have a history of two years until the first date, and trains a model in each. For each seed
and date it makes one more town, keeps its last weeks only, and scores it by its own model, by a borrowed one, and by its
requests so far. Prints for each need the precision among the top 2% (by the true probabilities, ties broken at random)
and the sum of the scores over that of the true probabilities, and writes ``cold_start.csv``. What is there already is not
made again.
"""

import argparse
from datetime import date, timedelta
from itertools import product
from pathlib import Path

import pandas as pd
from unseen_towns import compare, evaluate, xianying

from features.simulation.simulate import simulate

WEEKS = 104
SHARING = "\nsharing: {model: true}\n"


def made_town(place: Path, households: int, seed: int, end: date) -> Path:
    """Make a town, unless it is there, that agrees to lend its model."""
    if not (place / "truth").is_dir():
        simulate(place, households, WEEKS, seed, grids=3, microgrids=14, end=end, dirty=0)
        with (place / "community.yaml").open("a", encoding="utf-8") as settings:
            settings.write(SHARING)
    return place


def lent_model(out: Path, households: int, seed: int, as_of: date) -> Path:
    """Return the workspace of a neighbour with a trained model, which is made unless it is there."""
    workspace = out / f"neighbour-{seed}"
    if not (workspace / "champion").is_dir():
        xianying(workspace, "ingest", str(made_town(out / f"town-{seed}", households, seed, as_of)))
        xianying(workspace, "retrain", "--as-of", as_of.isoformat())
    return workspace


def young_town(place: Path, households: int, seed: int, as_of: date, weeks: int) -> Path:
    """Make a town of which nothing but the households is known from before its last weeks."""
    town = made_town(place, households, seed, as_of)
    since = (as_of - timedelta(weeks=weeks)).isoformat()
    for table, column in (("requests", "requested_at"), ("outreach", "contacted_at")):
        path = town / f"{table}.csv"
        rows = pd.read_csv(path, dtype=str)
        rows[rows[column] >= since].to_csv(path, index=False)
    return town


def scored(town: Path, workspace: Path, as_of: date) -> pd.DataFrame:
    """Score the town; return for each need the precision among the top 2%, and expected over true."""
    xianying(workspace, "score", "--as-of", as_of.isoformat())
    table = evaluate(town, workspace, as_of)
    return table.assign(precision=table["request"] * table["oracle"])


def by_count(town: Path, as_of: date) -> pd.Series:
    """Rank by the requests that the town knows of, and return the precision among the top 2% of each need."""
    truth = pd.read_parquet(town / "truth" / "probabilities.parquet")
    truth = truth[truth["as_of"] == as_of.isoformat()]
    asked = pd.read_csv(town / "requests.csv", dtype=str).groupby(["household_id", "need"]).size()
    scores = truth[["household_id", "need"]].merge(asked.rename("p_request").reset_index(), how="left")
    scores = scores.fillna({"p_request": 0.0}).assign(p_need=0.0)
    table = compare(scores, truth)
    return table["request"] * table["oracle"]


def figures(out: Path, town: Path, lent: list[Path], as_of: date) -> pd.DataFrame:
    """Score a young town by its own model and by a borrowed one; return one row for each need."""
    workspace = out / f"workspace-{town.name}"
    xianying(workspace, "ingest", str(town))
    xianying(workspace, "retrain", "--as-of", as_of.isoformat())
    own = scored(town, workspace, as_of)
    xianying(workspace, "borrow", *map(str, lent), "--as-of", as_of.isoformat())
    borrowed = scored(town, workspace, as_of)
    return pd.DataFrame(
        {
            "true": own["request_true"],
            "asked": own["asked"],
            "oracle": own["oracle"],
            "count": by_count(town, as_of),
            "own": own["precision"],
            "borrowed": borrowed["precision"],
            "own_expected_to_true": own["expected_to_true"],
            "borrowed_expected_to_true": borrowed["expected_to_true"],
        }
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="A young community's own model beside a borrowed one.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--neighbours", type=int, default=4)
    parser.add_argument("--households", type=int, default=2000)
    parser.add_argument("--weeks", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[900], help="of the new towns")
    parser.add_argument("--dates", type=date.fromisoformat, nargs="+", default=[date(2025, 6, 2)])
    options = parser.parse_args()
    lent = [
        lent_model(options.out, options.households, options.seeds[0] + number + 1, min(options.dates))
        for number in range(options.neighbours)
    ]
    tables = {}
    for seed, as_of in product(options.seeds, options.dates):
        place = options.out / f"young-{seed}-{as_of}"
        town = young_town(place, options.households, seed, as_of, options.weeks)
        tables[seed, as_of] = figures(options.out, town, lent, as_of)
    found = pd.concat(tables, names=["seed", "as_of", "need"])
    found.to_csv(options.out / "cold_start.csv", float_format="%.5f")
    print(found.round(4).to_string())


if __name__ == "__main__":
    main()
