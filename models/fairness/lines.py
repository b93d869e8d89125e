"""Texts on groups that get clearly less than their share, and on those whose needs are underestimated."""

from collections.abc import Mapping

import pandas as pd

from features.blocks.groups import GRID, Groups
from features.language import joined_names, say, say_line
from models.evaluation.evaluate import ALL
from models.evaluation.share_intervals import exact_count
from models.fairness.audit import MADE, REQUESTS, VISITS, WEEK_LIST
from models.fairness.shares import EXPECTED

FEWEST = 20  # requests, or needs, of a group from which its shares say anything
# visits expected of a group from which none at all would be clearly less than its share (in 95 of 100 lists)
FEWEST_EXPECTED = exact_count(0)[1]
MOST_NAMED = 5
FAIR = 0.8  # a group's share of a list over its share of need, below which it gets clearly less (four fifths)


def underestimated(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of groups of which less than FAIR of what was observed had been predicted, and not by chance."""
    low = (table["predicted_over_observed"] < FAIR) & (table["predicted_over_observed_high"] < 1)
    return table[low & (table["positives"] >= FEWEST) & (table["group"] != ALL)]


def clearly_less(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of groups whose share of the list is below FAIR of their share of need, and not by chance."""
    less = (table["list_over_need"] < FAIR) & (table["list_over_need_high"] < 1)
    return table[less & (table["positives"] >= FEWEST)]


def cannot_be_told(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of groups that a list could pass over by chance, as too few visits are expected; without grids."""
    few = (table[EXPECTED] < FEWEST_EXPECTED) & (table["positives"] > 0)
    return table[few & (table["group"] != ALL) & ~table["group"].str.startswith(f"{GRID}=")]


def group_lines(table: pd.DataFrame, groups: Groups) -> list[str]:
    """Describe the groups of each audit that clearly get less than their share, or that none does.

    A line also names every group whose requests or needs are underestimated, and those too small to tell. ``table``:
    what ``models.fairness.audit`` returns.
    """
    names = dict(zip(groups.ids, groups.names, strict=True))
    lines = []
    for audit in dict.fromkeys(table["audit"]):
        rows = table[table["audit"] == audit]
        less, low = (part.to_dict("records") for part in (clearly_less(rows), underestimated(rows)))
        lines += [_less_line(names[row["group"]].here, row) for row in less]
        lines += [_low_line(names[row["group"]].here, row) for row in low]
        unclear = [names[group].here for group in cannot_be_told(rows)["group"]]
        if unclear:
            lines.append(_unclear_line(audit, unclear))
        if not less:
            others = say("其余", "of the others ") if unclear else ""
            lines += say_line(
                f"{against(audit)}：{others}没有哪类人家明显排少了",
                f"{against(audit)}: {others}no group gets clearly less than its share of the list",
            )
    return [*lines, *groups.left_out]


def less_lines(table: pd.DataFrame, groups: Groups) -> list[str]:
    """Name in plain words the groups that clearly get less than their share of a week's list; no line where none does.

    ``table``: as in ``group_lines``.
    """
    names = dict(zip(groups.ids, groups.names, strict=True))
    return [
        say(
            f"{names[row['group']].here}：照需要该排 100 户的，只排了 {100 * row['list_over_need']:.0f} 户",
            f"{names[row['group']].here}: listed for only {row['list_over_need']:.0%} of their share of need",
        )
        for row in clearly_less(table).to_dict("records")
    ]


def against(audit: str) -> str:
    """Describe what an audit compares."""
    return {
        REQUESTS: say("名单和诉求比", "list against requests"),
        VISITS: say(
            "按上门发现需要的可能排在前一成的住户和抽签走访发现的需要比",
            "the tenth with the highest p_need against needs found by random visits",
        ),
        WEEK_LIST: say("这周名单和预计需要比", "this week's list against expected need"),
        MADE: say(
            "近一年的走访和抽签走访发现的需要比",
            "visits of the last year against needs found by random visits",
        ),
    }[audit]


def _unclear_line(audit: str, groups: list[str]) -> str:
    """Return a line on the groups of which it cannot be told whether they get their share."""
    more = len(groups) - MOST_NAMED
    named = joined_names(groups[:MOST_NAMED]) + (
        say(f"等 {len(groups)} 个群体", f" and {more} more") if more > 0 else ""
    )
    return say(
        f"{against(audit)}：“{named}”户数太少，按比例本该走访不到 {FEWEST_EXPECTED:.1f} 次，看不出是不是偏低",
        f"{against(audit)}: cannot be told for {named}: fewer than {FEWEST_EXPECTED:.1f} visits are their share",
    )


def _low_line(name: str, row: Mapping) -> str:
    value, low, high = (row[f"predicted_over_observed{end}"] for end in ("", "_low", "_high"))
    what = counted(row["audit"])
    return say(
        f"“{name}”的{what}被低估：预测只有实际的 {value:.0%}（95% 区间 {low:.0%} 至 {high:.0%}）",
        f"{name}: {what} are underestimated, {value:.0%} of those observed (95% interval {low:.0%} to {high:.0%})",
    )


def counted(audit: str) -> str:
    """Name what the list of an audit is for: requests or needs."""
    return say("诉求", "requests") if audit == REQUESTS else say("需要", "needs")


def _less_line(name: str, row: Mapping) -> str:
    low, high = row["list_over_need_low"], row["list_over_need_high"]
    of_need, of_list, ratio = row["share_of_need"], row["share_of_list"], row["list_over_need"]
    title = against(row["audit"])
    what = counted(row["audit"])
    return say(
        f"{title}：“{name}”占{what}的 {of_need:.1%}，只占名单的 {of_list:.1%}"
        f"（比值 {ratio:.2f}，95% 区间 {low:.2f} 至 {high:.2f}），明显偏低",
        f"{title}: {name} has {of_need:.1%} of the {what} and only {of_list:.1%} of the list"
        f" (ratio {ratio:.2f}, 95% interval {low:.2f} to {high:.2f}): clearly less",
    )
