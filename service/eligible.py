"""Which pairs of household and need may stand on a list, and why the others may not. Pure, no files."""

import numpy as np
import pandas as pd

from features.feedback import suppressed
from features.language import say
from features.records import Known

HANDLED_DAYS = 365  # an unresolved request older than a year is no longer taken as being handled


def eligible_pairs(scores: pd.DataFrame, known: Known) -> tuple[pd.DataFrame, list[str]]:
    """The pairs that may be listed, and a line on those that may not.

    Left out: households that refuse lists in the coming week, households contacted within the cool-down,
    needs for which the household has an open request that someone already handles, and what feedback rules out.

    Returns columns household, need (positions), p_need, value (severity times p_need), usual (the need's
    mean p_need), sensitive, model_version.
    """
    pairs = _scored(scores, known)
    refuses, rests, handled = _refusing(known), _resting(known), _being_handled(known)
    keep = ~refuses[pairs["household"]] & ~rests[pairs["household"]]
    held = suppressed(known)
    keep &= ~(handled | held)[pairs["household"], pairs["need"]]
    line = say(
        f"不列入名单：{refuses.sum()} 户谢绝，{rests.sum()} 户近期已联系，{handled.sum()} 件诉求正在办理，"
        f"{held.all(axis=1).sum()} 户、另 {held[~held.all(axis=1)].sum()} 项因反馈停列",
        f"not listed: {refuses.sum()} households refuse, {rests.sum()} were contacted lately,"
        f" {handled.sum()} open requests are being handled, feedback rules out {held.all(axis=1).sum()} households"
        f" and {held[~held.all(axis=1)].sum()} needs of others",
    )
    return pairs[keep].sort_values(["household", "need"], ignore_index=True), [line]


def _scored(scores: pd.DataFrame, known: Known) -> pd.DataFrame:
    """The scores of households and needs that are known, by position."""
    community = known.community
    household = pd.Index(known.records.household_ids).get_indexer(pd.Index(scores["household_id"]))
    need = pd.Index([one.id for one in community.needs]).get_indexer(pd.Index(scores["need"]))
    pairs = pd.DataFrame(
        {
            "household": household,
            "need": need,
            "p_need": scores["p_need"].to_numpy(dtype=np.float64),
            "model_version": scores["model_version"].to_numpy(),
        }
    )[(household >= 0) & (need >= 0)]
    pairs = pairs[known.present[pairs["household"]]]
    severity = np.array([one.severity for one in community.needs])
    pairs["value"] = severity[pairs["need"]] * pairs["p_need"]
    pairs["usual"] = pairs.groupby("need")["p_need"].transform("mean")
    pairs["sensitive"] = np.array([one.sensitive for one in community.needs])[pairs["need"]]
    return pairs


def _refusing(known: Known) -> np.ndarray:
    """bool per household: refuses lists at some time of the coming week, as far as is known by now.

    Refusals recorded after the as-of date count too: a list made again late must respect them.
    """
    rows = known.records.opt_outs
    refuses = known.opted_out.copy()
    now = np.isinf(rows.visible_to) & (rows.begins < known.as_of + 7) & (rows.until > known.as_of)
    refuses[rows.household[now]] = True
    return refuses


def _resting(known: Known) -> np.ndarray:
    """bool per household: contacted within the cool-down before the as-of date."""
    rests = np.zeros(known.household_count, dtype=bool)
    weeks = known.community.outreach.cooldown_weeks
    rests[known.outreach.household[known.outreach.contacted >= known.as_of - 7 * weeks]] = weeks > 0
    return rests


def _being_handled(known: Known) -> np.ndarray:
    """bool, households x needs: an open request.

    A community that never notes when a request was resolved has only open ones: there a request counts as
    open for as long as its need's window.
    """
    rows = known.requests
    open_requests = np.isnan(rows.resolved) & (rows.need >= 0)
    window = np.array([7 * one.horizon_weeks for one in known.community.needs])[rows.need]
    longest = np.full(len(rows), HANDLED_DAYS) if (~np.isnan(rows.resolved)).any() else window
    open_requests &= rows.requested >= known.as_of - longest
    handled = np.zeros((known.household_count, len(known.community.needs)), dtype=bool)
    handled[rows.household[open_requests], rows.need[open_requests]] = True
    return handled
