"""Move what came in through the service into the workspace's records: nothing is lost, nothing counts twice.

Rows are marked as taken first, then ingested, then marked as drained. If the process is killed in between, the same
rows are ingested again next time, and as they carry the contract's ids that changes nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow.parquet as pq
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from features.ingest.erasure import rows_of_household, shown_as
from features.ingest.ingest import ingest_rows
from features.language import say
from features.store.reader import read_settings
from features.store.tombstones import TOMBSTONES, Tombstones, read_tombstones, recognises
from features.workspace_secret import workspace_secret
from service.console.operator import operator
from service.lists.answers import contradiction, outcome_names
from service.returns.read_feedback import REFUSES
from service.web.audit.anchor import DIRECTORY, newest_head
from service.web.audit.drain import Drain
from service.web.database.engine import Database, database_of
from service.web.database.tables import Correction, Deletion, NewRequest, Outcome, Refusal, Remark, now
from service.web.intake.counted import on_paper, paper_counts
from service.web.published.from_records import Recorded, publish_from_records, recorded_outcomes
from service.web.rights.own_texts import forget_texts

Rows = dict[str, list[dict[str, Any]]]
TAKES_BACK = "satisfied"  # the kind of feedback that takes back what the same row said before
OURS = ("known_from", "superseded_at")  # columns of the store that the contract does not have


@dataclass
class Taken:
    """Rows for the contract's tables, and the ids of the service's rows that they come from."""

    rows: Rows = field(default_factory=dict)
    ids: dict[type, list[int]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)  # on outcomes of which paper says something else


def drain_service(workspace: Path) -> list[str]:
    """Move what came in through the service, if there is one, into the records; return lines on it."""
    with database_of(workspace) as database:
        return drain(workspace, database) if database else []


def delete_again(workspace: Path, before: Tombstones, pairs: Collection[tuple[str, str]] = ()) -> None:
    """Delete households anew that stand in tables or published weeks although they were deleted since the tombstones
    were as ``before``.

    ``pairs``: of ``shown_pairs`` then. Households under whose number those that were deleted counted leave the weeks.
    """
    from service.web.rights.deletion import delete_everywhere, published_households, published_texts, take_out

    now = read_tombstones(workspace / TOMBSTONES)
    new = {digest: day for digest, day in now.households.items() if digest not in before.households}
    removed = recognises(replace(now, households=new, salted={}), workspace)
    gone = [subject for subject, _ in pairs if removed(subject)]
    for bearer in shown_as(pairs, gone):
        take_out(workspace, bearer)
    written = published_households(workspace).union(
        *(
            pq.read_table(path, columns=["household_id"])["household_id"].unique().to_pylist()
            for path in [*workspace.glob("*.parquet"), *(workspace / "weeks").glob("*/*.parquet")]
            if "household_id" in pq.read_schema(path).names
        )
    )
    left = {household for household in written if household and removed(household)}
    with database_of(workspace) as database:
        if database:
            for household in sorted(left):
                # its records, which are gone, cannot tell which texts are its own
                forget_texts(workspace, published_texts(workspace, household))
                delete_everywhere(workspace, database, household, operator())


def audit_head(workspace: Path) -> list[str]:
    """Return the audit log's head as a signed line for the week's summary; no line without a service."""
    with database_of(workspace) as database:
        if not database:
            return []
        Drain(database, workspace / DIRECTORY).everything()
        head = newest_head(database)
    return [head.line(workspace_secret(workspace))] if head else []


def drain(workspace: Path, database: Database) -> list[str]:
    """Move outcomes, requests, refusals and corrections into the records, carry out deletions, and return lines."""
    zone = ZoneInfo(read_settings(workspace).community.timezone)
    taken = _take(workspace, database, zone)
    lines = []
    if taken.ids:
        if any(taken.rows.values()):
            report = ingest_rows(workspace, taken.rows)
            publish_from_records(workspace)
            lines += report.lines()
        _mark_drained(database, taken)
        lines = [_summary(taken), *taken.lines, *lines]
    with database.reading() as session:
        named = Deletion.household_id.is_not(None)
        waiting = session.execute(select(Deletion.household_id, Deletion.by).where(named)).all()
    for household_id, by in {household: by for household, by in waiting if household}.items():
        # it loads what reads texts and workbooks, which a Monday without a deletion need not wait for
        from service.web.rights.deletion import delete_everywhere

        lines += delete_everywhere(workspace, database, household_id, by)
    return lines


def _summary(taken: Taken) -> str:
    def count(table: type) -> int:
        return len(taken.ids.get(table, []))

    return say(
        f"服务转入：结果 {count(Outcome)} 条，诉求 {count(NewRequest)} 条，"
        f"反馈 {count(Remark)} 条，谢绝 {count(Refusal)} 条，更正 {count(Correction)} 条",
        f"from the service: {count(Outcome)} outcomes, {count(NewRequest)} requests,"
        f" {count(Remark)} rows of feedback, {count(Refusal)} refusals, {count(Correction)} corrections",
    )


def _take(workspace: Path, database: Database, zone: ZoneInfo) -> Taken:
    taken = Taken()
    with database.writing() as session:
        _take_outcomes(session, taken, workspace)
        _take_requests(session, taken, zone)
        _take_refusals(session, taken, workspace)
        _take_remarks(session, taken, workspace, zone)
        _take_corrections(session, taken, workspace)
    return taken


def _waiting(session: Session, taken: Taken, table: Any) -> list[Any]:
    """Take the rows not yet drained, locked until the end of the transaction, so that none is undone meanwhile."""
    chosen = select(table).where(table.drained_at.is_(None)).order_by(table.id)
    rows = list(session.scalars(chosen.with_for_update()))
    if rows:
        taken.ids[table] = [row.id for row in rows]
    return rows


def _take_outcomes(session: Session, taken: Taken, workspace: Path) -> None:
    """Take the last outcome of each listed pair that was not undone; from now on none of them can be undone.

    One that paper contradicts with a later visit stays with the service only; a line tells each contradiction.
    """
    waiting = _waiting(session, taken, Outcome)
    latest = {row.outreach_id: row for row in waiting if row.undone_at is None}
    papers = _papers(session, latest, workspace)
    contradicted = [(row, papers[row.outreach_id]) for row in latest.values() if row.outreach_id in papers]
    taken.lines += [_contradiction(row, paper) for row, paper in contradicted if row.outcome != paper.outcome]
    lost = {row.outreach_id for row, paper in contradicted if paper_counts(row, paper)}
    names = ("outreach_id", "household_id", "need", "arm", "propensity", "worker_id", "outcome")
    taken.rows["outreach"] = [
        {**{name: getattr(row, name) for name in names}, "contacted_at": row.contacted_on}
        for row in latest.values()
        if row.outreach_id not in lost
    ]
    for row in waiting:
        row.taken_at = row.taken_at or now()


def _papers(session: Session, latest: Mapping[str, Outcome], workspace: Path) -> dict[str, Recorded]:
    """Return what paper said last of each visit, where the records have it from paper."""
    recorded = recorded_outcomes(workspace)
    known = [outreach_id for outreach_id in latest if outreach_id in recorded]
    papers = {}
    for outreach_id in known:
        reports = session.scalars(select(Outcome).where(Outcome.outreach_id == outreach_id)).all()
        if paper := on_paper(reports, recorded[outreach_id]):
            papers[outreach_id] = paper[-1]
    return papers


def _contradiction(row: Outcome, paper: Recorded) -> str:
    names = outcome_names()
    counts = names[paper.outcome if paper_counts(row, paper) else row.outcome]
    reported, written = (names[row.outcome], row.contacted_on), (names[paper.outcome], paper.contacted_on)
    return contradiction(row.household_id, reported, written, counts)


def _take_requests(session: Session, taken: Taken, zone: ZoneInfo) -> None:
    def local(moment: Any) -> Any:
        return moment.astimezone(zone).replace(tzinfo=None).isoformat(sep=" ") if moment else None

    waiting = _waiting(session, taken, NewRequest)
    times = ("requested_at", "recorded_at", "resolved_at")
    plain = ("request_id", "household_id", "need", "text", "channel", "satisfaction")
    taken.rows["requests"] = [
        {
            **{name: getattr(row, name) for name in plain},
            **{name: local(getattr(row, name)) for name in times},
        }
        for row in waiting
    ]


def _take_refusals(session: Session, taken: Taken, workspace: Path) -> None:
    """The newest word on each refusal; where all of a household's were ended, on those that the records hold."""
    waiting = _waiting(session, taken, Refusal)
    latest: dict[tuple[str, Any], date | None] = {}
    taken.rows["feedback"] = []
    for entry in waiting:
        if entry.begins_on != entry.until:
            latest[entry.household_id, pd.Timestamp(entry.begins_on)] = entry.until
            continue
        stored = rows_of_household(workspace, entry.household_id)
        for row in _newest_rows(stored, "opt_outs"):
            if row["until"] is None or row["until"].date() > entry.until:
                latest[entry.household_id, pd.Timestamp(row["from"])] = entry.until
        taken.rows["feedback"] += [
            {**row, "kind": TAKES_BACK} for row in _newest_rows(stored, "feedback") if row["kind"] == REFUSES
        ]
    taken.rows["opt_outs"] = [
        {"household_id": household, "from": begins, "until": until}
        for (household, begins), until in latest.items()
    ]


def _take_remarks(session: Session, taken: Taken, workspace: Path, zone: ZoneInfo) -> None:
    """Take the last word of each kind on each row of a list as that row's feedback; it takes back no refusal."""
    waiting = _waiting(session, taken, Remark)
    rows: dict[str, dict[str, Any]] = {}
    for remark in waiting:
        row = rows.setdefault(
            remark.outreach_id,
            {name: getattr(remark, name) for name in ("outreach_id", "household_id", "need")}
            | {"feedback_id": remark.outreach_id},
        )
        remarks = {name: getattr(remark, name) for name in ("kind", "satisfaction", "next_visit")}
        row.update({name: value for name, value in remarks.items() if value is not None})
        row["recorded_at"] = remark.recorded_at.astimezone(zone).replace(tzinfo=None, microsecond=0)
    for row in rows.values():
        stored = _newest_rows(rows_of_household(workspace, row["household_id"]), "feedback")
        refuses = any(
            entry["kind"] == REFUSES for entry in stored if entry["feedback_id"] == row["feedback_id"]
        )
        if refuses:
            row.pop("kind", None)
    taken.rows["feedback"] += list(rows.values())


def _newest_rows(stored: Rows, table: str) -> list[dict[str, Any]]:
    """A household's rows in the contract's columns, those left out that were corrected since."""
    return [
        {name: value for name, value in row.items() if name not in OURS}
        for row in stored.get(table, [])
        if row["superseded_at"] is None
    ]


def _take_corrections(session: Session, taken: Taken, workspace: Path) -> None:
    """Take each corrected attribute as a correction of the household's newest row."""
    waiting = _waiting(session, taken, Correction)
    rows: dict[tuple[str, Any], dict[str, Any]] = {}
    for entry in waiting:
        stored = _newest_rows(rows_of_household(workspace, entry.household_id), "households")
        if stored:
            newest = max(stored, key=lambda row: row["valid_from"])
            row = rows.setdefault((entry.household_id, newest["valid_from"]), newest)
            row[entry.attribute] = entry.value
    taken.rows["households"] = list(rows.values())


def _mark_drained(database: Database, taken: Taken) -> None:
    with database.writing() as session:
        for table, ids in taken.ids.items():
            for first in range(0, len(ids), 500):
                session.execute(
                    update(table).where(table.id.in_(ids[first : first + 500])).values(drained_at=now())  # type: ignore[attr-defined]
                )
