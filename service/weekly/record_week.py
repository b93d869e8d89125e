"""Store outcomes and feedback from filled-in workbooks in the records."""

from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from features.ingest.ingest import ingest_rows
from features.language import UserError, say, say_line
from features.store.quarantine import FOLDER
from features.store.reader import read_records
from service.console.stages import Stage
from service.returns.beside_service import beside_service
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
