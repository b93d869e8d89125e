"""Find the tables in a directory, and refusals in files that are called like no table."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import pyarrow as pa

from features.contract.refusing_words import VISITS_WELCOME, asks_who_is_willing, refuses, tells_refusal
from features.contract.settings_file import SETTINGS_FILE
from features.contract.spoken_values import TRUE, plain
from features.contract.table_names import (
    FILES,
    REFUSALS,
    contract_names,
    names_refusal,
    table_named,
    table_of,
)
from features.contract.tables import TABLES
from features.contract.workbook_cells import WORKBOOKS, read_sheets
from features.findings import Finding, Weight, line_words
from features.ingest.csv_reader import LINE, TextRows
from features.ingest.files import READERS
from features.ingest.refusals import PLACE
from features.ingest.workbook import LINES, first_words, read_workbook
from features.language import UserError, say

LARGEST_LOOKED_INTO = 50_000_000  # bytes of a file that is called like no table
# in which a table may come that is not read
OTHER_FORMATS = frozenset(
    """
    .tsv .txt .xls .xlsm .xlsb .ods .et .numbers .json .jsonl .gz .zip .7z .rar .dbf .mdb .accdb .feather
    .bak .old
    """.split()
)


@dataclass(frozen=True)
class Found:
    """What lies in a directory: the file of each table in the contract's order, and the other files.

    unread: names of files that nothing reads.
    refusals: files called like no table with a column that answers who refuses visits, as they were read.
    unreadable: a line on each file that may hold refusals and cannot be looked into.
    """

    tables: dict[str, Path]
    unread: list[str]
    refusals: dict[Path, TextRows]
    unreadable: list[str]


@dataclass(frozen=True)
class Answers:
    """Who refuses visits by a file's columns that answer it: rows as ``refused_by`` takes them; what is to be said."""

    rows: pa.Table
    words: str  # by which columns
    findings: list[Finding]
    unread: list[str]  # a line on refusals of which nobody can tell whose they are
    digest: str  # of the file's content


def find_tables(directory: Path) -> Found:
    """Find the file of each table, and look into the others for refusals.

    Raises UserError when there is no such directory, it has two files for one table, or a file that looks like a table
    and cannot be read as one: its content, perhaps a refusal, must not be passed over.
    """
    if not directory.is_dir():
        raise UserError(f"{directory}：没有这个目录", f"{directory}: no such directory")
    tables: dict[str, Path] = {}
    unread, refusals, unreadable = [], dict[Path, TextRows](), []
    for path in sorted(directory.iterdir()):
        table = table_of(path.stem) or ""
        if path.name == SETTINGS_FILE or path.name.startswith((".", "~$")):
            continue
        if path.is_dir() or table not in TABLES or path.suffix.lower() not in READERS:
            try:
                answers = _answers_refusals(path)
            except _NotLookedInto as error:
                unreadable.append(str(error).replace(str(path), path.name))
                answers = None
            if answers:
                refusals[path] = answers
            else:
                unread += _unread_name(path)
        elif table in tables:
            raise UserError(
                f"{directory}：{tables[table].name} 和 {path.name} 是同一张表，请只留一个",
                f"{directory}: {tables[table].name} and {path.name} are the same table; keep one of them",
            )
        else:
            tables[table] = path
    return Found({table: tables[table] for table in TABLES if table in tables}, unread, refusals, unreadable)


def require_tables(directory: Path, paths: dict[str, Path]) -> None:
    """Raise UserError where the file of a table that the contract requires is missing."""
    for table, contract in TABLES.items():
        if contract.required and table not in paths:
            raise UserError(
                f"{directory}：缺少 {table}（{FILES[table][0]}表，{FILES[table][0]}.xlsx 或 {table}.csv）；"
                "是社区自己的台账，就先运行 xianying map 台账文件",
                f"{directory}: {table} is missing (.csv, .parquet or .xlsx); for a ledger of the office's own run"
                " xianying map FILE first",
            )


def _unread_name(path: Path) -> list[str]:
    """The name of a file that nothing reads, or of a directory with files that might be tables; no other directory's."""
    if not path.is_dir():
        return [path.name]
    tables = [inside for inside in path.iterdir() if inside.suffix.lower() in READERS]
    return (
        [f"{path.name}/"] if any(table_named(table.stem) or table_of(table.stem) for table in tables) else []
    )


class _NotLookedInto(Exception):
    """A file that may hold refusals and cannot be read."""


def _answers_refusals(path: Path) -> TextRows | None:
    """Read a file called like no table that has a column that answers who refuses visits, beside the household.

    Raises UserError for another file that is called nearly like a table (``opt_outs (1).csv``, ``households.xls``): a
    file of any kind and a directory that may hold refusals are not passed over, nor is a table that has their columns.
    Raises _NotLookedInto for a table that cannot be read.
    """
    suffix = path.suffix.lower()
    table = table_of(path.stem) if suffix in OTHER_FORMATS else None
    table = table or (
        table_named(path.stem) if suffix else path.name.lower() if path.name.lower() in TABLES else None
    )
    if path.is_dir() or (suffix not in READERS and suffix not in OTHER_FORMATS):
        table = REFUSALS if names_refusal(path.stem) else None if suffix else table
    elif table in (None, REFUSALS) and suffix in READERS and path.is_file():
        holds = _holds_refusals(path, called=table == REFUSALS)
        if isinstance(holds, TextRows):
            return holds
        table = REFUSALS if holds or table else None
    elif table is None and suffix in WORKBOOKS and path.is_file():
        table = REFUSALS if any(map(names_refusal, _looked_into(path)[0])) else None
    if table is None:
        return None
    if suffix not in READERS and table in (path.stem.lower(), table_of(path.stem)):
        raise UserError(
            f"{path}：这种文件读不了，请另存为 .xlsx 或 .csv",
            f"{path}: such a file cannot be read; save it as .xlsx or .csv",
        )
    zh = FILES[table][0]
    raise UserError(
        f"{path}：像是{zh}表，但没有读；请改名为 {zh}.xlsx 或 {zh}.csv（只能有一个，几份的请合并），"
        "是台账的请先运行 xianying map，不要的请移走",
        f"{path}: looks like the table {table} and is not read; call it {table}.csv (or .xlsx, .parquet), or move"
        " it away",
    )


def _holds_refusals(path: Path, called: bool) -> TextRows | bool:
    """Tell whether a file called like no table holds refusals; one that answers who refuses is returned as it was read.

    ``called``: whether its name speaks of refusals. Raises _NotLookedInto for another file that cannot be read.
    """
    try:
        heads, read_rows = _looked_into(path)
    except _NotLookedInto:
        if called:
            return True
        raise
    speaks, dated = called or any(map(names_refusal, heads)), heads >= {"household_id", "from"}
    if not speaks and not dated and not any(map(asks_who_is_willing, heads)):
        return False
    try:
        read = read_rows()
    except UserError:
        return True
    return read if answer_columns(read) else speaks or (dated and not tells_moves(read))


def _looked_into(path: Path) -> tuple[set[str], Callable[[], TextRows]]:
    """Return the words among which a table's header may stand, and what reads the rows, the file itself being read once.

    Raises _NotLookedInto where the file cannot be read.
    """
    missed = say(
        "；里面若有谢绝走访的，就没有读到：请改好，不要的请移走",
        "; refusals in it were not read: mend it, or move it away",
    )
    if path.stat().st_size > LARGEST_LOOKED_INTO:
        raise _NotLookedInto(f"{path}{say('：太大，没有看', ': too large to be looked into')}{missed}")
    try:
        if path.suffix.lower() in WORKBOOKS:
            sheets = list(read_sheets(path))
            return first_words(sheets), lambda: read_workbook(path, REFUSALS, sheets)
        read = READERS[path.suffix.lower()](path, REFUSALS)
        return {name.strip().lower() for name in read.names}, lambda: read
    except UserError as error:
        raise _NotLookedInto(f"{error}{missed}") from error


def read_answers(path: Path, read: TextRows) -> Answers:
    """Tell who refuses visits by the columns of a file that answer it. ``read``: its rows."""
    with path.open("rb") as file:
        digest = file_digest(file, "blake2b").hexdigest()
    return refusing_answers(path, read, digest)


def answer_columns(read: TextRows) -> list[str]:
    """Return the columns that answer who refuses visits with a yes or no; none where no column names the household."""
    there = {*contract_names(REFUSALS, read.names).values(), *(name.strip().lower() for name in read.names)}
    if PLACE not in there:
        return []
    cells = {name: read.rows.column(at).unique().to_pylist() for at, name in enumerate(read.names)}
    return [
        name
        for name in filter(tells_refusal, read.names)
        if any(cell and (plain(cell) in TRUE | VISITS_WELCOME or "拒" in cell) for cell in cells[name])
    ]


def refusing_answers(path: Path, read: TextRows, digest: str) -> Answers:
    """Take the rows of a file of which a column that ``tells_refusal`` refuses."""
    aliases = contract_names(REFUSALS, read.names)
    names = [aliases.get(name, name.strip().lower()) for name in read.names]
    place = {name: read.rows.column(at).to_pylist() for at, name in reversed([*enumerate(names)])}
    answers = answer_columns(read)
    columns = {name: read.rows.column(read.names.index(name)).to_pylist() for name in answers}
    refusing, unread = [], [row.line for row in read.bad]
    for at, line in enumerate(read.rows[LINE].to_pylist()):
        if not any(refuses(name, cells[at]) for name, cells in columns.items() if cells[at]):
            continue
        household = (place[PLACE][at] or "").strip()
        if household:
            since, until = (place[end][at] if end in place else None for end in ("from", "until"))
            refusing.append({"household_id": household, "since": since, "until": until})
        else:
            unread.append(line & LINES)
    words = say(f"按 {'、'.join(answers)} 读了谢绝走访", f"refusals were read by {', '.join(answers)}")
    lines = [
        say(
            f"{path.name}：{line_words(sorted(unread))}的谢绝看不出是哪一户，请补上户号",
            f"{path.name}: nobody can tell whose the refusals of {line_words(sorted(unread))} are; give the household",
        )
        for _ in unread[:1]
    ]
    schema = pa.schema([(column, pa.string()) for column in ("household_id", "since", "until", "said")])
    rows = pa.Table.from_pylist(refusing, schema)
    findings = [*read.findings, *(Finding(Weight.PROTECT, path.name, line) for line in lines)]
    return Answers(rows, words, findings, lines, digest)


def tells_moves(read: TextRows) -> bool:
    """Whether columns from and to tell a place each, as of who moved, and no time."""
    names = [name.strip().lower() for name in read.names]
    if not {"from", "to"} <= {*names}:
        return False
    cells = {(cell or "").strip() for cell in read.rows.column(names.index("from")).to_pylist()}
    return bool(cells) and not any(not cell or re.search(r"\d{4}|[年月日]|\d[-/.]\d", cell) for cell in cells)
