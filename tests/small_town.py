"""A small random town with every table, for tests of blocks: rows, and the records made of them."""

from datetime import date, timedelta
from typing import Any

import numpy as np
from make_records import make_community, make_records

from features.point_in_time.cohort import cohort
from features.point_in_time.records import Known, Records, Rows, day_of, known_before
from features.point_in_time.schema import Schema, fit_schema

AS_OF = day_of(date(2024, 9, 2))
NEEDS = (
    {"id": "childcare", "name": {"zh": "暑期托管"}, "horizon_weeks": 8, "who": "children > 0"},
    {"id": "meals", "name": {"zh": "老年助餐"}, "horizon_weeks": 4, "lead_weeks": 2, "severity": 3},
    {"id": "refuge", "name": {"zh": "家暴求助"}, "horizon_weeks": 12, "severity": 3, "sensitive": True},
)


def iso(day: float) -> str:
    """A day since 1970 as an ISO date-time."""
    return (date(1970, 1, 1) + timedelta(days=int(day))).isoformat() + f"T{int(day % 1 * 24):02d}:00:00"


def town_rows(seed: int = 0, households: int = 60, requests: int = 400) -> dict[str, list[dict[str, Any]]]:
    """Rows of every table, all recorded before AS_OF; few households ask for most."""
    random = np.random.default_rng(seed)
    needs = [need["id"] for need in NEEDS]
    names = [f"h{index:02d}" for index in range(households)]
    keen = random.gamma(0.7, size=households)

    def pick(count: int) -> list[str]:
        return [names[index] for index in random.choice(households, count, p=keen / keen.sum())]

    def before(count: int, span: int) -> np.ndarray:
        return AS_OF - 1 - random.integers(0, span * 24, count) / 24

    asked = before(requests, 1200)
    recorded = np.minimum(asked + random.exponential(4, requests), AS_OF - 0.5)
    visited = before(25, 300)
    return {
        "households": [
            {
                "household_id": name,
                "grid_id": f"g{index % 2}",
                "microgrid_id": f"m{index % 6}",
                "valid_from": iso(AS_OF - (1500 if index % 3 else 200 + index)),
                "children": index % 3,
                "income": "low" if index % 4 else "high",
            }
            for index, name in enumerate(names)
        ],
        "residents": [
            {"resident_id": f"p{index}", "household_id": names[index], "birth_year": 1940 + 3 * index}
            for index in range(households)
        ],
        "requests": [
            {
                "request_id": f"r{index}",
                "household_id": name,
                "need": needs[random.integers(len(needs))],
                "requested_at": iso(asked[index]),
                "recorded_at": iso(recorded[index]),
                "resolved_at": iso(recorded[index] + 3) if index % 3 else None,
                **({"satisfaction": 1 + index % 5} if index % 3 and index % 2 else {}),
            }
            for index, name in enumerate(pick(requests))
        ],
        "outreach": [
            {
                "outreach_id": f"o{index}",
                "household_id": name,
                "need": needs[index % len(needs)],
                "contacted_at": iso(visited[index]),
                "arm": "random" if index % 2 else "targeted",
                "outcome": ("needed", "not_needed", "declined", "not_reached", None)[index % 5],
            }
            for index, name in enumerate(pick(25))
        ],
        "opt_outs": [{"household_id": names[1], "from": iso(AS_OF - 100)}],
    }


def town_records(rows: dict[str, list[dict[str, Any]]]) -> Records:
    """The records of these rows in a community with the needs of this module."""
    return make_records(**rows, community=make_community(NEEDS))


def at(records: Records, as_of: int = AS_OF) -> tuple[Known, Rows, Schema]:
    """What was known, the pairs to score and the schema fitted then."""
    known = known_before(records, as_of)
    return known, cohort(known), fit_schema(known)
