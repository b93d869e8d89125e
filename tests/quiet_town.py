"""A town in which newcomers need as much as others and ask for little of it, with random visits and its truth."""

from dataclasses import dataclass

import numpy as np
from make_records import make_community, make_records

from features.point_in_time.records import Records

NEEDS = (
    {"id": "meals", "name": {"zh": "老年助餐"}, "horizon_weeks": 6},
    {"id": "repair", "name": {"zh": "家庭维修"}, "horizon_weeks": 8},
)
START, WEEKS, VISITS_FROM = 19_359, 90, 30  # 2023-01-02, a Monday
AS_OF = START + 7 * WEEKS
LASTS = 6  # weeks, on average
HOUSEHOLDS, VISITED = 500, 70


@dataclass(frozen=True)
class QuietTown:
    """Records, and what nobody knows; arrays are [households, needs] in the order of the records' ids."""

    records: Records
    newcomer: np.ndarray  # bool [households]
    silent_need: np.ndarray  # bool: there on AS_OF and never asked for


def make_quiet_town(seed: int = 0) -> QuietTown:
    """Newcomers report 15 of 100 needs, others 75."""
    random = np.random.default_rng(seed)
    newcomer = np.arange(HOUSEHOLDS) % 3 == 0
    arrived = np.where(newcomer, random.integers(1, VISITS_FROM, HOUSEHOLDS), -10)
    keen = random.gamma(2.0, 0.5, HOUSEHOLDS)
    weekly = 0.02 * keen[:, None] * np.ones(len(NEEDS))
    reports = np.where(newcomer, 0.15, 0.75)[:, None]
    left = np.zeros((HOUSEHOLDS, len(NEEDS)), dtype=int)  # weeks for which a silent need still lasts
    requests, visits = [], []
    for week in range(WEEKS):
        day = START + 7 * week
        begins = (random.random(left.shape) < weekly) & (arrived <= week)[:, None]
        asks = begins & (random.random(left.shape) < reports)
        lasting = random.geometric(1 / LASTS, left.shape)
        left = np.where(begins & ~asks, lasting, np.maximum(left - 1, 0))
        requests += [
            {
                "household_id": name_of(home),
                "need": NEEDS[need]["id"],
                "requested_at": day + 7 * random.random(),
            }
            for home, need in zip(*np.nonzero(asks), strict=True)
        ]
        if week >= VISITS_FROM:
            for home in random.choice(HOUSEHOLDS, VISITED, replace=False):
                visits += _visit(name_of(home), day + 6.5, left[home], random.random() < 0.85)
    households = [
        {
            "household_id": name_of(home),
            "microgrid_id": f"m{home % 7}",
            "valid_from": START + 7 * arrived[home] - 1,
        }
        for home in range(HOUSEHOLDS)
    ]
    community = make_community(NEEDS)
    records = make_records(households=households, requests=requests, outreach=visits, community=community)
    return QuietTown(records, newcomer, left > 0)


def name_of(home: int) -> str:
    """A household's id, in the order of their numbers."""
    return f"h{home:03d}"


def _visit(household: str, day: float, left: np.ndarray, reached: bool) -> list[dict]:
    return [
        {
            "outreach_id": f"{household}-{need['id']}-{day}",
            "household_id": household,
            "need": need["id"],
            "contacted_at": day,
            "arm": "random",
            "outcome": ("needed" if left[index] else "not_needed") if reached else "not_reached",
            "propensity": VISITED / HOUSEHOLDS,
        }
        for index, need in enumerate(NEEDS)
    ]
