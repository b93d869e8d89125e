"""From a directory of the contract to the workspace's records: read, check, set aside, store."""

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb

from features.atomic import write_atomically
from features.contract.community import Community
from features.contract.keywords import match_texts
from features.contract.settings_file import SETTINGS_FILE, Taken, take_settings
from features.contract.tables import TABLES
from features.ingest.checks import no_household
from features.ingest.erasure import drop_erased
from features.ingest.files import TableFile, find_tables, read_table
from features.ingest.identifiers import alike_households, remember_areas, unify_areas
from features.ingest.ingest_report import IngestReport, TableCounts
from features.ingest.quarantine import Quarantined, write_quarantine
from features.ingest.refusals import match_loosely
from features.ingest.report_page import PAGE, report_page
from features.ingest.staging import PROBLEM, good_rows, set_aside, stage, staged
from features.ingest.untold_attributes import attribute_findings, who_findings
from features.language import UserError, say, set_language
from features.store.database import STORE, add_tables, has_tables, last_time, open_store, upsert
from features.store.sql import add_macros, one_value, text


def ingest(
    directory: Path,
    workspace: Path,
    everything: bool = True,
    tell: Callable[[str], None] = lambda line: None,
) -> IngestReport:
    """Validate a directory of the contract and load it into the workspace.

    All tables are stored in one transaction: whatever happens, the store is as before or as after. Reading
    the same directory twice changes nothing.

    Args:
        directory: files of the contract, with community.yaml unless the workspace has one.
        workspace: where records, settings and quarantined rows are kept; made where it is not there.
        everything: whether the tables that the contract requires must be there.
        tell: called with a line whenever something that may take long begins.

    Raises:
        UserError: when the directory as a whole cannot be used; nothing is stored then.
    """
    report, paths, settings = _open(directory, workspace, everything)
    try:
        workspace.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            say(
                f"{workspace}：不能用作工作区（{error.strerror}）",
                f"{workspace}: no place for a workspace ({error.strerror})",
            )
        ) from error
    with open_store(workspace) as connection:
        quarantined = _load(connection, workspace, paths, settings.community, report, tell)
        report.quarantine = write_quarantine(quarantined, workspace)
        connection.execute("COMMIT")
    if settings.content is not None:
        write_atomically(workspace / SETTINGS_FILE, settings.content)
    if everything:
        report.page = workspace / PAGE
        for left in workspace.glob(f".{PAGE}.*"):  # by a run that was killed
            left.unlink(missing_ok=True)
        write_atomically(report.page, report_page(report).encode())
    return report


def check(directory: Path, workspace: Path, tell: Callable[[str], None] = lambda line: None) -> IngestReport:
    """Say what ``ingest`` would say of a directory, and change nothing. Raises UserError as it does."""
    report, paths, settings = _open(directory, workspace, everything=True)
    with tempfile.TemporaryDirectory() as place:
        held = workspace if (workspace / STORE).is_file() else Path(place)
        with open_store(held) as connection:
            _load(connection, workspace, paths, settings.community, report, tell)
            connection.execute("ROLLBACK")
    return report


def _open(directory: Path, workspace: Path, everything: bool) -> tuple[IngestReport, dict[str, Path], Taken]:
    """Find the tables and the settings of a directory. Raises UserError where it cannot be used."""
    report = IngestReport()
    with report.stage("read"):
        paths, report.unread_files = find_tables(directory)
        if everything:
            _require_tables(directory, paths)
        settings = take_settings(directory, workspace)
        set_language(settings.community.community.language)
    report.unread_keys, report.settings_changes = settings.unread, settings.changes
    return report, paths, settings


def _load(
    connection: duckdb.DuckDBPyConnection,
    workspace: Path,
    paths: dict[str, Path],
    community: Community,
    report: IngestReport,
    tell: Callable[[str], None],
) -> list[Quarantined]:
    """Read, check and store every table in a transaction that is left open; the rows to be set aside."""
    files, quarantined = _stage(connection, workspace, paths, community, report, tell)
    with report.stage("store"):
        tell(say("入库", "storing"))
        connection.execute("BEGIN")
        add_tables(connection)
        _store(connection, files, report)
        report.findings += who_findings(connection, community, date.today())
    return quarantined


def _require_tables(directory: Path, paths: dict[str, Path]) -> None:
    for table, contract in TABLES.items():
        if contract.required and table not in paths:
            raise UserError(
                say(
                    f"{directory}：缺少 {table}（.csv、.parquet 或 .xlsx）",
                    f"{directory}: {table} is missing (.csv, .parquet or .xlsx)",
                )
            )


def _stage(
    connection: duckdb.DuckDBPyConnection,
    workspace: Path,
    paths: dict[str, Path],
    community: Community,
    report: IngestReport,
    tell: Callable[[str], None],
) -> tuple[dict[str, TableFile], list[Quarantined]]:
    """Read and check one file after the other, so that no more than one is in memory."""
    add_macros(connection, community.community.timezone)
    files: dict[str, TableFile] = {}
    quarantined: list[Quarantined] = []
    connection.execute("CREATE TEMP TABLE known_households (household_id VARCHAR)")
    connection.execute("CREATE TEMP TABLE area_names (column_name VARCHAR, normal VARCHAR, area VARCHAR)")
    if has_tables(connection):
        connection.execute("INSERT INTO known_households SELECT DISTINCT household_id FROM households")
        remember_areas(connection)
    for table, path in paths.items():
        tell(say(f"读取 {path.name}", f"reading {path.name}"))
        with report.stage("read"):
            file = read_table(table, path)
        with report.stage("check"):
            quarantined += _check(connection, workspace, file, community, report)
        if file.unread:
            report.unread_columns[path.name] = file.unread
        files[table] = replace(file, rows=file.rows.schema.empty_table(), bad=[])
        del file
    return files, quarantined


def _check(
    connection: duckdb.DuckDBPyConnection,
    workspace: Path,
    file: TableFile,
    community: Community,
    report: IngestReport,
) -> list[Quarantined]:
    table = file.table
    taken = stage(connection, file, [need.id for need in community.needs], community.community.timezone)
    erased = drop_erased(connection, staged(table), table, workspace)
    report.erased += erased
    report.findings += [*file.findings, *taken.findings]
    report.findings += attribute_findings(connection, file, good_rows(table))
    report.findings += unify_areas(connection, staged(table), file.columns)
    if table == "households":
        connection.execute(f"INSERT INTO known_households SELECT household_id FROM {good_rows(table)}")
        report.findings += alike_households(connection)
    if table == "opt_outs":
        report.findings += match_loosely(connection, staged(table), PROBLEM, no_household())
    if table == "requests" and "text" in file.columns:
        report.unmatched_texts = _unmatched_texts(connection, file, community)
    found = list(set_aside(connection, file))
    if table == "programme_history":
        report.unknown_programmes = _unknown_programmes(connection, community)
    for problem, count in Counter(problem for problem, _ in found).items():
        report.problems[(file.path.name, problem)] = count
    report.tables[table] = TableCounts(
        read=taken.rows + len(file.bad), repeated=taken.repeated, quarantined=len(found) + erased
    )
    return [row for _, row in found]


def _unmatched_texts(connection: duckdb.DuckDBPyConnection, file: TableFile, community: Community) -> int:
    only_text = "AND need IS NULL" if "need" in file.columns else ""
    texts = f"(SELECT text FROM {good_rows('requests')} WHERE text IS NOT NULL {only_text})"
    match_texts(connection, community, f"SELECT DISTINCT text FROM {texts}")
    return one_value(connection, f"SELECT count(*) FROM {texts} ANTI JOIN text_needs USING (text)")


def _unknown_programmes(connection: duckdb.DuckDBPyConnection, community: Community) -> list[str]:
    """Those that have ended are rightly no longer in the settings, and say how many take a seat: no row is set aside."""
    ids = f"SELECT DISTINCT programme_id FROM {good_rows('programme_history')} ORDER BY programme_id"
    known = {one.id for one in community.programmes}
    return [one for (one,) in connection.execute(ids).fetchall() if one not in known]


def _store(connection: duckdb.DuckDBPyConnection, files: dict[str, TableFile], report: IngestReport) -> None:
    # feedback tells when it was typed in here, not up to when an export reaches
    dated = {table: contract.columns for table, contract in TABLES.items() if table != "feedback"}
    before, _ = last_time(connection, dated)
    export, report.isolated = last_time(
        connection, {good_rows(table): files[table].columns for table in dated if table in files}
    )
    monday = f"date_trunc('week', TIMESTAMP {text(before)}) + INTERVAL 7 DAY" if before else "NULL"
    latest = f"TIMESTAMP {text(export)}" if export else "NULL"
    for table, file in files.items():
        counts = report.tables[table]
        counts.new, counts.corrected = upsert(
            connection,
            table,
            good_rows(table),
            file.columns,
            file.attributes,
            f"greatest({latest}, {monday})",
        )
        total = one_value(connection, f"SELECT count(*) FROM {good_rows(table)}")
        counts.unchanged = total - counts.new - counts.corrected
        connection.execute(f"DROP TABLE {staged(table)}")
