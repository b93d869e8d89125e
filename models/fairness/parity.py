"""Parity of recall in list making: what share of each group's expected need a list meets, and what parity costs.

The list maker itself is in ``service``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.blocks.groups import Groups
from features.contract.community import Parity
from features.language import joined_names, say, say_line
from models.evaluation.evaluate import ALL


def recall_sums(
    household: np.ndarray, p_need: np.ndarray, listed: np.ndarray, groups: Groups
) -> pd.DataFrame:
    """Sum up what a list is expected to find in each group of a town, or of a partition of it.

    household: int [pairs], position among the members of ``groups``; the pairs are those that might be listed.
    p_need: float64 [pairs].
    listed: bool [pairs].

    Returns group, need (sum of p_need), visits (households listed), found (sum of p_need listed). The first row,
    ``all``, is the whole town or partition.
    """
    member = np.column_stack([np.ones(len(groups.member), dtype=bool), groups.member])
    homes = np.unique(household[listed])
    return pd.DataFrame(
        {
            "group": [ALL, *groups.ids],
            "need": _by_group(household, p_need, member),
            "visits": member[homes].sum(axis=0),
            "found": _by_group(household[listed], p_need[listed], member),
        }
    )


def recalls(*sums: pd.DataFrame) -> pd.DataFrame:
    """Add up the ``recall_sums`` of a town's partitions.

    Adds recall (found over need; NaN without need) and relative (recall over that of all).
    """
    frame = pd.concat(sums).groupby("group", sort=False, as_index=False).sum()
    frame["recall"] = frame["found"] / frame["need"].where(frame["need"] > 0)
    overall = frame["recall"].iloc[0]
    return frame.assign(relative=frame["recall"] / overall if overall > 0 else np.nan)


def _by_group(household: np.ndarray, value: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Sum a value of pairs over the members of each group: float64 [groups]."""
    return np.bincount(household, value, len(member)) @ member


def short_of_parity(recalls: pd.DataFrame, groups: Groups, parity: Parity) -> list[str]:
    """List the groups of a parity setting whose relative recall is below 1 - tolerance.

    ``recalls``: what ``recalls`` returns. Raises UserError if a group of the setting does not exist.
    """
    wanted = [groups.ids[at] for at in groups.positions(parity.groups)]
    rows = _by_id(recalls)
    return [group for group in wanted if rows[group]["relative"] < 1 - parity.tolerance - 1e-9]


def price_lines(without: pd.DataFrame, within: pd.DataFrame, groups: Groups, parity: Parity) -> list[str]:
    """Describe what parity costs and brings: needs found in 100 visits, and each group's recall, before and after.

    without, within: what ``recalls`` returns for the list made without the constraint, and with it.
    """
    before, after = _by_id(without), _by_id(within)
    lines = [_price(before[ALL], after[ALL])]
    town = f"{before[ALL]['recall']:.1%} → {after[ALL]['recall']:.1%}"
    for at in groups.positions(parity.groups):
        group, name = groups.ids[at], groups.names[at].here
        if before[group]["need"] > 0:
            change = f"{before[group]['recall']:.1%} → {after[group]['recall']:.1%}"
            lines += say_line(
                f"  {name}：名单满足其预计需要的 {change}（全体 {town}）",
                f"  {name}: the list meets {change} of its expected need (of all: {town})",
            )
    short = short_of_parity(within, groups, parity)
    return [*lines, _not_reached(short, groups)] if short else lines


def _by_id(recalls: pd.DataFrame) -> dict[str, dict[str, float]]:
    rows: list[dict[str, Any]] = recalls.to_dict("records")  # type: ignore[assignment]
    return {row["group"]: row for row in rows}


def _price(before: dict[str, float], after: dict[str, float]) -> str:
    old, new = (100 * recall["found"] / max(recall["visits"], 1) for recall in (before, after))
    return say(
        f"各群体均等：每百次走访预计发现 {old:.1f} → {new:.1f} 项需要（{new - old:+.1f}）",
        f"parity: needs expected in 100 visits {old:.1f} → {new:.1f} ({new - old:+.1f})",
    )


def _not_reached(short: Sequence[str], groups: Groups) -> str:
    names = dict(zip(groups.ids, groups.names, strict=True))
    listed = joined_names(names[group].here for group in short)
    return say(
        f"  走访人手不够，这些群体还是达不到容许范围：{listed}",
        f"  still below the tolerance, as visits are limited: {listed}",
    )
