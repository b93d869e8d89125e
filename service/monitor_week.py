"""What a week's look back finds on a workspace."""

from datetime import date
from pathlib import Path

import pandas as pd

from features.language import say
from features.records import Known, Records, day_of, known_before
from service.week import OUTREACH, SCORES, WEEKS, Stage, all_listed, read_table

DEMAND = "demand.csv"


def monitor_week(workspace: Path, records: Records, as_of: date, stage: Stage) -> list[str]:
    """Lines on the data's freshness, the quarantine, feedback, and past weeks whose windows have passed."""
    from models.monitor import freshness, outcomes, past_week
    from service.feedback_lines import feedback_lines
    from service.feedback_week import feedback_week
    from service.group_week import made_lines
    from service.monitor_lines import (
        demand_lines,
        freshness_lines,
        outcome_lines,
        past_lines,
        quarantine_lines,
    )

    known = known_before(records, day_of(as_of))
    with stage(say("查看数据", "look at the data")):
        lines = freshness_lines(freshness(known)) + quarantine_lines(workspace, records)
        lines += outcome_lines(outcomes(known)) + made_lines(records, known)
        lines += feedback_lines(feedback_week(known, all_listed(workspace)))
    with stage(say("核对往周", "check past weeks")):
        weeks = []
        for path in sorted((workspace / WEEKS).glob(f"*/{SCORES}")):
            listed = path.with_name(OUTREACH)
            weeks.append(past_week(known, read_table(path), read_table(listed) if listed.is_file() else None))
        past = pd.concat(weeks) if weeks else pd.DataFrame()
        lines += past_lines(past, records.community) + demand_lines(_past_demand(workspace, known))
    return lines


def _past_demand(workspace: Path, known: Known) -> pd.DataFrame:
    """``models.monitor.past_demand`` of every past week that told its demand by month."""
    from models.monitor import past_demand

    checked = []
    for path in sorted((workspace / WEEKS).glob(f"*/{DEMAND}")):
        told = pd.read_csv(path, encoding="utf-8-sig", dtype={"grid_id": str, "need": str, "span": str})
        if "span" in told and path.parent.name < f"{pd.Timestamp(known.as_of, unit='D'):%Y-%m-%d}":
            checked.append(past_demand(known, told))
    return pd.concat(checked, ignore_index=True) if checked else pd.DataFrame()
