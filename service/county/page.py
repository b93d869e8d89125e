"""The page of a county: what its communities expect and do this week, in sums without names."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from features.language import say
from service.county.figures import FEWEST, CommunityFigures, county_demand, needs_of
from service.lists.needs_tables import Sheet
from service.lists.pages import render

# with FEWEST households each, whose sum of a sensitive need is shown: of two, each could tell the other's
FEWEST_COMMUNITIES = 3
HIDDEN = "…"


def county_page(title: str, communities: Sequence[CommunityFigures]) -> str:
    """Render the page as HTML: a table of communities, and one of needs with a column for each community."""
    oldest = min(place.as_of for place in communities)
    newest = max(place.as_of for place in communities)
    when = f"{newest}" if oldest == newest else say(f"{oldest} 至 {newest}", f"{oldest} to {newest}")
    return render(
        "county.html",
        title=title,
        subtitle=say(f"各社区最新一周（{when}）的合计", f"sums of each community's newest week ({when})"),
        sheets=[_communities(communities), _needs(communities)],
    )


def _communities(communities: Sequence[CommunityFigures]) -> Sheet:
    """Make the table of communities, with their sum below."""
    names = [say("社区", "community"), say("周一", "Monday")]
    names += [
        say("红", "red"),
        say("黄", "yellow"),
        say("绿", "green"),
        say("本周走访户数", "visits this week"),
    ]
    columns = list(zip(*([*place.households.values(), place.visits] for place in communities), strict=True))
    shown, sums = zip(*map(_with_sum, columns), strict=True)
    rows: list[list[Any]] = [
        [place.name, place.as_of.isoformat(), *numbers]
        for place, numbers in zip(communities, zip(*shown, strict=True), strict=True)
    ]
    rows.append([say("合计", "all"), "", *sums])
    return Sheet(say("社区", "Communities"), "", tuple((name, 12) for name in names), rows)


def _needs(communities: Sequence[CommunityFigures]) -> Sheet:
    """Make the table of needs; a sensitive need stands there as a sum only, and of several communities."""
    whole = county_demand(communities).set_index("need")
    demands = [figures.demand.set_index("need")["expected"].astype(float) for figures in communities]
    rows = []
    sensitive = {need.id for place in communities for need in place.needs if need.sensitive}
    for need in needs_of(communities):
        if need.id not in whole.index:
            continue
        row: dict[Any, float] = whole.loc[need.id].to_dict()
        if need.id in sensitive and row["communities"] < FEWEST_COMMUNITIES:
            continue
        parts, whole_number = _with_sum([demand.get(need.id) for demand in demands])
        if need.id in sensitive:
            parts, whole_number = [""] * len(demands), _shown(row["expected"])
        interval = f"{row['low_80']:.0f}–{row['high_80']:.0f}" if isinstance(whole_number, int) else ""
        rows.append([need.name.here, whole_number, interval, *parts])
    heads = [
        say("需求", "need"),
        say("预计户数", "households expected"),
        say("大概范围（80%）", "80% interval"),
        *(figures.name for figures in communities),
    ]
    note = say(
        f"各需求这段时间预计来申请的户数；不到 {FEWEST} 户的不写，第二小的一个也不写（{HIDDEN}），免得从合计倒推，"
        f"还推得出时合计也不写；敏感需求只写 {FEWEST_COMMUNITIES} 个以上社区（各 {FEWEST} 户以上）的合计。"
        "大概范围按各社区的误差互不相干算。",
        f"Households expected to ask within each need's window; fewer than {FEWEST} are not shown, nor is the next"
        f" smallest ({HIDDEN}), as the sum would tell them, nor a sum that still would; sensitive needs stand only as"
        f" a sum of {FEWEST_COMMUNITIES} communities or more that each expect {FEWEST} households. Intervals assume"
        " that communities miss independently.",
    )
    return Sheet(say("需求", "Needs"), note, tuple((head, 12) for head in heads), rows)


def _with_sum(numbers: Sequence[float | None]) -> tuple[list[int | str], int | str]:
    """Show numbers and their sum, which must not tell a number that is too small.

    Where one is, the next smallest is hidden too, and the sum where there is none or it leaves no choice.

    >>> _with_sum([3, 41, 60])
    (['<5', '…', 60], 104)
    >>> _with_sum([4, 4, 0])
    (['<5', '<5', 0], '…')
    """
    shown = [_shown(number) for number in numbers]
    given = [number for number in numbers if number is not None]
    whole = _shown(sum(given))
    small = shown.count(f"<{FEWEST}")
    large = [number for number in given if number >= FEWEST]
    if not small:
        return shown, whole
    if large:
        shown[numbers.index(min(large))] = HIDDEN
    hidden = sum(number for number in given if number < FEWEST) + min(large, default=0)
    telling = not large or round(hidden) <= small + FEWEST
    return shown, HIDDEN if telling and isinstance(whole, int) else whole


def _shown(number: float | None) -> int | str:
    if number is None or pd.isna(number):
        return ""
    return f"<{FEWEST}" if 0 < number < FEWEST else round(number)
