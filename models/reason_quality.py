"""How good each kind of reason is: how often those who saw it on a list said that it was wrong."""

import numpy as np
import pandas as pd

from features.feedback import current
from features.records import Records
from models.shares import wilson

NO_REASON = "lot"  # kind of the reason of a household drawn by lot


def reason_quality(listed: pd.DataFrame, records: Records) -> pd.DataFrame:
    """The share of listed reasons of each kind that was complained about (``reason_wrong``).

    ``listed``: outreach_id and reason_kinds (joined by commas) of every pair ever listed; only pairs that
    came back, with an outcome or any feedback, count. Returns kind, listed, wrong, share, low_95 and high_95
    (Wilson), the worst first.
    """
    shown = _one_a_row(listed["outreach_id"], listed["reason_kinds"])
    shown = shown[shown["outreach_id"].isin(_came_back(records)) & (shown["kind"] != NO_REASON)]
    rows = records.feedback
    wrong = current(rows, "reason_wrong")
    blamed = _one_a_row(pd.Series(rows.outreach_id[wrong]), pd.Series(rows.reason_kind[wrong]))
    counts = shown.merge(blamed.assign(wrong=True), how="left").fillna({"wrong": False})
    table = counts.groupby("kind")["wrong"].agg(listed="size", wrong="sum").astype("int64").reset_index()
    counted = zip(table["wrong"].tolist(), table["listed"].tolist(), strict=True)
    intervals = [wilson(hits, total) for hits, total in counted]
    table["share"] = table["wrong"] / table["listed"]
    table["low_95"] = [low for low, _ in intervals]
    table["high_95"] = [high for _, high in intervals]
    return table.sort_values(["share", "kind"], ascending=[False, True], ignore_index=True)


def _one_a_row(outreach_id: pd.Series, kinds: pd.Series) -> pd.DataFrame:
    """outreach_id and kind: each kind of a pair once."""
    frame = pd.DataFrame({"outreach_id": outreach_id.to_numpy(), "kind": kinds.to_numpy()}, dtype=object)
    frame = frame[frame["kind"].notna() & frame["outreach_id"].notna()]
    frame = frame.assign(kind=frame["kind"].astype(str).str.split(",")).explode("kind")
    return frame[frame["kind"] != ""].drop_duplicates(ignore_index=True)


def _came_back(records: Records) -> set[str]:
    """Ids of listed pairs with an outcome or with feedback."""
    visits, feedback = records.outreach, records.feedback
    outcomes = visits.outreach_id[visits.outcome >= 0]
    return {*outcomes, *feedback.outreach_id[np.isinf(feedback.visible_to)]} - {None}
