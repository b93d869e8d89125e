"""Read outcomes and feedback back from workbooks, whatever was sorted, moved, deleted or left blank in them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from features.contract.community import Community
from features.contract.tables import OUTCOMES
from features.language import UserError, joined_names, say
from features.point_in_time.records import Records, date_of
from service.lists.answers import OUTCOME_OF, outcome_names, plain_words, read_date
from service.returns.filled_rows import Filled, filled_rows
from service.returns.read_feedback import feedback_of, stored_feedback
from service.returns.read_requests import is_added, requests_of
from service.returns.visit_dates import near_week, usual_date, yet_to_come


@dataclass
class Outcomes:
    """Rows of the contract's tables to add or correct, and one line for each refused row or cell."""

    rows: list[dict[str, Any]] = field(default_factory=list)  # outreach
    feedback: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    known: int = 0  # outcomes already recorded
    refused: list[str] = field(default_factory=list)


def read_outcomes(files: Sequence[Path], listed: pd.DataFrame, records: Records, now: datetime) -> Outcomes:
    """Read the outcomes and feedback of filled-in workbooks and match them with the lists that were handed out.

    A visit without a date counts as made today, or on the last day of its list's week if that is earlier.
    A cell that cannot be read is refused by itself; the rest of its row still counts. Another need, and a row that was
    added below, becomes a request.

    files: workbooks.
    listed: every pair ever listed, with ``reason_kinds``.
    records: what is stored by now.
    now: local time at which feedback is recorded.

    Returns outcomes to store; each refusal names file, sheet and cell.
    """
    outcomes = Outcomes()
    list_of = {str(row["outreach_id"]): {**row} for row in listed.to_dict("records")}
    words = {need.id: need.words for need in records.community.needs}
    pairs = {
        (str(row["household_id"]), word)
        for row in list_of.values()
        for word in words.get(str(row["need"]), ())
    }
    matched: list[tuple[Filled, dict[Any, Any]]] = []
    added: list[Filled] = []
    for path in files:
        try:
            rows, problems = filled_rows(path)
        except UserError as error:
            outcomes.refused.append(str(error))
            continue
        outcomes.refused += problems
        for row in rows:
            if is_added(row, pairs):
                added.append(row)
                continue
            try:
                matched.append((row, _listed(row, list_of, records.community)))
            except UserError as error:
                outcomes.refused.append(str(error))
    _read_visits(matched, _stored_outcomes(records), now.date(), outcomes)
    outcomes.feedback, refused = feedback_of(matched, stored_feedback(records), now)
    outcomes.refused += refused
    outcomes.requests, refused = requests_of([*added, *(row for row, _ in matched)], records, now)
    outcomes.refused += refused
    return outcomes


def _read_visits(
    matched: list[tuple[Filled, dict[Any, Any]]],
    stored: dict[str, tuple[str, date]],
    today: date,
    outcomes: Outcomes,
) -> None:
    seen: dict[str, tuple[Filled, dict[str, Any]]] = {}
    for row, listed in matched:
        if not row.outcome:
            continue
        try:
            visit = _outreach_row(row, listed, stored, today, outcomes.refused)
            if row.outreach_id in seen:
                _refuse_contradiction(row, visit, *seen[row.outreach_id])
                continue
        except UserError as error:
            outcomes.refused.append(str(error))
            continue
        seen[row.outreach_id] = row, visit
        if stored.get(row.outreach_id) == (visit["outcome"], visit["contacted_at"]):
            outcomes.known += 1
        else:
            outcomes.rows.append(visit)


def _stored_outcomes(records: Records) -> dict[str, tuple[str, date]]:
    """Map each outreach_id with a stored outcome to that outcome and its date."""
    rows = records.outreach
    latest = (rows.visible_to == float("inf")) & (rows.outcome >= 0)
    return {
        rows.outreach_id[row]: (OUTCOMES[rows.outcome[row]], date_of(rows.contacted[row]))
        for row in latest.nonzero()[0]
    }


def _outreach_row(
    row: Filled,
    listed: dict[Any, Any],
    stored: dict[str, tuple[str, date]],
    today: date,
    refused: list[str],
) -> dict[str, Any]:
    """Build the outreach row that a filled row completes. Raises UserError if the outcome cannot be read.

    A date that cannot be right adds a line to ``refused``; the outcome counts as if there were no date.
    """
    outcome = _outcome(row)
    as_of = pd.Timestamp(listed["as_of"]).date()
    contacted = None
    try:
        contacted = _visit_date(row, as_of, today)
    except UserError as error:
        refused.append(say(f"{error}；结果已收下", f"{error}; the outcome is taken all the same"))
    if contacted is None:
        before = stored.get(row.outreach_id)
        contacted = before[1] if before else usual_date(as_of, today)
    kept = ("outreach_id", "household_id", "need", "arm", "propensity", "worker_id")
    return {**{name: listed[name] for name in kept}, "contacted_at": contacted, "outcome": outcome}


def _outcome(row: Filled) -> str:
    outcome = OUTCOME_OF.get(plain_words(row.outcome))
    if outcome is None:
        names = joined_names(outcome_names().values())
        raise UserError(
            f"{row.where}：看不懂结果“{row.shown('outcome')}”，请填 {names}",
            f"{row.where}: “{row.shown('outcome')}” is none of {names}",
        )
    return outcome


def _listed(row: Filled, list_of: dict[str, dict[Any, Any]], community: Community) -> dict[Any, Any]:
    """Find the row of the list that was handed out. Raises UserError unless household and need agree."""
    handed_out = list_of.get(row.outreach_id)
    if handed_out is None:
        shown = row.outreach_id or say("（空）", "(blank)")
        raise UserError(
            f"{row.where}：编号 {shown} 不在发出的名单里，请用原来的表填",
            f"{row.where}: {shown} is on no list of this workspace; fill in the workbook as handed out",
        )
    need = next((need for need in community.needs if need.id == handed_out["need"]), None)
    if need is None:
        raise UserError(
            f"{row.where}：community.yaml 里已没有需求 {handed_out['need']}",
            f"{row.where}: community.yaml has no need {handed_out['need']} any more",
        )
    if row.household_id not in ("", handed_out["household_id"]) or row.need not in ("", *need.words):
        raise UserError(
            f"{row.where}：户号或需求和发出的名单对不上（应是 {handed_out['household_id']}），多半是只给几列排序了",
            f"{row.where}: household or need differ from the list (expected {handed_out['household_id']});"
            " were only some columns sorted?",
        )
    return handed_out


def _refuse_contradiction(row: Filled, visit: dict[str, Any], first: Filled, earlier: dict[str, Any]) -> None:
    if visit["outcome"] != earlier["outcome"]:
        raise UserError(
            f"{row.where}：与 {first.where} 是同一条，结果却不同，请改成一致",
            f"{row.where}: the same row as {first.where} with another outcome; make them agree",
        )


def _visit_date(row: Filled, as_of: date, today: date) -> date | None:
    """Read a row's visit date; None if the cell is empty. Raises UserError for an impossible date."""
    day, place = read_date(row.date, as_of), row.at("date")
    if day is None and row.date not in (None, ""):
        raise UserError(
            f"{place}：走访日期“{row.shown('date')}”看不懂，请写成 2025-09-03",
            f"{place}: cannot read the date “{row.shown('date')}”; write 2025-09-03",
        )
    if day is not None and not near_week(day, as_of):
        raise UserError(
            f"{place}：走访日期 {day} 与名单的一周（{as_of} 起）差得太远",
            f"{place}: the date {day} is too far from the list's week (from {as_of})",
        )
    if day is not None and yet_to_come(day, as_of, today):
        raise UserError(f"{place}：走访日期 {day} 还没有到", f"{place}: the date {day} is yet to come")
    return day
