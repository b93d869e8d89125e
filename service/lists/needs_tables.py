"""Make the tables of needs, projects and resources that stand in the workbook and on the page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from features.contract.community import Community
from features.language import say
from models.demand.expected import TOWN, WINDOWS
from models.demand.intervals import reaches_far
from models.demand.proposals import EXTEND, OPEN, RUN, Proposals
from models.demand.whole_numbers import whole_parts

MOST_GRIDS = 4  # that a line names


@dataclass(frozen=True)
class Sheet:
    """One table as texts: its title, a note, column titles with widths (characters), and rows."""

    title: str
    note: str
    columns: tuple[tuple[str, float], ...]
    rows: list[list[Any]]


def needs_sheet(demand: pd.DataFrame, proposals: Proposals, community: Community) -> Sheet:
    """Make the table 需求清单: a row for each need with its window, the months ahead, seats and a verdict.

    ``demand``, ``proposals``: of ``models.demand.town_demand.town_demand``.
    """
    town = demand[demand["grid_id"] == TOWN]
    months = list(dict.fromkeys(town.loc[town["span"] != WINDOWS, "span"]))
    facts = proposals.needs.set_index("need")
    rows = []
    for need in community.needs:
        of_need = town[town["need"] == need.id].set_index("span")
        if WINDOWS not in of_need.index:
            continue
        window, seats = of_need.loc[WINDOWS].to_dict(), facts.loc[need.id].to_dict()
        rows.append(
            [
                need.name.here,
                f"{window['begins']}～{window['ends'] - timedelta(days=1)}",
                int(window["households"]),
                round(float(window["expected"])),
                range_words(window),
                *[_month(of_need.loc[month].to_dict()) for month in months],
                _grids(demand, need.id),
                round(seats["wanted"]),
                "" if np.isnan(seats["seats"]) else round(seats["seats"]),
                round(seats["unserved"]),
                verdict(seats, community),
            ]
        )
    columns = (
        (say("需求", "need"), 12),
        (say("时段", "window"), 14),
        (say("符合条件的户", "can have it"), 9),
        (say("预计户数", "expected"), 8),
        (say("大概范围", "90%"), 9),
        *[(month, 12) for month in months],
        (say("最多的网格", "most in grids"), 18),
        (say("想要名额", "seats wanted"), 8),
        (say("剩余名额", "seats left"), 8),
        (say("缺口", "not served"), 7),
        (say("结论", "so"), 20),
    )
    note = say(
        "预计户数：这段时间或当月会来申请（或上门时发现需要）的户数；大概范围：十回有九回落在里面，注明“说不准”的定名额"
        "要看范围；这个月只算剩下的日子。",
        "Expected: households that ask within the window or month (or are found in need by a visit); months are"
        " told as expected (90% interval), this month from today on. Set seats for an uncertain number by its range.",
    )
    return Sheet(say("需求清单", "Needs"), note, columns, rows)


def range_words(row: Mapping[Any, Any]) -> str:
    """Write the 90% interval of a row of ``models.demand.expected.demand_table``, and whether the number is uncertain."""
    spread = _range(row, "90")
    far = bool(reaches_far(row["expected"], row["low_90"], row["high_90"]))
    return say(f"{spread}，说不准", f"{spread}, uncertain") if far else spread


def _range(row: Mapping[Any, Any], level: str) -> str:
    return f"{row[f'low_{level}']:.0f}–{row[f'high_{level}']:.0f}"


def _month(row: dict) -> str:
    return say(
        f"{row['expected']:.0f}（{_range(row, '90')}）", f"{row['expected']:.0f} ({_range(row, '90')})"
    )


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
    return say("、", ", ").join(texts)


def verdict(row: dict, community: Community) -> str:
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
    rows = [
        [
            needs[row["need"]],
            _kinds()[row["kind"]],
            _programme(row, programmes),
            _places(row["grids"]),
            row["seats"],
            "" if row["kind"] == RUN else f"{row['low']}–{row['high']}",
            str(row["begins"]),
            say("随时", "any time") if pd.isna(row["tell_by"]) else str(row["tell_by"]),
            funds.get(row["fund"], unknown),
            "" if np.isnan(row["cost"]) else round(row["cost"]),
            row["organiser"] or unknown,
            _short(float(row["missing"])) if row["short_of_money"] else "",
        ]
        for row in proposals.projects.to_dict("records")
    ]
    columns = (
        (say("需求", "need"), 12),
        (say("做什么", "what"), 10),
        (say("项目", "programme"), 14),
        (say("在哪些网格（户数）", "in grids (households)"), 40),
        (say("名额", "seats"), 7),
        (say("多半在", "80%"), 9),
        (say("开始", "begins"), 11),
        (say("最晚通知", "tell by"), 11),
        (say("出资", "fund"), 16),
        (say("费用（元）", "cost (yuan)"), 10),
        (say("组织方", "organiser"), 16),
        (say("备注", "notes"), 12),
    )
    smallest = community.projects.smallest
    note = say(
        f"同一项需求有 {smallest} 户没名额，就建议开一个项目；“按计划开”是已有项目预计能收的户数。",
        f"A shared need of {smallest} households without seats is proposed as a project; 'run' tells how many"
        " an existing programme is expected to take.",
    )
    return Sheet(say("项目清单", "Projects"), note, columns, rows)


def _short(missing: float) -> str:
    return say(f"还缺 {missing:.0f} 元", f"{missing:.0f} yuan missing")


def _programme(row: dict[Any, Any], programmes: dict[str, str]) -> str:
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
    needs = {need.id: need.name.here for need in community.needs}
    funds = {fund.id: fund.name.here for fund in community.funds}
    facts = proposals.programmes.set_index("programme").to_dict("index")
    programmes, organisers = [], dict[str, list[str]]()
    for programme in community.programmes:
        left, wanted = float(facts[programme.id]["left"]), float(facts[programme.id]["wanted"])
        programmes.append(
            [
                programme.name.here,
                say("、", ", ").join(needs[need] for need in programme.needs),
                say("、", ", ").join(programme.grids) or say("全社区", "all"),
                "" if programme.seats is None else programme.seats,
                "" if np.isnan(left) else int(left) if facts[programme.id]["told"] else _untold(left),
                round(wanted),
                f"{programme.opens}～{programme.closes}"
                if programme.opens or programme.closes
                else say("全年", "all year"),
                programme.organiser,
                funds.get(programme.fund, ""),
                "" if programme.cost_per_seat is None else round(programme.cost_per_seat),
            ]
        )
        if programme.organiser:
            organisers.setdefault(programme.organiser, []).append(programme.name.here)
    money = [
        [funds[row["fund"]], *(round(row[name]) for name in ("budget", "spent", "planned", "left"))]
        for row in proposals.funds.to_dict("records")
    ]
    resources = say("资源清单", "Resources")
    return [
        Sheet(f"{resources} · {say('项目', 'programmes')}", "", _programme_columns(), programmes),
        Sheet(f"{resources} · {say('资金（元）', 'funds (yuan)')}", "", _fund_columns(), money),
        Sheet(
            f"{resources} · {say('组织方', 'organisers')}",
            "",
            ((say("组织方", "organiser"), 24), (say("承办的项目", "runs"), 40)),
            [[name, say("、", ", ").join(names)] for name, names in organisers.items()],
        ),
    ]


def _untold(left: float) -> str:
    return say(f"约 {left:.0f}（按申请推算）", f"about {left:.0f} (by requests)")


def _programme_columns() -> tuple[tuple[str, float], ...]:
    return (
        (say("项目", "programme"), 16),
        (say("服务的需求", "needs"), 22),
        (say("网格", "grids"), 12),
        (say("名额", "seats"), 8),
        (say("剩余", "left"), 8),
        (say("想来的户", "wanted in the window"), 10),
        (say("开放", "open"), 14),
        (say("组织方", "organiser"), 18),
        (say("出资", "fund"), 16),
        (say("每个名额（元）", "yuan a seat"), 10),
    )


def _fund_columns() -> tuple[tuple[str, float], ...]:
    return (
        (say("资金", "fund"), 20),
        (say("预算", "budget"), 12),
        (say("已用", "spent"), 12),
        (say("这份清单安排", "planned here"), 12),
        (say("剩余", "left"), 12),
    )


def grids_sheet(demand: pd.DataFrame, community: Community) -> Sheet:
    """Tabulate demand for every need, grid and month."""
    names = {need.id: need.name.here for need in community.needs}
    rows = [
        [
            names[row["need"]],
            row["grid_id"],
            say("整段", "window") if row["span"] == WINDOWS else row["span"],
            str(row["begins"]),
            str(row["ends"] - timedelta(days=1)),
            int(row["households"]),
            int(row["whole"]),
            _range(row, "90"),
        ]
        for row in _whole(demand[demand["grid_id"] != TOWN]).to_dict("records")
    ]
    columns = (
        (say("需求", "need"), 14),
        (say("网格", "grid"), 10),
        (say("时段", "span"), 10),
        (say("从", "from"), 11),
        (say("到", "to"), 11),
        (say("符合条件的户", "can have it"), 10),
        (say("预计户数", "expected"), 9),
        (say("大概范围", "90%"), 9),
    )
    return Sheet(say("分网格分月", "By grid and month"), "", columns, rows)


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
