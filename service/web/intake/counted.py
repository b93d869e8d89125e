"""Say which outcome of a visit counts, whether it came by page, API or paper: all are one record.

Of reports through the service the last that was not undone counts. Where paper says something else, the later visit
counts, and on the same day what was registered later; the other one is kept and told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.web.database.engine import database_of
from service.web.database.tables import Outcome
from service.web.published.from_records import Recorded, recorded_outcomes


@dataclass(frozen=True)
class Counted:
    """The outcome of one row of a list. ``id`` is None for one that came by paper or in a table."""

    outreach_id: str
    household_id: str
    need: str
    outcome: str
    contacted_on: date
    id: int | None = None
    note: str = ""
    by: str = ""
    recorded_at: datetime | None = None
    taken_at: datetime | None = None
    other: str = ""  # another outcome that was reported and does not count
    other_on: date | None = None


def counted(session: Session, workspace: Path, rows: Iterable[Mapping[str, Any]]) -> dict[str, Counted]:
    """Return the outcome that counts for each of these rows of lists, by outreach_id; rows without one are left out.

    ``rows``: as served. ``workspace``: whose records are read, as they were last published.
    """
    by_id = {row["outreach_id"]: row for row in rows}
    weeks = {date.fromisoformat(row["as_of"]) for row in by_id.values()}
    reports: dict[str, list[Outcome]] = {}
    chosen = select(Outcome).where(Outcome.as_of.in_(weeks), Outcome.undone_at.is_(None)).order_by(Outcome.id)
    for report in session.scalars(chosen):
        reports.setdefault(report.outreach_id, []).append(report)
    recorded = recorded_outcomes(workspace)
    outcomes = {}
    for outreach_id, row in by_id.items():
        outcome = _counted(row, reports.get(outreach_id, []), recorded.get(outreach_id, ()))
        if outcome is not None:
            outcomes[outreach_id] = outcome
    return outcomes


def on_paper(reports: Sequence[Outcome], recorded: Sequence[Recorded]) -> list[Recorded]:
    """Return what the records hold or held of a visit that no report through the service said."""
    reported = {(report.outcome, report.contacted_on) for report in reports}
    return [paper for paper in recorded if (paper.outcome, paper.contacted_on) not in reported]


def paper_counts(report: Outcome, paper: Recorded) -> bool:
    """Tell whether paper counts rather than a report: the visit was later, or is registered later on the same day.

    What the records have taken before paper said something else is the earlier registration.
    """
    if paper.contacted_on == report.contacted_on:
        return report.drained_at is not None and paper.current
    return paper.contacted_on > report.contacted_on


def reported_outcomes(workspace: Path) -> dict[str, tuple[str, date]]:
    """Return the outcome and date that the records took from the service last for rows of lists, by outreach_id."""
    taken = (
        select(Outcome)
        .where(Outcome.undone_at.is_(None), Outcome.drained_at.is_not(None))
        .order_by(Outcome.id)
    )
    with database_of(workspace) as database:
        if not database:
            return {}
        with database.reading() as session:
            return {row.outreach_id: (row.outcome, row.contacted_on) for row in session.scalars(taken)}


def _counted(
    row: Mapping[str, Any], reports: Sequence[Outcome], recorded: Sequence[Recorded]
) -> Counted | None:
    about: dict[str, Any] = {name: row[name] for name in ("outreach_id", "household_id", "need")}
    paper = next(reversed(on_paper(reports, recorded)), None)
    if not reports:
        return Counted(**about, outcome=paper.outcome, contacted_on=paper.contacted_on) if paper else None
    last = reports[-1]
    other: dict[str, Any]
    differs = paper is not None and paper.outcome != last.outcome
    if paper is not None and paper_counts(last, paper):
        other = {"other": last.outcome, "other_on": last.contacted_on} if differs else {}
        return Counted(**about, outcome=paper.outcome, contacted_on=paper.contacted_on, **other)
    names = ("outcome", "contacted_on", "id", "note", "by", "recorded_at", "taken_at")
    other = {"other": paper.outcome, "other_on": paper.contacted_on} if paper is not None and differs else {}
    return Counted(**about, **{name: getattr(last, name) for name in names}, **other)
