"""Find attributes that do not answer a ``who``: for which needs and groups, by which column and values; and columns in
which many cells are no birth or number as the others are; texts and programmes that the settings do not know.
"""

import ast
import re
import unicodedata
from collections import Counter
from datetime import date
from functools import cached_property
from pathlib import Path

import duckdb
import numpy as np

from features.contract import attribute_values as values
from features.contract.attribute_values import EPOCH, Texts, read_texts
from features.contract.community import Community, Group, Need
from features.contract.eligibility import Who, parse
from features.contract.spoken_values import NOTHING
from features.contract.table_names import attribute_names
from features.contract.tables import DEPARTED, TABLES
from features.findings import EXAMPLES, Finding, Weight, shown_cells
from features.ingest.files import TableFile
from features.ingest.staging import good_rows
from features.language import UserError, joined_names, say
from features.point_in_time.ages import of_residents
from features.point_in_time.schema import ALIKE, BIRTH, PERSONAL, age_name
from features.store.database import attribute_columns, read_store
from features.store.reader import match_texts
from features.store.sql import name, one_value, text
from features.units import JULIAN_YEAR

MOST_TEXTS = 5000  # the most frequent texts of a column, which are looked at
HALF = 0.5
CODE = re.compile(r"-(?:1|9+)(?:\.0+)?$|9{2,}(?:\.0+)?$")  # with which exports say that a number is not known
FAR = 5  # times that such a number is larger than all others
FEW = 0.03  # share of households for whom it may be unknown without a word
NUMBER = name("row:number")
NEWEST = """
    WITH newest AS (
        SELECT {key}, max(valid_from) AS valid_from, max(valid_until) AS ends FROM {table}
        WHERE superseded_at IS NULL GROUP BY {key})
    SELECT {columns} FROM {table} JOIN newest USING ({key}, valid_from)
    WHERE superseded_at IS NULL
        AND coalesce(valid_until, CASE WHEN ends > valid_from + INTERVAL 1 DAY THEN ends END, 'infinity') > {today}"""


class CurrentAttributes:
    """What an expression may name, of the households that are there now as the records have them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, today: date, wanted: set[str]) -> None:
        """Take the columns that ``wanted`` names of expressions need."""
        self._connection, self._today = connection, (today - EPOCH).days
        self._read: dict[str, Texts] = {}
        columns = attribute_columns(connection, "households")
        self._columns = {unicodedata.normalize("NFKC", column): column for column in columns}
        births = {column: BIRTH.match(column) for column in columns}
        self._ages = {
            age_name(birth["person"] or birth["zh"] or ""): column
            for column, birth in births.items()
            if birth
        }
        plain = {unicodedata.normalize("NFKC", name) for name in wanted}
        taken = [column for plain_name, column in (self._columns | self._ages).items() if plain_name in plain]
        self._make_current(sorted({*taken}))
        self.count = one_value(connection, "SELECT count(*) FROM current_households")
        self._has_residents = bool(one_value(connection, "SELECT count(*) FROM residents"))

    def _make_current(self, columns: list[str]) -> None:
        """Make the temporary table of the newest row of each household that is there."""
        newest = NEWEST.format(
            table="households",
            key="household_id",
            columns=", ".join(["household_id", "valid_from", *map(name, columns)]),
            today=self._day(),
        )
        gone = ", ".join(map(text, DEPARTED))
        self._connection.execute(f"""
            CREATE OR REPLACE TEMP TABLE current_households AS
            SELECT *, row_number() OVER () - 1 AS {NUMBER} FROM ({newest}) here WHERE NOT EXISTS (
                SELECT 1 FROM outreach WHERE superseded_at IS NULL AND outcome IN ({gone})
                AND outreach.household_id = here.household_id AND contacted_at >= here.valid_from)""")

    def _day(self) -> str:
        return f"(DATE '1970-01-01' + {self._today})"

    def names(self) -> list[str]:
        """List the attributes, the ages from births, and numbers of residents."""
        return list(dict.fromkeys([*self._columns.values(), *self._ages, *self._residents]))

    def find(self, wanted: str) -> Texts | np.ndarray | None:
        """Return the values of a name per household; None for an unknown name."""
        plain = unicodedata.normalize("NFKC", wanted)
        if plain in self._columns:
            return self._texts(self._columns[plain])
        if plain in self._ages:
            texts = self._texts(self._ages[plain])
            return np.floor((self._today - texts.gather(values.births(texts.distinct))) / JULIAN_YEAR)
        return self._residents.get(plain)

    def column_of(self, wanted: str) -> tuple[str, np.ndarray, Texts] | None:
        """Return the column that a name is read from, which rows can be read, and its texts; None for residents."""
        plain = unicodedata.normalize("NFKC", wanted)
        column = self._columns.get(plain) or self._ages.get(plain)
        if column is None:
            return None
        texts = self._texts(column)
        read = values.births if plain not in self._columns else values.booleans
        return column, ~np.isnan(texts.gather(read(texts.distinct))), texts

    def _texts(self, column: str) -> Texts:
        if column not in self._read:
            query = f"SELECT {name(column)} AS cell FROM current_households ORDER BY {NUMBER}"
            coded = self._connection.sql(query).to_arrow_table()["cell"].combine_chunks().dictionary_encode()
            codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            self._read[column] = read_texts(coded.dictionary.to_pylist(), codes)
        return self._read[column]

    @cached_property
    def _residents(self) -> dict[str, np.ndarray]:
        """What is counted from residents, as scoring counts it; nothing where there is no table of them."""
        if not self._has_residents:
            return {}
        people = NEWEST.format(
            table="residents",
            key="resident_id",
            columns="household_id, birth_date, birth_year",
            today=self._day(),
        )
        days = f"({self._day()} - coalesce(birth_date, make_date(birth_year::INTEGER, 7, 1)))::DOUBLE"
        rows = self._connection.execute(f"""
            SELECT homes.{NUMBER} AS number, coalesce({days}, 'nan'::DOUBLE) AS days
            FROM ({people}) JOIN current_households homes USING (household_id)""").fetchnumpy()
        household = np.asarray(rows["number"], dtype=np.int64)
        return of_residents(household, np.asarray(rows["days"], dtype=np.float64), self.count)


def who_findings(connection: duckdb.DuckDBPyConnection, community: Community, today: date) -> list[Finding]:
    """Report needs and groups that more than a few households may or may not have, or that nobody can have.

    ``today``: the day at which ages are computed.
    """
    asked: list[tuple[str, Need | Group]] = [
        (say("需求", "need"), need) for need in community.needs if need.who.strip()
    ]
    asked += [(say("分组", "group"), group) for group in community.groups if group.who.strip()]
    if not asked:
        return []
    asking = [(f"{kind} {item.name.here or item.id}", item) for kind, item in asked]
    parsed = [(where, item, parse(item.who, where)) for where, item in asking]
    wanted = {held for _, _, who in parsed for name in names_in(who) for held in attribute_names(name)}
    attributes, findings = CurrentAttributes(connection, today, wanted), []
    for where, item, who in parsed:
        try:
            truth = who.truth(attributes, attributes.count)
        except UserError as error:
            findings.append(Finding(Weight.LOST, where, str(error)))
            continue
        able, unknown = int((truth == 1).sum()), int(np.isnan(truth).sum())
        causes = _causes(who, attributes) if unknown > FEW * attributes.count or not able else []
        if not able:
            others = _requests(connection, item.id) if isinstance(item, Need) else ""
            words = say(
                f"{attributes.count} 户里没有一户符合 {who.expression}{others}",
                f"0 of {attributes.count} households can have it: {who.expression}{others}",
            )
            findings.append(Finding(Weight.LOST, where, "; ".join([words, *causes]), _mend()))
        elif unknown > FEW * attributes.count:
            words = say(f"{unknown} 户看不出是否符合", f"{unknown} households cannot be told:")
            words = f"{words} {who.expression}"
            findings.append(Finding(Weight.LOST, where, "; ".join([words, *causes]), _mend()))
    return findings


def exclusion_findings(connection: duckdb.DuckDBPyConnection, community: Community) -> list[Finding]:
    """Report names in ``features.exclude`` that no column has: a model may use what was meant."""
    columns = {
        column for table in ("households", "residents") for column in attribute_columns(connection, table)
    }
    births = [birth for birth in map(BIRTH.match, columns) if birth]
    known = columns | {age_name(birth["person"] or birth["zh"] or "") for birth in births}
    known |= {"age", *TABLES["residents"].columns}
    unknown = [name for name in community.features.exclude if not known & {*attribute_names(name)}]
    words = say(f"没有这一列：{'、'.join(unknown)}", f"no such column: {', '.join(unknown)}")
    todo = say("请写列名原样，不然模型可能在用", "write the column's name, as a model may be using it")
    return [Finding(Weight.PROTECT, "features.exclude", words, todo)] if unknown else []


def _mend() -> str:
    return say(
        "这些户不会被评分；请补这些格，或改 who", "they are not scored; fill these cells, or change who"
    )


def _requests(connection: duckdb.DuckDBPyConnection, need: str) -> str:
    asked = one_value(
        connection, f"SELECT count(*) FROM requests WHERE superseded_at IS NULL AND need = {text(need)}"
    )
    return say(f"，却有 {asked} 条诉求", f", {asked} requests came from others") if asked else ""


def _causes(who: Who, attributes: CurrentAttributes) -> list[str]:
    """Say for each column that the expression reads how many cells are empty, and which values cannot be read."""
    lines = []
    for wanted in names_in(who):
        column = next(filter(None, map(attributes.column_of, attribute_names(wanted))), None)
        if column is None:
            continue
        title, readable, texts = column
        empty = int((texts.codes < 0).sum())
        unread = Counter(
            str(texts.at(int(row))) for row in np.flatnonzero(~readable & (texts.codes >= 0))[:1000]
        )
        shown = joined_names(shown_cells(value for value, _ in unread.most_common(EXAMPLES)))
        parts = [say(f"{empty} 格为空", f"{empty} cells empty")] if empty else []
        if shown and not _compares_texts(who):
            number = int((~readable & (texts.codes >= 0)).sum())
            parts.append(say(f"{number} 格读不懂（{shown}）", f"{number} cells not understood ({shown})"))
        if parts:
            lines.append(f"{title}{say('：', ': ')}{say('，', ', ').join(parts)}")
    return lines


def names_in(who: Who) -> list[str]:
    """List the names of attributes in an expression."""
    nodes = ast.walk(who.tree) if who.tree is not None else ()
    return list(
        dict.fromkeys(who.quoted.get(node.id, node.id) for node in nodes if isinstance(node, ast.Name))
    )


def _compares_texts(who: Who) -> bool:
    nodes = ast.walk(who.tree) if who.tree is not None else ()
    return any(isinstance(node, ast.Constant) and isinstance(node.value, str) for node in nodes)


def who_lines(workspace: Path, community: Community, today: date) -> list[str]:
    """Write ``who_findings`` of a workspace's records as lines, for a command that uses them; none without records."""
    with read_store(workspace) as connection:
        return [finding.line() for finding in who_findings(connection, community, today)]


def attribute_findings(connection: duckdb.DuckDBPyConnection, file: TableFile, rows: str) -> list[Finding]:
    """Report attributes that are called a birth or are mostly a number, but cannot be used as such for their other cells.

    ``rows``: SQL of the rows of ``file`` that can be used. A telephone or a remark is never used, however it is written.
    """
    findings = []
    for attribute in file.attributes:
        if PERSONAL.search(attribute.lower()):
            continue
        quoted = name(attribute)
        query = f"""
            SELECT {quoted}, count(*) AS "row:number" FROM {rows} WHERE {quoted} IS NOT NULL
            GROUP BY ALL ORDER BY "row:number" DESC, 1 LIMIT {MOST_TEXTS}"""
        cells = connection.execute(query).fetchall()
        column = read_texts([cell for cell, _ in cells])
        readable = column.codes >= 0
        if not readable.any():
            continue
        counts = np.array([number for _, number in cells])[readable]
        texts = column.distinct[column.codes[readable]]
        finding = _finding(file, attribute, texts, counts) or _coded(file, attribute, texts, counts)
        findings += [finding] if finding else []
    return findings


def _coded(file: TableFile, attribute: str, texts: np.ndarray, counts: np.ndarray) -> Finding | None:
    """A finding on numbers that seem to stand for nothing known: -1 where no other is below 0, 999 far above the rest."""
    numbers = values.booleans(texts)
    codes = np.array([bool(CODE.match(text.strip())) for text in texts])
    others = numbers[~codes & np.isfinite(numbers)]
    if not codes.any() or not len(others) or BIRTH.match(attribute):
        return None
    odd = codes & np.where(numbers < 0, others.min() >= 0, numbers >= FAR * max(others.max(), 1))
    if not odd.any():
        return None
    words = say(
        f"{attribute} 里有些数像是“不知道”的代号，当数用了",
        f"{attribute} has numbers that seem to stand for nothing known; they are used as numbers",
    )
    todo = say("不知道的请留空", "leave unknown cells empty")
    shown = tuple(str(text) for text in texts[odd][:EXAMPLES])
    return Finding(Weight.LOOK, file.name, words, todo, int(counts[odd].sum()), shown)


def _finding(file: TableFile, attribute: str, texts: np.ndarray, counts: np.ndarray) -> Finding | None:
    birth = BIRTH.match(attribute) is not None
    read = values.births(texts) if birth else values.booleans(texts)
    other = np.isnan(read) & ~np.isin(texts, sorted(NOTHING))
    share = counts[~other].sum() / counts.sum()
    if share >= ALIKE or (not birth and share < HALF):
        return None
    words = (
        say(f"{attribute} 读不成出生日期，整列不当出生用", f"{attribute} is no birth and not used as one")
        if birth
        else say(
            f"{attribute} 大多是数或是否，其余读不懂，整列只能当类别用",
            f"{attribute} is mostly a number or yes/no; because of other cells it is a category",
        )
    )
    todo = say("请统一写法，或留空", "write these cells alike, or leave them empty")
    shown = tuple(str(text) for text in texts[other][:EXAMPLES])
    return Finding(Weight.LOST, file.name, words, todo, int(counts[other].sum()), shown)


def unmatched_texts(
    connection: duckdb.DuckDBPyConnection, file: TableFile, community: Community
) -> tuple[int, list[Finding]]:
    """Count the requests of a file that came as text and match no need's keywords; tell of those that call one off."""
    only_text = "AND need IS NULL" if "need" in file.columns else ""
    texts = f"(SELECT text FROM {good_rows('requests')} WHERE text IS NOT NULL {only_text})"
    match_texts(connection, community, f"SELECT DISTINCT text FROM {texts}")
    off = f"(FROM {texts} JOIN called_off USING (text) ANTI JOIN text_needs USING (text))"
    count = one_value(connection, f"SELECT count(*) FROM {off}")
    unmatched = (
        f"SELECT count(*) FROM {texts} ANTI JOIN text_needs USING (text) ANTI JOIN called_off USING (text)"
    )
    findings = []
    if count:
        shown = connection.execute(
            f"SELECT DISTINCT text FROM {off} ORDER BY text LIMIT {EXAMPLES}"
        ).fetchall()
        words = say("原话是取消或不再需要，不算诉求", "texts that only call a need off count as no request")
        examples = tuple(cell for (cell,) in shown)
        findings = [Finding(Weight.NOTE, "requests", words, "", count, examples)]
    return one_value(connection, unmatched), findings


def unknown_programmes(connection: duckdb.DuckDBPyConnection, community: Community) -> list[str]:
    """List programmes that the settings do not have; ended ones are rightly gone, so their rows stay in use."""
    ids = f"SELECT DISTINCT programme_id FROM {good_rows('programme_history')} ORDER BY programme_id"
    known = {programme.id for programme in community.programmes}
    return [programme for (programme,) in connection.execute(ids).fetchall() if programme not in known]
