"""Take in an office's own ledgers: make rows of the contract from them, load these, and account for every row."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd

from features.atomic import copy_atomically, scratch_directory
from features.contract.community import Community
from features.findings import line_words
from features.ingest.ingest import check, ingest
from features.ingest.refusals import may_refuse
from features.language import UserError, say
from features.linking.decisions import read_decisions
from features.linking.register import read_register
from features.mapping.kept_rows import (
    PENDING,
    TOLD,
    WARNING_COLUMNS,
    WARNINGS,
    keep,
    keep_register,
    read_kept,
    read_register_kept,
    read_warnings,
)
from features.mapping.mapping_file import ENDING, KEPT, Mapping
from features.mapping.register import RegisterTables, register_tables
from features.mapping.take_rows import EVENTS, take_rows
from features.store.tombstones import TOMBSTONES, read_tombstones, recognises
from features.workspace_secret import keyed_hash, workspace_secret
from service.ledgers.accounts import Accounts, accounts_of
from service.ledgers.category_table import CATEGORIES
from service.ledgers.compose import (
    REVIEW,
    SHORTEST_ID,
    Composed,
    compose,
    erased_words,
    event_ids,
    perhaps_refusing,
    refusals_aside,
)
from service.ledgers.households_of_rows import Register
from service.ledgers.needs_of_rows import need_reader
from service.ledgers.review_sheets import write_review_sheets
from service.ledgers.settings import ledger_settings
from service.ledgers.staged import write_staged
from service.ledgers.taken_in import TakenIn


def take_in_ledgers(
    ledgers: Sequence[tuple[Path, Mapping]],
    directory: Path,
    workspace: Path,
    accept: bool,
    tell: Callable[[str], None],
    dry: bool,
) -> TakenIn:
    """Make rows of the contract from ledgers, and load them with the tables beside them.

    ledgers: files with their mappings. Other parameters, and what is raised, as of ``take_in.ingest_directory``.
    """
    settings = _settings(directory, workspace)
    records = _records(ledgers, settings.community.timezone, tell)
    tell(say("认户、认需求", "finding households and needs"))
    tables = _register(records, workspace, settings)
    events = _events(records, workspace)
    register = _known(workspace, tables, settings)
    tables = _without_erased(tables, register.erased)
    composed = compose(events, register, need_reader(directory, workspace, settings))
    aside = _set_aside(records, tables)
    composed.unread_refusals += refusals_aside(aside)
    told = _tell_perhaps_refusing(perhaps_refusing(records, aside, composed), composed, workspace)
    with _staging_place(workspace, dry) as place:
        staged = Path(place)
        write_staged(staged, directory, [path for path, _ in ledgers], tables, composed, records)
        if dry:
            report = check(staged, workspace, tell, require=False)
        else:
            report = ingest(
                staged, workspace, accept=accept, tell=tell, require=False, unread=composed.unread_refusals
            )
    accounts = accounts_of(records, tables, composed, report)
    if not dry:
        _keep(workspace, ledgers, directory, tables, composed, register, settings, accounts)
        keep(workspace, TOLD, told)
    return TakenIn(report, accounts.lines(None if dry else workspace), accounts.look)


def _records(ledgers: Sequence[tuple[Path, Mapping]], zone: str, tell: Callable[[str], None]) -> pd.DataFrame:
    """Read the rows of ledgers by their mappings; what is told twice is set aside."""
    parts = []
    for path, mapping in ledgers:
        tell(say(f"读取 {path.name}", f"reading {path.name}"))
        parts.append(take_rows(path, mapping, zone))
    return _without_copies(pd.concat(parts, ignore_index=True))


def _without_copies(records: pd.DataFrame) -> pd.DataFrame:
    """Set aside the rows of a file that are told twice: a number, time, person and text that stand again further down,
    and rows that another sheet of the file has too, as where a sheet was copied.
    """
    same = ["source_file", "shape", "record_id", "happened_at", "address", "person", "text"]
    usable = records[records["shape"].isin(EVENTS) & (records["aside"] == "")]
    numbered = usable[usable["record_id"].str.len() >= SHORTEST_ID]
    copies = numbered.index[numbered.duplicated(same, keep="last")]
    words = say("同一编号的同一件，后面还有一行", "the same record stands again further down")
    records = records.assign(aside=records["aside"].mask(records.index.isin(copies), words))
    rest = usable[usable["happened_at"].notna()].drop(index=copies)
    keys = rest.groupby([*same, "phone", "category", "result"], sort=False)["source_sheet"]
    copied = rest.index[keys.transform("first") != rest["source_sheet"]]
    words = say("另一张工作表里有同样的一条", "another sheet has the same record")
    return records.assign(aside=records["aside"].mask(records.index.isin(copied), words))


def _settings(directory: Path, workspace: Path) -> Community:
    settings = ledger_settings(directory, workspace)
    if settings is None:
        raise UserError(
            f"{directory}：缺少 community.yaml（xianying init 会生成一个示例）",
            f"{directory}: community.yaml is missing (xianying init writes an example)",
        )
    return settings


def _register(records: pd.DataFrame, workspace: Path, settings: Community) -> RegisterTables:
    """Make households and residents of the registers among the ledgers."""
    rows = records[~records["shape"].isin(EVENTS) & (records["aside"] == "")]
    times = records.loc[records["shape"].isin(EVENTS), "happened_at"].dropna()
    begins = times.min().date() if len(times) else date.today()
    tables = register_tables(
        rows,
        read_register_kept(workspace),
        workspace_secret(workspace),
        begins,
        settings.community.name or "1",
    )
    for table in (tables.households, tables.residents):
        if len(table):
            table["record"] = rows.index[table["record"]]
    aside, doubts = (
        {int(rows.index[place]): why for place, why in told.items()} for told in (tables.aside, tables.doubts)
    )
    return replace(tables, aside=aside, doubts=doubts)


def _without_erased(tables: RegisterTables, erased: frozenset[str]) -> RegisterTables:
    """Set the rows of households that were deleted aside; their ids stay known, so that they are recognised again."""
    if not erased:
        return tables
    aside = dict(tables.aside)
    kept = []
    for table in (tables.households, tables.residents):
        is_erased = table["household_id"].isin(erased) if len(table) else pd.Series(dtype=bool)
        aside |= dict.fromkeys(map(int, table.loc[is_erased, "record"]), erased_words()) if len(table) else {}
        kept.append(table[~is_erased] if len(table) else table)
    return replace(tables, households=kept[0], residents=kept[1], aside=aside)


def _set_aside(records: pd.DataFrame, tables: RegisterTables) -> pd.DataFrame:
    """Return the records that are set aside, with the reason; without those of households that were deleted."""
    reasons = pd.Series(tables.aside, dtype=object).reindex(records.index).fillna(records["aside"])
    return records.assign(aside=reasons)[~reasons.isin(["", erased_words()])]


def _tell_perhaps_refusing(rows: pd.DataFrame, composed: Composed, workspace: Path) -> pd.DataFrame:
    """Add a line on rows that may refuse visits and were not told before; return the hashes of all that were told.

    ``rows``: what ``perhaps_refusing`` returned.
    """
    secret = workspace_secret(workspace)
    keys = [keyed_hash(secret, "perhaps refusing", row) for row in rows["key"]]
    before = read_kept(workspace, TOLD, ("key",))
    new = rows[~pd.Series(keys, index=rows.index, dtype=object).isin(before["key"])]
    if len(new):
        places = zip(new["said"], new["source_file"], new["source_sheet"], new["source_row"], strict=True)
        texts = [f"{said} [{file} {sheet} {line_words([line])}]" for said, file, sheet, line in places]
        composed.may_refuse.append(
            may_refuse(say("台账", "ledgers"), say("原话", "what is said"), texts).line()
        )
    return pd.DataFrame({"key": sorted({*before["key"], *keys})}, dtype=object)


def _events(records: pd.DataFrame, workspace: Path) -> pd.DataFrame:
    """Return the usable rows of requests, visits and warnings, and behind them those that wait since earlier months.

    ``record``: the position in ``records``, -1 for a row that waited. ``loaded_before``: whether only its need was open.
    """
    rows = records[records["shape"].isin(EVENTS) & (records["aside"] == "")]
    rows = rows.assign(event_id=event_ids(rows), record=rows.index, loaded_before=False)
    rows = rows.drop(columns=["attributes", "aside", "doubt"])
    waiting = read_kept(workspace, PENDING, tuple(rows.columns))
    waiting = waiting[~waiting["event_id"].isin(rows["event_id"])].assign(record=-1)
    waiting = waiting.assign(loaded_before=waiting.get("loaded_before", False))
    if waiting.empty:
        return rows.reset_index(drop=True)
    return (
        pd.concat([rows, waiting[[*rows.columns]]], ignore_index=True)
        if len(rows)
        else waiting[[*rows.columns]]
    )


def _known(workspace: Path, tables: RegisterTables, settings: Community) -> Register:
    rows = read_register(workspace)[["household_id", "address", "person", "phone"]]
    before = {*read_register_kept(workspace)["household_id"]} if len(rows) else set()
    gone = frozenset(before - {*rows["household_id"]})  # merged into another one, or deleted
    removed = recognises(read_tombstones(workspace / TOMBSTONES), workspace)
    ids = {*tables.households["household_id"]} if len(tables.households) else set()
    erased = frozenset(household for household in ids if removed(household))
    aliases = {place.name: place.aliases for place in settings.places}
    return Register(rows, read_decisions(workspace), gone - erased, erased, aliases).with_tables(tables)


def _staging_place(workspace: Path, dry: bool) -> AbstractContextManager[Path | str]:
    """Make the directory in which the tables stand until they are read."""
    return tempfile.TemporaryDirectory() if dry else scratch_directory(workspace)


def _keep(
    workspace: Path,
    ledgers: Sequence[tuple[Path, Mapping]],
    directory: Path,
    tables: RegisterTables,
    composed: Composed,
    register: Register,
    settings: Community,
    accounts: Accounts,
) -> None:
    """Keep ids, warnings, the rows that wait for people, where every row went, and the mappings for next month."""
    keep_register(workspace, tables.kept)
    waiting = composed.events[(composed.events["state"] == REVIEW) | composed.events["need_open"]]
    waiting = waiting.assign(loaded_before=waiting["state"] != REVIEW)
    keep(workspace, PENDING, waiting[[name for name in waiting.columns if name not in ("record",)]])
    before = read_warnings(workspace)
    new = pd.DataFrame(composed.warnings, columns=list(WARNING_COLUMNS))
    before = before[~before["warning_id"].isin(new["warning_id"])]
    if len(new) or len(before):
        keep(workspace, WARNINGS, pd.concat([before, new], ignore_index=True) if len(before) else new)
    accounts.write(workspace)
    write_review_sheets(workspace, composed, register, settings)
    for path in directory.glob(f"*{ENDING}"):
        with suppress(OSError):
            copy_atomically(path, workspace / KEPT / path.name)
    if (path := directory / CATEGORIES).is_file():
        copy_atomically(path, workspace / CATEGORIES)
