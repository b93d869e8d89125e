"""How often does the gate refuse a challenger, or mark a need, in a town in which nothing changes? Retrains whole towns.

    python benchmarks/gate_rate.py towns --households 300 --styles 0 1 --seeds 1 2 --retrains 4 --weeks 8

Makes each town, or takes the one that ``false_alarms.py`` left there, and retrains it on several of its last Mondays,
each time against the champion so far. Prints a line for each retrain, then shares with exact 95% intervals.
"""

import argparse
from pathlib import Path

import pandas as pd
from false_alarms import town

from features.point_in_time.records import date_of, day_of, known_before
from features.simulation.simulate import DEFAULT_END
from features.store.reader import read_records
from models.evaluation.share_intervals import exact_share
from models.evaluation.soundness import RANGE, RANKING_ONLY, RULE
from models.report.card import decide
from models.training.retrain import retrain
from models.training.retraining import Retraining


def retrained(workspace: Path, retrains: int, weeks: int, most_rows: int) -> tuple[list[bool], pd.DataFrame]:
    """Retrain on Mondays ``weeks`` apart; return whether each challenger was refused, and all tables of soundness."""
    records, champion, refused, uses = read_records(workspace), None, [], []
    for ago in reversed(range(retrains)):
        day = day_of(DEFAULT_END) - 7 * weeks * ago
        challenger = retrain(records, day, champion, Retraining(threads=1, most_rows=most_rows))
        decision = decide(challenger, known_before(records, day), champion is not None)
        if champion is not None:
            refused.append(not decision.allowed)
        marked = challenger.soundness
        if marked is not None:
            uses.append(marked.assign(as_of=date_of(day)))
            lines = [f"{row.need} {row.use} ({row.ratio:.2f})" for row in marked.itertuples() if row.use]
            print(
                workspace.name,
                date_of(day),
                "; ".join(lines),
                *([] if decision.allowed else decision.reasons),
            )
        champion = challenger.model if decision.allowed else champion
    return refused, pd.concat(uses) if uses else pd.DataFrame(columns=["use"])


def share(what: str, hits: int, total: int) -> str:
    low, high = exact_share(hits, total)
    return f"{what}: {hits} of {total}, {100 * hits / max(total, 1):.1f}% [{100 * low:.1f}, {100 * high:.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("place", type=Path)
    parser.add_argument("--households", type=int, default=300)
    parser.add_argument("--styles", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--retrains", type=int, default=4)
    parser.add_argument("--weeks", type=int, default=8)
    parser.add_argument("--most-rows", type=int, default=40_000)
    given = parser.parse_args()
    refused, uses = [], []
    for style in given.styles:
        for seed in given.seeds:
            workspace = town(given.place, given.households, style, seed)
            of_town, marks = retrained(workspace, given.retrains, given.weeks, given.most_rows)
            refused, uses = refused + of_town, [*uses, marks]
            marked = pd.concat(uses)["use"]
            print(share("refused", sum(refused), len(refused)), flush=True)
            for use in (RANKING_ONLY, RULE, RANGE):
                print(share(f"needs marked {use}", int((marked == use).sum()), len(marked)), flush=True)


if __name__ == "__main__":
    main()
