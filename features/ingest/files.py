"""Read a table's rows as texts with the line from which each came."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from errno import ENOENT
from hashlib import file_digest
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.alphabet import column_shown, hidden_places, lost_places, shown
from features.contract.table_names import REFUSALS, called, column_name, contract_names
from features.contract.tables import TABLES
from features.findings import EXAMPLES, Finding, Weight, line_words
from features.ingest.csv_reader import LINE, BadRow, TextRows, read_csv
from features.ingest.other_rows import (
    refuse_second_tables,
    still_refusing,
    without_examples,
    without_retired,
)
from features.ingest.refusals import save_refusals
from features.ingest.workbook import LINES, SHEET_SHIFT, read_workbook
from features.language import UserError, joined_names, say

RESERVED = ("known_from", "superseded_at")  # columns that the store adds
PANDAS_INDEX = "__index_level_"  # columns that pandas writes beside a table's own
OTHER_DELIMITERS = (";", "\t", "，", "；", "|")
SHEETS = b"row:sheets"  # metadata of a table made of ledgers: a line for each sheet, to which ``LINE`` points
MOST_CELLS = 200_000_000  # of a Parquet file, which may be packed to nothing
TRACES = r"^\s*(?:[='#]|Err:)"  # with which cells begin that bear traces of a spreadsheet
AS_TEXT, QUOTED = r'^\s*="([^"]*)"\s*$', r"^\s*'([^']*)$"  # how a spreadsheet is told that a number is a text
ERROR = r"^\s*(?:#(?:[A-Z0/]+[!?]|N/A|GETTING_DATA|#+)|Err:\d+)\s*$"  # results of formulas that failed
SHOWN = 8  # names of a header in a message


@dataclass(frozen=True)
class TableFile:
    """One table as it was handed in: texts under the contract's names, attributes under their own."""

    table: str
    path: Path
    columns: list[str]  # those of the contract
    attributes: list[str]
    unread: list[str]  # columns that nothing reads
    rows: pa.Table  # texts, and int64 ``LINE``
    bad: list[BadRow]
    findings: list[Finding] = field(default_factory=list)
    sheets: list[str] = field(default_factory=list)
    digest: str = ""  # of the file's content
    called: Mapping[str, str] = field(default_factory=dict)  # what messages call its columns

    @property
    def of_ledgers(self) -> bool:
        """Whether the rows were made of ledgers, whose sheets tell where each stands."""
        return self.path.suffix == ".parquet" and bool(self.sheets)

    @property
    def name(self) -> str:
        """Return what people know the file by."""
        return say("台账", "ledgers") if self.of_ledgers else self.path.name

    def cell_words(self, cell: str, number: int) -> str:
        """Return a cell's text with the line on which it stands."""
        sheet, line = place_of(self, number)
        place = f"{sheet}{say(f'第 {line} 行', f'line {line}')}"
        return say(f"{cell}（{place}）", f"{cell} ({place})")


def place_of(file: TableFile, number: int) -> tuple[str, int]:
    """Return where a row stands: its sheet in brackets ("" where there is only one), and its line; 0 for a refusal that
    was told elsewhere.
    """
    if number < 0:
        return "", 0
    sheet = f"[{file.sheets[number >> SHEET_SHIFT]}]" if len(file.sheets) > 1 else ""
    return sheet, number & LINES


def read_table(table: str, path: Path) -> TableFile:
    """Read one table's file.

    Raises UserError when the file cannot be read, or lacks a column that the table must have.
    """
    try:
        if not path.is_file():  # a pipe or a device would be read for ever
            raise FileNotFoundError(ENOENT, say("不是文件", "no file"))
        read = READERS[path.suffix.lower()](path, table)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise UserError(f"{path}：读不到（{why}）", f"{path}: cannot be read ({why})") from error
    aliases = contract_names(table, read.names)
    names = [_contract_name(table, name, aliases) for name in read.names]
    columns, attributes, unread = _uses(table, names)
    _check_columns(table, path, names, columns)
    refuse_second_tables(path, table, names, read)
    keep = [index for index, name in enumerate(names) if name]
    rows = read.rows.select([*keep, len(names)]).rename_columns([*(names[index] for index in keep), LINE])
    aliased = [] if read.sheets else _aliased(path, aliases)  # map, or the sheets themselves, told it already
    findings = [*read.findings, *aliased, *_unnamed_columns(path, names, read.rows)]
    rows, hidden = _without_hidden(path, rows)
    known_as = called(table, {**read.aliases, **aliases})
    rows, failed = _without_traces(path, rows, known_as)
    findings += [*hidden, *failed, *_lost_characters(path, rows)]
    bad = [replace(row, content=shown(row.content)) for row in read.bad]
    if table == REFUSALS:
        columns, rows, bad, more = save_refusals(path, columns, names, rows, bad)
        findings += [*more, *still_refusing(path.name, rows)]
    rows, bad = without_examples(table, rows, bad)
    if table == "workers":
        rows, bad = without_retired(rows, unread, bad)
    with path.open("rb") as file:
        digest = file_digest(file, "blake2b").hexdigest()
    return TableFile(
        table,
        path,
        columns,
        attributes,
        unread,
        rows,
        bad,
        findings,
        read.sheets,
        digest,
        known_as,
    )


def _uses(table: str, names: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Part a header's names into columns of the contract, attributes, and what nothing reads."""
    columns = [name for name in names if name in TABLES[table].columns]
    others = [name for name in names if name and name not in columns]
    attributes = [name for name in others if TABLES[table].attributes and name.lower() not in RESERVED]
    return columns, attributes, [name for name in others if name not in attributes]


def _contract_name(table: str, name: str, aliases: Mapping[str, str]) -> str:
    """Return a column of a header under the contract's name, or its own without what does not show."""
    plain = aliases.get(name, shown(name).strip())
    return plain.lower() if plain.lower() in TABLES[table].columns else plain


def _without_hidden(path: Path, rows: pa.Table) -> tuple[pa.Table, list[Finding]]:
    """The rows without characters that do not show, and a finding for each column that had some."""
    warnings = []
    for number, name in enumerate(rows.column_names[:-1]):
        places = hidden_places(rows.column(number))
        if not len(places):
            continue
        lines = rows[LINE].take(pa.array(places[: EXAMPLES + 1])).to_pylist()
        rows = rows.set_column(number, name, column_shown(rows.column(number)))
        words = say(
            f"{name} 里有看不见的字符，已去掉", f"{name} has characters that do not show; they were taken out"
        )
        where = line_words([line & LINES for line in lines])
        todo = say("请在来源清除并核对", "clear them at the source, and check these cells")
        warnings.append(Finding(Weight.LOOK, path.name, words, todo, len(places), (where,)))
    return rows, warnings


def _without_traces(
    path: Path, rows: pa.Table, known_as: Mapping[str, str]
) -> tuple[pa.Table, list[Finding]]:
    """The rows with texts that are marked as such for a spreadsheet plain (="007", and '007 where most of a column is).

    The errors of its formulas (#REF!) are empty, and there is a finding on them. known_as: what messages call columns.
    """
    count, shown = 0, []
    for number, name in enumerate(rows.column_names[:-1]):
        if not pc.any(pc.match_substring_regex(rows.column(number), TRACES)).as_py():
            continue
        column = pc.replace_substring_regex(rows.column(number), AS_TEXT, r"\1")
        quoted, filled = (
            pc.sum(pc.match_substring_regex(column, marked)).as_py() for marked in (QUOTED, r"\S")
        )
        if quoted and quoted > 0.5 * filled:
            column = pc.replace_substring_regex(column, QUOTED, r"\1")
        failed = pc.fill_null(pc.match_substring_regex(column, ERROR), False)
        rows = rows.set_column(number, name, pc.if_else(failed, None, column))
        lines = rows[LINE].filter(failed).slice(0, EXAMPLES).to_pylist()
        count += pc.sum(failed).as_py() or 0
        for cell, line in zip(column.filter(failed).slice(0, EXAMPLES).to_pylist(), lines, strict=True):
            where = line_words([line & LINES])
            here = f"{known_as.get(name, name)} {cell.strip()}"
            shown.append(say(f"{here}（{where}）", f"{here} ({where})"))
    if not count:
        return rows, []
    words = say("有公式出错的格，当空的", "cells hold errors of formulas; they count as empty")
    todo = say("请在原来的表里改好公式", "mend the formulas at the source")
    return rows, [Finding(Weight.LOOK, path.name, words, todo, count, tuple(shown[:EXAMPLES]))]


def _lost_characters(path: Path, rows: pa.Table) -> list[Finding]:
    """A finding for each column with texts that were damaged before the file was written."""
    findings = []
    for number, name in enumerate(rows.column_names[:-1]):
        places = lost_places(rows.column(number))
        if len(places):
            words = say(
                f"{name} 里有乱码，原来的字已经丢了", f"{name} has garbled texts, whose characters are lost"
            )
            lines = rows[LINE].take(pa.array(places[: EXAMPLES + 1])).to_pylist()
            where = line_words([line & LINES for line in lines])
            todo = say("请从来源重新导出为 UTF-8", "export it anew from the source, as UTF-8")
            findings.append(Finding(Weight.LOST, path.name, words, todo, len(places), (where,)))
    return findings


def _aliased(path: Path, aliases: Mapping[str, str]) -> list[Finding]:
    """A line on the columns that are read under another name."""
    pairs = joined_names(f"{name}={column}" for name, column in aliases.items())
    words = say(f"列名按这样理解：{pairs}", f"columns are read as: {pairs}")
    return [Finding(Weight.NOTE, path.name, words)] if aliases else []


def with_need_ids(file: TableFile, names: Mapping[str, str]) -> TableFile:
    """Write needs by their ids where the table has their names. ``names``: id by name."""
    if "need" not in file.columns:
        return file
    place = file.rows.schema.get_field_index("need")
    column = file.rows.column(place).combine_chunks().dictionary_encode()
    words = pa.array(
        [None if word is None else names.get(word.strip(), word) for word in column.dictionary.to_pylist()],
        type=pa.string(),
    )
    ids = words.take(column.indices)
    return replace(file, rows=file.rows.set_column(place, "need", ids))


def with_refusals(connection: duckdb.DuckDBPyConnection, file: TableFile | None) -> TableFile | None:
    """Add refusals that other files tell of, or that waited, to those of their own file.

    file: of the table of refusals; None where there is none.
    """
    refusing = _refusals_from_elsewhere(connection, file.rows if file else None)
    if not len(refusing):
        return file
    columns = ["household_id", "from"]
    # a column of empty ends would take back ends that are held
    if refusing["until"].null_count < len(refusing):
        columns.append("until")
    refusing = refusing.select([*columns, LINE])
    if file is None:
        return TableFile(REFUSALS, Path(told_elsewhere()), columns, [], [], refusing, [])
    rows = pa.concat_tables([file.rows, refusing], promote_options="default")
    rows = rows.select([*(name for name in rows.column_names if name != LINE), LINE])
    return replace(file, rows=rows, columns=list(dict.fromkeys([*file.columns, *columns])))


def told_elsewhere() -> str:
    """Name the refusals that other tables tell."""
    return say("别处写的谢绝", "refusals told elsewhere")


def _refusals_from_elsewhere(connection: duckdb.DuckDBPyConnection, own: pa.Table | None) -> pa.Table:
    """Return the refusals in the tables ``refusing`` and ``known_waiting``, in lines below 0.

    own: rows of opt_outs as texts; the end of one of the same household and day is theirs too.
    """
    ended = "(SELECT '' AS household_id, NULL::DATE AS day, '' AS ended)"
    if own is not None and {"from", "until"} <= {*own.column_names}:
        connection.register("own_refusals", own.select(["household_id", "from", "until"]))
        ended = """(
            SELECT trim(household_id) AS household_id, read_time(trim("from"))::DATE AS day,
                arg_max("until", read_time(trim("until"))) AS ended FROM own_refusals GROUP BY ALL
            HAVING count(*) = count(read_time(trim("until"))))"""
    return connection.sql(f"""
        SELECT refused.household_id, "from", coalesce("until", ended) AS "until", -row_number() OVER () AS "{LINE}"
        FROM (FROM refusing UNION SELECT * EXCLUDE (whole) FROM known_waiting) refused LEFT JOIN {ended} own
        ON refused.household_id = own.household_id AND try_cast("from" AS TIMESTAMP)::DATE = own.day""").to_arrow_table()


def _unnamed_columns(path: Path, names: list[str], rows: pa.Table) -> list[Finding]:
    """Return a finding for each column without a name that holds a value."""
    unnamed = []
    for place in (place for place, name in enumerate(names) if not name):
        column = pc.utf8_trim_whitespace(rows.column(place))
        filled = column.filter(pc.fill_null(pc.not_equal(column, ""), False))
        if len(filled):
            words = say(
                f"第 {place + 1} 列没有列名，没有读", f"column {place + 1} has no name and was not read"
            )
            examples = tuple(filled.slice(0, EXAMPLES).to_pylist())
            todo = say("请在表头补上列名", "name it in the header")
            unnamed.append(Finding(Weight.LOST, path.name, words, todo, len(filled), examples))
    return unnamed


def _check_columns(table: str, path: Path, names: list[str], columns: list[str]) -> None:
    named = [name.lower() for name in names if name]
    twice = [name for name in names if name and named.count(name.lower()) > 1]
    if twice:
        zh = f"{path}：列 {column_name(table, twice[0])} 出现了两次，不知道该读哪一列；请删掉一列或改名"
        raise UserError(zh, f"{path}: column {twice[0]} stands twice")
    missing = [column_name(table, name) for name in TABLES[table].needed if name not in columns]
    if table == "requests" and not {"need", "text"} & set(columns):
        missing.append(say("需求类别（need）或诉求内容（text）", "need (or text)"))
    if missing:
        other = next((sign for sign in OTHER_DELIMITERS if len(named) == 1 and sign in named[0]), None)
        raise UserError(_other_delimiter(path, other) if other else _missing_columns(path, missing, names))


def _other_delimiter(path: Path, sign: str) -> str:
    shown = say("制表符", "tabs") if sign == "\t" else f"“{sign}”"
    return say(
        f"{path}：各列用{shown}隔开，请另存为逗号分隔的 CSV",
        f"{path}: columns are separated by {shown}; save it as CSV with commas",
    )


def _missing_columns(path: Path, missing: list[str], names: list[str]) -> str:
    there = [name for name in names if name]
    more = "…" if len(there) > SHOWN else ""
    english = (
        ""
        if all(name.isascii() for name in there)
        else "；请改成这些名字，或 docs/data-contract.md 里列出的中文名"
    )
    return say(
        f"{path}：缺少列 {'、'.join(missing)}（表头里有：{'、'.join(there[:SHOWN])}{more}）{english}",
        f"{path}: column missing: {', '.join(missing)} (the header has: {', '.join(there[:SHOWN])}{more})",
    )


def _read_parquet(path: Path) -> TextRows:
    file = path.open("rb")
    try:
        content = pq.ParquetFile(file)
        if content.metadata.num_rows * content.metadata.num_columns > MOST_CELLS:
            raise UserError(
                f"{path}：超过 {MOST_CELLS:,} 格，读不了，请分开导出",
                f"{path}: more than {MOST_CELLS:,} cells cannot be read; export it in parts",
            )
        table = content.read()
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{path}：不是完整的 parquet 文件，请重新导出",
            f"{path}: not a whole parquet file; export it again",
        ) from error
    finally:
        file.close()
    sheets = (table.schema.metadata or {}).get(SHEETS, b"").decode()
    data_columns = [
        at
        for at, name in enumerate(table.column_names)
        if not name.startswith(PANDAS_INDEX) and not (sheets and name == LINE)
    ]
    names = [table.column_names[at] for at in data_columns]
    columns = [_column_text(table.column(at)) for at in data_columns]
    lines = table[LINE] if sheets else pa.array(np.arange(1, table.num_rows + 1))
    return TextRows(
        names,
        pa.table([*columns, lines], names=[*names, LINE]),
        [],
        sheets=sheets.split("\n") if sheets else [],
    )


def _column_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn typed values into the texts that a CSV would have: whole floats without '.0', times in UTC with a Z."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_floating(kind):
        column = column.cast(pa.float64()) if pa.types.is_float16(kind) else column
        column = pc.if_else(pc.is_finite(column), column, None)
        whole = pc.and_(pc.equal(column, pc.trunc(column)), pc.less(pc.abs(column), 1e15))
        integers = pc.if_else(whole, column, None).cast(pa.float64()).cast(pa.int64())
        return pc.coalesce(integers.cast(pa.string()), column.cast(pa.string()))
    if pa.types.is_timestamp(kind):
        zone = "UTC" if kind.tz else None
        texts = column.cast(pa.timestamp("us", tz=zone), safe=False).cast(pa.string())
        return pc.replace_substring_regex(texts, r"\.0+(Z?)$", r"\1")
    try:
        return column.cast(pa.string())
    except pa.ArrowException:
        values = [None if value is None else str(value) for value in column.to_pylist()]
        return pa.chunked_array([pa.array(values, type=pa.string())])


READERS: dict[str, Callable[[Path, str], TextRows]] = {
    ".csv": read_csv,
    ".parquet": lambda path, table: _read_parquet(path),
    ".xlsx": read_workbook,
}
