"""One household, or a part of a town, apart from it: the same features, from its own rows and the town's tables."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd

from features.records import Known, Records, Versions, known_before
from features.schema import Schema
from features.town import Town


def alone(records: Records, household: int) -> Records:
    """The records of one household, which has number 0; grids and micro-grids keep their numbers."""

    def mine(rows: Any) -> Any:
        keep = np.flatnonzero(rows.household == household)
        return type(rows)(**{**_taken(rows, keep), "household": np.zeros(len(keep), dtype=np.int32)})

    tables = {
        field.name: mine(getattr(records, field.name))
        for field in fields(records)
        if isinstance(getattr(records, field.name), Versions)
    }
    residents = tables["residents"]
    _, numbers = np.unique(residents.resident, return_inverse=True)
    tables["residents"] = replace(residents, resident=numbers.astype(np.int32))
    return replace(records, household_ids=records.household_ids[[household]], **tables)


def without(records: Records, household_id: str) -> Records:
    """The records without the rows of one household; every number stays, and nothing is called by its id."""
    here = records.household_ids == household_id
    nobody = np.array([f"\x00{number}" for number in range(len(here))], dtype=object)

    def others(rows: Any) -> Any:
        keep = np.flatnonzero(~here[rows.household])
        return type(rows)(**_taken(rows, keep))

    tables = {
        field.name: others(getattr(records, field.name))
        for field in fields(records)
        if isinstance(getattr(records, field.name), Versions)
    }
    return replace(records, household_ids=np.where(here, nobody, records.household_ids), **tables)


def _taken(rows: Versions, keep: np.ndarray) -> dict[str, Any]:
    picked = {}
    for field in fields(rows):
        value = getattr(rows, field.name)
        frame = isinstance(value, pd.DataFrame)
        picked[field.name] = value.iloc[keep].reset_index(drop=True) if frame else value[keep]
    return picked


def known_apart(records: Records, town: Town, schema: Schema) -> Known:
    """What was known of a household, or of a part of a town, that stands alone in its records; what blocks ask of
    the whole town is that of ``town``."""
    known = known_before(records, town.as_of)
    known.__dict__["_remembered"] = {
        "days_recorded": town.days_recorded,
        "first_known": town.first_known,
        ("similar factors", schema): town.parts["expected"].similar,
    }
    return known
