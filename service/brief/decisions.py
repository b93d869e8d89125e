"""What the coordinator decides this week: at most five items, each with figures and what happens if nothing is done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from features.contract.community import Community
from features.language import joined_names, say
from features.point_in_time.spoken import spoken_day
from models.demand.proposals import EXTEND, RUN, Proposals
from service.brief.brief import Brief
from service.brief.words import never_visited

MOST, FEWEST_PROJECTS = 5, 2
# of a grid's households never visited, where the office has set no target
NEVER_SHARE, FEWEST_NEVER = 0.5, 20
PROJECTS, LISTS, MONTH, CHECK = "projects", "lists", "month", "check"  # where each item leads
Row = dict[str, Any]


@dataclass(frozen=True)
class Decision:
    """One item: the question, its figures, what happens if nothing is done, and where it leads (a name above)."""

    question: str
    figures: str
    otherwise: str
    leads_to: str


def project_rows(proposals: Proposals) -> list[Row]:
    """Return the proposed projects as rows that can be kept as JSON, the most severe first."""
    needs = proposals.needs.set_index("need")
    rows = proposals.projects[proposals.projects["kind"] != RUN].to_dict("records")
    return [
        {
            **{name: row[name] for name in ("need", "kind", "programme", "seats", "low", "high", "fund")},
            "tell_by": row["tell_by"].isoformat() if isinstance(row["tell_by"], date) else None,
            "cost": None if row["cost"] != row["cost"] else round(row["cost"]),
            "missing": round(row["missing"]),
            "wanted": round(needs.loc[row["need"], "wanted"]),
        }
        for row in rows
    ]


def decisions(
    brief: Brief,
    projects: Sequence[Row],
    community: Community,
    agreed: int = 0,
    contradictions: int = 0,
) -> list[Decision]:
    """Choose at most five items, what was promised to residents first.

    The projects among them are those that would miss most: households times the need's severity, as lists weigh needs.

    brief: from ``brief_of``.
    projects: from ``project_rows``.
    community: settings.
    agreed: number of visits that were promised for this week.
    contradictions: number of visits of which paper and phone say different things.
    """
    severity = {need.id: need.severity for need in community.needs}
    before = [
        *([_agreed(agreed)] if agreed else []),
        *([_contradictions(contradictions)] if contradictions else []),
        *_unvisited(brief["unvisited"]),
    ]
    after = _never(brief)
    heaviest = sorted(projects, key=lambda row: -severity.get(row["need"], 0) * row["seats"])
    chosen = heaviest[: max(MOST - len(before) - len(after), FEWEST_PROJECTS)]
    return [*before, *(_project(row, community) for row in chosen), *after][:MOST]


def _agreed(count: int) -> Decision:
    return Decision(
        say(f"这周约好再去 {count} 户次，谁去？", f"{count} visits were promised for this week: who goes?"),
        say(
            "是哪几户、哪一天：见概览的“这周约好再去”，或统筹工作簿的“居民反馈”页。",
            "Which and when: visits agreed on the overview, or the sheet feedback of the coordinators' workbook.",
        ),
        say("不安排，就是答应了居民又没去。", "If nobody goes, a promise to residents is broken."),
        LISTS,
    )


def _contradictions(count: int) -> Decision:
    return Decision(
        say(
            f"{count} 条结果纸上和手机上不一样，问一问走访的人？",
            f"{count} outcomes differ between paper and phone",
        ),
        say("两条都留着，眼下按较晚的那次算。", "Both are kept; the later visit counts for now."),
        say(
            "不管也能用，但可能记错了人家的情况。", "Nothing breaks, but a household may be recorded wrongly."
        ),
        CHECK,
    )


def _unvisited(rows: Sequence[Row]) -> list[Decision]:
    left = [(row["listed"] - row["visited"], row) for row in rows if row["listed"] > row["visited"]]
    if not left:
        return []
    count, listed = sum(number for number, _ in left), sum(row["listed"] for row in rows)
    most = sorted(left, key=lambda pair: -pair[0])[:3]
    names = joined_names(f"{row['name']} {number}" for number, row in most)
    return [
        Decision(
            say(
                f"上次名单还有 {count} 户没人去，谁来补？",
                f"{count} households of the last list were not visited",
            ),
            say(
                f"名单 {listed} 户，去了 {listed - count} 户；剩得多的：{names}。",
                f"{listed - count} of {listed} were visited; most are left with: {names}.",
            ),
            say(
                "不补，这些户留在这周名单里，其他户往后排。",
                "They stay on this week's list, and others have to wait.",
            ),
            LISTS,
        )
    ]


def _project(row: Row, community: Community) -> Decision:
    need = next(need.name.here for need in community.needs if need.id == row["need"])
    fund = next((fund.name.here for fund in community.funds if fund.id == row["fund"]), "")
    extends = row["kind"] == EXTEND
    money = ""
    if row["cost"]:
        money = say(f"约 {row['cost']} 元", f"about {row['cost']} yuan") + (f"（{fund}）" if fund else "")
        money += (
            say(f"，还缺 {row['missing']} 元", f", {row['missing']} yuan missing") if row["missing"] else ""
        )
        money = say("；要花", "; costs ") + money
    until = ""
    if day := row["tell_by"]:
        until = say(f"；最晚{spoken_day(day[-5:])}通知居民", f"; tell residents by {day}")
    return Decision(
        say(
            f"{need}：要不要{'再加' if extends else '新开一期，设'} {row['seats']} 个名额？",
            f"{need}: {'add' if extends else 'open a course with'} {row['seats']} seats?",
        ),
        say(
            f"预计 {row['wanted']} 户想要，约 {row['seats']} 户轮不上"
            f"（十回有八回在 {row['low']} 到 {row['high']} 户之间）",
            f"{row['wanted']} households are expected to want one, about {row['seats']} find none"
            f" ({row['low']}–{row['high']} in 80 of 100 cases)",
        )
        + money
        + until,
        say(f"不办，约 {row['seats']} 户到时候没有名额。", f"About {row['seats']} households find no seat."),
        PROJECTS,
    )


def _never(brief: Brief) -> list[Decision]:
    """Return an item on the grid with the most households never visited, if it misses the target."""
    limit = brief["targets"]["never_visited"]
    rows = [row for row in brief["grids"] if _misses(row, NEVER_SHARE if limit is None else limit)]
    if not rows:
        return []
    row = max(rows, key=lambda row: row["never"])
    visits = say(f"近四周走访 {row['visits']} 户次。", f"{row['visits']} visits in four weeks.")
    share = f"{row['never'] / row['households']:.0%}"
    share = say(f"占全网格的 {share}；", f"{share} of the grid; ") if row["never"] < row["households"] else ""
    return [
        Decision(
            say(
                f"{never_visited(row)}，要不要走一轮？",
                f"{never_visited(row)}; plan a round?",
            ),
            share + visits,
            say(
                "不安排，没开过口的人家还是没人问。",
                "Households that never asked go on being asked by nobody.",
            ),
            MONTH,
        )
    ]


def _misses(row: Mapping[str, Any], limit: float) -> bool:
    return row["never"] >= FEWEST_NEVER and row["never"] > limit * row["households"]
