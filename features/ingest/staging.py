"""Read one table's file into a temporary table of the store, check it, and clear it of repeated rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.contract.need_kinds import FEWEST_TOLD
from features.contract.spoken_values import ABOVE, UNKNOWN
from features.contract.table_names import REFUSALS, with_own_names
from features.contract.tables import TABLES, Column
from features.exports.row_numbers import Staged as StagedRows
from features.exports.row_numbers import tell_apart
from features.findings import EXAMPLES, Finding, Weight
from features.ingest.checks import EARLIEST, ENDS, SETTLED, Rule, cell_rules, raw, row_rules
from features.ingest.csv_reader import LINE
from features.ingest.files import TableFile, place_of
from features.ingest.identifiers import damaged_ids
from features.ingest.translated_cells import NOT_READ, translated
from features.language import say
from features.store.quarantine import Quarantined
from features.store.sql import READ, name, one_value, text

ABSENT = (
    "",
    "NULL",
    "null",
    "NaN",
    "nan",
    "NaT",
    "None",
    r"\N",
    "N/A",
    "<NA>",
    "<null>",
)
SIGNS = ("-", "--", "—", "——", "/", "\\")  # for nothing
NONE_YET = (*SIGNS, *sorted(UNKNOWN), "无", "暂无", "未评价", "未评", "无评价", "未回访", "未回复", "拒评")
LINE_NUMBER, PROBLEM, DETAIL, NOTED = name(LINE), name("row:problem"), name("row:detail"), name("row:noted")
OTHERS = name("row:others")  # what stands in columns that nothing reads


@dataclass(frozen=True)
class Staged:
    """The result of staging a file: its rows with content, rows repeated further down, and findings on emptied cells.

    unknown_needs: what at least FEWEST_TOLD households ask for that the settings do not have: by need, the number of
        households and the first day, since 1970-01-01, on which one asked.
    """

    rows: int
    repeated: int
    findings: list[Finding]
    unknown_needs: dict[str, tuple[int, int]]


def staged(table: str) -> str:
    """Return the name of the temporary table with a table's rows; a row's problem stands in its column ``PROBLEM``."""
    return f"staged_{table}"


def good_rows(table: str) -> str:
    """Return SQL of the rows of a table that can be used."""
    return f"(SELECT * FROM {staged(table)} WHERE {PROBLEM} IS NULL)"


def staged_rows(table: str) -> StagedRows:
    """Return a table's staged rows in the form that ``features.exports.row_numbers`` takes."""
    return StagedRows(staged(table), LINE_NUMBER, f"{PROBLEM} IS NULL")


def stage(connection: duckdb.DuckDBPyConnection, file: TableFile, needs: list[str], zone: str) -> Staged:
    """Read and check a file's rows into ``staged(table)``; rows without any content are left out.

    The texts that SQL cannot read are read once more by the slower functions, each distinct text once.

    file: the table's rows as texts.
    needs: ids of the needs in the settings.
    zone: the community's timezone, in which times are kept.
    """
    rows = _tidy(file)
    connection.register("incoming", rows)
    rules = cell_rules(file.table, file.columns, needs, damaged_ids(connection, rows, file.columns))
    rules += row_rules(file.table, set(file.columns))
    _check(connection, file, rules, staged(file.table))
    read, changed = _read_slowly(connection, file, rules, _broken(connection, file.table), rows, zone)
    if changed is not None:
        _check_again(connection, file, rules, read.filter(changed))
        connection.register("incoming", read)
    broken = _broken(connection, file.table)
    findings = [*_findings(connection, file, rules, broken), *_spoken(file, rows, read)]
    unknown = _unknown_needs(connection, file, needs)
    connection.unregister("incoming")
    if file.table == "requests":
        findings += _told_apart(file, tell_apart(connection, staged_rows(file.table)))
    number = one_value(connection, f"SELECT count(*) FROM {staged(file.table)}")
    return Staged(number, _set_repeated_aside(connection, file), findings, unknown)


def _check(connection: duckdb.DuckDBPyConnection, file: TableFile, rules: list[Rule], into: str) -> None:
    """Make the table ``into`` from the table ``incoming``, with the broken rules of each row, a bit for each rule."""
    contract, columns = TABLES[file.table].columns, file.columns
    between = len(rules) - len(row_rules(file.table, set(columns)))
    cleaned = [f"{name(column)} AS {raw(column)}" for column in columns]
    cleaned += [f"plain_text({name(column)}) AS {name(column)}" for column in file.attributes]
    read = [f"{_read(raw(column), contract[column])} AS {name(column)}" for column in columns]
    filled = [raw(column) for column in columns] + [name(column) for column in file.attributes]
    if file.unread:  # a refusal may say nothing but a name
        cleaned.append(f"coalesce({', '.join(map(name, file.unread))}) AS {OTHERS}")
        filled.append(OTHERS)
    apart = [(place, rule) for place, rule in enumerate(rules) if rule.sets_aside]
    aside = sum(1 << place for place, _ in apart)
    problem = "".join(f" WHEN {NOTED} & {1 << place} > 0 THEN {text(rule.words)}" for place, rule in apart)
    detail = "".join(f" WHEN {NOTED} & {1 << place} > 0 THEN {rule.shown}" for place, rule in apart)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE {into} AS
        WITH cleaned AS (SELECT {LINE_NUMBER}, {", ".join(cleaned)} FROM incoming),
        read AS (SELECT *, {", ".join(read)} FROM cleaned WHERE coalesce({", ".join(filled)}) IS NOT NULL),
        cells AS (SELECT *, {_bits(rules[:between], 0)} AS "row:cells" FROM read),
        emptied AS (SELECT * {_emptied(rules[:between], 0, '"row:cells"')} FROM cells),
        compared AS (SELECT *, "row:cells" | {_bits(rules[between:], between)} AS {NOTED} FROM emptied),
        checked AS (SELECT *, CASE WHEN {NOTED} & {aside} > 0 THEN CASE{problem} END END AS {PROBLEM} FROM compared)
        SELECT * EXCLUDE ("row:cells", {", ".join([*map(raw, columns), *([OTHERS] if file.unread else [])])})
            {_emptied(rules[between:], between, NOTED, _lasting(file))},
            CASE WHEN {PROBLEM} IS NOT NULL THEN CASE{detail} END END AS {DETAIL}
        FROM checked""")


def _check_again(
    connection: duckdb.DuckDBPyConnection, file: TableFile, rules: list[Rule], changed: pa.Table
) -> None:
    """Check the rows whose texts were rewritten, and put them in the place of what ``staged(table)`` holds of them."""
    table, again = staged(file.table), "staged_again"
    connection.register("incoming", changed)
    _check(connection, file, rules, again)
    connection.execute(f"DELETE FROM {table} WHERE {LINE_NUMBER} IN (SELECT {LINE_NUMBER} FROM incoming)")
    connection.execute(f"INSERT INTO {table} FROM {again}")
    connection.execute(f"DROP TABLE {again}")


def _broken(connection: duckdb.DuckDBPyConnection, table: str) -> dict[int, int]:
    """Count the staged rows of a table by the rules that they break, a bit for each rule."""
    query = f"SELECT {NOTED}, count(*) FROM {staged(table)} WHERE {NOTED} > 0 GROUP BY ALL"
    return dict(connection.execute(query).fetchall())


def _bits(rules: list[Rule], first: int) -> str:
    """Return SQL of a whole number with a bit for each broken rule."""
    parts = [
        f"CASE WHEN {rule.broken} THEN {1 << first + place} ELSE 0 END" for place, rule in enumerate(rules)
    ]
    return f"({' | '.join(parts) or '0'})::BIGINT"


def _emptied(rules: list[Rule], first: int, bits: str, others: dict[str, str] | None = None) -> str:
    """Return SQL that empties the cells of broken rules; ``others``: SQL of what stands in for an empty column."""
    masks: dict[str, int] = {}
    for place, rule in enumerate(rules):
        for column in rule.empties:
            masks[column] = masks.get(column, 0) | 1 << first + place
    values = {
        column: f"CASE WHEN {bits} & {mask} > 0 THEN NULL ELSE {name(column)} END"
        for column, mask in masks.items()
    }
    for column, other in (others or {}).items():
        values[column] = f"coalesce({values.get(column, name(column))}, {other})"
    shown = ", ".join(f"{value} AS {name(column)}" for column, value in values.items())
    return f"REPLACE ({shown})" if shown else ""


def _lasting(file: TableFile) -> dict[str, str]:
    """Return SQL of what an empty cell means, by column.

    A refusal holds from the earliest moment; a request said to be settled was settled when it was recorded.
    """
    if file.table == REFUSALS:
        return {"from": f"{EARLIEST}::TIMESTAMP"}
    if file.table == "feedback":
        return {
            "feedback_id": "'refusal-' || household_id",
            "recorded_at": f"{EARLIEST}::TIMESTAMP",
        }
    if file.table == "requests" and "resolved_at" in file.columns:
        known = "greatest(requested_at, recorded_at)" if "recorded_at" in file.columns else "requested_at"
        return {"resolved_at": f"CASE WHEN {raw('resolved_at')} = {text(SETTLED)} THEN {known} END"}
    return {}


def _read(value: str, column: Column) -> str:
    return f"lower({value})" if column.allowed else f"{READ[column.kind]}({value})"


def _tidy(file: TableFile) -> pa.Table:
    """Strip the texts, make words for nothing null, and put what stands above where a text says so."""
    rows, key = file.rows, TABLES[file.table].key
    tidy = []
    for column_name, column in zip(rows.column_names[:-1], rows.columns[:-1], strict=True):
        column = pc.utf8_trim_whitespace(column)
        absent = _words_for_nothing(file, column_name)
        positions = pc.index_in(column, pa.array((*absent, *ABOVE)))
        if positions.null_count < len(positions):
            column = pc.if_else(pc.fill_null(pc.less(positions, len(absent)), False), None, column)
            repeats = pc.fill_null(pc.greater_equal(positions, len(absent)), False)
            if (len(key) > 1 or column_name not in key) and pc.any(repeats).as_py():
                last_filled = np.where(repeats.to_numpy(), 0, np.arange(len(column)))
                column = column.take(pa.array(np.maximum.accumulate(last_filled)))
        tidy.append(column)
    return pa.table([*tidy, rows[LINE]], names=rows.column_names)


def _words_for_nothing(file: TableFile, column_name: str) -> tuple[str, ...]:
    """Words for 'none yet' count as empty where a time or number may be left out."""
    if column_name not in file.columns:
        return ABSENT
    column = TABLES[file.table].columns[column_name]
    plain = column.required or (column.kind == "text" and not column.allowed)
    return (*ABSENT, *(SIGNS if plain else NONE_YET))


def _read_slowly(
    connection: duckdb.DuckDBPyConnection,
    file: TableFile,
    rules: list[Rule],
    broken: dict[int, int],
    rows: pa.Table,
    zone: str,
) -> tuple[pa.Table, pa.BooleanArray | None]:
    """Rewrite texts that SQL could not read in a form that it can; return the rows, and which changed, if any did."""
    contract, masks = TABLES[file.table].columns, dict[str, int]()
    touched: pa.BooleanArray | None = None
    for place, rule in enumerate(rules):
        if rule.unreadable and any(bits >> place & 1 for bits in broken):
            masks[rule.column] = masks.get(rule.column, 0) | 1 << place
    for column, bits in masks.items():
        unreadable = connection.execute(f"""
            SELECT DISTINCT incoming.{name(column)} FROM {staged(file.table)} JOIN incoming USING ({LINE_NUMBER})
            WHERE {NOTED} & {bits} > 0 AND incoming.{name(column)} IS NOT NULL""").fetchall()
        spoken = [spoken for (spoken,) in unreadable]
        read = [translated(column, contract[column], said, zone) for said in spoken]
        known = [(said, other) for said, other in zip(spoken, read, strict=True) if other is not NOT_READ]
        if known:
            place = pc.index_in(rows[column], pa.array([said for said, _ in known]))
            others = pa.array([other for _, other in known], type=pa.string()).take(place.combine_chunks())
            changed = pc.is_valid(place).combine_chunks()
            texts = pc.if_else(changed, others, rows[column])
            rows = rows.set_column(rows.column_names.index(column), column, texts)
            touched = changed if touched is None else pc.or_(touched, changed)
    return rows, touched


def _findings(
    connection: duckdb.DuckDBPyConnection,
    file: TableFile,
    rules: list[Rule],
    broken: dict[int, int],
) -> list[Finding]:
    """Report the cells that were emptied, by rule, with some of their texts."""
    findings = []
    # a cell that is emptied does not matter where its row is set aside; a refusal may still find its household
    aside = sum(1 << place for place, rule in enumerate(rules) if rule.sets_aside and file.table != REFUSALS)
    for place, rule in enumerate(rules):
        count = sum(rows for bits, rows in broken.items() if bits >> place & 1 and not bits & aside)
        if rule.sets_aside or not count:
            continue
        shown = connection.execute(f"""
            SELECT incoming.{name(rule.column)} AS cell, min({LINE_NUMBER}) FROM {staged(file.table)}
            JOIN incoming USING ({LINE_NUMBER}) WHERE {NOTED} & {1 << place} > 0 AND {NOTED} & {aside} = 0
            GROUP BY cell ORDER BY cell LIMIT {EXAMPLES}""").fetchall()
        examples = tuple(file.cell_words(str(cell), int(line)) for cell, line in shown)
        todo = rule.follows or _emptied_words(file.table, rule)
        findings.append(Finding(rule.weight, file.name, rule.words, todo, count, examples))
    return findings


def _unknown_needs(
    connection: duckdb.DuckDBPyConnection, file: TableFile, needs: list[str]
) -> dict[str, tuple[int, int]]:
    if file.table != "requests" or not {"need", "household_id"} <= {*file.columns}:
        return {}
    rows = connection.execute(f"""
        SELECT incoming.need, count(DISTINCT incoming.household_id) AS households,
            min(date_diff('day', DATE '1970-01-01', requests.requested_at::DATE))
        FROM incoming JOIN {staged(file.table)} requests USING ({LINE_NUMBER})
        WHERE incoming.need IS NOT NULL AND incoming.need NOT IN ({", ".join(map(text, needs))})
            AND requests.requested_at IS NOT NULL
        GROUP BY ALL HAVING households >= {FEWEST_TOLD} ORDER BY ALL""")
    return {need: (households, first) for need, households, first in rows.fetchall()}


def _emptied_words(table: str, rule: Rule) -> str:
    if rule.column in ENDS and rule.weight == Weight.NOTE:
        return say("按没有结束处理", "taken as without an end")
    if table == REFUSALS and rule.empties == ("until",):
        return say("谢绝照样有效、直到另行通知；请核对", "the refusal holds until further notice")
    if table == REFUSALS:
        return say(
            "谢绝照样有效：从最早算起、直到另行通知；请核对",
            "the refusal holds, from the earliest moment until further notice",
        )
    return say(
        "这一格当空的，别的照收；请在原来的表里改",
        "the cell counts as empty, its row is taken; correct it at the source",
    )


def _spoken(file: TableFile, before: pa.Table, after: pa.Table) -> list[Finding]:
    """Report requests that are said to be settled without a day, as the day is then taken from elsewhere."""
    if before is after or file.table != "requests" or "resolved_at" not in file.columns:
        return []
    count = pc.sum(pc.equal(after["resolved_at"], SETTLED)).as_py() or 0
    if not count:
        return []
    words = say("resolved_at 只写了已办结，没有日期", "resolved_at says settled without a date")
    todo = say("按登记时已办结处理；请补日期", "taken as settled when it was recorded; give the date")
    # a ledger has a state where others have a day
    return [Finding(Weight.NOTE if file.of_ledgers else Weight.LOOK, file.name, words, todo, count)]


def _told_apart(file: TableFile, count: int) -> list[Finding]:
    """A finding on numbers that one file uses for several requests; none without any."""
    if not count:
        return []
    words = say(
        "编号与前面另一天的诉求相同（每月重新编号？），都保留",
        "requests have the number of one of another day further up (begun anew each month?); all are kept",
    )
    todo = say("请用不重复的编号", "use numbers that do not come again")
    return [Finding(Weight.LOOK, file.name, words, todo, count)]


def _set_repeated_aside(connection: duckdb.DuckDBPyConnection, file: TableFile) -> int:
    """Keep the last of the rows with the same key, set those that differ from it aside, and count the repeated ones."""
    table = staged(file.table)
    keys = ", ".join(name(key) for key in TABLES[file.table].key)
    content = ", ".join(name(column) for column in (*file.columns, *file.attributes))
    home = "household_id" if "household_id" in file.columns else "NULL"
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE repeated AS
        SELECT {LINE_NUMBER} AS "row:first", max({LINE_NUMBER}) OVER same AS "row:last",
            content IS NOT DISTINCT FROM arg_max(content, {LINE_NUMBER}) OVER same AS "row:alike",
            home IS DISTINCT FROM arg_max(home, {LINE_NUMBER}) OVER same AS "row:other"
        FROM (
            SELECT {LINE_NUMBER}, {keys}, row({content}) AS content, {home} AS home
            FROM {table} SEMI JOIN (
                SELECT {keys} FROM {table} WHERE {PROBLEM} IS NULL GROUP BY ALL HAVING count(*) > 1
            ) USING ({keys})
            WHERE {PROBLEM} IS NULL)
        WINDOW same AS (PARTITION BY {keys})""")
    connection.execute('DELETE FROM repeated WHERE "row:first" = "row:last"')
    connection.execute(
        f'DELETE FROM {table} USING repeated WHERE {LINE_NUMBER} = "row:first" AND "row:alike"'
    )
    problem, of_others = _stands_again()
    connection.execute(f"""
        UPDATE {table} SET {DETAIL} = "row:last"::VARCHAR,
            {PROBLEM} = CASE WHEN "row:other" THEN {text(of_others)} ELSE {text(problem)} END
        FROM repeated WHERE {LINE_NUMBER} = "row:first" """)
    return one_value(connection, 'SELECT count(*) FROM repeated WHERE "row:alike"')


def _stands_again() -> tuple[str, str]:
    """Return the problems of a row whose number stands again further down: as the same record, and as another's."""
    return (
        say(
            "同一条记录在后面又出现，以后者为准", "the same record comes again further down and counts there"
        ),
        say(
            "编号和后面另一户的相同，只读了后面的；不是同一个人、同一件事的，请改编号",
            "another household's record has the same number further down and counts; number them apart",
        ),
    )


def set_aside(
    connection: duckdb.DuckDBPyConnection, file: TableFile
) -> Iterator[tuple[str, str, Quarantined]]:
    """Yield the rows of a file that cannot be used in the order of their lines, each with its problem and the cell."""
    connection.register("incoming", file.rows)
    refused = connection.execute(f"""
        SELECT {PROBLEM}, {DETAIL}, incoming.* FROM {staged(file.table)} bad
        JOIN incoming ON bad.{LINE_NUMBER} = incoming.{LINE_NUMBER} WHERE {PROBLEM} IS NOT NULL""")
    names = [column[0] for column in refused.description or []]
    rows = [dict(zip(names, row, strict=True)) for row in refused.fetchall()]
    connection.unregister("incoming")
    taken = [(bad.line, bad.reason, "", bad.content, "") for bad in file.bad]
    stands_again = _stands_again()
    for row in rows:
        line, problem, value = row.pop(LINE), row.pop("row:problem"), row.pop("row:detail")
        cell = detail = "" if value is None else str(value)
        if problem in stands_again:
            sheet, number = place_of(file, int(detail))
            cell, detail = "", f"{sheet}{say(f'第{number}行', f'line {number}')}"
        taken.append((line, problem, detail, Quarantined.content(row), cell))
    for line, problem, value, content, cell in sorted(taken):
        reason = with_own_names(problem, file.called) + (f"{say('：', ': ')}{value}" if value else "")
        sheet, number = place_of(file, line)
        yield problem, cell, Quarantined(reason, f"{file.path.name}{sheet}", number, file.table, content)
