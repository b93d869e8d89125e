"""Make the tables of needs, projects and resources that stand in the workbook and on the page."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter
from typing import Any

import numpy as np
import pandas as pd

from features.contract.community import Community
from features.language import joined_names, say
from models.demand.expected import TOWN, WINDOWS
from models.demand.intervals import reaches_far
from models.demand.proposals import EXTEND, OPEN, RUN, Proposals
from models.demand.whole_numbers import whole_parts
from service.lists.visit_rows import open_from_to

Row = Mapping[Any, Any]
# a column: its title, its width, and the key of a row or what is made of it
Column = tuple[str, float, str | Callable[[Row], Any]]
MOST_GRIDS = 4  # that a line names


@dataclass(frozen=True)
class Sheet:
    """One table as texts: its title, a note, column titles with widths (characters), and rows."""

    title: str
    note: str
    columns: tuple[tuple[str, float], ...]
    rows: list[list[Any]]


def table_of(title: str, note: str, rows: Iterable[Row], columns: Sequence[Column]) -> Sheet:
    """Make a table of columns, each a title, a width, and what stands in a row's cell: a key of it or a function."""
    cells = [key if callable(key) else itemgetter(key) for _, _, key in columns]
    widths = tuple((name, width) for name, width, _ in columns)
    return Sheet(title, note, widths, [[cell(row) for cell in cells] for row in rows])


def needs_sheet(demand: pd.DataFrame, proposals: Proposals, community: Community) -> Sheet:
    """Make the table 需求清单: a row for each need with its window, the months ahead, seats and a verdict.

    ``demand``, ``proposals``: of ``models.demand.candidates.town_demand``.
    """
    town = demand[demand["grid_id"] == TOWN]
    months = list(dict.fromkeys(town.loc[town["span"] != WINDOWS, "span"]))
    facts = proposals.needs.set_index("need")
    rows: list[Row] = []
    for need in community.needs:
        of_need = town[town["need"] == need.id].set_index("span")
        if WINDOWS in of_need.index:
            window, of_months = of_need.loc[WINDOWS].to_dict(), of_need.loc[months].to_dict("index")
            rows.append({**facts.loc[need.id].to_dict(), **window, **of_months, "need": need})
    columns: list[Column] = [
        (say("需求", "need"), 12, lambda row: row["need"].name.here),
        (say("时段", "window"), 14, lambda row: f"{row['begins']}～{row['ends'] - timedelta(days=1)}"),
        (say("符合条件的户", "can have it"), 9, lambda row: int(row["households"])),
        (say("预计户数", "expected"), 8, lambda row: round(float(row["expected"]))),
        (say("大概范围", "90%"), 9, range_words),
        *((month, 12, _month_cell(month)) for month in months),
        (say("最多的网格", "most in grids"), 18, lambda row: _grids(demand, row["need"].id)),
        (say("想要名额", "seats wanted"), 8, lambda row: round(row["wanted"])),
        (say("剩余名额", "seats left"), 8, lambda row: "" if np.isnan(row["seats"]) else round(row["seats"])),
        (say("缺口", "not served"), 7, lambda row: round(row["unserved"])),
        (say("结论", "so"), 20, lambda row: verdict(row, community)),
    ]
    note = say(
        "预计户数：这段时间或当月会来申请（或上门时发现需要）的户数；大概范围：十回有九回落在里面，注明“说不准”的定名额"
        "要看范围；这个月只算剩下的日子。",
        "Expected: households that ask within the window or month (or are found in need by a visit); months are"
        " told as expected (90% interval), this month from today on. Set seats for an uncertain number by its range.",
    )
    return table_of(say("需求清单", "Needs"), note, rows, columns)


def range_words(row: Row) -> str:
    """Write the 90% interval of a row of ``models.demand.expected.demand_table``, and whether the number is uncertain."""
    spread = _range(row, "90")
    far = bool(reaches_far(row["expected"], row["low_90"], row["high_90"]))
    return say(f"{spread}，说不准", f"{spread}, uncertain") if far else spread


def _range(row: Row, level: str) -> str:
    return f"{row[f'low_{level}']:.0f}–{row[f'high_{level}']:.0f}"


def _month_cell(month: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        of_month = row[month]
        count, spread = f"{of_month['expected']:.0f}", _range(of_month, "90")
        return say(f"{count}（{spread}）", f"{count} ({spread})")

    return cell


def _grids(demand: pd.DataFrame, need: str) -> str:
    of_need = demand[(demand["need"] == need) & (demand["grid_id"] != TOWN) & (demand["span"] == WINDOWS)]
    of_need = of_need.assign(whole=whole_parts(of_need["expected"]))
    best = of_need.sort_values(["expected", "grid_id"], ascending=[False, True]).head(MOST_GRIDS)
    return _places(list(zip(best["grid_id"], best["whole"], strict=True)))


def _places(grids: Sequence[tuple[str, float]]) -> str:
    texts = [f"{grid} {count:.0f}" for grid, count in grids[:MOST_GRIDS]]
    more = len(grids) - MOST_GRIDS
    if more > 0:
        texts.append(say(f"另 {more} 个网格", f"{more} more"))
    return joined_names(texts)


def verdict(row: Row, community: Community) -> str:
    """Say whether the seats left suffice for a need; ``row`` is one of ``Proposals.needs``."""
    smallest = community.projects.smallest
    if row["unserved"] >= smallest:
        count = round(row["unserved"])
        return say(f"约缺 {count} 个名额，见项目清单", f"about {count} seats missing: see the projects")
    perhaps = row["wanted_high"] - row["served"] - row["spare"]
    if perhaps >= smallest:
        if round(row["unserved"]) < 1:
            return say("大致够，也可能不够", "about enough, perhaps not")
        return say(f"可能凑满 {smallest} 户，再看一期", f"perhaps {smallest}: look again next time")
    if round(row["unserved"]) >= 1 or not row["served"] + row["spare"]:
        return say(f"不到 {smallest} 户，逐户对接", f"fewer than {smallest}: case by case")
    return say("名额够", "seats suffice")


def projects_sheet(proposals: Proposals, community: Community) -> Sheet:
    """Make the table 项目清单: what to open, where, for how many, by when, which fund pays and who runs it."""
    needs = {need.id: need.name.here for need in community.needs}
    programmes = {programme.id: programme.name.here for programme in community.programmes}
    funds = {fund.id: fund.name.here for fund in community.funds}
    unknown = say("待定", "to be settled")

    def tell_by(row: Row) -> str:
        return say("随时", "any time") if pd.isna(row["tell_by"]) else str(row["tell_by"])

    columns: list[Column] = [
        (say("需求", "need"), 12, lambda row: needs[row["need"]]),
        (say("做什么", "what"), 10, lambda row: _kinds()[row["kind"]]),
        (say("项目", "programme"), 14, lambda row: _programme(row, programmes)),
        (say("在哪些网格（户数）", "in grids (households)"), 40, lambda row: _places(row["whole_grids"])),
        (say("名额", "seats"), 7, "seats"),
        (
            say("十回有八回在", "80%"),
            9,
            lambda row: "" if row["kind"] == RUN else f"{row['low']}–{row['high']}",
        ),
        (say("开始", "begins"), 11, lambda row: str(row["begins"])),
        (say("最晚通知", "tell by"), 11, tell_by),
        (say("出资", "fund"), 16, lambda row: funds.get(row["fund"], unknown)),
        (
            say("费用（元）", "cost (yuan)"),
            10,
            lambda row: "" if np.isnan(row["cost"]) else round(row["cost"]),
        ),
        (say("组织方", "organiser"), 16, lambda row: row["organiser"] or unknown),
        (say("备注", "notes"), 12, _short),
    ]
    smallest = community.projects.smallest
    note = say(
        f"同一项需求有 {smallest} 户没名额，就建议开一个项目；“按计划开”是已有项目预计能收的户数。",
        f"A shared need of {smallest} households without seats is proposed as a project; 'run' tells how many"
        " an existing programme is expected to take.",
    )
    return table_of(say("项目清单", "Projects"), note, proposals.projects.to_dict("records"), columns)


def _short(row: Row) -> str:
    missing = float(row["missing"])
    return say(f"还缺 {missing:.0f} 元", f"{missing:.0f} yuan missing") if row["short_of_money"] else ""


def _programme(row: Row, programmes: dict[str, str]) -> str:
    name = programmes.get(row["programme"])
    if not name:
        return say("新项目", "new")
    return say(f"{name}（另开一期）", f"{name} (another course)") if row["kind"] == OPEN else name


def _kinds() -> dict[str, str]:
    return {
        RUN: say("按计划开", "run"),
        EXTEND: say("增加名额", "add seats"),
        OPEN: say("新开项目", "open"),
    }


def resources_sheets(proposals: Proposals, community: Community) -> list[Sheet]:
    """Make the tables 资源清单: programmes with seats, funds with what is left, organisers."""
    funds = {fund.id: fund.name.here for fund in community.funds}
    runs: dict[str, list[str]] = {}
    for programme in community.programmes:
        if programme.organiser:
            runs.setdefault(programme.organiser, []).append(programme.name.here)
    organisers = [{"name": name, "runs": joined_names(names)} for name, names in runs.items()]
    resources = say("资源清单", "Resources")
    title = f"{resources} · {say('项目', 'programmes')}"
    return [
        table_of(title, "", _programme_rows(proposals, community), _programme_columns(community, funds)),
        table_of(
            f"{resources} · {say('资金（元）', 'funds (yuan)')}",
            "",
            proposals.funds.to_dict("records"),
            [
                (say("资金", "fund"), 20, lambda row: funds[row["fund"]]),
                (say("预算", "budget"), 12, lambda row: round(row["budget"])),
                (say("已用", "spent"), 12, lambda row: round(row["spent"])),
                (say("这份清单安排", "planned here"), 12, lambda row: round(row["planned"])),
                (say("剩余", "left"), 12, lambda row: round(row["left"])),
            ],
        ),
        table_of(
            f"{resources} · {say('组织方', 'organisers')}",
            "",
            organisers,
            [(say("组织方", "organiser"), 24, "name"), (say("承办的项目", "runs"), 40, "runs")],
        ),
    ]


def _programme_rows(proposals: Proposals, community: Community) -> list[Row]:
    facts = proposals.programmes.set_index("programme").to_dict("index")
    return [{**facts[programme.id], "programme": programme} for programme in community.programmes]


def _programme_columns(community: Community, funds: dict[str, str]) -> list[Column]:
    needs = {need.id: need.name.here for need in community.needs}

    def left(row: Row) -> int | str:
        seats = float(row["left"])
        if np.isnan(seats):
            return ""
        return (
            int(seats)
            if row["told"]
            else say(f"约 {seats:.0f}（按诉求推算）", f"about {seats:.0f} (by requests)")
        )

    def open_in(row: Row) -> str:
        programme = row["programme"]
        return open_from_to(programme) if programme.opens or programme.closes else say("全年", "all year")

    def rounded(number: float | None) -> int | str:
        return "" if number is None else round(number)

    return [
        (say("项目", "programme"), 16, lambda row: row["programme"].name.here),
        (
            say("服务的需求", "needs"),
            22,
            lambda row: joined_names(needs[need] for need in row["programme"].needs),
        ),
        (say("网格", "grids"), 12, lambda row: joined_names(row["programme"].grids) or say("全社区", "all")),
        (say("名额", "seats"), 8, lambda row: rounded(row["programme"].seats)),
        (say("剩余", "left"), 8, left),
        (say("想来的户", "wanted in the window"), 10, lambda row: row["whole_wanted"]),
        (say("开放", "open"), 14, open_in),
        (say("组织方", "organiser"), 18, lambda row: row["programme"].organiser),
        (say("出资", "fund"), 16, lambda row: funds.get(row["programme"].fund, "")),
        (say("每个名额（元）", "yuan a seat"), 10, lambda row: rounded(row["programme"].cost_per_seat)),
    ]


def grids_sheet(demand: pd.DataFrame, community: Community) -> Sheet:
    """Tabulate demand for every need, grid and month."""
    names = {need.id: need.name.here for need in community.needs}
    columns: list[Column] = [
        (say("需求", "need"), 14, lambda row: names[row["need"]]),
        (say("网格", "grid"), 10, "grid_id"),
        (
            say("时段", "span"),
            10,
            lambda row: say("整段", "window") if row["span"] == WINDOWS else row["span"],
        ),
        (say("从", "from"), 11, lambda row: str(row["begins"])),
        (say("到", "to"), 11, lambda row: str(row["ends"] - timedelta(days=1))),
        (say("符合条件的户", "can have it"), 10, lambda row: int(row["households"])),
        (say("预计户数", "expected"), 9, lambda row: int(row["whole"])),
        (say("大概范围", "90%"), 9, lambda row: _range(row, "90")),
    ]
    rows = _whole(demand[demand["grid_id"] != TOWN]).to_dict("records")
    return table_of(say("分网格分月", "By grid and month"), "", rows, columns)


def _whole(grids: pd.DataFrame) -> pd.DataFrame:
    """Add whole households, which add up to the town's of each need and span."""
    expected = grids["expected"].to_numpy(dtype=np.float64)
    whole = np.zeros(len(grids), dtype=np.int64)
    for rows in grids.groupby(["need", "span"]).indices.values():
        whole[rows] = whole_parts(expected[rows])
    return grids.assign(whole=whole)


def coverage_sheet(coverage: Sequence[dict[str, Any]], community: Community) -> Sheet:
    """Tabulate how often past intervals contained the actual count, by need.

    ``coverage``: rows of ``models.demand.backtest.told_by_need``.
    """
    names = {need.id: need.name.here for need in community.needs} | {"all": say("全部", "all")}
    table = {(row["need"], row["place"], row["span"]): row for row in coverage}
    shown = [
        (need, place, span)
        for need in names
        for place, span in (("community", "window"), ("grid", "window"), ("community", "month"))
    ]
    rows = []
    for need, name in names.items():
        cells = [table.get(key) for key in shown if key[0] == need]
        if any(cells):
            rows.append([name, *[_share(row) for row in cells]])
    columns = (
        (say("需求", "need"), 14),
        (say("全社区·整段", "community, window"), 20),
        (say("网格·整段", "grid, window"), 20),
        (say("全社区·月", "community, month"), 20),
    )
    note = say(
        "过去一年里，实际户数有几成落在大概范围里（范围是用别的时段的数据算的；方括号是这个比例的 95% 区间）。",
        "Share of past windows of a year whose count lay within the 90% interval, made without that window; in"
        " brackets the share's own 95% interval.",
    )
    return Sheet(say("这些范围准不准", "Do the intervals hold"), note, columns, rows)


def _share(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    return f"{row['within_90']:.0%} [{row['low_90']:.0%}, {row['high_90']:.0%}]"
