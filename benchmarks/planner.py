"""The planner against plain top-k on simulated weeks, and its time at 10,000 households and 450 workers.

    PYTHONPATH=.:tests python benchmarks/planner.py weeks OUT --seeds 0 1 2 3
    PYTHONPATH=.:tests python benchmarks/planner.py time

The first lives the same weeks of the same towns under each way to make lists, with the true chances blurred as
a good model would blur them, and prints needs met per visit. A need is met when a visit finds it and what
would meet it still takes people in. The second prints seconds and optimality gaps.
"""

import argparse
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from make_records import make_community, make_records
from scipy.stats import t
from sklearn.isotonic import IsotonicRegression

from features.point_in_time.cohort import cohort
from features.point_in_time.records import Known, day_of, known_before
from features.simulation.office import Planned
from models.demand.programmes import programmes_for
from models.evaluation.capacity import NEEDS_PER_VISIT
from service.experiments.closed_loop import Monday, Run, Setting, World
from service.planning.eligibility import eligible_pairs, left_out
from service.planning.planner import plan
from service.planning.seat_limits import last_day_to_enrol, seats_for_visits
from service.planning.workers import workers_of

HOUSEHOLDS, WEEKS_BEFORE, WEEKS, END = 1500, 90, 8, date(2025, 7, 14)
BLUR = 0.7  # standard deviation of the error of the log-odds
SEATS = 0.25  # of the example community's, whose town has four times as many households
ENROL_UNTIL = {"love_classroom": "06-15"}


def blurred(known: Known, monday: Monday, seed: int) -> pd.DataFrame:
    """Scores that know the true chances with an error that stays with each pair, calibrated for each need."""
    rows = cohort(known)
    here = pd.Index(monday.world.exports.names.household).get_indexer(pd.Index(known.household_ids))
    true = np.clip(monday.chance[here[rows.household], rows.need], 1e-4, 1 - 1e-4)
    error = np.random.default_rng(seed).normal(0, BLUR, monday.chance.shape)[here[rows.household], rows.need]
    guess = np.log(true / (1 - true)) + error
    p_need = np.empty(len(rows))
    for need in np.unique(rows.need):
        mine = rows.need == need
        p_need[mine] = IsotonicRegression().fit_transform(guess[mine], true[mine])
    return pd.DataFrame(
        {
            "household_id": known.household_ids[rows.household],
            "need": np.array([need.id for need in known.community.needs], dtype=object)[rows.need],
            "p_need": p_need,
            "model_version": "blurred",
        }
    )


def planner(scores: pd.DataFrame, known: Known) -> pd.DataFrame:
    """The product's list."""
    return plan(scores, known).visits[["household_id", "need"]]


def top_k(scores: pd.DataFrame, known: Known) -> pd.DataFrame:
    """The k households of highest severity x p_need, k being all workers' visits, to whoever can still come."""
    return _ranked(scores, known, whole_town=True)


def top_of_each(scores: pd.DataFrame, known: Known) -> pd.DataFrame:
    """Down the same ranking until every worker's week is full."""
    return _ranked(scores, known, whole_town=False)


def _ranked(scores: pd.DataFrame, known: Known, whole_town: bool) -> pd.DataFrame:
    workers = workers_of(known)
    closed = np.zeros((known.household_count, len(known.community.needs)), dtype=bool)
    pairs = eligible_pairs(scores, known, left_out(known, closed))
    pairs = pairs[~pairs["sensitive"]].sort_values("value", ascending=False, kind="stable")
    asked = pairs[pairs.groupby("household").cumcount() < NEEDS_PER_VISIT]
    worth = asked.groupby("household")["value"].sum().sort_values(ascending=False, kind="stable")
    field = ~workers.frame["coordinator"].to_numpy()
    spare = np.where(field, workers.frame["visits"].to_numpy(), 0)
    listed = []
    for household in worth.index[: spare.sum() if whole_town else None]:
        able = np.flatnonzero(workers.covers[workers.area[household]] & (spare > 0))
        if len(able):
            spare[min(able, key=lambda one: workers.covers[:, one].sum())] -= 1
            listed.append(household)
    asked = asked[asked["household"].isin(listed)]
    needs = np.array([need.id for need in known.community.needs], dtype=object)
    ids = known.household_ids
    return pd.DataFrame(
        {"household_id": ids[asked["household"].to_numpy()], "need": needs[asked["need"].to_numpy()]}
    )


WAYS: dict[str, Callable[[pd.DataFrame, Known], pd.DataFrame]] = {
    "planner": planner,
    "top-k of the town": top_k,
    "top of each worker": top_of_each,
}


class Seats:
    """What is left of each programme as needs are met, week by week."""

    def __init__(self, known: Known):
        self.left = {
            programme.id: seats_for_visits(programme, known) for programme in known.community.programmes
        }

    def meets(self, known: Known, need: str) -> bool:
        """Whether a need that was found can be met; takes the seat."""
        one = next(one for one in known.community.needs if one.id == need)
        begins = known.as_of + 7 * one.lead_weeks
        running = programmes_for(known.community, need, begins, begins + 7 * one.horizon_weeks)
        if not running:
            return True
        for programme in running:
            if self.left[programme.id] > 0 and last_day_to_enrol(programme, begins) >= known.as_of:
                self.left[programme.id] -= 1
                return True
        return False


def live(way: str, seed: int, place: Path) -> dict[str, float]:
    """Live the weeks under one way to make lists; sums over them."""
    setting = Setting(HOUSEHOLDS, WEEKS_BEFORE, WEEKS, 3, 12, END)
    world = World(setting, Run(seed, way, 0.0), place)
    for programme in world.exports.content["programmes"]:
        programme["seats"] = max(1, round(programme["seats"] * SEATS))
        programme |= {"enrol_until": ENROL_UNTIL[programme["id"]]} if programme["id"] in ENROL_UNTIL else {}
    severity = {need.id: need.severity for need in world.community.needs}
    sensitive = {need.id for need in world.community.needs if need.sensitive}
    seats, sums = None, dict.fromkeys(("visits", "pairs", "found", "met", "weight"), 0.0)
    for _ in range(WEEKS):
        monday = world.take_in()
        known = monday.known
        seats = seats or Seats(known)
        scores = blurred(known, monday, seed)
        visits = WAYS[way](scores[~scores["need"].isin(sensitive)], known).reset_index(drop=True)
        where = monday.in_town(visits)
        outcomes = world.office.live_a_week(
            Planned(where["household"].to_numpy(), where["need"].to_numpy(), np.full(len(where), np.nan))
        )
        found = visits["need"][(outcomes["outcome"] == "needed").to_numpy()]
        met = [need for need in found if seats.meets(known, need)]
        sums["visits"] += visits["household_id"].nunique()
        sums["pairs"] += len(visits)
        sums["found"] += len(found)
        sums["met"] += len(met)
        sums["weight"] += sum(severity[need] for need in met)
    return {"seed": seed, "way": way, **sums}


def weeks(out: Path, seeds: list[int]) -> None:
    """Print needs met per visit with 95 % intervals over seeds, and the difference to the planner."""
    rows = []
    for seed in seeds:
        for way in WAYS:
            rows.append(live(way, seed, out / f"{seed}-{way.replace(' ', '-')}"))
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(out / "planner.csv", index=False)
    show(table)


def show(table: pd.DataFrame) -> None:
    """Print the figures of all runs as a Markdown table."""
    table["per_visit"], table["weighted"] = table["met"] / table["visits"], table["weight"] / table["visits"]
    table["per_week"] = table["met"] / WEEKS
    figures = ["per_visit", "weighted", "per_week"]
    best = table[table["way"] == "planner"].set_index("seed")[figures]
    print("| list | visits a week | found per visit | met per visit | severity met per visit | met a week |")
    print("|---|---|---|---|---|---|")
    for way, own in table.groupby("way", sort=False):
        shown = [spread(own[figure]) for figure in figures]
        made, found = own["visits"].mean() / WEEKS, (own["found"] / own["visits"]).mean()
        print(f"| {way} | {made:.0f} | {found:.3f} | " + " | ".join(shown) + " |")
        if way != "planner":
            less = [spread(best[figure] - own.set_index("seed")[figure]) for figure in figures]
            print("| planner minus this | | | " + " | ".join(less) + " |")


def spread(values: pd.Series) -> str:
    """Mean and half a 95 % interval (Student's t) over seeds."""
    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.3f} ± {half:.3f}"


def large_town(**sections: Any) -> tuple[Known, pd.DataFrame]:
    """10,000 households in 25 grids of 10 micro-grids, 460 workers, 12 needs, random scores."""
    draw, needs = np.random.default_rng(0), [{"id": f"n{at}", "severity": 1 + at % 3} for at in range(12)]
    needs[-1]["sensitive"] = True
    grid, micro = draw.integers(0, 25, 10_000), draw.integers(0, 10, 10_000)
    homes = [
        {"household_id": f"h{at:05}", "grid_id": f"g{one:02}", "microgrid_id": f"g{one:02}m{two}"}
        for at, (one, two) in enumerate(zip(grid, micro, strict=True))
    ]
    workers = [
        {
            "worker_id": f"s{one:02}{two}",
            "role": "steward",
            "grid_id": f"g{one:02}",
            "microgrid_id": f"g{one:02}m{two}",
        }
        for one in range(25)
        for two in range(10)
    ]
    workers += [
        {"worker_id": f"w{one:02}{two}", "role": "grid_worker", "grid_id": f"g{one:02}"}
        for one in range(25)
        for two in range(8)
    ]
    workers += [{"worker_id": f"c{at}", "role": "coordinator"} for at in range(10)]
    community = make_community(needs, **sections)
    known = known_before(make_records(homes, workers=workers, community=community), day_of(date(2025, 9, 1)))
    scores = pd.DataFrame(
        [(home["household_id"], need["id"]) for home in homes for need in needs],
        columns=["household_id", "need"],
    )
    scores = scores[draw.random(len(scores)) < 0.7]
    return known, scores.assign(p_need=draw.beta(0.4, 8, len(scores)), model_version="1")


def timed() -> None:
    """Print the processor seconds of a plan and its gap under growing constraints."""
    shared = [{"id": f"p{at}", "needs": [f"n{at}", f"n{at + 1}"], "seats": 60} for at in range(6)]
    parity = {"parity": {"groups": ["grid"], "tolerance": 0.03}}
    cases: dict[str, dict[str, Any]] = {
        "workers' visits only": {},
        "six programmes of 60 seats that share needs": {"programmes": shared},
        "parity of 25 grids, tolerance 0.03": {"outreach": parity},
        "both": {"programmes": shared, "outreach": parity},
    }
    print("| constraints | households listed | processor seconds | plan |")
    print("|---|---|---|---|")
    for name, sections in cases.items():
        known, scores = large_town(**sections)
        begin = time.process_time()
        found = plan(scores, known)
        seconds = time.process_time() - begin
        print(f"| {name} | {found.visits['household_id'].nunique()} | {seconds:.1f} | {found.lines[-1]} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="The planner against plain top-k.")
    commands = parser.add_subparsers(dest="command", required=True)
    lived = commands.add_parser("weeks")
    lived.add_argument("out", type=Path)
    lived.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    commands.add_parser("time")
    options = parser.parse_args()
    if options.command == "time":
        timed()
    else:
        weeks(options.out, options.seeds)


if __name__ == "__main__":
    main()
