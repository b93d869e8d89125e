"""Bring a directory of the contract into the workspace's records: read, check, set aside, store."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from features.atomic import scratch_directory, write_atomically
from features.contract.community import Community
from features.contract.settings_file import SETTINGS_FILE, Taken, take_settings
from features.contract.table_names import FILES, REFUSALS, with_own_names
from features.contract.tables import TABLES
from features.exports.ages import births_from_ages
from features.exports.causes import causes
from features.exports.comparison import Handed, compare_export, few_gone, refused_line, tables_gone
from features.exports.dates import corrections_from, covered_until, is_older, sql_time
from features.exports.departures import empty_homes, end_departed, release_workers
from features.exports.identities import changed_identities
from features.exports.row_numbers import ALIKE, match_rows
from features.findings import Finding, Weight
from features.ingest.checks import no_household
from features.ingest.csv_reader import TextRows
from features.ingest.directory import Found, find_tables, read_answers, require_tables
from features.ingest.erasure import drop_erased, erased_again
from features.ingest.files import TableFile, place_of, read_table, with_need_ids, with_refusals
from features.ingest.finding_words import (
    LEAVING,
    SHOWN,
    aged_findings,
    departed_findings,
    gone_workers,
    late_finding,
    missing_columns,
    older_finding,
    request_findings,
    same_findings,
    unread_refusals,
)
from features.ingest.identifiers import (
    alike_households,
    nearly_known,
    remember_areas,
    renumbered,
    unify_areas,
    wait_no_longer,
)
from features.ingest.ingest_report import PAGE, IngestReport, TableCounts, report_page
from features.ingest.other_rows import has_left
from features.ingest.refusals import match_refusals, refused_by, register_refusals, spoken_refusals
from features.ingest.staging import LINE_NUMBER, PROBLEM, good_rows, set_aside, stage, staged, staged_rows
from features.ingest.untold_attributes import (
    attribute_findings,
    exclusion_findings,
    unknown_programmes,
    unmatched_texts,
    who_findings,
)
from features.language import UserError, say, set_language
from features.store.database import Since, add_tables, begin, has_tables, open_in_memory, open_store, upsert
from features.store.export_history import (
    TIMES,
    Reach,
    new_needs,
    next_number,
    note_set_aside,
    note_unknown_needs,
    reach,
    strays,
)
from features.store.quarantine import Quarantined, write_quarantine
from features.store.sql import add_macros, one_value, text
from features.store.waiting_refusals import keep_waiting, remember_refusals


def ingest(
    directory: Path,
    workspace: Path,
    everything: bool = True,
    accept: bool = True,
    tell: Callable[[str], None] = lambda line: None,
    require: bool = True,
    unread: Sequence[str] = (),
) -> IngestReport:
    """Validate a directory of the contract and load it into the workspace.

    All tables are stored in one transaction: whatever happens, the store is as before or as after. Reading
    the same directory twice changes nothing.

    directory: files of the contract, with community.yaml unless the workspace has one.
    workspace: where records, settings and quarantined rows are kept; made where it is not there.
    everything: whether this is an export of the office, which is dated and compared with those before.
    accept: whether an export that differs much from those before is taken.
    tell: called with a line whenever something that may take long begins.
    require: whether the tables that the contract requires must be there.
    unread: lines on refusals that could not be read before the tables were made.

    Raises UserError when the directory as a whole cannot be used; nothing is stored then.
    """
    report, found, settings = _open(directory, workspace, everything and require)
    report.unread_refusals += unread
    try:
        workspace.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        zh = f"{workspace}：不能用作工作区（{error.strerror}）"
        raise UserError(zh, f"{workspace}: no place for a workspace ({error.strerror})") from error
    with open_store(workspace) as connection:
        run = _Ingest(connection, workspace, settings.community, report, tell)
        _load(run, found, everything)
        if not accept and (report.alarms or report.unread_refusals):
            raise UserError(refused_line(report.alarm_words(), report.unread_refusals))
        report.quarantine = write_quarantine(run.quarantined, workspace)
        connection.execute("COMMIT")
    if settings.content is not None:
        write_atomically(workspace / SETTINGS_FILE, settings.content)
    if everything:
        report.page = workspace / PAGE
        write_atomically(report.page, report_page(report).encode())
    return report


def ingest_rows(workspace: Path, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> IngestReport:
    """Add rows of the contract's tables, by table, as ``ingest`` adds those of a directory that is no export."""
    with scratch_directory(workspace) as directory:
        for table, rows in tables.items():
            if rows:
                pd.DataFrame(rows).to_csv(directory / f"{table}.csv", index=False)
        return ingest(directory, workspace, everything=False)


def check(
    directory: Path,
    workspace: Path,
    tell: Callable[[str], None] = lambda line: None,
    require: bool = True,
) -> IngestReport:
    """Report what ``ingest`` would report of a directory, and change nothing. Raises UserError as ``ingest`` does.

    ``tell``: called with a line whenever something that may take long begins. ``require``: as in ``ingest``.
    """
    report, found, settings = _open(directory, workspace, require)
    with tempfile.TemporaryDirectory() as place, open_in_memory(workspace, Path(place)) as connection:
        if has_tables(connection):
            add_tables(connection)
        _load(_Ingest(connection, workspace, settings.community, report, tell), found, everything=True)
    return report


@dataclass(frozen=True)
class _Ingest:
    """An ingest under way: where it reads and stores, by which settings, and what it has found."""

    connection: duckdb.DuckDBPyConnection
    workspace: Path
    community: Community
    report: IngestReport
    tell: Callable[[str], None]
    quarantined: list[Quarantined] = field(default_factory=list)

    @property
    def zone(self) -> str:
        """Return the community's timezone."""
        return self.community.community.timezone


def _open(directory: Path, workspace: Path, require: bool) -> tuple[IngestReport, Found, Taken]:
    """Find the tables and the settings of a directory. Raises UserError where it cannot be used."""
    report = IngestReport()
    with report.stage("read"):
        found = find_tables(directory)
        report.unread_files, report.unread_refusals = found.unread, [*found.unreadable]
        where = say("目录", "directory")
        report.findings += [Finding(Weight.PROTECT, where, line) for line in found.unreadable]
        if require:
            require_tables(directory, found.tables)
        settings = take_settings(directory, workspace)
        set_language(settings.community.community.language)
    report.unread_keys, report.settings_changes = settings.unread, settings.changes
    return report, found, settings


def _load(run: _Ingest, found: Found, everything: bool) -> None:
    """Read, check and store every table in a transaction that stays open."""
    files = _stage(run, found)
    with run.report.stage("store"):
        run.tell(say("入库", "storing"))
        begin(run.connection)
        _store(run, files, everything)
        run.report.findings += who_findings(run.connection, run.community, date.today())
        run.report.findings += exclusion_findings(run.connection, run.community) + empty_homes(run.connection)


def _stage(run: _Ingest, found: Found) -> dict[str, TableFile]:
    """Read and check one file after the other, so that no more than one is in memory."""
    connection, report, needs = run.connection, run.report, run.community.needs
    add_macros(connection, run.zone)
    files: dict[str, TableFile] = {}
    connection.execute("CREATE TEMP TABLE known_households (household_id VARCHAR)")
    connection.execute('CREATE TEMP TABLE refusing (household_id VARCHAR, "from" VARCHAR, "until" VARCHAR)')
    connection.execute("CREATE TEMP TABLE known_waiting AS SELECT *, true AS whole FROM refusing")
    remember_refusals(connection, ingested := has_tables(connection))
    with report.stage("read"):
        for answered in found.refusals.items():
            _take_answers(run, *answered)
    connection.execute("CREATE TEMP TABLE area_names (column_name VARCHAR, normal VARCHAR, area VARCHAR)")
    if ingested:
        connection.execute("INSERT INTO known_households SELECT DISTINCT household_id FROM households")
        remember_areas(connection)
    need_ids = {name: need.id for need in needs for name in (need.name.zh, need.name.en) if name}
    need_ids |= {need.id: need.id for need in needs}
    for table in sorted(TABLES, key=lambda table: table == REFUSALS):  # the others may tell refusals too
        with report.stage("read"):
            file = _read(run, table, found.tables.get(table))
        if file is None:
            continue
        file = with_need_ids(file, need_ids)
        report.called |= {file.name: file.called, table: file.called} if file.called else {}
        with report.stage("check"):
            file = _check(run, file)
        report.unread_columns |= {file.name: file.unread} if file.unread and not file.of_ledgers else {}
        files[table] = replace(file, rows=file.rows.schema.empty_table(), bad=[])
        del file
    report.findings += missing_columns(files, run.community)
    return files


def _read(run: _Ingest, table: str, path: Path | None) -> TableFile | None:
    """Read a table's file; refusals that the register tells of stand behind those of their own file."""
    file = None
    if path is not None:
        run.tell(say(f"读取 {FILES[table][0]}", f"reading {path.name}"))
        file = read_table(table, path)
        run.report.add_content(file.digest)
    if table != REFUSALS:
        return file
    if has_tables(run.connection):
        wait_no_longer(run.connection)
    return with_refusals(run.connection, file)


def _take_answers(run: _Ingest, path: Path, rows: TextRows) -> None:
    """Add the households that a file of another name says to refuse visits to the table ``refusing``."""
    answers = read_answers(path, rows)
    run.report.add_content(answers.digest)
    run.connection.register("answered", answers.rows)
    run.report.findings += refused_by(run.connection, "answered", path.name, answers.words)
    run.report.findings += answers.findings
    run.report.unread_refusals += answers.unread


def _check(run: _Ingest, file: TableFile) -> TableFile:
    """Check a file's rows in their staged table, and set some aside; return the file with the columns that were added."""
    connection, community, report, table = run.connection, run.community, run.report, file.table
    taken = stage(connection, file, [need.id for need in community.needs], run.zone)
    file = _derive(run, file)
    erased = drop_erased(connection, table, run.workspace)
    report.findings += [*file.findings, *taken.findings]
    report.unknown_needs |= taken.unknown_needs
    report.findings += attribute_findings(connection, file, good_rows(table))
    report.findings += unify_areas(connection, staged(table), file.columns)
    more = repeated = 0
    if table == "households":
        report.alarms += erased_again(connection, run.workspace) + renumbered(connection, good_rows(table))
        connection.execute(f"INSERT INTO known_households SELECT household_id FROM {good_rows(table)}")
        report.findings += alike_households(connection)
    elif table == REFUSALS:
        more, repeated, matched = match_refusals(connection, staged(table), PROBLEM, file.rows)
        report.findings += matched
    elif table == "requests" and "text" in file.columns:
        report.unmatched_texts, off = unmatched_texts(connection, file, community)
        report.findings += off
    elif table == "programme_history":
        report.unknown_programmes = unknown_programmes(connection, community)
    if table != "households" and table != REFUSALS and "household_id" in file.columns:
        unknown = f"{PROBLEM} = {text(no_household())}"
        report.findings += nearly_known(connection, file.path.name, staged(table), unknown)
    refused = list(set_aside(connection, file))
    for problem, cell, row in refused:
        places = report.problems.setdefault((file.name, table, problem), [])
        places.append((row.file.removeprefix(file.path.name), row.line, cell))
    report.tables[table] = TableCounts(
        read=taken.rows + len(file.bad) + more,
        repeated=taken.repeated + repeated,
        quarantined=len(refused) + erased,
        erased=erased,
    )
    report.unread_refusals += unread_refusals(file, refused if table == REFUSALS else [])
    run.quarantined.extend(row for *_, row in refused)
    return file


def _derive(run: _Ingest, file: TableFile) -> TableFile:
    """Fill what other columns of a staged table say: ends, births, refusals, numbers; the file with columns added."""
    connection, report = run.connection, run.report
    table, every, holds = file.table, [*file.columns, *file.attributes], f"{PROBLEM} IS NULL"
    spoken = spoken_refusals(connection, table, file.rows, file.columns, file.of_ledgers)
    report.findings += spoken
    lines = [report.in_own_names(finding).line() for finding in spoken if finding.weight == Weight.PROTECT]
    report.unread_refusals += lines
    if table == "requests":
        report.findings += request_findings(connection, file)
    elif table in ALIKE:
        report.findings += same_findings(table, match_rows(connection, table, staged_rows(table), every))
    if table not in LEAVING:
        return file
    gone = end_departed(connection, staged(table), holds, every, run.community)
    report.findings += [finding for departed in gone for finding in departed_findings(table, departed)]
    report.findings += register_refusals(connection, table, good_rows(table), file.attributes)
    added = ["valid_until"] if gone else []
    if table == "residents":
        aged = births_from_ages(connection, staged(table), holds, every, run.zone)
        report.findings += aged_findings(aged) if aged else []
        added += ["birth_year"] if aged else []
    return replace(file, columns=list(dict.fromkeys([*file.columns, *added])))


def _compare(run: _Ingest, files: Mapping[str, TableFile], export: Reach, older: bool) -> None:
    """Compare an export of the office with those before, and note it for the next one.

    export: what it reaches. older: whether it ends before an earlier one. Other parameters are those of ``_store``.
    """
    connection, report = run.connection, run.report
    handed = {
        table: Handed(good_rows(table), [*file.columns, *file.attributes]) for table, file in files.items()
    }
    report.findings += tables_gone(connection, handed) + few_gone(connection, handed, report.content, older)
    if not older:
        changed = changed_identities(connection, handed)
        report.alarms += changed.alarms
        report.findings += changed.findings
    report.alarms += compare_export(connection, handed, run.community, export.ends, report.content)
    rows = {table: (one.read, one.quarantined - one.erased) for table, one in report.tables.items()}
    note_set_aside(connection, rows, date.today())
    number, _ = next_number(connection, report.content)
    note_unknown_needs(connection, new_needs(report.unknown_needs, export), number, date.today())


def _store(run: _Ingest, files: Mapping[str, TableFile], everything: bool) -> None:
    """Store the staged tables within a transaction.

    run: whose report gets the counts of each table and lines on what was found.
    files: what was staged, by table.
    everything: whether this is an export of the office, which is dated and compared with those before.
    """
    connection, community, report = run.connection, run.community, run.report
    export = reach(
        connection,
        {table: (good_rows(table), file.columns) for table, file in files.items() if table in TIMES},
    )
    _name_strays(run, files, export)
    covered = covered_until(connection) if everything else None
    older = is_older(export.ends, covered)
    if older:
        report.findings.append(older_finding(export.ends or "", covered or ""))
    if everything:
        _compare(run, files, export, older)
    since = Since(
        None if older else corrections_from(connection, export.ends), sql_time(covered) if covered else None
    )
    late: dict[str, int] = {}
    for table, file in files.items():
        counts = report.tables[table]
        stored = upsert(connection, table, good_rows(table), file.columns, file.attributes, since)
        counts.new, counts.corrected = stored.new, stored.corrected
        total = one_value(connection, f"SELECT count(*) FROM {good_rows(table)}")
        counts.unchanged = total - counts.new - counts.corrected
        late |= {table: stored.late} if stored.late else {}
        if table == REFUSALS:
            unknown = f"(SELECT * FROM {staged(table)} WHERE {PROBLEM} = {text(no_household())})"
            keep_waiting(connection, unknown)
        if table == "workers" and everything and not older:
            unread = [row.row for row in run.quarantined if row.table == table and row.reason != has_left()]
            gone, alarms = release_workers(connection, staged(table), " ".join(unread))
            report.findings, report.alarms = report.findings + gone_workers(gone), report.alarms + alarms
        connection.execute(f"DROP TABLE {staged(table)}")
    why = causes(connection, community)
    report.findings += [Finding(Weight.LOOK, say("记录", "records"), line) for line in why]
    if late and covered:
        report.findings.append(late_finding(late, covered))


def _name_strays(run: _Ingest, files: Mapping[str, TableFile], export: Reach) -> None:
    """Report the times that lie far beyond all others; they do not count for where the data end."""
    strays_found = []
    end = max(export.days.values(), default=0)  # a register may rest for a year while requests go on
    for table, file in ((table, files[table]) for table in export.days):
        columns = [time for time in TIMES[table] if time in file.columns]
        strays_found += [
            (file.path.name, *place_of(file, number), with_own_names(column, file.called), day)
            for number, column, day in strays(run.connection, good_rows(table), columns, end, LINE_NUMBER)
        ]
    run.report.isolated = len(strays_found)
    run.report.isolated_places = [
        say(f"{file}{sheet} 第 {line} 行 {column} {day}", f"{file}{sheet} line {line} {column} {day}")
        for file, sheet, line, column, day in strays_found[:SHOWN]
    ]
