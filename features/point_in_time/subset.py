"""Some of the records as records by themselves: of some households, of all but one, or since some day."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from features.point_in_time.records import Records
from features.rows.tables import Versions, rows_at


def alone(records: Records, household: int) -> Records:
    """Return the records of one household, which gets the number 0; grids and micro-grids keep their numbers."""
    return _apart(records, np.array([household]), lambda whose: whose == household)


def some(records: Records, households: np.ndarray) -> Records:
    """Return the records of some households, numbered from 0 on in their order; grids and micro-grids keep their numbers.

    ``households``: int positions in ``records.household_ids``, ascending.
    """
    wanted = np.zeros(len(records.household_ids), dtype=bool)
    wanted[households] = True
    return _apart(records, households, lambda whose: wanted[whose])


def _apart(records: Records, households: np.ndarray, keep: Callable[[np.ndarray], np.ndarray]) -> Records:
    """Take the rows of some households; ``keep`` maps household positions [n] to bool [n], True for those to keep."""

    def taken(rows: Any) -> Any:
        kept = rows_at(rows, np.flatnonzero(keep(rows.household)))
        return replace(kept, household=np.searchsorted(households, kept.household).astype(np.int32))

    tables: dict[str, Any] = {
        field.name: taken(getattr(records, field.name))
        for field in fields(records)
        if isinstance(getattr(records, field.name), Versions)
    }
    _, numbers = np.unique(tables["residents"].resident, return_inverse=True)
    tables["residents"] = replace(tables["residents"], resident=numbers.astype(np.int32))
    for table in ("households", "residents"):  # the town's many texts would have to be read for these few
        attributes = {name: column.own() for name, column in tables[table].attributes.items()}
        tables[table] = replace(tables[table], attributes=attributes)
    return replace(records, household_ids=records.household_ids[households], **tables)


def recorded_since(records: Records, day: float) -> Records:
    """Return what a community would hold that began to record on a day: its register, and what was recorded since.

    Requests, visits and feedback from before ``day`` (days since 1970; -inf for all of them) are left out.
    """
    if np.isneginf(day):
        return records
    tables = {
        name: rows_at(rows := getattr(records, name), np.flatnonzero(rows.visible_from >= day))
        for name in ("requests", "outreach", "feedback")
    }
    return replace(records, **tables)


def without(records: Records, household_id: str) -> Records:
    """Return the records without the rows of one household; numbers stay, and no household has its id any more."""
    removed = records.household_ids == household_id
    nobody = np.array([f"\x00{number}" for number in range(len(removed))], dtype=object)

    tables = {
        field.name: rows_at(rows := getattr(records, field.name), np.flatnonzero(~removed[rows.household]))
        for field in fields(records)
        if isinstance(getattr(records, field.name), Versions)
    }
    return replace(records, household_ids=np.where(removed, nobody, records.household_ids), **tables)
