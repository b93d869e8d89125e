"""What a visit changes: households listed now against those that a lot put off, as it came afterwards."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

from features.contract.community import Community
from features.language import say_line
from features.store.database import open_store
from features.store.sql import held
from models.evaluation.share_intervals import wilson

SEVERE = 3
POWER = 0.8


@dataclass(frozen=True)
class Effect:
    """Of both arms, households and those with the outcome; and the difference of shares, later less now."""

    now: tuple[int, int]  # households, with the outcome
    later: tuple[int, int]
    difference: float
    low: float  # 95% interval
    high: float


def effect(now: np.ndarray, later: np.ndarray) -> Effect:
    """Compare an outcome between the arms as the lot drew them, whatever became of the visits.

    now, later: bool [households], True with the outcome. The interval is that of Newcombe (1998, method 10), which holds
    for rare outcomes and small arms.
    """
    hits = [(int(arm.sum()), len(arm)) for arm in (later, now)]
    shares = [hit / max(count, 1) for hit, count in hits]
    (low_1, high_1), (low_0, high_0) = (wilson(*counts) for counts in hits)
    difference = shares[0] - shares[1]
    low = difference - np.hypot(shares[0] - low_1, high_0 - shares[1])
    high = difference + np.hypot(high_1 - shares[0], shares[1] - low_0)
    return Effect((len(now), hits[1][0]), (len(later), hits[0][0]), difference, float(low), float(high))


def households_needed(share: float, change: float) -> int:
    """Return how many households each arm needs to show a change of a share.

    Two-sided at 5%, with the probability ``POWER`` to find it, in normal approximation.

    share: of households with the outcome without a visit, in (0, 1). change: how much a visit lowers or raises it.

    >>> households_needed(0.10, 0.05)
    432
    """
    other = min(max(share - change, 0.0), 1.0)
    spread = share * (1 - share) + other * (1 - other)
    return int(np.ceil((norm.ppf(0.975) + norm.ppf(POWER)) ** 2 * spread / change**2))


def outcomes_of_lots(workspace: Path, lots: pd.DataFrame, community: Community, as_of: int) -> pd.DataFrame:
    """Tell what became of each household within its round's weeks after the lot, for lots so long ago.

    lots: household_id, as_of (date), round, later; of every week. as_of: the day of the look back.

    Returns one row a household and round, its first: later, severe (asked for a need of severity 3), needed (a visit
    found a need).
    """
    assert community.outreach.phase_in is not None
    days = 7 * community.outreach.phase_in.weeks
    first = lots.sort_values("as_of").drop_duplicates(["household_id", "round"])
    begin = (pd.to_datetime(first["as_of"]) - pd.Timestamp(0)) // pd.Timedelta(days=1)
    first = first.assign(day=begin)[(begin + days <= as_of).to_numpy()].reset_index(drop=True)
    severe = [need.id for need in community.needs if need.severity >= SEVERE]
    with open_store(workspace, read_only=True) as connection:
        connection.register("lots", first[["household_id", "day"]])

        def came(table: str, time: str, which: str, values: list[str]) -> np.ndarray:
            rows = connection.execute(
                f"""SELECT coalesce(bool_or(found.household_id IS NOT NULL), false) AS came
                FROM (SELECT *, row_number() OVER () AS place FROM lots) AS lots LEFT JOIN (
                    SELECT household_id, epoch_us({time}) / 86400e6 AS moment
                    FROM {held(table, as_of)} WHERE {which} IN (SELECT unnest($values))) AS found
                ON found.household_id = lots.household_id AND moment >= day AND moment < day + {days}
                GROUP BY place ORDER BY place""",
                {"values": values or [""]},
            ).fetchnumpy()
            return np.asarray(rows["came"], dtype=bool)

        asked = came("requests", "requested_at", "need", severe)
        needed = came("outreach", "contacted_at", "outcome", ["needed"])
    return first[["household_id", "later"]].assign(severe=asked, needed=needed)


def effect_lines(table: pd.DataFrame) -> list[str]:
    """Write what the lots have shown so far, with intervals and how many households it takes."""
    lines = []
    later = table["later"].to_numpy(dtype=bool)
    for name, zh, en in (
        ("severe", "提出严重诉求", "asked for a severe need"),
        ("needed", "走访发现需要", "a visit found a need"),
    ):
        had = table[name].to_numpy(dtype=bool)
        measured = effect(had[~later], had[later])
        share = max(float(had[later].mean()) if later.any() else 0.0, 0.01)
        wanted = households_needed(share, share / 2)
        shown = f"{measured.difference:+.1%} [{100 * measured.low:.1f}, {100 * measured.high:.1f}]"
        lines += say_line(
            f"错时列入：{zh} 先列 {measured.now[1]}/{measured.now[0]} 户，"
            f"后列 {measured.later[1]}/{measured.later[0]} 户，相差 {shown}；要看出减半，每组约需 {wanted} 户",
            f"phase-in: {en}, listed now {measured.now[1]} of {measured.now[0]}, later {measured.later[1]} of"
            f" {measured.later[0]}, difference {shown}; to show a halving each arm needs about {wanted} households",
        )
    return lines
