"""The tables of the data contract: columns, keys, allowed values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

Kind = Literal["text", "time", "day", "number", "boolean"]
OUTCOMES = ("needed", "not_needed", "declined", "not_reached", "moved_away", "deceased")
DEPARTED = ("moved_away", "deceased")  # outcomes after which nobody is to be visited there any more
UNDATED = date(1900, 1, 1)  # stands for the day of a refusal that tells none: no time may lie before it
ARMS = ("targeted", "random")
ROLES = ("grid_worker", "steward", "coordinator")
FEEDBACK = ("satisfied", "wrong_person", "already_helped", "reason_wrong", "do_not_contact")


@dataclass(frozen=True)
class Column:
    """One column of a table: its kind, whether a row needs it to be usable, its allowed values and limits."""

    kind: Kind
    required: bool = False
    allowed: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Table:
    """One table of the contract.

    ``key`` identifies a record; ``time`` is the column from which a new record counts as known.
    Unknown columns are attributes where ``attributes`` is true, and only reported elsewhere.
    """

    columns: Mapping[str, Column]
    key: tuple[str, ...]
    time: str | None = None
    required: bool = False
    attributes: bool = False

    @property
    def needed(self) -> tuple[str, ...]:
        """Return the columns that it must have."""
        return tuple(name for name, column in self.columns.items() if column.required)


TABLES: dict[str, Table] = {
    "households": Table(
        {
            "household_id": Column("text", required=True),
            "grid_id": Column("text", required=True),
            "microgrid_id": Column("text", required=True),
            "valid_from": Column("time", required=True),
            "valid_until": Column("time"),
            "recorded_at": Column("time"),
        },
        key=("household_id", "valid_from"),
        time="valid_from",
        required=True,
        attributes=True,
    ),
    "requests": Table(
        {
            "request_id": Column("text", required=True),
            "household_id": Column("text", required=True),
            "requested_at": Column("time", required=True),
            "need": Column("text"),
            "text": Column("text"),
            "recorded_at": Column("time"),
            "channel": Column("text"),
            "resolved_at": Column("time"),
            "satisfaction": Column("number", low=1, high=5),
        },
        key=("request_id",),
        time="recorded_at",
        required=True,
    ),
    "residents": Table(
        {
            "resident_id": Column("text", required=True),
            "household_id": Column("text", required=True),
            "valid_from": Column("time", required=True),
            "valid_until": Column("time"),
            "recorded_at": Column("time"),
            "birth_year": Column("number", low=1900, high=2100),
            "birth_date": Column("day"),
        },
        key=("resident_id", "valid_from"),
        time="valid_from",
        attributes=True,
    ),
    "outreach": Table(
        {
            "outreach_id": Column("text", required=True),
            "household_id": Column("text", required=True),
            "need": Column("text", required=True),
            "contacted_at": Column("time", required=True),
            "arm": Column("text", required=True, allowed=ARMS),
            "outcome": Column("text", allowed=OUTCOMES),
            "propensity": Column("number", low=0, high=1),
            "worker_id": Column("text"),
            "recorded_at": Column("time"),
        },
        key=("outreach_id",),
        time="contacted_at",
    ),
    "opt_outs": Table(
        {
            "household_id": Column("text", required=True),
            "from": Column("time"),
            "until": Column("time"),
            "recorded_at": Column("time"),
        },
        key=("household_id", "from"),
        time="from",
    ),
    "workers": Table(
        {
            "worker_id": Column("text", required=True),
            "name": Column("text"),
            "role": Column("text", required=True, allowed=ROLES),
            "grid_id": Column("text"),
            "microgrid_id": Column("text"),
            "weekly_visits": Column("number", low=0),
        },
        key=("worker_id",),
    ),
    "feedback": Table(
        {
            "feedback_id": Column("text", required=True),
            "household_id": Column("text", required=True),
            "recorded_at": Column("time", required=True),
            "outreach_id": Column("text"),
            "need": Column("text"),
            "kind": Column("text", allowed=FEEDBACK),
            "satisfaction": Column("number", low=1, high=5),
            "reason_kind": Column("text"),
            "note": Column("text"),
            "next_visit": Column("day"),
        },
        key=("feedback_id",),
        time="recorded_at",
    ),
    "programme_history": Table(
        {
            "programme_id": Column("text", required=True),
            "need": Column("text", required=True),
            "opened_at": Column("time", required=True),
            "seats": Column("number", low=0),
            "enrolled": Column("number", low=0),
            "waiting": Column("number", low=0),
            "recorded_at": Column("time"),
        },
        key=("programme_id", "need", "opened_at"),
        time="opened_at",
    ),
}
