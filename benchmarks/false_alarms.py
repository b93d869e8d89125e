"""How often does a town in which nothing breaks raise an alarm? Makes towns and looks at each of their last weeks.

    python benchmarks/false_alarms.py towns --households 300 --styles 0 1 --seeds 1 2 3 --quarters 2

Each week of the last quarters is looked at as on its Monday, with what was known then; features every fourth week, as if
the model had been trained before the first of these weeks. An alarm counts once, in the week in which it is raised first.
Prints the alarms, and alarms a quarter with an exact 95% interval.
"""

import argparse
from pathlib import Path

from features.ingest.ingest import ingest
from features.point_in_time.records import date_of, day_of, known_before
from features.point_in_time.schema_fit import fit_schema
from features.simulation.simulate import DEFAULT_END, simulate
from features.store.reader import read_records, read_settings
from models.evaluation.share_intervals import exact_count
from models.monitoring.alarms import drift_alarms, find_alarms, stream_alarms
from models.monitoring.control_chart import QUARTER
from models.monitoring.feature_drift import feature_drift
from models.monitoring.streams import answered_visits, streams

WEEKS_MADE = 182  # of a town: two quarters, and three years before them


def town(place: Path, households: int, style: int, seed: int) -> Path:
    """Make a town and take it in, unless it is there; return its workspace."""
    workspace = place / f"{households}-{style}-{seed}"
    if not (workspace / "records.duckdb").is_file():
        files = workspace.with_suffix(".export")
        simulate(files, households=households, weeks=WEEKS_MADE, seed=seed, style=style, dirty=0.0, draws=1)
        ingest(files, workspace)
    return workspace


def raised(workspace: Path, weeks: int) -> list[str]:
    """Return a line for each alarm that was raised first in one of the last weeks."""
    community, last, records = read_settings(workspace), day_of(DEFAULT_END), read_records(workspace)
    trained = last - 7 * (weeks + 1)
    schema = fit_schema(known_before(records, trained))
    lines, before, drifted = [], set(), []
    for ago in range(weeks, -1, -1):
        day = last - 7 * ago
        if ago % 4 == 0:
            drifted = feature_drift(records, schema, trained, day)
        found = [
            *stream_alarms(streams(workspace, day), community, day),
            *find_alarms(*answered_visits(workspace, day), day),
            *drift_alarms(drifted, date_of(trained)),
        ]
        now = {(one.kind, one.subject) for one in found}
        if ago < weeks:  # alarms of the first look may have begun before it
            lines += [f"{date_of(day)} {one.zh}" for one in found if (one.kind, one.subject) not in before]
        before = now
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("place", type=Path)
    parser.add_argument("--households", type=int, default=400)
    parser.add_argument("--styles", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--quarters", type=int, default=4)
    given = parser.parse_args()
    total, quarters, table = 0, 0, ["| town | quarters | alarms |", "|---|---|---|"]
    for style in given.styles:
        for seed in given.seeds:
            lines = raised(town(given.place, given.households, style, seed), QUARTER * given.quarters)
            print(*lines, sep="\n")
            table.append(f"| style {style}, seed {seed} | {given.quarters} | {len(lines)} |")
            total, quarters = total + len(lines), quarters + given.quarters
    rate, low, high = (count / quarters for count in (total, *exact_count(total)))
    print(*table, sep="\n")
    print(f"\n{rate:.2f} alarms a quarter [{low:.2f}, {high:.2f}] in {quarters} quarters")


if __name__ == "__main__":
    main()
