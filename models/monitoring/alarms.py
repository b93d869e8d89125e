"""Alarms: one plain line each, that says what left its usual limits, since when, and what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from features.blocks.groups import Groups
from features.contract.community import Community
from features.contract.table_names import FILES
from features.language import say
from features.point_in_time.records import date_of
from models.fairness.lines import clearly_less
from models.monitoring.control_chart import Signal, signal, weeks_to_last_year
from models.monitoring.feature_drift import Drift
from models.monitoring.streams import Streams

STALE_DAYS = 14
SET_ASIDE = 0.02  # share of an export's rows
MISCOUNT = 1.3  # predicted over observed, or the other way round
SCATTER = 0.15  # standard deviation of the logarithm of observed over predicted, of a sound model
LIMIT = 3.5  # standard deviations
MOVED = 0.02  # share of all households whose attribute changed at once, below which nothing is said
LATELY = 56  # days of visits that are compared with the year before
MOST_NEW = 20  # names of unknown needs that are told
MOST_DRIFTED = 3  # names of features that are told
CURED = frozenset({"calibration", "precision", "finds", "features"})  # by training again
PEOPLE = frozenset({"group"})  # nothing is wrong with the data; the others say that something may be

# by kind of stream and whether it rose: what it is and what to do, in Chinese and English
WORDS: dict[tuple[str, bool], tuple[tuple[str, str], tuple[str, str]]] = {
    ("need", False): (
        ("需求“{}”", "核对来源是否漏报或改名"),
        ("need '{}'", "check whether the source lost or renamed it"),
    ),
    ("need", True): (
        ("需求“{}”", "看是真的多了，还是重复导出，或别的需求改叫了这个名"),
        ("need '{}'", "see whether so many asked, or rows came twice or from a need of another name"),
    ),
    ("channel", False): (
        ("渠道“{}”", "问这个渠道的负责人是否停报、改名"),
        ("channel '{}'", "ask whether this channel stopped or was renamed"),
    ),
    ("channel", True): (
        ("渠道“{}”", "问这个渠道的负责人是真的多了，还是重复登记，或别的渠道并了进来"),
        ("channel '{}'", "ask whether so many came, or rows came twice or from another channel"),
    ),
    ("requests", False): (
        ("全部诉求", "核对导出是否完整、日期格式有没有变"),
        ("all requests", "check that the export is whole and its dates are as before"),
    ),
    ("requests", True): (
        ("全部诉求", "看是真的多了，还是重复导出，或日期格式变了"),
        ("all requests", "see whether so many asked, or rows came twice or with other dates"),
    ),
    ("late", True): (
        ("迟到四周以上的诉求", "日期格式可能变了（日月颠倒），核对 requested_at"),
        ("requests recorded four weeks late", "dates may have changed their format; check requested_at"),
    ),
    ("households", True): (
        ("新增住户", "确认是新楼入住还是户号换了，再运行 xianying retrain"),
        ("new households", "find out whether people moved in or numbers changed, then retrain"),
    ),
    ("attribute", True): (
        ("属性 {} 同时变化", "核对来源的这一列"),
        ("attribute {} changed", "check this column at its source"),
    ),
}


@dataclass(frozen=True)
class Alarm:
    """One alarm: what it is about (``kind`` and ``subject``), since when, and its line in each language.

    ``raised`` is the ISO date of the look back that raised it first.
    """

    kind: str
    subject: str
    since: str  # ISO date
    zh: str
    en: str
    raised: str = ""

    @property
    def line(self) -> str:
        """Return the line in the language in force."""
        return say(f"警报（{self.since} 起）：{self.zh}", f"alarm (since {self.since}): {self.en}")


def continued(alarms: Sequence[Alarm], before: Sequence[dict[str, Any]], as_of: date) -> list[Alarm]:
    """Let an alarm that was raised before keep the days since when, and when it was raised first."""
    rows = {(row["kind"], row["subject"]): row for row in before}
    kept = []
    for alarm in alarms:
        row = rows.get((alarm.kind, alarm.subject), {})
        since = min(alarm.since, row.get("since", alarm.since))
        raised = min(row.get("raised") or as_of.isoformat(), as_of.isoformat())
        kept.append(replace(alarm, since=since, raised=raised))
    return kept


def training_due(alarms: Sequence[dict[str, Any]], trained: str) -> bool:
    """Tell whether an alarm that training cures was raised after the newest version's data ended.

    alarms: as ``as_rows`` returns them. trained: ISO date of the newest version's as-of day.

    Never while an alarm says that something may be wrong with the data: a model would learn it.
    """
    cured = [row for row in alarms if row["kind"] in CURED and trained < row["raised"]]
    return bool(cured) and all(row["kind"] in CURED | PEOPLE for row in alarms)


def drift_alarms(drifted: Sequence[Drift], trained: date) -> list[Alarm]:
    """Raise one alarm for all features that drifted. ``trained``: the champion's as-of date."""
    if not drifted:
        return []
    shown, first = drifted[:MOST_DRIFTED], drifted[0]
    return [
        Alarm(
            "features",
            "",
            trained.isoformat(),
            f"{len(drifted)} 个特征的分布与训练时差别大：{'、'.join(drift.zh for drift in shown)}"
            f"（最大的 PSI {first.index:.2f}，以往至多 {first.usual:.2f}）；核对来源，没有错就运行 xianying retrain",
            f"{len(drifted)} features moved since training: {', '.join(drift.en for drift in shown)} (largest PSI"
            f" {first.index:.2f}, {first.usual:.2f} at most before); check their source, then retrain",
        )
    ]


def as_rows(alarms: Sequence[Alarm]) -> list[dict[str, Any]]:
    """Return the alarms as plain dictionaries."""
    return [asdict(alarm) for alarm in alarms]


def stream_alarms(streams: Streams, community: Community, as_of: int) -> list[Alarm]:
    """Compare the newest weeks of every stream with its history. ``as_of``: the as-of day."""
    series, last_year = streams.series(), weeks_to_last_year(as_of)
    alarms = []
    for (kind, subject), counts in series.items():
        if kind == "attribute" and counts[:2].sum() < MOVED * streams.households:
            continue
        if left := signal(counts, len(series), last_year):
            since = date_of(as_of - 7 * left.weeks).isoformat()
            if lines := _told(kind, subject, left, streams, community):
                alarms.append(Alarm(kind, subject, since, *lines))
    return alarms


def unknown_need_alarms(needs: Mapping[str, tuple[int, date]]) -> list[Alarm]:
    """Name needs that exports have lately begun to name and the settings do not have, however few households ask.

    needs: what ``features.store.export_history.new_unknown_needs`` returns.
    """
    return [
        Alarm(
            "unknown_need",
            need,
            first_read.isoformat(),
            f"{households} 户提的“{need}”在 community.yaml 里没有，不计入任何需求；若是改名，请改回原 id",
            f"{households} households ask for '{need}', which community.yaml does not have: their requests count for no"
            " need; if it was renamed, give it its old id",
        )
        for need, (households, first_read) in [*needs.items()][:MOST_NEW]
    ]


def _told(
    kind: str, subject: str, left: Signal, streams: Streams, community: Community
) -> tuple[str, str] | None:
    """Write what a stream did and what to do, in both languages; None for a change that is no fault."""
    words = WORDS.get((kind, left.up))
    if words is None:
        return None
    needs = {need.id: (need.name.zh, need.name.en or need.name.zh) for need in community.needs}
    names = needs.get(subject, (subject, subject))
    moved = streams.moved.get(subject) if kind == "attribute" else None
    by = ("", "") if moved is None else (f"，平均变了 {moved:+.1f}", f", by {moved:+.1f} on average")
    unit = "户" if kind == "households" else "条"
    zh = f"近 {left.weeks} 周 {left.count} {unit}，平常 {left.usual:.0f} {unit}{by[0]}"
    en = f"{left.count} in {left.weeks} weeks, usually {left.usual:.0f}{by[1]}"
    (what_zh, do_zh), (what_en, do_en) = words
    return f"{what_zh.format(names[0])}{zh}；{do_zh}", f"{what_en.format(names[1])}: {en}; {do_en}"


def freshness_alarms(table: pd.DataFrame) -> list[Alarm]:
    """Raise an alarm when requests are stale. ``table``: of ``models.monitoring.monitor.freshness``."""
    old = table[(table["table"] == "requests") & (table["age"] > STALE_DAYS)]
    return [
        Alarm(
            "freshness",
            "requests",
            date_of(last).isoformat(),
            f"诉求只到 {date_of(last)}；请补交导出",
            f"requests end on {date_of(last)}; hand in newer data",
        )
        for last in old["last"]
    ]


def set_aside_alarms(rows: Mapping[str, tuple[int, int, date]]) -> list[Alarm]:
    """Raise an alarm for each table of whose newest export too many rows were set aside.

    ``rows``: what ``features.store.export_history.rows_set_aside`` returns.
    """
    return [
        Alarm(
            "set_aside",
            table,
            read_on.isoformat(),
            f"{FILES[table][0]}表有 {aside / count:.1%} 的行没读进；看没读进的文件里写的原因，多半是格式变了",
            f"{aside / count:.1%} of the rows of {table} were set aside; see their reasons, a format may have changed",
        )
        for table, (count, aside, read_on) in rows.items()
        if aside / count > SET_ASIDE and aside >= 5
    ]


def week_alarms(past: pd.DataFrame, community: Community) -> list[Alarm]:
    """Check level and order of the champion on weeks whose windows have passed, need by need.

    ``past``: of ``models.monitoring.monitor.past_week`` with as_of and hindsight; weeks that the model had learnt from
    are left out. Windows that overlap count once.
    """
    alarms: list[Alarm] = []
    if not len(past):
        return alarms
    fair = past[~past["hindsight"].astype(bool)]
    for need in community.needs:
        rows = _apart(fair[fair["need"] == need.id], need.horizon_weeks)
        if len(rows):
            since = str(rows["as_of"].min())
            name = need.name
            alarms += _level(need.id, name.zh, name.en or name.zh, rows, since)
            alarms += _order(need.id, name.zh, name.en or name.zh, rows)
    return alarms


def _apart(rows: pd.DataFrame, horizon_weeks: float) -> pd.DataFrame:
    """Return weeks of one need whose windows do not overlap, the newest first."""
    kept: list[int] = []
    last: date | None = None
    for at, day in reversed(list(enumerate(rows.sort_values("as_of")["as_of"]))):
        if last is None or last - day >= timedelta(weeks=horizon_weeks):
            kept.append(at)
            last = day
    return rows.sort_values("as_of").iloc[kept]


def _level(need: str, zh: str, en: str, rows: pd.DataFrame, since: str) -> list[Alarm]:
    predicted, observed = float(rows["predicted"].sum()), float(rows["observed"].sum())
    off = np.log((observed + 0.5) / (predicted + 0.5))
    wide = np.sqrt(1 / max(predicted, 0.5) + SCATTER**2 / len(rows))
    if abs(off) <= max(np.log(MISCOUNT), LIMIT * wide):
        return []
    return [
        Alarm(
            "calibration",
            need,
            since,
            f"“{zh}”预计 {predicted:.0f} 户，实际 {observed:.0f} 户；请运行 xianying retrain",
            f"'{en}': {predicted:.0f} predicted, {observed:.0f} asked; retrain",
        )
    ]


def _order(need: str, zh: str, en: str, rows: pd.DataFrame) -> list[Alarm]:
    """Compare the top 2% of the newest window with those before it."""
    if len(rows) < 2:
        return []
    new, old = rows.iloc[0], rows.iloc[1:]
    worse = _fewer(
        float(new["top_asked"]), float(new["top"]), float(old["top_asked"].sum()), float(old["top"].sum())
    )
    if not worse:
        return []
    now, then = new["top_asked"] / new["top"], old["top_asked"].sum() / old["top"].sum()
    return [
        Alarm(
            "precision",
            need,
            str(new["as_of"]),
            f"“{zh}”前 2% 命中从 {then:.0%} 降到 {now:.0%}；请运行 xianying retrain",
            f"'{en}': hits among the top 2% fell from {then:.0%} to {now:.0%}; retrain",
        )
    ]


def find_alarms(contacted: np.ndarray, needed: np.ndarray, as_of: int) -> list[Alarm]:
    """Compare what targeted visits found lately with the year before.

    contacted: float64 [visits], day of each targeted visit with an answer. needed: bool [visits]. as_of: the day.
    """
    new = (contacted >= as_of - LATELY) & (contacted < as_of)
    old = (contacted >= as_of - LATELY - 364) & (contacted < as_of - LATELY)
    counts = [float(part) for rows in (new, old) for part in (needed[rows].sum(), rows.sum())]
    if not _fewer(*counts):
        return []
    now, then = counts[0] / counts[1], counts[2] / counts[3]
    return [
        Alarm(
            "finds",
            "targeted",
            date_of(as_of - LATELY).isoformat(),
            f"按名单走访发现需要的占 {now:.0%}，前一年 {then:.0%}；先看走访记录，再运行 xianying retrain",
            f"needed on targeted visits {now:.0%}, {then:.0%} in the year before; look at the visits, then retrain",
        )
    ]


def _fewer(hits: float, whole: float, hits_before: float, whole_before: float) -> bool:
    """Tell whether a share is clearly lower than before: a pooled test of two shares, beyond LIMIT."""
    if not whole or not whole_before:
        return False
    pooled = (hits + hits_before) / (whole + whole_before)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / whole + 1 / whole_before))
    return bool(spread > 0 and (hits / whole - hits_before / whole_before) / spread < -LIMIT)


def group_alarms(table: pd.DataFrame, groups: Groups, as_of: int) -> list[Alarm]:
    """Name groups that got clearly less of the visits than of the needs that random visits found.

    table: of ``models.monitoring.visits_made.audit_made``, with its groups. as_of: the day.
    """
    names = dict(zip(groups.ids, groups.names, strict=True))
    less: list[str] = clearly_less(table)["group"].tolist() if len(table) else []
    return [
        Alarm(
            "group",
            group,
            date_of(as_of).isoformat(),
            f"“{names[group].zh}”分到的走访明显少于抽签走访发现的需要；可以设 outreach.parity",
            f"'{names[group].en or names[group].zh}' got clearly less of the visits than of the needs that random visits"
            " found; consider outreach.parity",
        )
        for group in less
    ]
