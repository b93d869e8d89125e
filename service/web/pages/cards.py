"""What lists and households' pages show of a visit: its door, needs, outcomes, and what was said."""

import re
from datetime import date, timedelta
from typing import Any

from fastapi import Request

from features.language import language, say
from service.lists.answers import feedback_names, outcome_names, which_counts
from service.web.base.access import Identity, sees_risk
from service.web.intake.remarks import Said
from service.web.intake.results import Results
from service.web.published.reading import week_asked
from service.web.published.state import state_of
from service.web.published.weeks import Week

TELEPHONE = re.compile(r"(?<!\d)(1[3-9]\d{9}|0\d{2,3}-?\d{7,8})(?!\d)")
Row = dict[str, Any]


def listed_week(request: Request, asker: Identity, as_of: str | None) -> Week:
    """Return ``week_asked`` of a date, by default that of the newest week with lists."""
    days = [day for day, week in state_of(request).shelf.served.weeks.items() if week.listed]
    return week_asked(request, asker, as_of or max(days, default=None))


def worded(row: Row) -> Row:
    """Return a row of a list with its texts in the current language."""
    return {**row, **row.get("translated", {}).get(language(), {})}


def days_of(week: Week) -> str:
    """Format the week's first and last day."""
    begins = date.fromisoformat(week.as_of)
    return f"{begins:%m-%d}～{begins + timedelta(days=6):%m-%d}"


def card(rows: list[Row], done: Results, week: Week, asker: Identity) -> Row:
    """Return what the list shows of one household.

    ``rows``: the household's rows of the list. ``done``: what is known of them by now.
    """
    first = rows[0]
    return {
        **{name: first.get(name) or "" for name in ("household_id", "microgrid_id", "contact")},
        "door": TELEPHONE.sub("", first.get("contact") or "").strip(" ，,、"),
        "from": (first["from_name"] or say("同事", "a colleague")) if "from_name" in first else "",
        "back_to": _back_to(first, asker),
        "worker": first.get("worker_name") or first["worker_id"] or "",
        "order": first["visit_order"],
        "random": first["arm"] == "random",
        "tier": first.get("tier") if sees_risk(asker, week.community) else None,
        "needs": [_need(row, done, week) for row in rows],
        "finished": all(done.finished(row) for row in rows),
    }


def _back_to(row: Row, asker: Identity) -> str:
    """Return who has a visit again that the asker takes back: the asker, or with "" the list's own worker."""
    return asker.worker_id if asker.worker_id and row.get("from_id") != asker.worker_id else ""


def _need(row: Row, done: Results, week: Week) -> Row:
    needs, names = week.community.needs, outcome_names()
    index = week.community.need_index().get(row["need"])
    outcome = done.outcomes.get(row["outreach_id"])
    return {
        **worded(row),
        "name": needs[index].name.here if index is not None else row["need"],
        "done": outcome,
        "closed": done.finished(row),
        "result": names[outcome.outcome] if outcome else "",
        "other": names[outcome.other] if outcome and outcome.other else "",
        "which_counts": which_counts(outcome.contacted_on, outcome.other_on)
        if outcome and outcome.other_on
        else "",
        "said": said_words(done.said.get(row["outreach_id"])),
    }


def said_words(remark: Said | None) -> list[str]:
    """Put what was said of a visit beside its outcome into words."""
    if remark is None:
        return []
    return [
        *([feedback_names()[remark.kind]] if remark.kind else []),
        *(
            [say(f"满意度 {remark.satisfaction}", f"mark {remark.satisfaction}")]
            if remark.satisfaction
            else []
        ),
        *(
            [say(f"{remark.next_visit:%m-%d} 再来", f"come again on {remark.next_visit:%m-%d}")]
            if remark.next_visit
            else []
        ),
    ]
