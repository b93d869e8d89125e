"""Measure a week of the closed loop by group of households, and a list by the truth."""

from typing import Any

import numpy as np
import pandas as pd

from features.contract.community import Community
from features.simulation.town import Town

ALL = "all"
TARGETED = "targeted"


def happened(
    town: Town,
    community: Community,
    visits: pd.DataFrame,
    chance: np.ndarray,
    group: dict[str, np.ndarray],
    requests: np.ndarray,
) -> list[dict[str, Any]]:
    """Measure the week that the town has just lived.

    town, community: the town after the week, and its settings.
    visits: one row for each household and need (positions) visited in the week, with arm and outcome.
    chance: ``need_now`` before the week: float [households, needs].
    group: ``groups`` before the week: bool [households] by name.
    requests: number of requests in the week: int [households].

    Returns one row for each group, and one for ``all``. Of targeted visits (and, with the prefix ``lot_``, of random
    ones): visits (households, reached or not), pairs (asked about), found (needs found), early (of these, not yet
    asked for), severity (sum over ``early``), expected (sum of ``chance`` over the pairs). Of the whole group:
    households, begun (needs that began in the week), requests.
    """
    week = town.week - 1
    household, need = visits["household"].to_numpy(), visits["need"].to_numpy()
    needed = (visits["outcome"] == "needed").to_numpy()
    early = needed & (town.asked_at[household, need] < town.begun[household, need])
    severity = np.array([need.severity for need in community.needs])[need]
    begun = (town.begun == week).sum(axis=1)
    present = town.people.arrived < week
    rows = []
    for name, inside in {ALL: np.ones(len(present), bool), **group}.items():
        row: dict[str, Any] = {"group": name}
        for prefix, arm in (("", TARGETED), ("lot_", "random")):
            of_arm = inside[household] & (visits["arm"] == arm).to_numpy()
            row |= {
                f"{prefix}visits": len(np.unique(household[of_arm])),
                f"{prefix}pairs": int(of_arm.sum()),
                f"{prefix}found": int(needed[of_arm].sum()),
                f"{prefix}early": int(early[of_arm].sum()),
                f"{prefix}severity": int(severity[early & of_arm].sum()),
                f"{prefix}expected": float(chance[household[of_arm], need[of_arm]].sum()),
            }
        row |= {
            "households": int((present & inside).sum()),
            "begun": int(begun[inside].sum()),
            "requests": int(requests[inside].sum()),
        }
        rows.append(row)
    return rows


def expected_of_list(visits: pd.DataFrame, chance: np.ndarray) -> dict[str, float]:
    """Count the households that a list targets, and sum ``chance`` [households, needs] over its targeted pairs."""
    targeted = visits[visits["arm"] == TARGETED]
    return {
        "visits": float(targeted["household"].nunique()),
        "expected": float(chance[targeted["household"], targeted["need"]].sum()),
    }
