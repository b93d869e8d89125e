"""Tables of groups in the model card: which shares of the lists they get."""

from typing import Any

import pandas as pd

from features.blocks.groups import GRID, Groups
from features.language import say
from models.evaluation.evaluate import ALL
from models.fairness.lines import against, clearly_less, counted


def group_tables(table: pd.DataFrame | None, groups: Groups) -> list[dict[str, Any]]:
    """Make a table of texts for each audit, with title and what it counts; grids that get their share are left out.

    table: what ``models.fairness.audit`` returns; None or empty if nothing could be audited.
    """
    if table is None:
        return []
    names = dict(zip(groups.ids, groups.names, strict=True))
    sections = []
    for audit in dict.fromkeys(table["audit"]):
        rows = table[table["audit"] == audit]
        less = set(clearly_less(rows)["group"])
        shown = [
            _spoken(row, say("全体", "all") if row["group"] == ALL else names[row["group"]].here, less)
            for row in rows.to_dict("records")
            if not row["group"].startswith(f"{GRID}=") or row["group"] in less
        ]
        sections.append({"title": against(audit), "counted": counted(audit), "rows": shown})
    return sections


def _spoken(row: Any, name: str, less: set[str]) -> dict[str, str]:
    def measured(measure: str, share: bool) -> str:
        value, low, high = (row[f"{measure}{end}"] for end in ("", "_low", "_high"))
        if pd.isna(value):
            return "—"
        if pd.isna(low):
            return f"{value:.1%}" if share else f"{value:.2f}"
        if share:
            return f"{value:.1%} [{100 * low:.1f}, {100 * high:.1f}]"
        return f"{value:.2f} [{low:.2f}, {high:.2f}]"

    return {
        "name": f"**{name}**" if row["group"] in less else name,
        "households": f"{row['households']:,.0f}",
        "positives": f"{row['positives']:,.0f}",
        "of_need": measured("share_of_need", True),
        "of_list": measured("share_of_list", True),
        "ratio": measured("list_over_need", False),
        "recall": measured("recall", True),
        "level": measured("predicted_over_observed", False),
    }
