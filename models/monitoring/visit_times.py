"""When somebody is at home: the chance of meeting a household by weekday, time of day and kind of household."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.language import say
from features.store.database import open_store
from features.store.sql import held
from models.evaluation.share_intervals import wilson

ELDER, CHILD = 65, 15  # years
PRIOR = 20.0  # visits that the mean of the kind counts for
FEWEST = 30  # visits in a slot, below which it is not recommended
SLOTS = {
    (weekend, part): (f"{day[0]}{time[0]}", f"{day[1]} {time[1]}")
    for weekend, day in ((False, ("工作日", "weekday")), (True, ("周末", "weekend")))
    for part, time in enumerate((("上午", "mornings"), ("下午", "afternoons"), ("晚上", "evenings")))
}
KINDS = {
    "elders": ("有老人的家庭", "households with elders"),
    "children": ("有孩子的家庭", "households with children"),
    "others": ("其他家庭", "other households"),
}


@dataclass(frozen=True)
class BestTime:
    """The best time for a kind of household: the chance of meeting somebody then, and usually."""

    kind: str
    slot: tuple[bool, int]  # weekend; morning, afternoon or evening
    chance: float
    usual: float
    visits: int


def visit_counts(workspace: Path, as_of: int) -> pd.DataFrame:
    """Count visits with a time of day by kind of household and slot: kind, weekend, part, visits and met."""
    with open_store(workspace, read_only=True) as connection:
        return connection.execute(f"""
            WITH born AS (
                SELECT household_id, coalesce(year(birth_date), birth_year) AS born_in FROM {held("residents", as_of)}),
            made AS (
                SELECT household_id, contacted_at, outcome <> 'not_reached' AS met
                FROM {held("outreach", as_of)} WHERE outcome IS NOT NULL AND contacted_at::TIME <> TIME '00:00:00'),
            kinds AS (
                SELECT made.*, coalesce(max(year(contacted_at) - born_in), 0) >= {ELDER} AS elders,
                coalesce(min(year(contacted_at) - born_in), 99) < {CHILD} AS children
                FROM made LEFT JOIN born USING (household_id) GROUP BY ALL)
            SELECT CASE WHEN elders THEN 'elders' WHEN children THEN 'children' ELSE 'others' END AS kind,
            isodow(contacted_at) >= 6 AS weekend,
            CASE WHEN hour(contacted_at) < 12 THEN 0 WHEN hour(contacted_at) < 17 THEN 1 ELSE 2 END AS part,
            count(*) AS visits, sum(met::INTEGER)::BIGINT AS met FROM kinds GROUP BY ALL ORDER BY ALL""").df()


def best_times(counts: pd.DataFrame) -> list[BestTime]:
    """Choose for each kind of household the time at which somebody is met most often, if it is clearly above the rest.

    The chance of a slot is drawn towards the kind's mean, as if PRIOR more visits had met the usual share; it is told
    only where even the lower end of its 95% interval lies above the share of all other slots.
    """
    times = []
    for kind, rows in counts.groupby("kind", sort=False):
        met, made = rows["met"].to_numpy(dtype=np.float64), rows["visits"].to_numpy(dtype=np.float64)
        usual = met.sum() / made.sum()
        chance = (met + PRIOR * usual) / (made + PRIOR)
        best = int(np.argmax(np.where(made >= FEWEST, chance, -1)))
        rest, others = made.sum() - made[best], met.sum() - met[best]
        if made[best] >= FEWEST and rest and wilson(met[best], made[best])[0] > others / rest:
            slot = bool(rows["weekend"].iloc[best]), int(rows["part"].iloc[best])
            times.append(BestTime(str(kind), slot, float(chance[best]), float(usual), int(made[best])))
    return times


def time_lines(times: list[BestTime]) -> list[str]:
    """Write the best time for each kind of household."""
    return [
        say(
            f"{KINDS[time.kind][0]}：{SLOTS[time.slot][0]}最容易见到人"
            f"（{time.chance:.0%}，平常 {time.usual:.0%}，{time.visits} 次）",
            f"{KINDS[time.kind][1]}: {SLOTS[time.slot][1]} are the best time to meet somebody ({time.chance:.0%}, usually"
            f" {time.usual:.0%}, {time.visits} visits)",
        )
        for time in times
    ]
