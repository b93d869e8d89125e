"""Do all of Monday: ingest, score, lists, demand and a look back, with a page that says what each did."""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from features.atomic import write_atomically
from features.contract.community import Community
from features.findings import Weight
from features.ingest.ingest_report import IngestReport
from features.language import say
from models.monitoring.alarms import Alarm
from service.brief.brief import EMPTY, read_brief, read_projects
from service.brief.decisions import CHECK, LISTS, MONTH, PROJECTS, Decision, decisions
from service.brief.words import left_out, month, tables
from service.console.terminal import Stage
from service.ledgers.take_in import ingest_directory
from service.lists.pages import Section, data_staff_page, render, week
from service.web.hooks.outbox import send_due
from service.web.intake.handover import audit_head
from service.web.published.from_records import publish_from_records
from service.weekly.as_of_date import choose_as_of
from service.weekly.demand_week import CANDIDATES, LIST_BOOK, LIST_PAGE, demand_week
from service.weekly.list_week import list_week
from service.weekly.monitor_week import monitor_week
from service.weekly.opening import read_town, take_in
from service.weekly.score_cache import score_week
from service.weekly.week_directory import SCORES, read_alarms, remove_expired, week_directory

WORST = 6  # lines on the terminal about what is wrong
SUMMARY, DATA_STAFF = "summary.html", "data-staff.html"
LINKS = ("overview.html", "coordinators.html", LIST_PAGE, LIST_BOOK, CANDIDATES, DATA_STAFF)


def weekly(
    workspace: Path,
    directory: Path,
    given: date | None,
    stage: Stage,
    show: Callable[[Sequence[str]], None],
    accept: bool = False,
) -> int:
    """Run every stage of a Monday and write ``summary.html`` into the week's directory.

    ``given``: the as-of date, by default this week's Monday. Every stage can be killed and all of it run again:
    the same data give the same scores and lists. ``show`` is handed the lines for the terminal in the end: alarms and
    faults of the data, then what to decide. What every stage did stands on a page of its own.
    ``accept``: take an export that differs much from those before. Raises UserError for one otherwise, before any list
    is made from it. Returns the exit code of ``ingest``: 3 where something should be looked at,
    an alarm included.
    """
    taken = ingest_directory(directory, workspace, accept=accept)
    report = taken.report
    publish_from_records(workspace)
    came_in = take_in(workspace)
    town = read_town(workspace, stage)
    as_of, lines = choose_as_of(town, given)
    home = week_directory(workspace, as_of)
    scored = score_week(workspace, town, as_of, workspace / SCORES, stage)
    about_data = [*lines, *taken.lines, *_told(report), *came_in]
    told_before = {*scored}
    sections = [
        Section(say("数据", "Data"), about_data),
        Section(say("评分", "Scores"), scored),
    ]
    for title, make in (
        (say("走访名单", "Visits"), lambda: list_week(workspace, town, as_of, home, stage)),
        (say("需求与项目", "Needs and projects"), lambda: demand_week(workspace, town, as_of, stage)),
        (say("回看", "Looking back"), lambda: monitor_week(workspace, town, as_of, stage)),
    ):
        section = Section(title, [line for line in make() if line not in told_before])
        told_before.update(section.lines)
        sections.append(section)
    about_data.extend(remove_expired(workspace, town.community.retention, as_of))
    if head := audit_head(workspace):
        sections.append(Section(say("审计日志", "Audit log"), head))
    if notices := send_due(workspace):
        sections.append(Section(say("通知", "Notices"), notices))
    write_atomically(home / DATA_STAFF, data_staff_page(town.community, sections, as_of).encode())
    write_atomically(home / SUMMARY, summary_page(home, town.community, as_of).encode())
    alarms = [Alarm(**alarm).line for alarm in read_alarms(workspace)]
    faults = [finding.line() for finding in report.all_findings() if finding.weight > Weight.NOTE]
    show(_at_a_glance([*lines, *alarms, *taken.lines, *faults], _decisions(home, town.community), home))
    return taken.exit_code() or (3 if alarms else 0)


def _at_a_glance(wrong: Sequence[str], items: Sequence[Decision], home: Path) -> list[str]:
    """Write a Monday's lines for the terminal: the worst of what is wrong, what to decide, and which page to open.

    wrong: lines on what is wrong, the worst first; beyond WORST of them the page of the data staff is named instead.
    items: decisions. home: the week's directory.
    """
    shown = list(wrong[:WORST])
    if more := len(wrong) - len(shown):
        shown.append(say(f"另有 {more} 条：{home / DATA_STAFF}", f"{more} more: {home / DATA_STAFF}"))
    decide = [f"{number}. {item.question}{item.figures}" for number, item in enumerate(items, 1)]
    if decide:
        shown += [say("这周要定的事：", "To decide this week:"), *decide]
    return [*shown, say(f"周一看这一页：{home / SUMMARY}", f"Open this page: {home / SUMMARY}")]


def _told(report: IngestReport) -> list[str]:
    """Return the ingest's lines without its duration, and a line with the share of rows in quarantine."""
    counts = report.tables.values()
    read, aside = sum(count.read for count in counts), sum(count.quarantined for count in counts)
    share = f"{aside / read:.2%}" if read else "—"
    return [
        *report.lines()[:-1],
        say(f"共读 {read} 行，没读进的占 {share}", f"{read} rows read, {share} of them in quarantine"),
    ]


def summary_page(home: Path, community: Community, as_of: date) -> str:
    """Render the coordinator's page as HTML: what to decide, what changed, who did not visit, what grows.

    ``home``: the week's directory; only files that are there are linked.
    """
    brief = read_brief(home) or EMPTY
    return render(
        "summary.html",
        title=say(f"{community.community.name} · 周一看这页", f"{community.community.name} · Monday"),
        subtitle=week(as_of),
        decisions=_decisions(home, community),
        places={
            PROJECTS: (LIST_PAGE, say("看项目清单", "see the projects")),
            LISTS: ("overview.html", say("看名单", "see the lists")),
            MONTH: ("#month", say("看近四周", "see the month")),
            CHECK: ("overview.html", say("看名单", "see the lists")),
        },
        tables=tables(brief, community),
        left_out=left_out(brief),
        month=month(brief),
        links=[(link, _link_names().get(link, link)) for link in LINKS if (home / link).is_file()],
    )


def _decisions(home: Path, community: Community) -> list[Decision]:
    brief = read_brief(home) or EMPTY
    return decisions(brief, read_projects(home), community, brief.get("agreed", 0))


def _link_names() -> dict[str, str]:
    return {
        "overview.html": say("一周概览", "overview"),
        DATA_STAFF: say("程序做了哪些事（数据员看）", "what every stage did (data staff)"),
        "coordinators.html": say("社区统筹名单", "coordinators' list"),
        LIST_PAGE: say("需求、项目、资源清单", "needs, projects and resources"),
        LIST_BOOK: say("同上（Excel）", "the same in Excel"),
        CANDIDATES: say("候选家庭（只给社区统筹）", "candidates of projects (coordinators)"),
    }
