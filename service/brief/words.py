"""Put a brief into words: what changed, who did not visit, which needs grow, who is left out, the month."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from features.contract.community import Community
from features.language import grid_words, language, say, say_line
from service.brief.brief import Brief

MOST_GROWING, FEWEST = 5, 5  # needs that are named, and requests of a month from which growth is told
Row = dict[str, Any]
Column = tuple[str, str | Callable[[Row], Any]]  # its title, and the key of a row or what is made of it


@dataclass(frozen=True)
class Table:
    """A table of a page: its title, a note, the titles of its columns, and rows.

    ``name``: by which a link leads to it.
    """

    name: str
    title: str
    note: str
    columns: list[str]
    rows: list[list[Any]]


def _table(name: str, title: str, note: str, rows: Iterable[Row], columns: Sequence[Column]) -> Table:
    """Make a table whose columns are each a title, and what stands in a row's cell: a key of the row or a function."""
    cells = [key if callable(key) else itemgetter(key) for _, key in columns]
    return Table(
        name, title, note, [head for head, _ in columns], [[cell(row) for cell in cells] for row in rows]
    )


def changed(brief: Brief) -> Table:
    """Compare last week with the week before and with the same week a year ago."""
    names = {
        "requests": say("居民来提的事（件）", "requests"),
        "visits": say("走访（户次）", "visits"),
        "found": say("上门问到的需要（项）", "needs found by visits"),
    }
    columns: list[Column] = [
        (say("项目", "what"), lambda row: names[row["what"]]),
        (say("上周", "last week"), "week"),
        (say("上上周", "week before"), "week_before"),
        (say("去年同周", "same week last year"), "week_last_year"),
    ]
    title = say("上周跟以前比", "Last week beside earlier ones")
    return _table("changed", title, "", brief["changed"], columns)


def unvisited(brief: Brief) -> Table:
    """List who has visited how much of the last list, by worker, paper included."""
    note = say(
        "纸质表、手机都算。没去先问原因：人手、路远，还是没人在家。",
        "Paper and phone. Ask for the cause first.",
    )
    columns: list[Column] = [
        (say("网格", "grid"), "grid_id"),
        (say("走访人", "worker"), "name"),
        (say("名单户数", "listed"), "listed"),
        (say("去了", "visited"), "visited"),
        (say("还没去", "left"), lambda row: row["listed"] - row["visited"]),
    ]
    rows = [row for row in brief["unvisited"] if row["listed"] != row["visited"]]
    return _table("unvisited", say("上次名单谁还没去", "Visits of the last list"), note, rows, columns)


def growing(brief: Brief, community: Community) -> Table:
    """List the needs of which more was asked in the last four weeks than in the four before, the largest growth first."""
    names = {need.id: need.name.here for need in community.needs}
    grown = [
        row
        for row in brief["needs"]
        if row["need"] in names and row["month"] >= FEWEST and row["month"] > row["month_before"]
    ]
    grown = sorted(grown, key=lambda row: row["month_before"] - row["month"])[:MOST_GROWING]
    columns: list[Column] = [
        (say("需求", "need"), lambda row: names[row["need"]]),
        (say("近四周", "last four weeks"), "month"),
        (say("前四周", "four before"), "month_before"),
        (say("去年同期", "a year ago"), "month_last_year"),
    ]
    note = say("数的是四周里居民来提的件数。", "Requests in four weeks.")
    return _table("growing", say("哪些需求在增多", "Needs that grow"), note, grown, columns)


def left_out(brief: Brief) -> list[str]:
    """Say who is left out: groups with clearly less than their share of the list, and grids with many never visited."""
    lines = list(brief.get("left_out", {}).get(language(), []))
    lines += [
        never_visited(row)
        for row in sorted(brief["grids"], key=lambda row: -row["never"])[:3]
        if row["never"]
    ]
    return lines


def never_visited(row: Mapping[str, Any]) -> str:
    """Say how many of a grid's households were never visited."""
    grid, households, never = grid_words(row["grid_id"]), row["households"], row["never"]
    if never == households:
        return say(
            f"{grid}：{households} 户都还没人去过",
            f"{grid}: none of {households} households was ever visited",
        )
    return say(
        f"{grid}：{households} 户里有 {never} 户从没人去过",
        f"{grid}: {never} of {households} households were never visited",
    )


def month_of_grids(brief: Brief) -> Table:
    """Show four weeks of each grid beside the targets that the office has set."""
    limit = brief["targets"]["never_visited"]
    columns: list[Column] = [
        (say("网格", "grid"), "grid_id"),
        (say("能走访的户", "households"), "households"),
        (say("从没去过", "never visited"), "never"),
        (
            say("最久没去（周）", "longest unvisited (weeks)"),
            lambda row: "" if row["unseen"] is None else round(row["unseen"] / 7),
        ),
        *_month_columns(),
    ]
    if limit is not None:
        title = say("没去过的目标", "target: never visited")
        columns.append((title, lambda row: _beside(row["never"] / max(1, row["households"]), limit, False)))
    columns += _promises_column(brief)
    title = say("各网格", "Grids in four weeks")
    return _table("month-grids", title, _grids_note(brief), brief["grids"], columns)


def month_of_workers(brief: Brief) -> Table:
    """Show four weeks of each worker beside the targets that the office has set, in the order of their names."""
    target = brief["targets"]["visits_per_worker"]
    columns: list[Column] = [(say("走访人", "worker"), "name"), *_month_columns()]
    if target is not None:
        columns.append((say("走访目标", "target: visits"), lambda row: _short(row["visits"], target)))
    columns += _promises_column(brief)
    note = say(
        "走访多少还看片区大小、路远近、有没有人在家，不排名次；差得多的先问缺什么。",
        "How many visits are possible depends on the area; this is no ranking. Ask first what is missing.",
    )
    return _table("month-workers", say("各走访人", "Workers in four weeks"), note, brief["workers"], columns)


def _month_columns() -> list[Column]:
    def known(key: str) -> Callable[[Row], Any]:
        return lambda row: "" if row[key] is None else row[key]

    return [
        (say("走访（户次）", "visits"), "visits"),
        (say("见到人", "met"), "met"),
        (say("每百次有需要的", "finds a hundred visits"), known("found_per_100")),
        (say("上次走访（天前）", "last visit (days ago)"), known("last")),
        (say("约好再去", "promised"), "promised"),
        (say("去了", "kept"), "kept"),
    ]


def _promises_column(brief: Brief) -> list[Column]:
    """Return the column of promises kept beside their target, where there is one."""
    target = brief["targets"]["promises_kept"]

    def beside(row: Row) -> str:
        return _beside(row["kept"] / row["promised"], target, True) if row["promised"] else ""

    return [] if target is None else [(say("约好要去的目标", "target: promises kept"), beside)]


def _grids_note(brief: Brief) -> str:
    """Say why workers or targets are missing."""
    notes = []
    if brief["changed"] and not brief["workers"]:  # only who sees the whole town sees either
        notes += say_line(
            "各走访人的数，从按名单走访起才有；以前交来的走访只按网格算。",
            "Workers are counted from the first list on; visits handed in from before count by grid only.",
        )
    if all(value is None for value in brief["targets"].values()):
        notes += say_line(
            "还没有定目标：要定，写在 community.yaml 的 targets 一节。",
            "No targets yet: the section targets of community.yaml.",
        )
    return say("", " ").join(notes)


def _short(value: int, target: int) -> str:
    if value >= target:
        return say(f"{target}，已到", f"{target}, met")
    return say(f"{target}，差 {target - value}", f"{target}, {target - value} short")


def _beside(share: float, limit: float, at_least: bool) -> str:
    met = share >= limit if at_least else share <= limit
    sign = "≥" if at_least else "≤"
    return f"{sign}{limit:.0%}，" + (
        say("已到", "met") if met else say(f"现 {share:.0%}", f"now {share:.0%}")
    )


def month(brief: Brief) -> list[Table]:
    """Return the tables of the month, by grid and by worker; empty ones are left out."""
    return [table for table in (month_of_grids(brief), month_of_workers(brief)) if table.rows]


def tables(brief: Brief, community: Community) -> Sequence[Table]:
    """Return the tables of the coordinator's page below the decisions, from the top down; empty ones are left out."""
    made = (changed(brief), unvisited(brief), growing(brief, community))
    return [table for table in made if table.rows]
