"""Quality of the reasons on lists: how often people who saw a reason of a group said that it was wrong."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.point_in_time.feedback import current
from features.point_in_time.records import Records
from models.evaluation.share_intervals import wilson

NO_REASON = "lot"  # kind of the reason of a household drawn by lot


@dataclass(frozen=True)
class Returned:
    """Visits with an outcome or feedback, and reasons complained about: of a town, or of one partition's households."""

    outreach_ids: np.ndarray  # object str: with an outcome or with feedback
    blamed: pd.DataFrame  # outreach_id and kind of each reason that was said to be wrong


def returned(records: Records) -> Returned:
    """Collect the outcomes and the feedback that are in force now."""
    visits, rows = records.outreach, records.feedback
    ids = [visits.outreach_id[visits.outcome >= 0], rows.outreach_id[np.isinf(rows.visible_to)]]
    wrong = current(rows, "reason_wrong")
    blamed = _one_a_row(pd.Series(rows.outreach_id[wrong]), pd.Series(rows.reason_kind[wrong]))
    return Returned(np.concatenate([identifier.astype(object) for identifier in ids]), blamed)


def reason_quality(listed: pd.DataFrame, parts: Sequence[Returned]) -> pd.DataFrame:
    """Compute the share of listed reasons of each group that was complained about (``reason_wrong``).

    listed: outreach_id and reason_kinds (joined by commas) of every pair ever listed; only pairs with an outcome or any
        feedback count.
    parts: what ``returned`` gives for every partition.

    Returns kind, listed, wrong, share, low_95 and high_95 (Wilson), the worst first.
    """
    came_back = listed["outreach_id"].isin(
        {identifier for part in parts for identifier in part.outreach_ids} - {None}
    )
    shown = _one_a_row(listed.loc[came_back, "outreach_id"], listed.loc[came_back, "reason_kinds"])
    shown = shown[shown["kind"] != NO_REASON]
    blamed = pd.concat([part.blamed for part in parts]).drop_duplicates()
    counts = shown.merge(blamed.assign(wrong=True), how="left").fillna({"wrong": False})
    table = counts.groupby("kind")["wrong"].agg(listed="size", wrong="sum").astype("int64").reset_index()
    counted = zip(table["wrong"].tolist(), table["listed"].tolist(), strict=True)
    intervals = [wilson(hits, total) for hits, total in counted]
    table["share"] = table["wrong"] / table["listed"]
    table["low_95"] = [low for low, _ in intervals]
    table["high_95"] = [high for _, high in intervals]
    return table.sort_values(["share", "kind"], ascending=[False, True], ignore_index=True)


def _one_a_row(outreach_id: pd.Series, kinds: pd.Series) -> pd.DataFrame:
    """Return outreach_id and kind, one row for each reason group of a pair."""
    frame = pd.DataFrame({"outreach_id": outreach_id.to_numpy(), "kind": kinds.to_numpy()}, dtype=object)
    frame = frame[frame["kind"].notna() & frame["outreach_id"].notna()]
    frame = frame.assign(kind=frame["kind"].astype(str).str.split(",")).explode("kind")
    return frame[frame["kind"] != ""].drop_duplicates(ignore_index=True)
