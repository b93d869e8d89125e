"""Turn filled-in rows into rows of the feedback table: satisfaction, complaints, notes and agreed visits."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from features.contract.tables import FEEDBACK
from features.language import UserError, joined_names, say
from features.point_in_time.records import Records, date_of
from service.lists.answers import feedback_choices, read_date, read_feedback, read_mark
from service.returns.filled_rows import Filled

SOONEST, LATEST = timedelta(days=7), timedelta(days=400)  # an agreed visit around its list's week
REFUSES = "do_not_contact"
COLUMNS = ("kind", "satisfaction", "reason_kind", "note", "next_visit")  # that a workbook can fill
Stored = dict[str, dict[str, Any]]


def stored_feedback(records: Records) -> Stored:
    """Map each stored feedback_id to the values that a workbook can fill."""
    rows = records.feedback
    stored: Stored = {}
    for row in np.flatnonzero(np.isinf(rows.visible_to)):
        stored[rows.feedback_id[row]] = {
            "kind": FEEDBACK[rows.kind[row]] if rows.kind[row] >= 0 else None,
            "satisfaction": None if np.isnan(rows.satisfaction[row]) else int(rows.satisfaction[row]),
            "reason_kind": rows.reason_kind[row],
            "note": rows.note[row],
            "next_visit": None if np.isnan(rows.next_visit[row]) else date_of(rows.next_visit[row]),
        }
    return stored


def feedback_of(
    matched: list[tuple[Filled, dict[Any, Any]]], stored: Stored, now: datetime
) -> tuple[list[dict[str, Any]], list[str]]:
    """Build the rows of the feedback table that are new or changed.

    Every cell counts by itself: a mark that makes no sense does not lose the refusal beside it.

    matched: filled-in rows, each with the row of the list that was handed out.
    stored: feedback from ``stored_feedback``.
    now: local time at which the feedback is recorded.

    Returns Rows of the contract's feedback table, and one line for each cell that cannot be read.
    """
    entries: dict[str, dict[str, Any]] = {}
    refused: list[str] = []
    for row, listed in matched:
        given, lines = _given(row, listed)
        refused += lines
        if not given:
            continue
        feedback = entries.setdefault(row.outreach_id, _new(listed, now))
        for column, value in given.items():
            if feedback.get(column) not in (None, value):
                refused.append(_twice(row, column))
                if value == REFUSES:  # wherever it stands, a refusal counts
                    feedback["kind"] = REFUSES
            else:
                feedback[column] = value
        if feedback["kind"] == REFUSES:
            feedback["reason_kind"] = None
    changed = [feedback for key, feedback in entries.items() if _says_more(feedback, stored.get(key, {}))]
    return changed, refused


def _new(listed: dict[Any, Any], now: datetime) -> dict[str, Any]:
    return {
        "feedback_id": listed["outreach_id"],
        "outreach_id": listed["outreach_id"],
        "household_id": listed["household_id"],
        "need": listed["need"],
        "recorded_at": now.replace(tzinfo=None, microsecond=0),
        **dict.fromkeys(COLUMNS),
    }


def _says_more(feedback: dict[str, Any], before: dict[str, Any]) -> bool:
    return any(feedback[name] is not None and feedback[name] != before.get(name) for name in COLUMNS)


def _given(row: Filled, listed: dict[Any, Any]) -> tuple[dict[str, Any], list[str]]:
    """Read the feedback columns of a filled row; also return one line for each unreadable cell."""
    given: dict[str, Any] = {"note": row.notes} if row.notes else {}
    lines = []
    readers: tuple[Callable[[], dict[str, Any]], ...] = (
        lambda: _complaint(row, listed),
        lambda: _mark(row),
        lambda: _next_visit(row, pd.Timestamp(listed["as_of"]).date()),
    )
    for read in readers:
        try:
            given |= read()
        except UserError as error:
            lines.append(str(error))
    return given, lines


def _complaint(row: Filled, listed: dict[Any, Any]) -> dict[str, Any]:
    if not row.feedback:
        return {}
    complaint, place = read_feedback(row.feedback), row.at("feedback")
    kinds = [group for group in str(listed.get("reason_kinds") or "").split(",") if group and group != "nan"]
    if complaint is None or (complaint[1] is not None and complaint[1] >= len(kinds)):
        names = joined_names(feedback_choices())
        raise UserError(
            f"{place}：反馈“{row.shown('feedback')}”看不懂，或没有这条理由，请从下拉里选：{names}",
            f"{place}: “{row.shown('feedback')}” cannot be read or names no reason of the row; choose from: {names}",
        )
    kind, which = complaint
    if kind != "reason_wrong":
        return {"kind": kind}
    wrong = kinds if which is None else [kinds[which]]
    return {"kind": kind, "reason_kind": ",".join(dict.fromkeys(wrong)) or None}


def _mark(row: Filled) -> dict[str, Any]:
    if not row.satisfaction:
        return {}
    mark, place = read_mark(row.satisfaction), row.at("satisfaction")
    if mark is None:
        raise UserError(
            f"{place}：满意度“{row.shown('satisfaction')}”不是 1 到 5",
            f"{place}: the mark “{row.shown('satisfaction')}” is not 1 to 5",
        )
    return {"satisfaction": mark}


def _next_visit(row: Filled, as_of: date) -> dict[str, Any]:
    if row.next_visit in (None, ""):
        return {}
    day, place = read_date(row.next_visit, as_of), row.at("next_visit")
    if day is None or not as_of - SOONEST <= day <= as_of + LATEST:
        raise UserError(
            f"{place}：下次走访“{row.shown('next_visit')}”看不懂，或离得太远，请写成 2025-09-03",
            f"{place}: the next visit “{row.shown('next_visit')}” cannot be read or is too far off;"
            " write 2025-09-03",
        )
    return {"next_visit": day}


def _twice(row: Filled, column: str) -> str:
    place = row.at({"kind": "feedback", "note": "notes", "reason_kind": "feedback"}.get(column, column))
    return say(
        f"{place}：同一条在两处填得不同，请改成一致", f"{place}: the same row says something else elsewhere"
    )
