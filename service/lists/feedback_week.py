"""Collect the week's feedback for the coordinator: complaints, marks, agreed visits, wrong reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from features.contract.tables import FEEDBACK
from features.language import joined_names, say
from features.point_in_time.feedback import WRONG_PERSON_WEEKS, refusing, refusing_lists
from features.point_in_time.records import Known, date_of
from features.rows.tables import FeedbackRows
from features.units import WEEK
from models.monitoring.reason_quality import Returned, reason_quality
from service.lists.answers import feedback_names
from service.lists.reasons import kind_names

LOW = 2  # marks up to this one are told row by row
# by position in FEEDBACK, and last without a kind
ORDER = np.array(
    [{"do_not_contact": 0, "satisfied": 4}.get(kind, index) for index, kind in enumerate(FEEDBACK)] + [5]
)


@dataclass(frozen=True)
class FeedbackWeek:
    """What was said since the Monday before, visits agreed for the week, and the quality of reasons.

    ``said`` and ``agreed`` hold texts for the coordinator, sensitive needs included; ``counts`` and ``marks``
    hold sums only.
    """

    said: list[dict[str, Any]]
    agreed: list[dict[str, Any]]
    counts: list[dict[str, Any]]  # name of the kind, new, all
    marks: dict[str, float]  # new and all: number of marks; new_mean and all_mean: their mean
    quality: list[dict[str, Any]]

    def __bool__(self) -> bool:
        return bool(self.said or self.agreed or self.marks["all"] or any(row["all"] for row in self.counts))


def feedback_week(known: Known, listed: pd.DataFrame, back: Returned) -> FeedbackWeek:
    """Collect feedback as it stands now, for the week from the as-of date.

    Feedback is new if it was recorded since the Monday before, whatever week its list was for. ``listed`` has
    outreach_id, reason_kinds and worker_id of every pair ever listed. ``back`` is what came back of them up to now,
    also after the as-of date: a reason counts as wrong whenever that was recorded.
    """
    rows = known.objections.feedback
    here = np.flatnonzero(np.isinf(rows.visible_to))
    new = here[rows.recorded[here] >= known.as_of - WEEK]
    worker = dict(zip(listed["outreach_id"], listed["worker_id"], strict=True))
    telling = _worth_telling(rows, new)
    with np.errstate(invalid="ignore"):
        due = here[(rows.next_visit[here] >= known.as_of) & (rows.next_visit[here] < known.as_of + WEEK)]
    due = due[~(refusing(known) | refusing_lists(known))[rows.household[due]]]
    return FeedbackWeek(
        said=[_said(known, row, worker) for row in telling],
        agreed=[_agreed(known, row, worker) for row in due[np.argsort(rows.next_visit[due], kind="stable")]],
        counts=[
            {
                "name": name,
                "new": int((rows.kind[new] == code).sum()),
                "all": int((rows.kind[here] == code).sum()),
            }
            for code, name in enumerate(feedback_names().values())
        ],
        marks=_marks(rows.satisfaction[new], rows.satisfaction[here]),
        quality=quality_rows(listed, [back]),
    )


def joined_weeks(weeks: Sequence[FeedbackWeek], quality: list[dict[str, Any]]) -> FeedbackWeek:
    """Join the feedback of a town's partitions, whose households differ, into that of the town.

    ``quality``: ``quality_rows`` of the town. To be called in the language that the texts are in.
    """
    counts = [
        {**rows[0], "new": sum(row["new"] for row in rows), "all": sum(row["all"] for row in rows)}
        for rows in zip(*(week.counts for week in weeks), strict=True)
    ]
    marks: dict[str, float] = {}
    for name in ("new", "all"):
        number = marks[name] = sum(week.marks[name] for week in weeks)
        total = sum(week.marks[name] * week.marks[f"{name}_mean"] for week in weeks if week.marks[name])
        marks[f"{name}_mean"] = total / number if number else np.nan
    order = dict(zip([*feedback_names().values(), ""], ORDER, strict=True))
    said = (row for week in weeks for row in week.said)
    return FeedbackWeek(
        said=sorted(said, key=lambda row: (order[row["kind"]], row["recorded"])),
        agreed=sorted((row for week in weeks for row in week.agreed), key=lambda row: row["when"]),
        counts=counts,
        marks=marks,
        quality=quality,
    )


def _worth_telling(rows: FeedbackRows, new: np.ndarray) -> np.ndarray:
    """Select new rows with a complaint, a note or a low mark; refusals first, then other complaints, then notes."""
    complaint = rows.kind[new] > FEEDBACK.index("satisfied")
    noted = np.array([bool(note) for note in rows.note[new]], dtype=bool)
    with np.errstate(invalid="ignore"):
        telling = new[complaint | noted | (rows.satisfaction[new] <= LOW)]
    return telling[np.lexsort((rows.recorded[telling], ORDER[rows.kind[telling]]))]


def _marks(new: np.ndarray, every: np.ndarray) -> dict[str, float]:
    means: dict[str, float] = {}
    for name, marks in (("new", new), ("all", every)):
        marks = marks[~np.isnan(marks)]
        means[name] = len(marks)
        means[f"{name}_mean"] = float(marks.mean()) if len(marks) else np.nan
    return means


def quality_rows(listed: pd.DataFrame, parts: Sequence[Returned]) -> list[dict[str, Any]]:
    """Compute ``reason_quality`` and add the names of the reason groups."""
    names = kind_names()
    return [
        {**{str(key): value for key, value in row.items()}, "name": names.get(str(row["kind"]), row["kind"])}
        for row in reason_quality(listed, parts).to_dict("records")
    ]


def _said(known: Known, row: int, worker: dict[str, str]) -> dict[str, Any]:
    rows, names = known.objections.feedback, list(feedback_names().values())
    kinds = kind_names()
    reasons = [kinds.get(kind, kind) for kind in (rows.reason_kind[row] or "").split(",") if kind]
    mark = rows.satisfaction[row]
    return {
        **_about(known, row, worker),
        "recorded": date_of(rows.recorded[row]),
        "kind": names[rows.kind[row]] if rows.kind[row] >= 0 else "",
        "reasons": joined_names(reasons) if rows.kind[row] == FEEDBACK.index("reason_wrong") else "",
        "mark": "" if np.isnan(mark) else f"{mark:.0f}",
        "note": rows.note[row] or "",
        "effect": _effect(known, row),
    }


def _agreed(known: Known, row: int, worker: dict[str, str]) -> dict[str, Any]:
    rows = known.objections.feedback
    when: date = date_of(rows.next_visit[row])
    return {**_about(known, row, worker), "when": when, "note": rows.note[row] or ""}


def _about(known: Known, row: int, worker: dict[str, str]) -> dict[str, str]:
    """Name the household, grid, need and worker of a row of feedback."""
    rows = known.objections.feedback
    household, need, grid = rows.household[row], rows.need[row], known.grid[rows.household[row]]
    given = worker.get(rows.outreach_id[row] or "")
    return {
        "household_id": known.household_ids[household],
        "grid_id": known.grid_ids[grid] if grid >= 0 else "",
        "need": known.community.needs[need].name.here if need >= 0 else "",
        "worker_id": str(given) if given and pd.notna(given) else "",
    }


def _effect(known: Known, row: int) -> str:
    """Say what a row of feedback does to the lists."""
    rows = known.objections.feedback
    kind = FEEDBACK[rows.kind[row]] if rows.kind[row] >= 0 else ""
    if kind == "do_not_contact":
        return say("以后不上名单", "on no list any more")
    if kind == "wrong_person":
        until = date_of(rows.recorded[row] + WEEK * WRONG_PERSON_WEEKS)
        return say(f"这件事 {until} 以前不问，资料有变再问", f"need not listed until {until}, or new data")
    if kind == "already_helped" and rows.need[row] >= 0:
        until = date_of(rows.recorded[row] + WEEK * known.community.needs[rows.need[row]].horizon_weeks)
        return say(f"这件事 {until} 以前不问", f"need not listed until {until}")
    return say("记入“理由准不准”", "counts in the quality of reasons") if kind == "reason_wrong" else ""
