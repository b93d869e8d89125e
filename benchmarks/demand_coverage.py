"""Do the intervals of demand hold on towns never seen before? Makes towns, trains, and counts what came later.

    python benchmarks/demand_coverage.py towns --households 2500 --styles 1 2 3 --seeds 11 12

For each town the model is trained twice, 24 and 8 weeks before the data end, and tells its demand then and every
four weeks up to the next training or the end. What came is counted in the data and, past their end, in the truth.
Prints Markdown tables: of the 90% (80%) intervals the share that held, by need, with the share's 95% interval, and
what the model's own backtest had said. Whatever is there already is not made again.
"""

import argparse
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from features.ingest.ingest import ingest
from features.point_in_time.records import Records, day_of, known_before
from features.simulation.simulate import simulate
from features.store.reader import read_records
from models.demand.backtest import told_by_need
from models.demand.cells import came, expected_cells, observed_cells
from models.demand.intervals import town_cells, with_intervals
from models.demand.periods import SPANS, spans
from models.evaluation.evaluate import ALL
from models.evaluation.share_intervals import wilson
from models.scoring.score import score
from models.training.retrain import retrain

WEEK = 7
TRAININGS = {
    24: (0, 4, 8, 12),
    8: (0, 4, 8),
}  # weeks before the data end: weeks later at which demand is told


def later_requests(town: Path, records: Records) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Household, need (positions) and time in days of the requests recorded after the data end."""
    table = pd.read_parquet(town / "truth" / "future_requests.parquet")
    household = pd.Index(records.household_ids).get_indexer(pd.Index(table["household_id"]))
    need = table["need"].map(records.community.need_index()).to_numpy()
    day = (pd.to_datetime(table["requested_at"]) - pd.Timestamp(0)) / pd.Timedelta(days=1)
    return household, need, day.to_numpy(dtype=np.float64)


def told_and_came(town: Path, workspace: Path, end: date) -> pd.DataFrame:
    """Cells of grids and of the community with intervals (``with_intervals``), observed, as_of and grids."""
    records, last = read_records(workspace), day_of(end)
    known_all = known_before(records, last + 1)
    household, need, time = later_requests(town, records)
    ahead = max(need.lead_weeks + need.horizon_weeks for need in records.community.needs)
    parts = []
    for back, later in TRAININGS.items():
        model = retrain(records, last - WEEK * back).model
        assert model.spread is not None
        for weeks in later:
            day = last - WEEK * back + WEEK * weeks
            scored = score(records, model, day)
            begin, until = spans(records.community, day)
            asked = []
            for span in range(SPANS):
                found = came(known_all, begin[:, span], until[:, span])
                inside = (time >= begin[need, span]) & (time < until[need, span])
                found[household[inside], need[inside]] = True
                asked.append(found)
            rows = scored.features.rows
            cells = expected_cells(scored.known, rows, scored.p_request)
            cells = cells.assign(
                as_of=day, observed=observed_cells(scored.known, rows, np.stack(asked)), trained=back
            )
            cells = cells[(cells["households"] > 0) & (cells["ends"] <= last + WEEK * ahead)]
            for grids, table in ((False, town_cells(cells)), (True, cells)):
                parts.append(with_intervals(table, model.spread, grids).assign(grids=grids, trained=back))
    return pd.concat(parts, ignore_index=True)


def markdown(table: pd.DataFrame, needs: list[str]) -> str:
    """Shares of the community's and the grids' intervals that held, a line a need."""
    shown = [
        (place, span, level)
        for place, span in (("community", "window"), ("community", "month"), ("grid", "window"))
        for level in (90, 80)
    ]
    heads = [f"{place}, {span}: {level}%" for place, span, level in shown]
    lines = [f"| need | {' | '.join(heads)} |", "|" + "---|" * (len(heads) + 1)]
    rows = table.set_index(["need", "place", "span"])
    for need in [*needs, ALL]:
        cells = []
        for place, span, level in shown:
            row = rows.loc[(need, place, span)]
            share, low, high = (100 * row[f"{name}_{level}"] for name in ("within", "low", "high"))
            cells.append(f"{share:.1f} [{low:.0f}, {high:.0f}]")
        lines.append(f"| {need} | {' | '.join(cells)} |")
    return "\n".join(lines)


def by_need(told: pd.DataFrame, needs: list[str]) -> pd.DataFrame:
    """``told_by_need`` over towns and trainings: windows that do not overlap are counted in each and added."""
    parts = [
        told_by_need(rows, needs).assign(town=town, trained=trained)
        for (town, trained), rows in told.groupby(["town", "trained"])
    ]
    table = pd.concat(parts, ignore_index=True)
    windows = table.groupby(["need", "place", "span"])["windows"].sum()
    whole = told_by_need(told, needs).set_index(["need", "place", "span"])
    for level in (90, 80):
        bounds = [
            wilson(row[f"within_{level}"] * windows[key], windows[key]) for key, row in whole.iterrows()
        ]
        whole[f"low_{level}"], whole[f"high_{level}"] = zip(*bounds, strict=True)
    return whole.assign(windows=windows).reset_index()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Coverage of demand intervals on synthetic towns.")
    parser.add_argument("out", type=Path, help="where towns, workspaces and demand_coverage.parquet go")
    parser.add_argument("--households", type=int, default=2500)
    parser.add_argument("--weeks", type=int, default=208)
    parser.add_argument("--styles", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--seeds", type=int, nargs="+", default=[11])
    parser.add_argument(
        "--end", type=date.fromisoformat, default=date(2025, 12, 29), help="of style 1's data"
    )
    return parser.parse_args()


def main() -> None:
    options = arguments()
    found = []
    for seed in options.seeds:
        for style in options.styles:
            name = f"{style}-{seed}"
            town, workspace = options.out / f"town-{name}", options.out / f"workspace-{name}"
            end = options.end - timedelta(weeks=9 * style)  # every style is judged in another season
            kept = options.out / f"told-{name}.parquet"
            if not kept.is_file():
                simulate(
                    town, options.households, options.weeks, seed, end=end, style=style, dirty=0, draws=2
                )
                ingest(town, workspace)
                told_and_came(town, workspace, end).to_parquet(kept)
            needs = [need.id for need in read_records(workspace).community.needs]
            found.append(pd.read_parquet(kept).assign(town=name))
            print(f"{len(found)} towns\n\n{markdown(by_need(pd.concat(found), needs), needs)}\n", flush=True)


if __name__ == "__main__":
    main()
