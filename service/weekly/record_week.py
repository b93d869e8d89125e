"""Store outcomes and feedback from filled-in workbooks in the records."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from features.ingest.ingest import ingest_rows
from features.language import UserError, say, say_line
from features.store.quarantine import FOLDER
from features.store.reader import read_records
from service.console.terminal import Stage
from service.lists.answers import contradiction, outcome_names
from service.returns.feedback_lines import recorded_lines
from service.returns.read_outcomes import read_outcomes
from service.web.intake.counted import reported_outcomes
from service.web.published.from_records import publish_from_records, recorded_outcomes
from service.weekly.week_directory import all_listed


def record_files(workspace: Path, files: list[Path], stage: Stage) -> tuple[list[str], list[str]]:
    """Store the outcomes and feedback of filled-in workbooks.

    Returns lines on what was stored, and lines on what was refused. Raises UserError when no list was ever made.
    """
    with stage(say("读取记录", "read the records")):
        records = read_records(workspace)
        listed = all_listed(workspace)
    if not len(listed):
        raise UserError(
            f"{workspace}：还没有发出过名单，请先运行 xianying outreach",
            f"{workspace}: no lists were made yet; run xianying outreach first",
        )
    with stage(say("读取表格", "read the workbooks")):
        now = datetime.now(ZoneInfo(records.community.community.timezone))
        outcomes = read_outcomes(files, listed, records, now)
    # a command that was killed may have stored outcomes and not published them
    publish_from_records(workspace)
    held = {row: [outcome[:2] for outcome in rows] for row, rows in recorded_outcomes(workspace).items()}
    beside = beside_service(outcomes.rows, reported_outcomes(workspace), held)
    lost = 0
    tables = {"outreach": beside.rows, "feedback": outcomes.feedback, "requests": outcomes.requests}
    if any(tables.values()):
        with stage(say("入库", "store")):
            lost = _store(workspace, {"outreach": beside.earlier}) if beside.earlier else 0
            lost += _store(workspace, tables)
    stored = say(
        f"记录 {len(outcomes.rows) - beside.known} 条结果，{outcomes.known + beside.known} 条以前记过，"
        f"{len(outcomes.refused)} 条看不懂",
        f"{len(outcomes.rows) - beside.known} outcomes recorded, {outcomes.known + beside.known} recorded before,"
        f" {len(outcomes.refused)} refused",
    )
    lines = [stored, *beside.lines, *recorded_lines(outcomes.feedback)]
    if outcomes.requests:
        count = len(outcomes.requests)
        lines.append(say(f"走访时提到的新诉求 {count} 条", f"{count} requests mentioned on visits"))
    if lost:
        lines += say_line(
            f"其中 {lost} 行没有存进去：住户资料已删除，或见 {workspace / FOLDER}",
            f"{lost} of these rows were not stored: their households were deleted, or see {workspace / FOLDER}",
        )
    return lines, outcomes.refused


def _store(workspace: Path, tables: dict[str, list[dict[str, Any]]]) -> int:
    """Add rows of the contract's tables to the records, all or none, and return how many could not be used."""
    report = ingest_rows(workspace, tables)
    publish_from_records(workspace)
    return sum(table.quarantined for table in report.tables.values())


@dataclass
class BesideService:
    """Rows of the contract's table outreach in the order in which they are stored, and lines on contradictions.

    ``earlier``: what paper said of visits of which the service has a later one; ``rows`` takes their place afterwards.
    ``known``: how many were told and stored before.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    earlier: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    known: int = 0


def beside_service(
    rows: Sequence[dict[str, Any]],
    reported: Mapping[str, tuple[str, date]],
    recorded: Mapping[str, Collection[tuple[str, date]]],
) -> BesideService:
    """Decide which outcomes count where paper and the service contradict each other.

    rows: outcomes from paper, as rows of the contract's table outreach.
    reported: outcome and date that came through the service, by outreach_id.
    recorded: outcomes and dates that the records hold or held, by outreach_id.
    """
    beside = BesideService()
    for row in rows:
        report = reported.get(row["outreach_id"])
        if report is None or (report[0] == row["outcome"] and report[1] <= row["contacted_at"]):
            beside.rows.append(row)
            continue
        outcome, day = report
        if day > row["contacted_at"] and (row["outcome"], row["contacted_at"]) in recorded.get(
            row["outreach_id"], ()
        ):
            beside.known += 1
            continue
        if outcome != row["outcome"]:
            beside.lines.append(_contradiction(row, outcome, day))
        if day > row["contacted_at"]:
            beside.earlier.append(row)
            beside.rows.append({**row, "outcome": outcome, "contacted_at": day})
        else:
            beside.rows.append(row)
    return beside


def _contradiction(row: dict[str, Any], outcome: str, day: date) -> str:
    names = outcome_names()
    counts = names[outcome if day > row["contacted_at"] else row["outcome"]]
    return contradiction(
        row["household_id"], (names[outcome], day), (names[row["outcome"]], row["contacted_at"]), counts
    )
