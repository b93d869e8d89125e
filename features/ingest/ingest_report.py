"""The report of an ingest, in numbers and in words: for the terminal, and as a page."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from html import escape
from pathlib import Path

from features.contract.table_names import FILES, REFUSALS, with_own_names
from features.contract.tables import TABLES
from features.findings import EXAMPLES, Finding, Weight, line_words, worst_first
from features.ingest.checks import no_entry, no_example, no_household, no_record
from features.ingest.files import told_elsewhere
from features.language import joined_names, language, say

# changes of community.yaml after which a model answers another question: which needs, of whom, and when
NEEDS_ANEW = re.compile(
    r"^needs(：|: order|\.[^.]+(：|: (added|removed))|\..+\.(horizon_weeks|lead_weeks|who):)"
)
COLUMNS_OF_TABLES = frozenset(column for table in TABLES.values() for column in table.columns)
ARCHIVES = frozenset({".zip", ".rar", ".7z", ".gz", ".tar"})
LONGEST = 24  # letters of a cell that a line shows
SCREEN = 24  # lines
FINE, NOTHING, LOOK = 0, 1, 3  # exit codes
PAGE = "ingest.html"
STYLE = (
    "body{font:15px/1.5 sans-serif;margin:2em auto;max-width:70em;padding:0 1em}"
    "table{border-collapse:collapse;width:100%;margin-bottom:2em}"
    "th,td{border-bottom:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}td.n{text-align:right}"
)


@dataclass
class TableCounts:
    """The rows of one table's file by what became of them: the five numbers after ``read`` add up to it."""

    read: int = 0
    new: int = 0
    corrected: int = 0
    unchanged: int = 0
    repeated: int = 0  # the same row once more in the same file
    quarantined: int = 0  # with those erased
    erased: int = 0  # of households that were removed at their own wish

    @property
    def taken(self) -> int:
        """Return how many of the rows are in the records."""
        return self.read - self.quarantined


@dataclass
class IngestReport:
    """What an ingest read, stored and set aside; ``lines()`` puts it in words."""

    tables: dict[str, TableCounts] = field(default_factory=dict)
    # (file, table, problem) → sheets ("" where there is one), lines set aside, and the cell ("": the row as such)
    problems: dict[tuple[str, str, str], list[tuple[str, int, str]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    unread_files: list[str] = field(default_factory=list)
    unread_columns: dict[str, list[str]] = field(default_factory=dict)  # file → columns that nothing reads
    unread_keys: list[str] = field(default_factory=list)  # keys of community.yaml that nothing reads
    settings_changes: list[str] = field(default_factory=list)
    # by need that the settings do not have: households, and the first day on which one asked
    unknown_needs: dict[str, tuple[int, int]] = field(default_factory=dict)
    unmatched_texts: int = 0  # requests of this export that came as text and match no need's keywords
    # of programme_history; ended ones, or mistyped
    unknown_programmes: list[str] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)  # where the export differs much from those before
    # lines on those of which nobody can tell whose they are
    unread_refusals: list[str] = field(default_factory=list)
    isolated: int = 0  # times far beyond all others: perhaps a mistyped year
    isolated_places: list[str] = field(default_factory=list)  # of some of them: file, line, column and day
    called: dict[str, Mapping[str, str]] = field(
        default_factory=dict
    )  # names of columns, by file and by table
    content: str = ""  # digest of the files that were read
    quarantine: Path | None = None
    page: Path | None = None  # where all of it stands
    seconds: dict[str, float] = field(default_factory=dict)  # stage → seconds

    def add_content(self, digest: str) -> None:
        """Take in the digest of a file that was read."""
        self.content = blake2b(f"{self.content} {digest}".encode(), digest_size=16).hexdigest()

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """Measure the time that a stage takes."""
        begin = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - begin

    @property
    def erased(self) -> int:
        """Count the rows of households that were removed at their own wish."""
        return sum(counts.erased for counts in self.tables.values())

    def exit_code(self) -> int:
        """Return 0 where all is fine, 3 where something should be looked at, 1 where nothing could be taken."""
        counts = self.tables.values()
        if any(count.read for count in counts) and not any(count.taken for count in counts):
            return NOTHING
        return LOOK if any(finding.weight > Weight.NOTE for finding in self.all_findings()) else FINE

    def lines(self) -> list[str]:
        """Write the report in the language in force, no longer than a screen."""
        head = [table_line(table, counts) for table, counts in self.tables.items()]
        if self.quarantine:
            total = sum(counts.quarantined for counts in self.tables.values()) - self.erased
            head.append(
                say(
                    f"没读进 {total} 行，原因和行号见 {self.quarantine}",
                    f"{total} rows in quarantine; reasons and lines are in {self.quarantine}",
                )
            )
        findings = self.all_findings()
        heavy = [finding.line() for finding in findings if finding.weight > Weight.NOTE]
        notes = [finding.line() for finding in findings if finding.weight == Weight.NOTE]
        body = [*heavy, *self.settings_lines(), *notes]
        room = SCREEN - len(head) - 2
        if len(body) > room:
            more = say(f"另有 {len(body) - room} 条", f"{len(body) - room} more lines")
            body = [*body[:room], f"{more}：{self.page}" if self.page else more]
        return [*head, *body, self._times()]

    def all_findings(self) -> list[Finding]:
        """List everything to look at or to know, the heaviest first."""
        compared = [
            Finding(Weight.PROTECT, say("与以往相比", "beside earlier exports"), alarm)
            for alarm in self.alarms
        ]
        findings = [*compared, *self._set_aside(), *self._unusable(), *self.findings, *self._notes()]
        return worst_first(map(self.in_own_names, findings))

    def alarm_words(self) -> list[str]:
        """Return where the export differs much from those before, with the office's own names."""
        return [self.in_own_names(Finding(Weight.PROTECT, "", alarm)).what for alarm in self.alarms]

    def in_own_names(self, finding: Finding) -> Finding:
        """Write a finding with the table and the columns as the office's own files call them."""
        names = self.called.get(finding.where)
        if names is None:  # attributes of one table may stand in the settings under their own name
            held = [self.called[table] for table in TABLES if table in self.called]
            names = {column: name for called in reversed(held) for column, name in called.items()}
            names = {column: name for column, name in names.items() if column in COLUMNS_OF_TABLES}
        where = say(FILES[finding.where][0], finding.where) if finding.where in FILES else finding.where
        what, todo = (with_own_names(words, names) for words in (finding.what, finding.todo))
        table, sign, rest = what.partition("：")  # of an alarm, whose text begins with its table
        what = f"{FILES[table][0]}{sign}{rest}" if table in FILES else what
        return replace(finding, where=where, what=what, todo=todo)

    def settings_lines(self) -> list[str]:
        """Write what changed in community.yaml, and whether a model must be retrained."""
        lines = [
            say(f"community.yaml 改了 {change}", f"community.yaml changed {change}")
            for change in self.settings_changes
        ]
        if any(NEEDS_ANEW.search(change) for change in self.settings_changes):
            lines.append(
                say(
                    "需求变了：已有模型的，请先运行 xianying retrain，再评分",
                    "needs changed: where there is a model, run xianying retrain before the next score",
                )
            )
        return lines

    def _times(self) -> str:
        stages = {"read": say("读取", "read"), "check": say("检查", "check"), "store": say("入库", "store")}
        times = say("，", ", ").join(
            f"{stages[stage]} {seconds:.1f} s" for stage, seconds in self.seconds.items()
        )
        return say(f"用时：{times}", f"time: {times}")

    def _set_aside(self) -> list[Finding]:
        refusal = say(
            "谢绝没读到，这一户可能还会上名单", "a refusal that was not read: its household may be listed"
        )
        waits = say(
            "先等着，住户表里有了这一户就生效", "they wait, and hold once the register has the household"
        )
        unused = say("这些行没读进；改好后再读一次", "these rows are not used; read them again once mended")
        left_out = say("这些行没读进", "these rows are not used")
        findings = []
        for (file, table, problem), places in self.problems.items():
            refuses, shown = table == REFUSALS, shown_places(places)
            weight, todo = (Weight.PROTECT, refusal) if refuses else (Weight.LOST, unused)
            if file == told_elsewhere() and problem == no_household():
                weight, todo = Weight.PROTECT, waits
            if problem in (no_record(), no_entry(), no_example()):
                weight, todo = Weight.NOTE, left_out
            findings.append(Finding(weight, file, problem, todo, len(places), shown))
        return findings

    def _unusable(self) -> list[Finding]:
        words = say(
            "没有一行读得进，请核对列名、格式和编号",
            "not a single row can be used; check columns, formats and ids",
        )
        return [
            Finding(Weight.PROTECT, table, words)
            for table, counts in self.tables.items()
            if counts.read and not counts.taken
        ]

    def _notes(self) -> list[Finding]:
        findings = []
        if self.unmatched_texts:
            words = say("有些原话看不出是哪项需求", "requests in text match no need")
            todo = say("可在 community.yaml 给需求加 keywords（常说的词）", "add keywords in community.yaml")
            findings.append(Finding(Weight.NOTE, "requests", words, todo, self.unmatched_texts))
        if self.unknown_programmes:
            words = say("community.yaml 里没有这些项目", "no such programmes in community.yaml")
            todo = say(
                "已停办的可不管，写错的请改，否则名额不按它算",
                "correct it unless the programme has ended: no seats are counted by it",
            )
            findings.append(
                Finding(
                    Weight.NOTE, "programme_history", words, todo, examples=tuple(self.unknown_programmes)
                )
            )
        if self.erased:
            words = say(
                "是已应要求删除的住户，没有读入", "of households that were deleted at their wish, left out"
            )
            todo = say("来源系统里也要删掉", "delete them at the source too")
            findings.append(Finding(Weight.NOTE, say("行", "rows"), words, todo, self.erased))
        if self.isolated:
            words = say(
                "有日期比别的数据晚太多，不当作数据的最后一天",
                "times lie far beyond all others, and are not taken for the data's end",
            )
            todo = say("请核对年份", "check the year")
            places = tuple(self.isolated_places)
            findings.append(Finding(Weight.LOOK, say("日期", "dates"), words, todo, self.isolated, places))
        packed = [name for name in self.unread_files if Path(name).suffix.lower() in ARCHIVES]
        if packed:
            words = say("压缩包没有打开，里面的没有读", "an archive was not opened, and nothing in it read")
            todo = say("请先解压到这个目录，不要的请移走", "unpack it into the directory, or move it away")
            where = joined_names(packed)
            findings.append(Finding(Weight.LOST, where, words, todo))
        others = [name for name in self.unread_files if name not in packed]
        unread = [f"{file}: {', '.join(columns)}" for file, columns in self.unread_columns.items()]
        ledgers = say("是台账的，请先运行 xianying map 文件", "of a ledger run xianying map FILE first")
        for what, names, todo in (
            (say("没有用到的文件", "files not read"), others, ledgers),
            (say("没有用到的列", "columns not read"), unread, ""),
            (say("community.yaml 里没有用到的键", "keys of community.yaml not read"), self.unread_keys, ""),
        ):
            if names:
                findings.append(Finding(Weight.NOTE, what, "; ".join(names), todo))
        return findings


def shown_places(places: Sequence[tuple[str, int, str]]) -> tuple[str, ...]:
    """Return where some rows stand, by sheet; where a cell is to blame, the first different ones with their lines.

    >>> shown_places([("", 3, ""), ("", 5, "")]), shown_places([("[一]", 3, "H9"), ("[一]", 4, "H9"), ("", 7, "H8")])
    (('第 3、5 行',), ('H9（[一]第 3、4 行）', 'H8（第 7 行）'))
    """
    found: dict[tuple[str, str], list[int]] = {}
    for sheet, line, cell in places:
        short = cell if len(cell) <= LONGEST else f"{cell[:LONGEST]}…"
        found.setdefault((short, sheet), []).extend([line] if line else [])
    return tuple(
        say(f"{cell}（{sheet}{line_words(lines)}）", f"{cell} ({sheet}{line_words(lines)})")
        if cell and lines
        else cell or f"{sheet}{line_words(lines)}"
        for (cell, sheet), lines in found.items()
        if cell or lines
    )[:EXAMPLES]


def table_line(table: str, counts: TableCounts) -> str:
    """Write in one line what became of a table's rows."""
    repeated = say(f"，重复 {counts.repeated}", f", repeated {counts.repeated}") if counts.repeated else ""
    return say(
        f"{FILES[table][0]}：读 {counts.read} 行，新增 {counts.new}，更正 {counts.corrected}，"
        f"没变 {counts.unchanged}{repeated}，没读进 {counts.quarantined}",
        f"{table}: {counts.read} rows read, {counts.new} new, {counts.corrected} corrected, "
        f"{counts.unchanged} unchanged{repeated}, {counts.quarantined} in quarantine",
    )


def report_page(report: IngestReport) -> str:
    """Write the whole report as HTML: rows by table, then findings, the heaviest first, then changed settings."""
    title = say("读入报告", "What was read")
    columns = (
        ("read", say("读", "read")),
        ("new", say("新增", "new")),
        ("corrected", say("更正", "corrected")),
        ("unchanged", say("未变", "unchanged")),
        ("repeated", say("重复", "repeated")),
        ("quarantined", say("没读进", "set aside")),
    )
    counts = [
        [table, *(str(getattr(counts, name)) for name, _ in columns)]
        for table, counts in report.tables.items()
    ]
    heads = [say("表", "table"), *(words for _, words in columns)]
    parts = [f"<h1>{escape(title)}</h1>", _table(heads, counts)]
    if report.quarantine:
        parts.append(
            f"<p>{escape(say('没读进的行', 'rows set aside'))}: {escape(str(report.quarantine))}</p>"
        )
    heads = [
        say("轻重", "weight"),
        say("哪里", "where"),
        say("什么", "what"),
        say("多少", "how many"),
        say("怎么办", "what to do"),
    ]
    findings = [_finding_cells(finding) for finding in report.all_findings()]
    parts.append(
        _table(heads, findings) if findings else f"<p>{escape(say('没有要看的', 'nothing to look at'))}</p>"
    )
    if changes := report.settings_lines():
        parts.append("<ul>" + "".join(f"<li>{escape(change)}</li>" for change in changes) + "</ul>")
    return (
        f'<!doctype html><html lang="{"en" if language() == "en" else "zh-CN"}"><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{STYLE}</style>{''.join(parts)}</html>\n"
    )


def _finding_cells(finding: Finding) -> list[str]:
    weights = {
        Weight.PROTECT: say("先看", "first"),
        Weight.LOST: say("没有用上", "not used"),
        Weight.LOOK: say("请核对", "check"),
        Weight.NOTE: say("备查", "to know"),
    }
    shown = joined_names(finding.examples)
    what = f"{finding.what}{say('：', ': ')}{shown}" if shown else finding.what
    return [weights[finding.weight], finding.where, what, str(finding.rows or ""), finding.todo]


def _table(heads: list[str], rows: list[list[str]]) -> str:
    head = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=n' if cell.isdigit() else ''}>{escape(cell)}</td>" for cell in row)
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"
