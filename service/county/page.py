"""The page of a county: what its communities expect and do this week, in sums without names."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from features.language import say
from service.county.figures import FEWEST, CommunityFigures, county_demand, needs_of
from service.lists.needs_tables import Sheet
from service.lists.pages import render


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
    names = [
        *(
            say("社区", "community"),
            say("周一", "Monday"),
            say("红", "red"),
            say("黄", "yellow"),
            say("绿", "green"),
        ),
        say("本周走访户数", "visits this week"),
    ]
    rows = [
        [place.name, place.as_of.isoformat(), *map(_shown, place.households.values()), _shown(place.visits)]
        for place in communities
    ]
    tiers = [
        sum(numbers) for numbers in zip(*(place.households.values() for place in communities), strict=True)
    ]
    visits = sum(place.visits for place in communities)
    rows.append([say("合计", "all"), "", *map(_shown, tiers), _shown(visits)])
    return Sheet(say("社区", "Communities"), "", tuple((name, 12) for name in names), rows)


def _needs(communities: Sequence[CommunityFigures]) -> Sheet:
    """Make the table of needs; a sensitive need stands there as the county's sum only."""
    whole = county_demand(communities).set_index("need")
    demands = [figures.demand.set_index("need")["expected"].astype(float) for figures in communities]
    rows = []
    for need in needs_of(communities):
        if need.id not in whole.index:
            continue
        row: dict[Any, float] = whole.loc[need.id].to_dict()
        expected = row["expected"]
        parts = ["" if need.sensitive else _shown(demand.get(need.id)) for demand in demands]
        interval = f"{row['low_80']:.0f}–{row['high_80']:.0f}"
        rows.append([need.name.here, _shown(expected), "" if expected < FEWEST else interval, *parts])
    heads = [
        say("需求", "need"),
        say("预计户数", "households expected"),
        say("80% 区间", "80% interval"),
        *(figures.name for figures in communities),
    ]
    note = say(
        f"各需求时间窗内预计开口的户数；不足 {FEWEST} 户不显示，敏感需求只列合计。区间按各社区误差互不相关计算。",
        f"Households expected to ask within each need's window; fewer than {FEWEST} are not shown, and sensitive needs"
        " only as a sum. Intervals assume that communities miss independently.",
    )
    return Sheet(say("需求", "Needs"), note, tuple((head, 12) for head in heads), rows)


def _shown(number: float | None) -> int | str:
    if number is None or pd.isna(number):
        return ""
    return f"<{FEWEST}" if 0 < number < FEWEST else round(number)
