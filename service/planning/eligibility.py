"""Tell which pairs of household and need may stand on a list, and why the others may not. Pure, no files."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.language import say_line
from features.point_in_time.feedback import refusing_lists, suppressed
from features.point_in_time.records import Known
from features.point_in_time.town_summary import resolutions_recorded
from features.rows.tables import positions_of
from features.units import COMMON_YEAR

HANDLED_DAYS = 365  # an unresolved request older than a year is no longer taken as being handled


@dataclass(frozen=True)
class LeftOut:
    """The households and pairs that may not be listed, by cause."""

    refuses: np.ndarray  # bool per household
    rests: np.ndarray  # bool per household: contacted within the cool-down
    used_up: np.ndarray  # bool per household: visited as often as a household may be within a year
    handled: np.ndarray  # bool [households, needs]: an open request
    suppressed: np.ndarray  # bool [households, needs]: feedback rules it out
    closed: np.ndarray  # bool [households, needs]: nobody can enrol for what would meet it any more

    def pairs(self) -> np.ndarray:
        """Tell which pairs may not be listed: bool [households, needs]."""
        whole = self.refuses | self.rests | self.used_up
        return whole[:, None] | self.handled | self.suppressed | self.closed

    def counts(self, here: np.ndarray | None = None) -> dict[str, int]:
        """Count by cause what is left out; ``here``: bool [households], those to count (default: all)."""
        here = np.ones(len(self.refuses), dtype=bool) if here is None else here
        whole: np.ndarray = np.asarray(self.suppressed.all(axis=1))
        return {
            "refuses": int(self.refuses[here].sum()),
            "rests": int(self.rests[here].sum()),
            "handled": int(self.handled[here].sum()),
            "whole": int(whole[here].sum()),
            "held": int(self.suppressed[here & ~whole].sum()),
            "used_up": int(self.used_up[here].sum()),
        }


def left_out_lines(counts: Mapping[str, int]) -> list[str]:
    """Write how many households and needs are left out; ``counts`` comes from ``LeftOut.counts``."""
    causes = {
        "refuses": f"{counts['refuses']} 户谢绝",
        "rests": f"{counts['rests']} 户近期刚去过",
        "handled": f"{counts['handled']} 件诉求正在办",
        "whole": f"{counts['whole']} 户已搬走、去世，或说过不用来",
        "held": f"另外 {counts['held']} 件事，住户说过不用问",
    }
    lines = say_line(
        "不列入名单：" + ("，".join(words for cause, words in causes.items() if counts[cause]) or "没有"),
        f"not listed: {counts['refuses']} households refuse, {counts['rests']} were contacted lately,"
        f" {counts['handled']} open requests are being handled, feedback, moving away or death rule out"
        f" {counts['whole']} households and {counts['held']} needs of others",
    )
    if counts["used_up"]:
        lines += say_line(
            f"不列入名单：{counts['used_up']} 户一年的走访次数满了（visits_per_household_a_year）",
            f"not listed: {counts['used_up']} households had their visits of a year"
            " (visits_per_household_a_year)",
        )
    return lines


def left_out(known: Known, closed: np.ndarray) -> LeftOut:
    """Find what may not be listed in the week from the as-of day; ``closed``: bool [households, needs]."""
    return LeftOut(
        refusing_lists(known),
        _resting(known),
        _used_up(known),
        _being_handled(known),
        suppressed(known),
        closed,
    )


def eligible_pairs(
    scores: pd.DataFrame, known: Known, out: LeftOut, usual: np.ndarray | None = None
) -> pd.DataFrame:
    """Select the scored pairs that may be listed.

    ``scores``: the contract's columns of scores.parquet. ``out``: what may not be listed. ``usual``: mean p_need of
    each need, float64 [needs]; by default the mean over these scores.

    Returns the columns household, need (positions), p_need, value (severity times p_need; of a need that a rule ranks,
    a grid's p_needs stand in the order of the ranks), usual (the need's mean p_need), sensitive, model_version, sorted
    by household and need.
    """
    pairs = _scored(scores, known)
    if usual is not None:
        pairs["usual"] = usual[pairs["need"]]
    keep = ~out.pairs()[pairs["household"], pairs["need"]]
    return pairs[keep].sort_values(["household", "need"], ignore_index=True)


def _scored(scores: pd.DataFrame, known: Known) -> pd.DataFrame:
    """Return the scores of households and needs that are known, with their positions."""
    community = known.community
    household = positions_of(scores["household_id"], known.household_ids)
    need = positions_of(scores["need"], [need.id for need in community.needs])
    pairs = pd.DataFrame(
        {
            "household": household,
            "need": need,
            "p_need": scores["p_need"].to_numpy(dtype=np.float64),
            "rank": scores["rank"].to_numpy() if "rank" in scores else 0,
            "model_version": scores["model_version"].to_numpy(),
        }
    )[(household >= 0) & (need >= 0)]
    pairs = pairs[known.present[pairs["household"]]]
    severity = np.array([need.severity for need in community.needs])
    pairs["value"] = severity[pairs["need"]] * _by_rank(pairs, known)
    pairs["usual"] = pairs.groupby("need")["p_need"].transform("mean")
    pairs["sensitive"] = np.array([need.sensitive for need in community.needs])[pairs["need"]]
    return pairs.drop(columns="rank")


def _by_rank(pairs: pd.DataFrame, known: Known) -> np.ndarray:
    """Return p_need, in each grid handed out by rank for needs that a rule ranks: float64 [pairs]."""
    worth = pairs["p_need"].to_numpy(copy=True)
    need, rank = pairs["need"].to_numpy(), pairs["rank"].to_numpy()
    grid = known.grid[pairs["household"].to_numpy()]
    for position, need_entry in enumerate(known.community.needs):
        if need_entry.ranking != "model":
            rows = np.flatnonzero(need == position)
            by_rank = rows[np.lexsort((rank[rows], grid[rows]))]
            by_worth = rows[np.lexsort((-worth[rows], grid[rows]))]
            worth[by_rank] = worth[by_worth]
    return worth


def _contacts(known: Known) -> tuple[np.ndarray, np.ndarray]:
    """Return household and day of each contact before the as-of date: of lists, and of the office's own visit ledgers.

    A ledger's visit that tells no outcome for a need is feedback of no kind and of no list (``service.ledgers.compose``).
    """
    rows = known.objections.feedback
    own = np.isinf(rows.visible_to) & (rows.kind < 0) & pd.isna(rows.outreach_id)
    own &= rows.recorded < known.as_of
    return (
        np.concatenate([known.outreach.household, rows.household[own]]),
        np.concatenate([known.outreach.contacted, rows.recorded[own]]),
    )


def _resting(known: Known) -> np.ndarray:
    """Tell which households were contacted within the cool-down before the as-of date: bool [households]."""
    rests = np.zeros(known.household_count, dtype=bool)
    weeks = known.community.outreach.cooldown_weeks
    household, contacted = _contacts(known)
    rests[household[contacted >= known.as_of - 7 * weeks]] = weeks > 0
    return rests


def _used_up(known: Known) -> np.ndarray:
    """Tell which households had as many days of contact in the past year as the settings allow: bool [households]."""
    household, contacted = _contacts(known)
    recent = contacted >= known.as_of - COMMON_YEAR
    days = np.unique(np.stack([household[recent], np.floor(contacted[recent])]), axis=1)
    made = np.bincount(days[0].astype(np.int64), minlength=known.household_count)
    return made >= known.community.outreach.visits_per_household_a_year


def _being_handled(known: Known) -> np.ndarray:
    """Tell which pairs have an open request: bool [households, needs].

    Where a community never notes when a request was resolved, a request counts as open for as long as its need's
    window; elsewhere an unresolved one counts for HANDLED_DAYS.
    """
    rows = known.requests
    open_requests = np.isnan(rows.resolved) & (rows.need >= 0)
    window = np.array([7 * need.horizon_weeks for need in known.community.needs])[rows.need]
    longest = np.full(len(rows), HANDLED_DAYS) if resolutions_recorded(known) else window
    open_requests &= rows.requested >= known.as_of - longest
    handled = np.zeros((known.household_count, len(known.community.needs)), dtype=bool)
    handled[rows.household[open_requests], rows.need[open_requests]] = True
    return handled
