"""Put outcomes from paper beside those that came through the service: the later visit counts, both are kept and told."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from service.lists.answers import contradiction, outcome_names


@dataclass
class BesideService:
    """Rows of the contract's table outreach in the order in which they are stored, and lines on contradictions.

    ``earlier``: what paper said of visits of which the service has a later one; ``rows`` takes their place afterwards.
    ``known``: how many were told and stored before.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    earlier: list[dict[str, Any]] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    known: int = 0


def beside_service(
    rows: Sequence[dict[str, Any]],
    reported: Mapping[str, tuple[str, date]],
    recorded: Mapping[str, Collection[tuple[str, date]]],
) -> BesideService:
    """Decide which outcomes count where paper and the service contradict each other.

    rows: outcomes from paper, as rows of the contract's table outreach.
    reported: outcome and date that came through the service, by outreach_id.
    recorded: outcomes and dates that the records hold or held, by outreach_id.
    """
    beside = BesideService()
    for row in rows:
        report = reported.get(row["outreach_id"])
        if report is None or (report[0] == row["outcome"] and report[1] <= row["contacted_at"]):
            beside.rows.append(row)
            continue
        outcome, day = report
        if day > row["contacted_at"] and (row["outcome"], row["contacted_at"]) in recorded.get(
            row["outreach_id"], ()
        ):
            beside.known += 1
            continue
        if outcome != row["outcome"]:
            beside.lines.append(_contradiction(row, outcome, day))
        if day > row["contacted_at"]:
            beside.earlier.append(row)
            beside.rows.append({**row, "outcome": outcome, "contacted_at": day})
        else:
            beside.rows.append(row)
    return beside


def _contradiction(row: dict[str, Any], outcome: str, day: date) -> str:
    names = outcome_names()
    counts = names[outcome if day > row["contacted_at"] else row["outcome"]]
    return contradiction(
        row["household_id"], (names[outcome], day), (names[row["outcome"]], row["contacted_at"]), counts
    )
