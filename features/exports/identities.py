"""Tell where an export's numbers stand for others than before: rows with another household, a register that was numbered
anew, those who had left and are there again.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from features.contract.tables import TABLES
from features.exports.comparison import COMPARED, FEWEST_GONE, GONE_SHARE, Handed, many_at_once
from features.findings import EXAMPLES, Finding, Weight
from features.language import say
from features.point_in_time.schema import PERSONAL
from features.store.database import attribute_columns
from features.store.sql import held, name, one_value

BELONGING = ("requests", "residents", "outreach")  # tables whose rows are somebody's
FACTS = ("grid_id", "need", "requested_at", "contacted_at", "outcome")  # which few corrections change
GROWING = re.compile(r"年龄|岁|(?:^|_)ages?(?:_|$)|天数|月数|年限")  # attributes that change by themselves
ALL_CHANGED = 3  # columns of a household without address or telephone, from which on it seems another
REMARK = re.compile("备注|remark|note|微信|邮箱|email", re.IGNORECASE)  # of a person, and no family's mark
FEWEST_TOLD = 2  # columns that tell a family
FEWEST_ANEW, SHARE_ANEW = 2, 0.5  # of the households that are new and of those that are gone


@dataclass(frozen=True)
class Changed:
    """What changed of whom the numbers stand for: what a Monday stops before, and what is only told."""

    alarms: list[str]
    findings: list[Finding]


def changed_identities(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, Handed]) -> Changed:
    """Compare whom an export's numbers stand for with the records as they were before it.

    ``tables``: what was handed in, by table.
    """
    alarms, findings = [], []
    if "households" in tables:
        alarms += _numbered_anew(connection, tables["households"])
        alarms += _swapped(connection, tables["households"])
        findings += _other_families(connection, tables["households"])
    for table in (table for table in BELONGING if table in tables):
        finding = _other_households(connection, table, tables[table])
        if finding and finding.weight == Weight.PROTECT:
            alarms.append(finding.line())
        elif finding:
            findings.append(finding)
    for table in (table for table in ("households", *BELONGING) if table in tables):
        findings += _changed_facts(connection, table, tables[table])
    for table in (table for table in COMPARED if table in tables):
        alarms += _taken_back(connection, table, tables[table])
    for table in ("households", "residents"):
        if table in tables and "valid_until" in tables[table].columns:
            alarms += _ended_at_once(connection, table, tables[table])
            findings += _there_again(connection, table, tables[table])
    return Changed(alarms, findings)


def _shown(pairs: Sequence[tuple[str, str, str]]) -> tuple[str, ...]:
    return tuple(f"{number}: {before} → {after}" for number, before, after in pairs)


def _other_households(connection: duckdb.DuckDBPyConnection, table: str, given: Handed) -> Finding | None:
    """A finding on rows whose number is held for another household."""
    key, keys = TABLES[table].key[0], ", ".join(map(name, TABLES[table].key))
    both = f"{given.rows} new JOIN {held(table)} held USING ({keys})"
    moved = "new.household_id <> held.household_id"
    count, every = connection.execute(f"SELECT count(*) FILTER ({moved}), count(*) FROM {both}").fetchall()[0]
    if not count:
        return None
    pairs = connection.execute(
        f"SELECT new.{key}, held.household_id, new.household_id FROM {both} WHERE {moved} ORDER BY 1 LIMIT {EXAMPLES}"
    ).fetchall()
    many = count > GONE_SHARE * every
    weight = Weight.PROTECT if many_at_once(count, every) else Weight.LOOK if many else Weight.NOTE
    words = say("编号没变，住户变了", "rows have the number as before and another household")
    todo = say(
        "编号重新开始的，请用不重复的编号；户号改了的，请用原来的户号；搬了家的，请加一行，valid_from 填搬家那天",
        "use numbers that do not come again and households' lasting ids; who moved gets a new row from that day on",
    )
    return Finding(weight, table, words, todo, count, _shown(pairs))


def _changed_facts(connection: duckdb.DuckDBPyConnection, table: str, given: Handed) -> list[Finding]:
    """Findings on grids, needs, times and attributes that are others than before under the same number, for many rows at
    once. Ages grow without a new row.
    """
    key, findings = TABLES[table].key[0], []
    keys = ", ".join(map(name, TABLES[table].key))
    facts = [column for column in FACTS if column in TABLES[table].columns]
    if TABLES[table].attributes:
        facts += [column for column in attribute_columns(connection, table) if not GROWING.search(column)]
    for fact in (fact for fact in facts if fact in given.columns):
        column, both = name(fact), f"{given.rows} new JOIN {held(table)} held USING ({keys})"
        other = f"new.{column} <> held.{column}"
        count, every = connection.execute(
            f"SELECT count(*) FILTER ({other}), count(*) FROM {both}"
        ).fetchall()[0]
        if not many_at_once(count, every):
            continue
        pairs = connection.execute(
            f"SELECT {key}, held.{column}::VARCHAR, new.{column}::VARCHAR FROM {both} WHERE {other}"
            f" ORDER BY 1 LIMIT {EXAMPLES}"
        ).fetchall()
        words = say(f"编号没变，{fact} 变了", f"rows have the number as before and another {fact}")
        todo = say("已按新的更正；请核对导出", "they were corrected; check the export")
        findings.append(Finding(Weight.LOOK, table, words, todo, count, _shown(pairs)))
    return findings


def _numbered_anew(connection: duckdb.DuckDBPyConnection, given: Handed) -> list[str]:
    """A line where most of the households that are new equal those that are gone in all but their id."""
    there = {column.lower() for column in attribute_columns(connection, "households")}
    attributes = [column for column in given.columns if column.lower() in there]
    columns = [*map(name, ("grid_id", "microgrid_id", "valid_from", *attributes))]
    alike = ", ".join(columns)
    equal = " AND ".join(f"fresh.{column} IS NOT DISTINCT FROM gone.{column}" for column in columns)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE numbered_anew AS
        WITH fresh AS (
            SELECT *, row_number() OVER (PARTITION BY {alike} ORDER BY household_id) AS nth
            FROM {given.rows} ANTI JOIN {held("households")} USING (household_id)),
        gone AS (
            SELECT *, row_number() OVER (PARTITION BY {alike} ORDER BY household_id) AS nth
            FROM (
                SELECT *, count(*) OVER (PARTITION BY {alike}) = 1 AS alone FROM {held("households")}
                WHERE valid_until IS NULL)
            ANTI JOIN {given.rows} USING (household_id))
        SELECT fresh.household_id AS new, gone.household_id AS old, (SELECT count(*) FROM fresh) AS fresh,
            (SELECT count(*) FROM gone) AS gone, gone.alone
        FROM fresh JOIN gone ON {equal} AND fresh.nth = gone.nth""")
    count, most, alone, every, old, new = connection.execute(f"""
        SELECT count(*), coalesce(any_value(greatest(fresh, gone)), 0), count(*) FILTER (alone),
            (SELECT count(DISTINCT household_id) FROM {held("households")} WHERE valid_until IS NULL),
            min(old), min_by(new, old)
        FROM numbered_anew""").fetchall()[0]
    connection.execute("DROP TABLE numbered_anew")
    if count < FEWEST_ANEW or count < SHARE_ANEW * most:
        return []
    # a few equal some that are gone by chance, where many households are alike
    if count < min(FEWEST_GONE, SHARE_ANEW * every) and alone < FEWEST_ANEW:
        return []
    return [
        say(
            f"households：{count} 户是新编号，别的与不再出现的 {count} 户都一样（{old} → {new}），像是户号改了："
            "以前的诉求和谢绝不会跟过去；请用原来的户号",
            f"households: {count} ids are new, and all else is as of {count} that are gone ({old} → {new}): they seem"
            " numbered anew; requests and refusals from before do not follow; use the ids as before",
        )
    ]


def _swapped(connection: duckdb.DuckDBPyConnection, given: Handed) -> list[str]:
    """A line where households have the address, telephone or name that others had, and those have others' again.

    Without such columns all of a household's columns count, and three of them must have changed.
    """
    there = {column.lower() for column in attribute_columns(connection, "households")}
    attributes = [column for column in given.columns if column.lower() in there]
    personal = [column for column in attributes if PERSONAL.search(column.lower())]
    columns = [*map(name, personal or ("grid_id", "microgrid_id", *attributes))]
    changed = " + ".join(f"(new.{column} IS DISTINCT FROM own.{column})::INTEGER" for column in columns)

    def newest(rows: str) -> str:
        return (
            f"SELECT *, row({', '.join(columns)}) AS marks FROM {rows} WHERE valid_from IS NOT NULL"
            f" AND coalesce({', '.join(f'{column}::VARCHAR' for column in columns)}) IS NOT NULL"
            " QUALIFY row_number() OVER (PARTITION BY household_id ORDER BY valid_from DESC) = 1"
        )

    pairs = connection.execute(f"""
        WITH new AS (SELECT * FROM ({newest(given.rows)}) QUALIFY count(*) OVER (PARTITION BY marks) = 1),
        own AS ({newest(f"(SELECT * FROM {held('households')} WHERE valid_until IS NULL)")}),
        other AS (SELECT * FROM own QUALIFY count(*) OVER (PARTITION BY marks) = 1),
        taken AS (
            SELECT new.household_id AS household, other.household_id AS before FROM new
            JOIN own ON own.household_id = new.household_id JOIN other ON other.marks = new.marks
            WHERE other.household_id <> new.household_id AND {changed} >= {1 if personal else ALL_CHANGED})
        SELECT household, before FROM taken WHERE before IN (SELECT household FROM taken) ORDER BY 1""").fetchall()
    if len(pairs) < FEWEST_ANEW:
        return []
    household, before = pairs[0]
    return [
        say(
            f"households：{len(pairs)} 户的住址、电话等现在是另一户原来的（{household} 现在是 {before} 原来的），像是"
            "户号对调或错位了：诉求、走访和谢绝还跟着原来的户号；请用原来的户号",
            f"households: {len(pairs)} have the address, telephone or the like of another before ({household} those of"
            f" {before}): their ids seem exchanged or shifted; requests, visits and refusals stay with the ids; use the"
            " ids as before",
        )
    ]


def _other_families(connection: duckdb.DuckDBPyConnection, given: Handed) -> list[Finding]:
    """A finding on households of which all that tells a family, two columns at least, is another's than before."""
    there = {column.lower() for column in attribute_columns(connection, "households")}
    columns = [column for column in given.columns if column.lower() in there]
    told = [
        name(column) for column in columns if PERSONAL.search(column.lower()) and not REMARK.search(column)
    ]
    if len(told) < FEWEST_TOLD:
        return []
    both = [f"(new.{column} IS NOT NULL AND own.{column} IS NOT NULL)" for column in told]
    others = [f"new.{column} <> own.{column}" for column in told]
    newest = "QUALIFY row_number() OVER (PARTITION BY household_id ORDER BY valid_from DESC) = 1"
    pairs = connection.execute(f"""
        SELECT new.household_id FROM (FROM {given.rows} {newest}) new
        JOIN (FROM {held("households")} WHERE valid_until IS NULL {newest}) own USING (household_id)
        WHERE {" + ".join(f"{filled}::INTEGER" for filled in both)} >= {FEWEST_TOLD}
            AND {" AND ".join(f"({other} OR NOT {filled})" for other, filled in zip(others, both, strict=True))}
        ORDER BY 1""").fetchall()
    if not pairs:
        return []
    words = say(
        "户号没变，住址、姓名、电话都变了，像是换了一家人，诉求和谢绝还算在这个户号上",
        "the number is as before, and address, name and telephone are others': another family, it seems; requests and"
        " refusals from before stay with the number",
    )
    todo = say(
        "换了人家的，请给原来那一行填 valid_until，新来的用新户号",
        "end the row of the family that left with valid_until, and give the new one a number of its own",
    )
    return [
        Finding(Weight.LOOK, "households", words, todo, len(pairs), tuple(one for (one,) in pairs[:EXAMPLES]))
    ]


def _taken_back(connection: duckdb.DuckDBPyConnection, table: str, given: Handed) -> list[str]:
    """A line where most of the rows that changed are again as they were before an earlier correction."""
    keys, there = TABLES[table].key, {column.lower() for column in attribute_columns(connection, table)}
    there |= {*TABLES[table].columns} - {*keys, "recorded_at"}
    columns = [name(column) for column in given.columns if column.lower() in there]
    before = f"(SELECT * FROM {table} WHERE superseded_at IS NOT NULL)"
    if not columns or not one_value(connection, f"SELECT count(*) FROM {before}"):
        return []
    new, own, old = (
        f"row({', '.join(f'{side}.{column}' for column in columns)})" for side in ("new", "own", "old")
    )
    same = " AND ".join(f"old.{name(key)} = new.{name(key)}" for key in keys)
    again, changed = connection.execute(f"""
        SELECT count(*) FILTER (EXISTS (SELECT 1 FROM {before} old WHERE {same} AND {old} IS NOT DISTINCT FROM {new})),
            count(*)
        FROM {given.rows} new JOIN {held(table)} own USING ({", ".join(map(name, keys))})
        WHERE {new} IS DISTINCT FROM {own}""").fetchall()[0]
    if again < FEWEST_GONE or again < SHARE_ANEW * changed:
        return []
    return [
        say(
            f"{table}：更正的 {changed} 行里有 {again} 行又成了更正以前的样子，像是读入了旧文件；请核对",
            f"{table}: {again} of {changed} rows that changed are again as they were before a correction: perhaps an"
            " old file; check it",
        )
    ]


def _ended_at_once(connection: duckdb.DuckDBPyConnection, table: str, given: Handed) -> list[str]:
    """A line where many of those who were there are said to have left by one export."""
    keys = ", ".join(map(name, TABLES[table].key))
    ended, every = connection.execute(
        f"SELECT count(*) FILTER (new.valid_until IS NOT NULL), count(*) FROM {held(table)} held"
        f" LEFT JOIN {given.rows} new USING ({keys}) WHERE held.valid_until IS NULL"
    ).fetchall()[0]
    if not many_at_once(ended, every):
        return []
    return [
        say(
            f"{table}：{every} 行里有 {ended} 行这批写明已搬走或去世，不再上名单；请核对 valid_until 和状态列",
            f"{table}: {ended} of {every} rows are said to have left by this export, and are listed no longer; check"
            " valid_until and columns of states",
        )
    ]


def _there_again(connection: duckdb.DuckDBPyConnection, table: str, given: Handed) -> list[Finding]:
    """A finding on rows whose end is held and not given any more: they hold again."""
    keys = ", ".join(map(name, TABLES[table].key))
    both = f"{given.rows} new JOIN {held(table)} held USING ({keys})"
    again = "held.valid_until IS NOT NULL AND new.valid_until IS NULL"
    count = one_value(connection, f"SELECT count(*) FROM {both} WHERE {again}")
    if not count:
        return []
    shown = connection.execute(
        f"SELECT {COMPARED[table]} FROM {both} WHERE {again} ORDER BY 1 LIMIT {EXAMPLES}"
    ).fetchall()
    words = say(
        "原来写明已搬走或去世，这批又没有写，按还住着算",
        "had ended by earlier exports and have no end in this one: they count as there again",
    )
    todo = say(
        "不对的请补 valid_until；搬回来的，请加一行，valid_from 填回来那天",
        "give valid_until where that is wrong; who came back gets a new row from that day on",
    )
    return [Finding(Weight.LOOK, table, words, todo, count, tuple(number for (number,) in shown))]
