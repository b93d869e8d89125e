"""What steps of an ingest found, in words: who left, ages, numbers of requests, exports, refusals that cannot be read."""

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow.compute as pc

from features.contract.community import Community
from features.contract.spoken_values import VOID
from features.contract.table_names import FILES
from features.contract.tables import TABLES
from features.exports.ages import Aged
from features.exports.departures import Departed
from features.exports.row_numbers import Matched, count_equal, match_requests
from features.findings import Finding, Weight
from features.ingest.checks import no_entry, no_example, no_household, no_record, no_refusal
from features.ingest.csv_reader import LINE
from features.ingest.files import TableFile
from features.ingest.staging import LINE_NUMBER, staged, staged_rows
from features.language import joined_names, say
from features.store.database import COVERED, has_tables
from features.store.quarantine import Quarantined
from features.store.sql import one_value

SHOWN = 3  # values or lines that a finding shows
LEAVING = ("households", "residents")  # tables of those who can move away or die


def departed_findings(table: str, departed: Departed) -> list[Finding]:
    """Findings on those who are gone by one column, and on what it says that was not understood."""
    column, findings = departed.sign.column, []
    todo = say(
        "不对的话请在 community.yaml 写 left 或 died",
        "where that is wrong, set left or died in community.yaml",
    )
    if departed.rows:
        words = say(
            f"{departed.rows} 行按 {column} 已迁出或去世，不再计入",
            f"by {column}, {departed.rows} rows are of those who moved away or died; they no longer count",
        )
        if departed.sign.usual:
            findings.append(Finding(Weight.LOOK, table, words, todo, examples=departed.values[:SHOWN]))
        else:
            findings.append(Finding(Weight.NOTE, table, words))
    if departed.absent:
        values = joined_names(departed.absent)
        words = say(
            f"community.yaml 的 left 或 died 写的值 {values} 在 {column} 里没有，那里写的是",
            f"{column} has no row with {values}, which left or died of community.yaml names; it has",
        )
        mend = say(
            "请改成表里的写法；现在当作还住着", "write it as the table does; they still count until then"
        )
        findings.append(Finding(Weight.LOOK, table, words, mend, examples=departed.unclear[:SHOWN]))
    elif departed.unclear:
        words = say(
            f"{column} 看不出搬走或去世没有，当作还住着",
            f"{column} does not tell whether somebody moved away or died; they still count",
        )
        findings.append(
            Finding(Weight.LOOK, table, words, todo, departed.unclear_rows, departed.unclear[:SHOWN])
        )
    return findings


def aged_findings(aged: Aged) -> list[Finding]:
    """Findings on ages from which years of birth were worked out, and on ages of nobody knows which day."""
    findings = []
    if aged.told:
        words = say(
            f"按 {aged.column} 和 {aged.taken} 推算出生年",
            f"years of birth were worked out from {aged.column} and {aged.taken}",
        )
        findings.append(Finding(Weight.NOTE, "residents", words, rows=aged.told))
    if aged.untold:
        words = say(
            f"{aged.column} 没有写是哪天的年龄，不当年龄用",
            f"{aged.column} does not say of which day the age is, and is not used as an age",
        )
        todo = say("请给 birth_year，或加一列 age_on", "give birth_year, or a column age_on")
        findings.append(Finding(Weight.LOOK, "residents", words, todo, aged.untold))
    if aged.odd:
        words = say(
            f"{aged.column} 里有些不是年龄，当空的",
            f"{aged.column} has cells that are no age; they count as empty",
        )
        todo = say("请在原来的表里改", "correct them at the source")
        findings.append(Finding(Weight.LOOK, "residents", words, todo, aged.odd_rows, aged.odd[:SHOWN]))
    return findings


def missing_columns(files: Mapping[str, TableFile], community: Community) -> list[Finding]:
    """A finding on each column that ``left`` or ``died`` names and that no file has."""
    if "households" not in files:  # no export of the register, such as what visits found
        return []
    there = {
        attribute.lower() for table in LEAVING if table in files for attribute in files[table].attributes
    }
    there |= {column for table in LEAVING for column in TABLES[table].columns}
    findings = []
    for key, given in (("left", community.left), ("died", community.died)):
        for column in (given.column, given.date) if given and given.values else ():
            if column and column.lower() not in there:
                words = say(
                    f"{key} 写的列 {column} 不在任何表里", f"{key} names a column that no table has: {column}"
                )
                todo = say("请改成表里的列名", "name it as the table does")
                findings.append(Finding(Weight.LOST, "community.yaml", words, todo))
    return findings


def request_findings(connection: duckdb.DuckDBPyConnection, file: TableFile) -> list[Finding]:
    """Give the staged requests the numbers under which they are held; findings on numbers, equal and void requests."""
    rows = staged_rows(file.table)
    findings = _matched_findings(match_requests(connection, rows, file.columns))
    count, new = count_equal(connection, rows, file.columns)
    if count:
        words = say(
            "诉求与同一份里另一条的住户、时间、需求都相同，编号不同，各算一条",
            "requests equal another one of the export in household, time and need; by their numbers they count apart",
        )
        todo = say("一件事登记了两次的，请只留一条", "keep one of those that were entered twice")
        findings.append(Finding(Weight.LOOK if new else Weight.NOTE, "requests", words, todo, count))
    for column in file.unread:
        findings += _void_requests(connection, file, column)
    return findings


def _void_requests(connection: duckdb.DuckDBPyConnection, file: TableFile, column: str) -> list[Finding]:
    """A finding on a column that nothing reads and that calls requests void, withdrawn or copies."""
    void = file.rows.filter(pc.fill_null(pc.match_substring_regex(file.rows[column], VOID.pattern), False))
    if not len(void):
        return []
    words = say(
        f"{column} 写着作废、撤销、重复等，照样算诉求",
        f"{column} calls requests void, withdrawn or copies; they count all the same",
    )
    todo = say("不算数的请不要导出", "leave out of the export what should not count")
    connection.register("void", void.select([LINE]))
    new = f"SELECT count(*) FROM {staged(file.table)} SEMI JOIN void USING ({LINE_NUMBER})"
    if has_tables(connection):
        new += " ANTI JOIN requests USING (request_id)"
    weight = Weight.LOOK if one_value(connection, new) else Weight.NOTE
    connection.unregister("void")
    cells, numbers = void[column].to_pylist(), void[LINE].to_pylist()
    if file.of_ledgers:
        cells = [file.cell_words(cell, number) for cell, number in zip(cells, numbers, strict=True)]
    return [Finding(weight, file.name, words, todo, len(void), tuple(dict.fromkeys(cells))[:SHOWN])]


def _matched_findings(matched: Matched) -> list[Finding]:
    """Findings on requests that have another number than before."""
    findings = []
    if matched.same:
        words = say(
            f"{matched.same} 条新诉求与已有诉求的住户、时间、需求都相同，只是换了编号，只算一次",
            f"{matched.same} new requests equal ones already there in household, time and need, under other numbers;"
            " they count once",
        )
        findings.append(Finding(Weight.LOOK, "requests", words))
    if matched.anew:
        words = say(
            f"{matched.anew} 个编号原来是另一户、另一天的诉求（编号重新开始？），两条都保留",
            f"{matched.anew} requests changed household and date (numbers that begin anew?); both are kept",
        )
        todo = say("请用不重复的编号", "use numbers that do not come again")
        findings.append(Finding(Weight.LOOK, "requests", words, todo))
    return findings


def same_findings(table: str, same: int) -> list[Finding]:
    """A finding on persons or visits that were there already under other numbers; none without any."""
    if not same:
        return []
    words = say(
        "编号是新的，住户、日期和内容与已有的相同，只是换了编号，只算一次",
        "new numbers of rows that equal ones already there whose number is gone; they count once",
    )
    return [Finding(Weight.LOOK, table, words, say("请核对", "check them"), same)]


def gone_workers(workers: list[str]) -> list[Finding]:
    """A finding on workers whom the list of workers does not name any more; none without any."""
    if not workers:
        return []
    words = say(
        "名单里不再有这些工作人员，不再给他们排走访", "are named no longer and get no visits any more"
    )
    todo = say("还在的请补上", "name them again where they are still there")
    return [Finding(Weight.LOOK, "workers", words, todo, len(workers), tuple(workers[:SHOWN]))]


def older_finding(ends: str, covered: str) -> Finding:
    """The finding on an export that ends before an earlier one; both as ISO texts."""
    words = say(
        f"这批导出止于 {ends[:10]}，记录已到 {covered[:10]}：是较早的导出，只加入新的行，不改回已有的记录",
        f"this export ends {ends[:10]}, records reach {covered[:10]}: it is an older one; new rows are taken, nothing is"
        " taken back",
    )
    return Finding(Weight.LOOK, say("导出", "export"), words)


def late_finding(late: Mapping[str, int], covered: str) -> Finding:
    """The finding on rows that came late, by table; ``covered``: until when earlier exports reach."""
    counts = {table: count for table, count in late.items() if table in COVERED}
    tables = ", ".join(f"{table} {count}" for table, count in counts.items())
    zh = "，".join(f"{FILES[table][0]} {count} 行" for table, count in counts.items())
    words = say(
        f"补报的（{zh}）说的是 {covered[:10]} 以前的事，那时的导出里没有，从第二天起才算知道",
        f"rows that came late ({tables}) speak of times that an earlier export covered (up to {covered[:10]}) and count"
        " from the day after",
    )
    todo = say("有登记时间的，请加一列“登记时间”", "give recorded_at where it is known")
    return Finding(Weight.NOTE, say("导出", "export"), words, todo)


def unread_refusals(file: TableFile, refusals: Sequence[tuple[str, str, Quarantined]]) -> list[str]:
    """A line on refusals of which not even the household can be told, and one on each sheet that was not read."""
    lines = [finding.line() for finding in file.findings if finding.weight == Weight.PROTECT]
    known = (no_household(), no_record(), no_entry(), no_example(), no_refusal())
    rows = [row for problem, _, row in refusals if problem not in known]
    if rows:
        places = joined_names(f"{row.line}" for row in rows[:SHOWN])
        more = "…" if len(rows) > SHOWN else ""
        zh = f"{rows[0].file}：第 {places}{more} 行的谢绝看不出是哪一户，请补上户号"
        en = f"{rows[0].file}: nobody can tell whose the refusals of lines {places}{more} are; give household_id"
        lines.append(say(zh, en))
    return lines
