"""What does a community with eight weeks of requests gain by a neighbour's model? Made-up towns whose truth is known.

    PYTHONPATH=.:benchmarks python benchmarks/cold_start.py OUT --neighbours 4 --households 2000

Makes the neighbours, which have a history of two years, and trains a model in each. Makes one more town, keeps its last
weeks only, and scores it by its own model, by a borrowed one, and by its requests so far. Prints for each need the
precision among the top 2% (by the true probabilities, ties broken at random) and writes ``cold_start-SEED.csv``. What is
there already is not made again.
"""

import argparse
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
from unseen_towns import compare, evaluate, xianying

from features.simulation.simulate import simulate

WEEKS = 104
AS_OF = date(2025, 6, 2)
SHARING = "\nsharing: {model: true}\n"


def made_town(place: Path, households: int, seed: int) -> Path:
    """Make a town, unless it is there, that agrees to lend its model."""
    if not (place / "truth").is_dir():
        simulate(place, households, WEEKS, seed, grids=3, microgrids=14, end=AS_OF, dirty=0)
        with (place / "community.yaml").open("a", encoding="utf-8") as settings:
            settings.write(SHARING)
    return place


def lent_model(out: Path, households: int, seed: int) -> Path:
    """Return the workspace of a neighbour with a trained model, which is made unless it is there."""
    workspace = out / f"neighbour-{seed}"
    if not (workspace / "champion").is_dir():
        xianying(workspace, "ingest", str(made_town(out / f"town-{seed}", households, seed)))
        xianying(workspace, "retrain", "--as-of", AS_OF.isoformat())
    return workspace


def young_town(out: Path, households: int, seed: int, weeks: int) -> Path:
    """Make a town of which nothing but the households is known from before its last weeks."""
    town = made_town(out / f"young-{seed}", households, seed)
    since = (AS_OF - timedelta(weeks=weeks)).isoformat()
    for table, column in (("requests", "requested_at"), ("outreach", "contacted_at")):
        path = town / f"{table}.csv"
        rows = pd.read_csv(path, dtype=str)
        rows[rows[column] >= since].to_csv(path, index=False)
    return town


def precision(town: Path, workspace: Path) -> pd.Series:
    """Score the town, and return the precision among the top 2% of each need."""
    xianying(workspace, "score", "--as-of", AS_OF.isoformat())
    table = evaluate(town, workspace, AS_OF)
    return table["request"] * table["oracle"]


def by_count(town: Path) -> pd.Series:
    """Rank by the requests that the town knows of, and return the precision among the top 2% of each need."""
    truth = pd.read_parquet(town / "truth" / "probabilities.parquet")
    truth = truth[truth["as_of"] == AS_OF.isoformat()]
    asked = pd.read_csv(town / "requests.csv", dtype=str).groupby(["household_id", "need"]).size()
    scores = truth[["household_id", "need"]].merge(asked.rename("p_request").reset_index(), how="left")
    scores = scores.fillna({"p_request": 0.0}).assign(p_need=0.0)
    table = compare(scores, truth)
    return table["request"] * table["oracle"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="A young community's own model beside a borrowed one.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--neighbours", type=int, default=4)
    parser.add_argument("--households", type=int, default=2000)
    parser.add_argument("--weeks", type=int, default=8)
    parser.add_argument("--seed", type=int, default=900)
    options = parser.parse_args()
    lent = [
        lent_model(options.out, options.households, options.seed + number + 1)
        for number in range(options.neighbours)
    ]
    town = young_town(options.out, options.households, options.seed, options.weeks)
    workspace = options.out / f"workspace-{options.seed}"
    xianying(workspace, "ingest", str(town))
    xianying(workspace, "retrain", "--as-of", AS_OF.isoformat())
    own = precision(town, workspace)
    xianying(workspace, "borrow", *map(str, lent), "--as-of", AS_OF.isoformat())
    table = evaluate(town, workspace, AS_OF)
    found = pd.DataFrame({"oracle": table["oracle"], "count": by_count(town), "own": own})
    found["borrowed"] = precision(town, workspace)
    expected = evaluate(town, workspace, AS_OF)
    found["borrowed_expected_to_true"] = expected["expected_to_true"]
    found.to_csv(options.out / f"cold_start-{options.seed}.csv", float_format="%.5f")
    print(found.round(4).to_string())


if __name__ == "__main__":
    main()
