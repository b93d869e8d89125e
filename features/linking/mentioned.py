"""Read the doors, people and telephones of a table's rows into tables of their own, one row each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.linking.doors import Door, read_door
from features.linking.names import read_persons, sound_of
from features.linking.phones import mask_key, read_phones

EVIDENCE = ("address", "person", "phone")
FORMS = ("full", "masked", "surname")


@dataclass(frozen=True)
class Mentioned:
    """What the rows of a table name.

    ``whose``: int per row of each table: the record's position, or the household's. ``doors``: whose, names (tuple),
    group, building, unit, room, house. ``persons``: whose, form (index into FORMS), surname, name, sound. ``phones``:
    whose, phone, mask.
    """

    count: int
    doors: pd.DataFrame
    persons: pd.DataFrame
    phones: pd.DataFrame


def read_mentioned(rows: pd.DataFrame, whose: np.ndarray, count: int) -> Mentioned:
    """Read the columns address, person and phone; a telephone may also stand in one of the others.

    rows: texts or missing values; columns that are not there say nothing.
    whose: int [rows]: the record or household of each row.
    count: number of records or households.
    """
    texts = {column: texts_of(rows, column) for column in EVIDENCE}
    doors: list[tuple[int, tuple[str, ...], str, str, str, str, bool]] = []
    persons: list[tuple[int, int, str, str, str]] = []
    phones: list[tuple[int, str, str]] = []
    for at, address, person, phone in zip(
        whose.tolist(), *(texts[column] for column in EVIDENCE), strict=True
    ):
        door = read_door(address)
        if door:
            doors.append((at, *_fields(door)))
        persons += [
            (at, FORMS.index(mention.form), mention.surname, mention.name, sound_of(mention.name))
            for mention in read_persons(person)
        ]
        numbers = read_phones(phone) + [
            number for number in read_phones(f"{person} {address}") if len(number) == 11
        ]
        phones += [(at, number, mask_key(number)) for number in numbers]
    return Mentioned(
        count,
        _table(doors, ("whose", "names", "group", "building", "unit", "room", "house")),
        _table(persons, ("whose", "form", "surname", "name", "sound")),
        _table(phones, ("whose", "phone", "mask")),
    )


def _fields(door: Door) -> tuple[tuple[str, ...], str, str, str, str, bool]:
    return door.places, door.group, door.building, door.unit, door.room, door.house


def texts_of(rows: pd.DataFrame, column: str) -> list[str]:
    """Return a column as texts; "" where it is missing or not there."""
    if column not in rows:
        return [""] * len(rows)
    return [
        "" if value is None or value is pd.NA or value != value else str(value)
        for value in rows[column].tolist()
    ]


def _table(rows: Sequence[tuple[object, ...]], columns: Sequence[str]) -> pd.DataFrame:
    table = pd.DataFrame(list(dict.fromkeys(rows)), columns=list(columns)).astype(object)
    kinds = {"whose": np.int32, "form": np.int8, "house": bool}
    return table.astype({column: kind for column, kind in kinds.items() if column in columns})
