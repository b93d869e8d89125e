"""What an ingest did, in numbers and in words."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from features.language import say

# changes of community.yaml after which a model answers another question: which needs, of whom, and when
NEEDS_ANEW = re.compile(
    r"^needs(：|: order|\.[^.]+(：|: (added|removed))|\..+\.(horizon_weeks|lead_weeks|who):)"
)


@dataclass
class TableCounts:
    """What became of the rows of one table's file."""

    read: int = 0
    new: int = 0
    corrected: int = 0
    unchanged: int = 0
    repeated: int = 0  # the same row once more in the same file
    quarantined: int = 0


@dataclass
class IngestReport:
    """What an ingest read, stored and set aside; ``lines()`` says it in words."""

    tables: dict[str, TableCounts] = field(default_factory=dict)
    problems: dict[tuple[str, str], int] = field(default_factory=dict)  # (file, problem) → rows in quarantine
    unread_files: list[str] = field(default_factory=list)
    unread_columns: dict[str, list[str]] = field(default_factory=dict)  # file → columns that nothing reads
    unread_keys: list[str] = field(default_factory=list)  # keys of community.yaml that nothing reads
    settings_changes: list[str] = field(default_factory=list)
    unmatched_texts: int = 0  # requests of this export that came as text and match no need's keywords
    unusable_propensities: int = 0  # stored as missing
    unknown_programmes: list[str] = field(
        default_factory=list
    )  # of programme_history; ended ones, or mistyped
    isolated: int = 0  # times more than a year after all others: perhaps a mistyped year
    erased: int = 0  # rows of households that were removed at their own wish
    quarantine: Path | None = None
    seconds: dict[str, float] = field(default_factory=dict)  # stage → seconds

    @contextmanager
    def stage(self, stage: str) -> Iterator[None]:
        """Measure a stage."""
        begin = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - begin

    def lines(self) -> list[str]:
        """The report in words, in the language in force."""
        lines = [_table_line(table, counts) for table, counts in self.tables.items()]
        if self.quarantine:
            total = sum(counts.quarantined for counts in self.tables.values())
            lines.append(
                say(
                    f"隔离 {total} 行，原因和行号见 {self.quarantine}：",
                    f"{total} rows in quarantine; reasons and lines are in {self.quarantine}:",
                )
            )
            lines += [f"  {file}: {problem} × {count}" for (file, problem), count in self.problems.items()]
        lines += self._notes()
        stages = {
            "read": say("读取", "read"),
            "check": say("检查", "check"),
            "store": say("入库", "store"),
        }
        times = say("，", ", ").join(
            f"{stages[one]} {seconds:.1f} s" for one, seconds in self.seconds.items()
        )
        return [*lines, say(f"用时：{times}", f"time: {times}")]

    def _of_settings(self) -> list[str]:
        lines = [
            say(f"community.yaml 变更 {one}", f"community.yaml changed {one}")
            for one in self.settings_changes
        ]
        if any(NEEDS_ANEW.search(one) for one in self.settings_changes):
            lines.append(
                say(
                    "需求变了：已有模型的，请先运行 xianying retrain，再评分",
                    "needs changed: where there is a model, run xianying retrain before the next score",
                )
            )
        return lines

    def _unusable(self) -> list[str]:
        return [
            say(
                f"{table}：没有一行能用，请核对列名、格式和编号",
                f"{table}: not a single row can be used; check columns, formats and ids",
            )
            for table, counts in self.tables.items()
            if counts.read and counts.quarantined == counts.read
        ]

    def _notes(self) -> list[str]:
        lines = [*self._of_settings(), *self._unusable()]
        if self.unmatched_texts:
            lines.append(
                say(
                    f"{self.unmatched_texts} 条文字诉求没有匹配到需求，可在 community.yaml 里补充 keywords",
                    f"{self.unmatched_texts} requests in text match no need; add keywords in community.yaml",
                )
            )
        if self.unusable_propensities:
            lines.append(
                say(
                    f"outreach: {self.unusable_propensities} 行的 propensity 不在 (0, 1] 内，按缺失处理",
                    f"outreach: {self.unusable_propensities} propensities outside (0, 1] taken as missing",
                )
            )
        if self.unknown_programmes:
            ids = say("、", ", ").join(self.unknown_programmes)
            lines.append(
                say(
                    f"programme_history：community.yaml 里没有项目 {ids}；已停办的可不管，写错的请改，否则名额不按它算",
                    f"programme_history: no programme {ids} in community.yaml; correct it unless the programme has"
                    " ended: no seats are counted by it",
                )
            )
        if self.erased:
            lines.append(
                say(
                    f"{self.erased} 行属于已依申请删除的住户，没有读入；请在来源系统里也删除",
                    f"{self.erased} rows of households that were deleted at their wish left out; delete them at"
                    " the source too",
                )
            )
        if self.isolated:
            lines.append(
                say(
                    f"{self.isolated} 个时间比其余数据晚一年以上，请核对年份",
                    f"{self.isolated} times lie more than a year after all others; check the year",
                )
            )
        unread = [f"{file}: {', '.join(columns)}" for file, columns in self.unread_columns.items()]
        for what, names in (
            (say("没有用到的文件", "files not read"), self.unread_files),
            (say("没有用到的列", "columns not read"), unread),
            (say("community.yaml 里没有用到的键", "keys of community.yaml not read"), self.unread_keys),
        ):
            if names:
                lines.append(f"{what}{say('：', ': ')}{'; '.join(names)}")
        return lines


def _table_line(table: str, counts: TableCounts) -> str:
    repeated = say(f"，重复 {counts.repeated}", f", repeated {counts.repeated}") if counts.repeated else ""
    return say(
        f"{table}: 读 {counts.read} 行，新增 {counts.new}，更正 {counts.corrected}，"
        f"未变 {counts.unchanged}{repeated}，隔离 {counts.quarantined}",
        f"{table}: {counts.read} rows read, {counts.new} new, {counts.corrected} corrected, "
        f"{counts.unchanged} unchanged{repeated}, {counts.quarantined} in quarantine",
    )
