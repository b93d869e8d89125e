"""What a week's look back finds on a workspace."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from features.atomic import write_atomically
from features.language import LANGUAGES, in_language, language, say
from features.records import Known, Records, day_of, known_before
from service.week import OUTREACH, SCORES, WEEKS, Stage, all_listed, read_table

DEMAND = "demand.csv"
LOOK_BACK = "monitor.json"


def monitor_week(workspace: Path, records: Records, as_of: date, stage: Stage) -> list[str]:
    """Lines on the data's freshness, the quarantine, feedback, and past weeks whose windows have passed; kept
    in every language for the pages."""
    known = known_before(records, day_of(as_of))
    with stage(say("查看数据", "look at the data")):
        listed = all_listed(workspace)
        now = {one: in_language(one, _now_lines, workspace, known, listed) for one in LANGUAGES}
    with stage(say("核对往周", "check past weeks")):
        past, demand = _past_weeks(workspace, known), _past_demand(workspace, known)
        checked = {one: in_language(one, _past_lines, past, demand, known) for one in LANGUAGES}
    lines = {one: now[one] + checked[one] for one in LANGUAGES}
    kept = {"as_of": as_of.isoformat(), "lines": lines}
    write_atomically(workspace / LOOK_BACK, json.dumps(kept, ensure_ascii=False).encode())
    return lines[language()]


def read_look_back(workspace: Path) -> dict[str, Any] | None:
    """What the newest look back found: as_of and lines in the language in force; None before the first."""
    try:
        kept = json.loads((workspace / LOOK_BACK).read_text("utf-8"))
    except FileNotFoundError:
        return None
    return {"as_of": kept["as_of"], "lines": kept["lines"][language()]}


def _now_lines(workspace: Path, known: Known, listed: pd.DataFrame) -> list[str]:
    from models.monitor import freshness, outcomes
    from service.feedback_lines import feedback_lines
    from service.feedback_week import feedback_week
    from service.group_week import made_lines
    from service.monitor_lines import freshness_lines, outcome_lines, quarantine_lines

    lines = freshness_lines(freshness(known)) + quarantine_lines(workspace, known.records)
    lines += outcome_lines(outcomes(known)) + made_lines(known.records, known)
    return lines + feedback_lines(feedback_week(known, listed))


def _past_lines(past: pd.DataFrame, demand: pd.DataFrame, known: Known) -> list[str]:
    from service.monitor_lines import demand_lines, past_lines

    return past_lines(past, known.community) + demand_lines(demand)


def _past_weeks(workspace: Path, known: Known) -> pd.DataFrame:
    """``models.monitor.past_week`` of every past week with scores."""
    from models.monitor import past_week

    weeks = []
    for path in sorted((workspace / WEEKS).glob(f"*/{SCORES}")):
        listed = path.with_name(OUTREACH)
        weeks.append(past_week(known, read_table(path), read_table(listed) if listed.is_file() else None))
    return pd.concat(weeks) if weeks else pd.DataFrame()


def _past_demand(workspace: Path, known: Known) -> pd.DataFrame:
    """``models.monitor.past_demand`` of every past week that told its demand by month."""
    from models.monitor import past_demand

    checked = []
    for path in sorted((workspace / WEEKS).glob(f"*/{DEMAND}")):
        told = pd.read_csv(path, encoding="utf-8-sig", dtype={"grid_id": str, "need": str, "span": str})
        if "span" in told and path.parent.name < f"{pd.Timestamp(known.as_of, unit='D'):%Y-%m-%d}":
            checked.append(past_demand(known, told))
    return pd.concat(checked, ignore_index=True) if checked else pd.DataFrame()
