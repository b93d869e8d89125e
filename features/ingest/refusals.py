"""Whatever can be read of a refusal refuses: rows that broke apart, other ways to name a household, and columns of the
register that say it."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from features.contract.refusing_words import NOES, may_refuse_visits, refuses, refuses_visits, tells_refusal
from features.contract.spoken_values import TRUE, plain
from features.contract.table_names import REFUSALS, names_refusal
from features.contract.tables import TABLES
from features.findings import EXAMPLES, Finding, Weight, line_words
from features.ingest.checks import EARLIEST, REFUSAL, no_refusal
from features.ingest.csv_reader import LINE, BadRow
from features.ingest.identifiers import PERSONAL, forms_of, households_by_form, households_with, of_kind, same
from features.ingest.translated_cells import WORDS
from features.ingest.workbook import LINES
from features.language import joined_names, say
from features.store.database import attribute_columns, has_tables
from features.store.quarantine import Quarantined
from features.store.sql import name, one_value, text

PLACE, _LINE = "household_id", name(LINE)
# of texts that may ask for no visits: the table, and the time from which a row counts
SPOKEN = {
    "households": "valid_from",
    "residents": "valid_from",
    "requests": "requested_at",
    "outreach": "contacted_at",
    "feedback": "recorded_at",
}
# one of which every text has that asks for no visits
SPEAKING = "拒|配合|见|闭门|访|扰|上门|入|联系|开门|来|进[门屋家去]|[到去上][我俺咱]"
ONES = ("1", "1.0")


def save_refusals(
    path: Path, columns: list[str], names: list[str], rows: pa.Table, bad: list[BadRow]
) -> tuple[list[str], pa.Table, list[BadRow], list[Finding]]:
    """Save the households of broken rows, and refusals without a column ``from``.

    path: the file, for findings.
    columns: the contract's columns that the file has.
    names: its columns in order.
    rows: its rows as texts, with ``LINE``.
    bad: its rows that broke apart.

    Returns columns and rows with what was saved, the broken rows without a readable household, and the findings.
    """
    if "from" not in columns:
        columns = [*columns, "from"]
        rows = rows.add_column(0, "from", pa.nulls(len(rows), pa.string()))
    rows, welcome = _set_welcome_aside(names, rows)
    saved, lost = [], welcome
    place = names.index(PLACE)
    for row in bad:
        fields = next(csv.reader(io.StringIO(row.content.replace('"', ""))), [])
        household = fields[place].strip() if place < len(fields) else ""
        if household and "�" not in household:
            saved.append({PLACE: household, LINE: row.line})
        else:
            lost.append(row)
    if saved:
        rows = pa.concat_tables([rows, pa.Table.from_pylist(saved, rows.schema)])
    findings = []
    if saved:
        words = say(
            "谢绝走访的行不完整，只读到住户", "rows of refusals that broke apart: only the household was read"
        )
        todo = say("按一直谢绝处理；请更正", "they hold until further notice; correct them")
        findings.append(Finding(Weight.LOOK, path.name, words, todo, len(saved)))
    return columns, rows, lost, findings


def _set_welcome_aside(names: list[str], rows: pa.Table) -> tuple[pa.Table, list[BadRow]]:
    """Set the rows aside that a column of plain answers (是否拒访) tells not to be refusals."""
    welcome: set[int] = set()
    for column in dict.fromkeys(filter(names_refusal, names)):
        values = [value.strip() if value else "" for value in rows[column].to_pylist()]
        if {plain(value) for value in values if value} <= NOES | TRUE | {*ONES}:
            welcome |= {place for place, value in enumerate(values) if plain(value) in NOES}
    aside = [rows.slice(place, 1).to_pylist()[0] for place in sorted(welcome)]
    bad = [BadRow(row.pop(LINE), no_refusal(), Quarantined.content(row)) for row in aside]
    return rows.filter(pa.array([place not in welcome for place in range(len(rows))], type=pa.bool_())), bad


def spoken_refusals(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    rows: pa.Table,
    columns: Sequence[str],
    of_ledgers: bool,
) -> list[Finding]:
    """Add the households of which a text says that they want no visits to the table ``refusing``.

    connection: with the table ``refusing``, and the rows of ``table`` as ``staged_TABLE``.
    rows, columns: its rows as they came, and the contract's columns that its file has.
    of_ledgers: whether rows that only may refuse are told by their ledgers.
    """
    if table not in SPOKEN:
        return []
    findings, since, contract = [], SPOKEN[table], TABLES[table].columns
    if "recorded_at" in columns:
        since = f"greatest({since}, recorded_at)"
    request, answers = table == "requests", set().union(*WORDS["outcome"].values())
    texts = [
        column
        for column in rows.column_names[:-1]
        if (column not in contract or column in ("text", "outcome", "note")) and not tells_refusal(column)
    ]
    for column in texts:
        distinct = rows[column].filter(pc.match_substring_regex(rows[column], SPEAKING)).unique().to_pylist()
        known = answers if column == "outcome" else set()
        said = [cell for cell in distinct if cell.strip() not in known and may_refuse_visits(cell, request)]
        if not said:
            continue
        refusing = pa.array([cell for cell in said if refuses_visits(cell, request)], type=pa.string())
        lines = rows.filter(pc.is_in(rows[column], value_set=pa.array(said))).select([column, LINE])
        lines = lines.append_column("sure", pc.is_in(lines[column], value_set=refusing))
        connection.register("speaking", lines.rename_columns(["row:said", LINE, "row:sure"]))
        told, unsure = (
            f"""(SELECT household_id, {since} AS since, NULL AS "until", "row:said" AS said, {_LINE}
            FROM staged_{table} JOIN speaking USING ({_LINE}) WHERE "row:sure" = {sure})"""
            for sure in ("true", "false")
        )
        words = say(
            f"{column} 里写着谢绝走访，按谢绝处理", f"{column} says that visits are refused: they are"
        )
        findings += refused_by(connection, told, table, words)
        findings += _of_nobody(connection, table, column, told)
        if not of_ledgers or TABLES[table].attributes:
            findings += _unsure(connection, table, column, unsure)
        connection.unregister("speaking")
    return findings + _refused_by_kind(connection) if table == "feedback" and "kind" in columns else findings


def _refused_by_kind(connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    """Add those that feedback's kind tells; of known households it acts by itself."""
    rows = f"(FROM staged_feedback WHERE kind = {text(REFUSAL)})"
    connection.execute(
        f"INSERT INTO refusing SELECT household_id, recorded_at::VARCHAR, NULL FROM {rows} told WHERE household_id"
        " IS NOT NULL AND household_id NOT IN (SELECT household_id FROM known_households)"
    )
    return _of_nobody(connection, "feedback", "kind", rows)


def refused_by(connection: duckdb.DuckDBPyConnection, rows: str, where: str, words: str) -> list[Finding]:
    """Add rows to the table ``refusing``; a finding tells those that are not held since earlier exports.

    rows: SQL with household_id, since (the time from which it refuses), until, and said. where, words: of the finding.
    """
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE told_now AS FROM {rows} told WHERE household_id IS NOT NULL"
    )
    connection.execute('INSERT INTO refusing SELECT household_id, since::VARCHAR, "until" FROM told_now')
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE told_anew AS FROM told_now WHERE"
        f" (household_id, coalesce(read_time(since::VARCHAR), {EARLIEST})) NOT IN (FROM held_refusals)"
    )
    every, new = (one_value(connection, f"SELECT count(*) FROM {told}") for told in ("told_now", "told_anew"))
    if not new:
        all_before = f"{words}{say('（都是以前已经处理的）', ' (all since earlier exports)')}"
        return [Finding(Weight.NOTE, where, all_before, "", every)] if every else []
    before = every - new
    more = (
        say(f"（另有 {before} 处以前已经处理）", f" ({before} more since earlier exports)") if before else ""
    )
    shown = connection.execute(
        f"SELECT said FROM told_anew WHERE said IS NOT NULL GROUP BY said ORDER BY count(*) DESC, said LIMIT {EXAMPLES}"
    )
    examples = tuple(said for (said,) in shown.fetchall())
    return [Finding(Weight.LOOK, where, f"{words}{more}", how_to_end(), new, examples)]


def _of_nobody(connection: duckdb.DuckDBPyConnection, table: str, column: str, rows: str) -> list[Finding]:
    """A finding on rows (SQL) that refuse and name no household."""
    lines = connection.execute(
        f"SELECT {_LINE} FROM {rows} told WHERE household_id IS NULL ORDER BY 1"
    ).fetchall()
    if not lines:
        return []
    words = say(
        f"{column} 里写着谢绝走访，但没有户号，看不出是哪一户",
        f"{column} says that visits are refused, and nobody can tell by whom",
    )
    shown = (line_words([line & LINES for (line,) in lines]),)
    return [Finding(Weight.PROTECT, table, words, say("请补上户号", "give the household"), len(lines), shown)]


def _unsure(connection: duckdb.DuckDBPyConnection, table: str, column: str, rows: str) -> list[Finding]:
    """A finding on rows (SQL) that may refuse, or speak of others' visits or of one day only, and are not held yet."""
    held = (*TABLES[table].columns, *attribute_columns(connection, table)) if has_tables(connection) else ()
    if column in held:
        rows += f""" told WHERE NOT EXISTS (SELECT 1 FROM {table} held WHERE
            held.household_id IS NOT DISTINCT FROM told.household_id AND held.{name(column)} = trim(said))"""
    texts = [said for (said,) in connection.execute(f"SELECT said FROM {rows} ORDER BY {_LINE}").fetchall()]
    return [may_refuse(table, column, texts)] if texts else []


def may_refuse(where: str, column: str, texts: Sequence[str]) -> Finding:
    """A finding on texts that may speak of others' visits or of one day only, one for each row."""
    words = say(
        f"{column} 里像是谢绝走访，也可能说的是别人，或只说这一次，没有按谢绝处理",
        f"{column} may refuse visits, or speak of others' or of one day only: not taken as refusals",
    )
    todo = say("真要谢绝的请写进谢绝表", "put those who refuse into opt_outs")
    return Finding(Weight.LOOK, where, words, todo, len(texts), tuple(dict.fromkeys(texts))[:EXAMPLES])


def how_to_end() -> str:
    """Tell how a refusal that was read from words or a register's column is ended."""
    return say(
        "要结束的请在谢绝表加一行：从哪天起写同一天，到哪天止写恢复走访的那天",
        "to end one, add a row to opt_outs with the same day as from, and until",
    )


def register_refusals(
    connection: duckdb.DuckDBPyConnection, table: str, rows: str, attributes: Sequence[str]
) -> list[Finding]:
    """Add the households of a register's columns such as 是否拒访 to the table ``refusing``.

    Every value but a plain no refuses.

    connection: with the table ``refusing`` (household_id, "from", "until").
    table: households or residents.
    rows: SQL of its rows that can be used.
    attributes: its columns beyond the contract's.
    """
    findings = []
    for column in filter(tells_refusal, attributes):
        counted = connection.execute(
            f"SELECT {name(column)}, count(*) FROM {rows} WHERE {name(column)} IS NOT NULL GROUP BY ALL ORDER BY 2 DESC"
        ).fetchall()
        refusing = [value for value, _ in counted if refuses(column, value)]
        if not refusing:
            continue
        told = f"""(SELECT household_id, valid_from AS since, NULL AS "until", {name(column)} AS said FROM {rows}
            WHERE said IN ({", ".join(map(text, refusing))}))"""
        words = say(f"{column} 写明谢绝走访，按谢绝处理", f"{column} says that visits are refused: they are")
        findings += refused_by(connection, told, table, words)
        if not _is_answer(counted):  # a list of households may stand beside the register
            connection.execute(
                f"INSERT INTO refusing SELECT DISTINCT {name(column)}, NULL, NULL FROM {rows}"
                f" WHERE {name(column)} IN (SELECT household_id FROM {rows} UNION FROM known_households)"
            )
    return findings


def _is_answer(counted: Sequence[tuple[str, int]]) -> bool:
    """Whether a column answers yes or no, or counts, so that a 1 or 2 in it is no household's number.

    counted: its values, each with the number of its rows. Nothing known of a household is no answer.

    >>> _is_answer([("0", 3), ("1", 2)]), _is_answer([("1", 2)]), _is_answer([("1", 1), ("2", 1), ("无", 3)])
    (True, True, False)
    """
    return any(plain(value) in NOES or (plain(value) in ONES and count > 1) for value, count in counted)


@dataclass(frozen=True)
class _Open:
    """Staged refusals of which the household is missing or unknown: the household as written, by line."""

    connection: duckdb.DuckDBPyConnection
    staged: str
    problem: str  # SQL: the column with what is wrong
    written: dict[int, str | None]


def match_refusals(
    connection: duckdb.DuckDBPyConnection, staged: str, problem: str, rows: pa.Table
) -> tuple[int, int, list[Finding]]:
    """Give staged refusals of which the household is missing or unknown the households that they mean.

    An id may differ by zeros, capitals, blanks or width; several may stand in one cell; without one, the household counts
    of which the register has the same identity number, telephone, address or name.

    connection: with ``staged`` and ``known_households``.
    staged: the staged table of refusals.
    problem: its column with what is wrong (SQL).
    rows: the rows as they were handed in.

    Returns how many rows more there are, how many of them were there already, and what was found.
    """
    lines = connection.execute(f"SELECT {_LINE}, household_id FROM {staged} WHERE {problem} IS NOT NULL")
    missing = _Open(connection, staged, problem, {int(line): text for line, text in lines.fetchall()})
    if not missing.written:
        return 0, 0, []
    alike = _by_writing(missing)
    by_person = _by_person(missing, rows, {line for line in missing.written if line not in alike})
    matched = [
        (line, household) for line, households in (alike | by_person).items() for household in households
    ]
    if not matched:
        return 0, 0, []
    return *_put(missing, matched), _matched_findings(missing, alike, by_person)


def _by_writing(missing: _Open) -> dict[int, list[str]]:
    """Households by line of which the id is written differently, or that stand together in one cell."""
    wanted = {line: forms_of(household) for line, household in missing.written.items() if household}
    known = households_by_form(
        missing.connection, {form for forms in wanted.values() for form in forms if form}
    )
    matched = {
        line: [known[forms[0]]] if forms[0] in known else [known[form] for form in forms if form in known]
        for line, forms in wanted.items()
    }
    return {line: households for line, households in matched.items() if households}


def _by_person(missing: _Open, rows: pa.Table, lines: set[int]) -> dict[int, list[str]]:
    """Households by line of which the register has the same identity number, telephone, address or name."""
    kinds = {
        kind: columns
        for kind in PERSONAL
        if (columns := [name for name in rows.column_names if of_kind(name, kind)])
    }
    if not lines or not kinds:
        return {}
    persons = [row for row in rows.to_pylist() if row[LINE] in lines]
    matches: dict[int, list[str]] = {}
    for kind, columns in kinds.items():
        said = {row[LINE]: {same(row[column]) for column in columns if row[column]} for row in persons}
        known = households_with(missing.connection, kind, sorted(set().union(*said.values())))
        for line, values in said.items():
            households = sorted({household for value in values for household in known.get(value, ())})
            if households:
                matches.setdefault(line, households)
    return matches


def _put(missing: _Open, matched: list[tuple[int, str]]) -> tuple[int, int]:
    """Put the matched rows in place of those that they come from; how many more they are, and how many are there
    already."""
    connection, staged, problem = missing.connection, missing.staged, missing.problem
    lines, households = zip(*matched, strict=True)
    other = {LINE: pa.array(lines, type=pa.int64()), "other": pa.array(households, type=pa.string())}
    connection.register("matched", pa.table(other))
    connection.execute(f"""
        INSERT INTO {staged} SELECT * EXCLUDE (other) REPLACE (other AS household_id, NULL AS {problem})
        FROM {staged} JOIN matched USING ({_LINE}) WHERE {problem} IS NOT NULL""")
    connection.execute(
        f"DELETE FROM {staged} WHERE {problem} IS NOT NULL AND {_LINE} IN (SELECT {_LINE} FROM matched)"
    )
    connection.unregister("matched")
    columns = connection.execute(f"SELECT * FROM {staged} LIMIT 0").description or []
    until = '"until"' if "until" in {column[0] for column in columns} else "NULL"
    twice = connection.execute(f"""
        DELETE FROM {staged} WHERE rowid IN (
            SELECT rowid FROM {staged} WHERE {problem} IS NULL QUALIFY row_number() OVER (
                PARTITION BY household_id, "from" ORDER BY {until} DESC NULLS FIRST, rowid) > 1)""")
    return len(matched) - len({*lines}), int(twice.fetchall()[0][0])


def _matched_findings(
    missing: _Open, alike: dict[int, list[str]], by_person: dict[int, list[str]]
) -> list[Finding]:
    findings = []
    repeated = {line for line, households in alike.items() if households == [missing.written[line]]}
    alike = {line: households for line, households in alike.items() if line not in repeated}
    if repeated:
        words = say(
            "同一户同一天的谢绝写了不止一次，内容不同",
            "refusals of one household and day that come again and differ",
        )
        todo = say("按最晚的结束处理；请核对", "the latest end counts; check them")
        findings.append(
            Finding(Weight.LOOK, REFUSALS, words, todo, len(repeated), (line_words(sorted(repeated)),))
        )
    if alike:
        words = say(
            "谢绝走访的户号写法不同，按相近的户处理",
            "refusals whose household is written differently count for the nearest",
        )
        shown = tuple(
            f"{missing.written[line]} = {joined_names(alike[line])}" for line in sorted(alike)[:EXAMPLES]
        )
        todo = say("请把户号写得和住户表一样", "write the ids as in households")
        findings.append(Finding(Weight.LOOK, REFUSALS, words, todo, len(alike), shown))
    if by_person:
        words = say(
            "谢绝走访的行没有能用的户号，按姓名、电话或地址相同的户处理",
            "refusals without a household that can be used count for those of the same name, telephone or address",
        )
        shown = tuple(
            f"{say(f'第 {line} 行', f'line {line}')} = {joined_names(by_person[line])}"
            for line in sorted(by_person)[:EXAMPLES]
        )
        todo = say("请核对并补上户号", "check them, and give household_id")
        findings.append(Finding(Weight.LOOK, REFUSALS, words, todo, len(by_person), shown))
    return findings
