"""Identifiers that a spreadsheet has damaged, or that differ only in how they are written, and households by what the
register knows of their people."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from features.contract.spoken_values import chinese_number
from features.findings import EXAMPLES, Finding, Weight
from features.ingest.csv_reader import LINE
from features.language import say
from features.store import waiting_refusals
from features.store.sql import name, one_value, text

PERSONAL = (  # columns that point at a household, the surest first
    ("身份证", "证件号", "id_card", "id_number"),
    ("电话", "手机", "联系方式", "phone", "mobile", "tel"),
    ("地址", "住址", "门牌", "address"),
    ("姓名", "户主", "名字", "name"),
)
REGISTERS = ("households", "residents")  # whose columns may name a person
LOOKED_AT = 1000  # unknown households that are compared with known ones
FEWEST_RENUMBERED, SHARE_RENUMBERED = 5, 0.1  # of an export's households
EXACT_DIGITS = 15  # that a spreadsheet keeps of a number
NARROW = "".join(chr(code) for code in (*range(48, 58), *range(65, 91), *range(97, 123), 45, 95))
WIDE = "".join(chr(ord(sign) + 0xFEE0) for sign in NARROW)
LOOK_ALIKE = str.maketrans("OoIl", "0011")
_BETWEEN = re.compile(r"[、，,;；/|\s]+|和|及")
_NUMBERED = re.compile(r"第?(?P<number>[0-9]+|[零〇一二三四五六七八九十百]+)号?(?=微?网格)")
_BRACKETS = str.maketrans(
    {"【": "(", "】": ")", "[": "(", "]": ")", "〔": "(", "〕": ")", "{": "(", "}": ")"}
)


def damaged_ids(
    connection: duckdb.DuckDBPyConnection, rows: pa.Table, columns: Iterable[str]
) -> dict[str, str]:
    """SQL by column of ids: whether one was a number of which a spreadsheet dropped digits (3.30481E+17).

    Columns in which no id can be one are left out. Where most numbers of more than fifteen digits end in zeros from the
    sixteenth on, those are damaged too.

    connection: with the rows as ``incoming``.
    rows: texts.
    columns: the contract's columns that the file has.
    """
    damaged = {}
    for column in (column for column in columns if column.endswith("_id")):
        texts, parts = rows[column], []
        # two searches of letters as they are take a fifth of the time of one that ignores case
        if any(pc.any(pc.match_substring(texts, power)).as_py() for power in ("E+", "e+")):
            parts.append(f"regexp_full_match({raw(column)}, '[+-]?\\d+(\\.\\d+)?[eE]\\+\\d+')")
        if (pc.max(pc.binary_length(texts)).as_py() or 0) > EXACT_DIGITS:
            parts.append(f"regexp_full_match({raw(column)}, '\\d{{16,}}\\.0+')")
            if _cut(connection, name(column)):
                parts.append(_ends_in_zeros(raw(column)))
        if parts:
            damaged[column] = f"({' OR '.join(parts)})"
    return damaged


def raw(column: str) -> str:
    """The column with the text that ``column`` was read from."""
    return name(f"raw:{column}")


def _ends_in_zeros(value: str) -> str:
    return f"(length({value}) > {EXACT_DIGITS} AND regexp_full_match({value}, '\\d{{{EXACT_DIGITS}}}0+'))"


def _cut(connection: duckdb.DuckDBPyConnection, column: str) -> bool:
    """Whether most numbers with more than fifteen digits end in zeros."""
    zeros, long = connection.execute(f"""
        SELECT count(*) FILTER ({_ends_in_zeros(column)}), count(*) FROM incoming
        WHERE length({column}) > {EXACT_DIGITS} AND regexp_full_match({column}, '\\d+')""").fetchall()[0]
    return bool(zeros > 0.5 * long)


def alike_households(connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    """Report households whose ids differ only by leading zeros or capitals: 123 beside 00123; no finding without any."""
    loose = "ltrim(upper(household_id), '0')"
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE alike AS
        SELECT list(DISTINCT household_id ORDER BY household_id) AS ids
        FROM known_households WHERE {loose} <> '' GROUP BY {loose} HAVING count(DISTINCT household_id) > 1""")
    count = one_value(connection, "SELECT count(*) FROM alike")
    if not count:
        return []
    shown = connection.execute(f"SELECT ids FROM alike ORDER BY ids LIMIT {EXAMPLES}").fetchall()
    return [
        Finding(
            Weight.LOOK,
            "households",
            say(
                "编号只差开头的 0 或大小写，当成不同的户",
                "ids that differ by leading zeros or capitals only; kept apart",
            ),
            say("要是同一户，请写成一样", "write the id alike where it is one household"),
            count,
            tuple(" / ".join(ids) for (ids,) in shown),
        )
    ]


def loose(household: str) -> str:
    """What two ways to write an id have in common: h003, H3, H-0003 and 'H3.

    >>> loose("h003"), loose("H-3"), loose("'0012")
    ('H3', 'H3', '12')
    """
    return re.sub(r"(^|\D)0+(?=\d)", r"\1", re.sub(r"[\s_'’-]", "", household).upper())


def with_digits(household: str) -> str:
    """Write letters that look like digits as these, in an id that has no others but one before them.

    >>> with_digits("HOO1"), with_digits("3-2-5Ol"), with_digits("OLD7")
    ('H001', '3-2-501', 'OLD7')
    """
    found = re.fullmatch(r"([A-Za-z]?)([\dOoIl-]+)", household)
    return found[1] + found[2].translate(LOOK_ALIKE) if found else household


def _loose(value: str) -> str:
    narrow = f"upper(translate(translate({value}, '{WIDE}', '{NARROW}'), ' _-''’', ''))"
    return f"regexp_replace({narrow}, '(^|[^0-9])0+([0-9])', '\\1\\2', 'g')"


def households_by_form(connection: duckdb.DuckDBPyConnection, forms: set[str]) -> dict[str, str]:
    """The known household of each loose form that one alone has; to be asked once all households are known."""
    if not forms:
        return {}
    connection.execute(
        f"CREATE TEMP TABLE IF NOT EXISTS known_forms AS"
        f" SELECT DISTINCT {_loose('household_id')} AS form, household_id FROM known_households"
    )
    connection.register("forms", pa.table({"form": pa.array(sorted(forms), type=pa.string())}))
    rows = connection.execute(
        "SELECT form, min(household_id) FROM known_forms SEMI JOIN forms USING (form) GROUP BY form HAVING count(*) = 1"
    ).fetchall()
    connection.unregister("forms")
    return dict(rows)


def forms_of(household: str) -> list[str]:
    """Return the loose forms of an id as it is written, and of each that it may be several of.

    >>> forms_of("Ｈ０３"), forms_of("H03、h4")
    (['H3'], ['H3、H4', 'H3', 'H4'])
    """
    narrow = unicodedata.normalize("NFKC", household)
    return list(dict.fromkeys([loose(narrow), *map(loose, ids_in(narrow))]))


def ids_in(cell: str) -> list[str]:
    """Return the ids that a cell may hold.

    >>> ids_in("H03、h4")
    ['H03', 'h4']
    """
    return [part for part in _BETWEEN.split(cell) if part]


def wait_no_longer(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill the table ``known_waiting`` with refusals that waited and whose household is known now, however written.

    Where several households stand in one cell, those not known yet go on waiting (not ``whole``).

    connection: with ``known_households``, once all of them are known.
    """
    rows = connection.execute(f"FROM {waiting_refusals.TABLE}").fetchall()
    wanted = {household: forms_of(household) for household, *_ in rows}
    known = {*households_by_form(connection, {form for forms in wanted.values() for form in forms if form})}
    found = [
        (*row, forms[0] in known or {*forms[1:]} <= known)
        for row in rows
        if known & {*(forms := wanted[row[0]])}
    ]
    if found:
        connection.executemany("INSERT INTO known_waiting VALUES (?, ?, ?, ?)", found)


def nearly_known(
    connection: duckdb.DuckDBPyConnection, table: str, staged: str, unknown: str
) -> list[Finding]:
    """A finding on rows of unknown households (``unknown``: SQL) whose id is that of a known one, written differently."""
    ids = connection.execute(
        f"SELECT DISTINCT household_id FROM {staged} WHERE {unknown} ORDER BY 1 LIMIT {LOOKED_AT}"
    ).fetchall()
    narrow = {household: unicodedata.normalize("NFKC", household) for (household,) in ids}
    forms = {household: [loose(text), loose(with_digits(text))] for household, text in narrow.items()}
    known = households_by_form(connection, {form for both in forms.values() for form in both if form})
    near = {
        household: known[form]
        for household, both in forms.items()
        for form in reversed(both)
        if form in known
    }
    if not near:
        return []
    words = say("户号和住户表写得不一样，没有用", "ids written differently from households; not used")
    shown = tuple(f"{household} ≈ {near[household]}" for household in list(near)[:EXAMPLES])
    todo = say(
        "请写成一样（开头的 0、字母 O 和数字 0、大小写、引号）", "write them alike (zeros, capitals, quotes)"
    )
    return [Finding(Weight.LOST, table, words, todo, len(near), shown)]


def renumbered(connection: duckdb.DuckDBPyConnection, rows: str) -> list[str]:
    """A line where many households of an export are new, and known ones but for zeros or capitals: their ids were
    damaged, and the town would be counted twice. ``rows`` (SQL): the export's households, not yet among the known."""
    if not one_value(connection, "SELECT count(*) FROM known_households"):
        return []
    new = f"(SELECT DISTINCT household_id FROM {rows} ANTI JOIN known_households USING (household_id))"
    every, fresh = connection.execute(
        f"SELECT (SELECT count(DISTINCT household_id) FROM {rows}), (SELECT count(*) FROM {new})"
    ).fetchall()[0]
    if fresh < max(FEWEST_RENUMBERED, SHARE_RENUMBERED * every):
        return []
    form = "ltrim(upper(household_id), '0')"
    count, first, other = connection.execute(f"""
        SELECT count(*), min(new.household_id), min_by(held.household_id, new.household_id)
        FROM (SELECT household_id, {form} AS form FROM {new}) new
        JOIN (SELECT DISTINCT household_id, {form} AS form FROM known_households) held USING (form)""").fetchall()[0]
    if count < max(FEWEST_RENUMBERED, SHARE_RENUMBERED * every):
        return []
    return [
        say(
            f"households：{count} 户是新编号，但与已有住户只差前导零或大小写（{first} / {other}），请以文本导出",
            f"households: {count} ids are new, and those of known households but for zeros or capitals"
            f" ({first} / {other}); most likely zeros were lost: export ids as text",
        )
    ]


def normal_name(text: str) -> str:
    """Return the name of an area without blanks, in narrow digits and round brackets, its number in digits alone.

    >>> normal_name("第１ 网格（东）"), normal_name("西山第十二微网格"), normal_name("3号网格")
    ('1网格(东)', '西山12微网格', '3网格')
    """
    short = re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).translate(_BRACKETS)
    return _NUMBERED.sub(_in_digits, short)


def _in_digits(number: re.Match[str]) -> str:
    signs = number["number"]
    return str(int(signs) if signs.isdecimal() else chinese_number(signs))


def remember_areas(connection: duckdb.DuckDBPyConnection) -> None:
    """Put the names of grids and micro-grids that the records hold into the table ``area_names``."""
    for column in ("grid_id", "microgrid_id"):
        areas = connection.execute(f"SELECT DISTINCT {column} FROM households ORDER BY 1").fetchall()
        names = {normal_name(area): area for (area,) in reversed(areas)}
        _insert(
            connection,
            "INSERT INTO area_names SELECT * FROM names",
            [(column, normal, area) for normal, area in names.items()],
        )


def unify_areas(connection: duckdb.DuckDBPyConnection, staged: str, columns: Iterable[str]) -> list[Finding]:
    """Write grids and micro-grids that differ by blanks, brackets or the signs of their number alike, and report them.

    ``staged``: the staged table. ``columns``: those of its file. The name in the table ``area_names`` (column_name,
    normal, area) counts, otherwise the most frequent one; new names are added to that table.
    """
    findings = []
    for column in (column for column in ("grid_id", "microgrid_id") if column in columns):
        rows = connection.execute(
            f"SELECT {column}, count(*) FROM {staged} WHERE {column} IS NOT NULL GROUP BY ALL"
        ).fetchall()
        forms: dict[str, Counter[str]] = defaultdict(Counter)
        for area, count in rows:
            forms[normal_name(area)][area] += count
        known = dict(
            connection.execute(
                "SELECT normal, area FROM area_names WHERE column_name = ?", [column]
            ).fetchall()
        )
        chosen = {
            normal: min(written, key=lambda area: (-written[area], area)) for normal, written in forms.items()
        } | known
        renamed = [
            (area, chosen[normal])
            for normal, written in forms.items()
            for area in written
            if area != chosen[normal]
        ]
        fresh = [(column, normal, chosen[normal]) for normal in forms if normal not in known]
        _insert(connection, "INSERT INTO area_names SELECT * FROM names", fresh)
        _insert(
            connection,
            f"UPDATE {staged} SET {column} = other FROM names WHERE {column} = area",
            [(column, *pair) for pair in renamed],
        )
        if renamed:
            words = say(
                f"{column} 写得不一样，当成同一个", f"{column} written differently, taken as the same"
            )
            shown = tuple(f"{area} = {other}" for area, other in renamed[:EXAMPLES])
            findings.append(
                Finding(Weight.NOTE, staged.removeprefix("staged_"), words, "", len(renamed), shown)
            )
    return findings


def _insert(connection: duckdb.DuckDBPyConnection, query: str, rows: list[tuple[str, str, str]]) -> None:
    """Run a query over rows of three texts under the name ``names`` (column_name, area, other)."""
    if rows:
        columns = [pa.array(column, type=pa.string()) for column in zip(*rows, strict=True)]
        connection.register("names", pa.table(columns, names=["column_name", "area", "other"]))
        connection.execute(query)
        connection.unregister("names")


def households_with(
    connection: duckdb.DuckDBPyConnection, kind: Sequence[str], values: list[str]
) -> dict[str, list[str]]:
    """Households by a value in one of the register's columns of a kind, as it came or as it is held."""
    tables = ", ".join(text(source) for table in REGISTERS for source in (table, f"staged_{table}"))
    columns = connection.execute(
        f"SELECT table_name, column_name FROM duckdb_columns() WHERE table_name IN ({tables})"
    ).fetchall()
    parts = [
        f"SELECT household_id, {_same(name(column))} AS said FROM {table}"
        for table, column in columns
        if of_kind(column, kind)
    ]
    if not parts or not values:
        return {}
    connection.register("said_values", pa.table({"said": pa.array(values, type=pa.string())}))
    rows = connection.execute(f"""
        SELECT said, list(DISTINCT household_id) FROM ({" UNION ALL ".join(parts)}) SEMI JOIN said_values USING (said)
        WHERE household_id IS NOT NULL GROUP BY said""").fetchall()
    connection.unregister("said_values")
    return dict(rows)


def of_kind(column: str, kind: Sequence[str]) -> bool:
    """Whether a column is called by one of a kind's words."""
    return column not in ("household_id", LINE) and any(word in column.lower() for word in kind)


def same(value: str) -> str:
    """What two ways to write a name, number or address have in common.

    >>> same(" 138-0000 0000"), same("王 阿姨")
    ('13800000000', '王阿姨')
    """
    return re.sub(r"[\s()-]", "", unicodedata.normalize("NFKC", value)).lower()


def _same(value: str) -> str:
    return f"lower(regexp_replace({value}, '[\\s()-]', '', 'g'))"
