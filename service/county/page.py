"""The page of a county: what its communities expect and do this week, in sums without names."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from features.language import say
from service.county.figures import FEWEST, CommunityFigures, county_demand, needs_of
from service.lists.needs_tables import Sheet
from service.lists.pages import render

FEWEST_COMMUNITIES = 3  # whose sum of a sensitive need is shown: of two, each could tell the other's
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
    shown = zip(*map(_beside_sum, columns), strict=True)
    rows: list[list[Any]] = [
        [place.name, place.as_of.isoformat(), *numbers]
        for place, numbers in zip(communities, shown, strict=True)
    ]
    rows.append([say("合计", "all"), "", *(_shown(sum(column)) for column in columns)])
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
        expected = row["expected"]
        parts: list[int | str] = [""] * len(demands)
        if need.id not in sensitive:
            parts = _beside_sum([demand.get(need.id) for demand in demands])
        interval = f"{row['low_80']:.0f}–{row['high_80']:.0f}"
        rows.append([need.name.here, _shown(expected), "" if expected < FEWEST else interval, *parts])
    heads = [
        say("需求", "need"),
        say("预计户数", "households expected"),
        say("大概范围（80%）", "80% interval"),
        *(figures.name for figures in communities),
    ]
    note = say(
        f"各需求这段时间预计来申请的户数；不到 {FEWEST} 户的不写，第二小的一个也不写（{HIDDEN}），免得从合计倒推；"
        f"敏感需求只写 {FEWEST_COMMUNITIES} 个以上社区的合计。大概范围按各社区的误差互不相干算。",
        f"Households expected to ask within each need's window; fewer than {FEWEST} are not shown, nor is the next"
        f" smallest ({HIDDEN}), as the sum would tell them; sensitive needs stand only as a sum of {FEWEST_COMMUNITIES}"
        " communities or more. Intervals assume that communities miss independently.",
    )
    return Sheet(say("需求", "Needs"), note, tuple((head, 12) for head in heads), rows)


def _beside_sum(numbers: Sequence[float | None]) -> list[int | str]:
    """Show numbers beside their sum: where one is too small, the next smallest is hidden too, or the sum would tell it.

    >>> _beside_sum([3, 41, 60])
    ['<5', '…', 60]
    """
    shown = [_shown(number) for number in numbers]
    large = [number for number in numbers if number is not None and number >= FEWEST]
    if f"<{FEWEST}" in shown and large:
        shown[numbers.index(min(large))] = HIDDEN
    return shown


def _shown(number: float | None) -> int | str:
    if number is None or pd.isna(number):
        return ""
    return f"<{FEWEST}" if 0 < number < FEWEST else round(number)
