"""Find the households that a record may mean: those with its door, telephone or name, or its building and surname."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from features.linking.mentioned import Mentioned
from features.linking.places import Places

COMMON = 60  # households with a name, or a building and surname, from which these alone point at nobody


def add_keys(mentioned: Mentioned, places: Places) -> None:
    """Add columns to ``doors``: ``places`` (frozenset of numbers), ``written`` (as in the register), ``named``, ``key``,
    ``one`` (points at one door) and ``form``.

    ``form`` is 0 for a door with all its parts, 1 where unit or group is left out, 2 where it points at no single door.
    """
    doors = mentioned.doors
    places_of = {names: _places_of(names, places) for names in dict.fromkeys(doors["names"])}
    places_of_doors: Any = [places_of[names][0] for names in doors["names"]]
    doors["places"] = places_of_doors
    doors["written"] = np.array([places_of[names][1] for names in doors["names"]], dtype=bool)
    doors["named"] = np.array([bool(names) for names in doors["names"]], dtype=bool)
    doors["one"] = (doors["building"] != "") & ((doors["room"] != "") | doors["house"])
    doors["key"] = doors["building"] + "|" + doors["room"]
    doors["form"] = np.where(
        ~doors["one"], 2, np.where((doors["unit"] == "") & (doors["group"] == ""), 1, 0)
    ).astype(np.int8)


def _places_of(names: tuple[str, ...], places: Places) -> tuple[frozenset[int], bool]:
    """Return the places of a door's names: those that are written as in the register before others."""
    matches = [places.find(name) for name in names]
    exact = frozenset().union(*(numbers for numbers, written in matches if written))
    return (exact, True) if exact else (frozenset().union(*(numbers for numbers, _ in matches)), False)


def candidate_pairs(records: Mentioned, register: Mentioned) -> pd.DataFrame:
    """Pair records with households: columns record and household, each pair once, by record.

    ``records``, ``register``: with ``add_keys``.
    """
    tables = [
        *_by_door(records.doors, register.doors),
        *_by_phone(records.phones, register.phones),
        *_by_name(records.persons, register.persons),
        *_by_building(records, register),
    ]
    left = np.concatenate([pairs["record"].to_numpy(np.int64) for pairs in tables])
    right = np.concatenate([pairs["household"].to_numpy(np.int64) for pairs in tables])
    both = np.unique(left * register.count + right)
    return pd.DataFrame(
        {
            "record": (both // register.count).astype(np.int32),
            "household": (both % register.count).astype(np.int32),
        }
    )


def _joined(records: pd.DataFrame, register: pd.DataFrame, on: list[str]) -> pd.DataFrame:
    """Join both sides on columns; the columns whose, and group and unit where they are there, are taken along."""
    left = records.rename(columns={"whose": "record"})[[*on, "record", *_parts(records)]]
    right = register.rename(columns={"whose": "household"})[[*on, "household", *_parts(register)]]
    return left.merge(right, on=on, suffixes=("", "_held"))


def _parts(table: pd.DataFrame) -> list[str]:
    return [part for part in ("group", "unit") if part in table]


def _by_door(records: pd.DataFrame, register: pd.DataFrame) -> Iterable[pd.DataFrame]:
    """Pair by building and room; group and unit must agree where both sides say them, and so must the place."""
    left, right = records[records["one"]], register[register["one"]]
    placed_left, placed_right = _exploded(left), _exploded(right)
    unplaced_left = left[~_placed(left)]
    unplaced_right = right[~_placed(right)]
    for left_rows, other, on in (
        (placed_left, placed_right, ["place", "key"]),
        (unplaced_left, right, ["key"]),
        (left, unplaced_right, ["key"]),
    ):
        pairs = _joined(left_rows, other, on)
        agree = np.ones(len(pairs), dtype=bool)
        for part in ("group", "unit"):
            mentioned, held = pairs[part].to_numpy(), pairs[f"{part}_held"].to_numpy()
            agree &= (mentioned == held) | (mentioned == "") | (held == "")
        yield pairs[agree]


def _placed(doors: pd.DataFrame) -> np.ndarray:
    """Tell which doors are in a place of the register: bool [doors]."""
    return np.array([bool(numbers) for numbers in doors["places"]], dtype=bool)


def _exploded(doors: pd.DataFrame) -> pd.DataFrame:
    """One row for each place that a door may be in, with its number as ``place``."""
    placed = doors[_placed(doors)]
    numbers: Any = [sorted(places) for places in placed["places"]]
    return placed.assign(place=numbers).explode("place")


def _by_phone(records: pd.DataFrame, register: pd.DataFrame) -> Iterable[pd.DataFrame]:
    whole, held = records[~records["phone"].str.contains("*", regex=False)], register
    yield _joined(whole, held, ["phone"])
    masked, hidden = records[records["mask"] != ""], register[register["mask"] != ""]
    one_hidden = masked["phone"].str.contains("*", regex=False)
    yield _joined(masked[one_hidden], hidden, ["mask"])
    yield _joined(masked, hidden[hidden["phone"].str.contains("*", regex=False)], ["mask"])


def _by_name(records: pd.DataFrame, register: pd.DataFrame) -> Iterable[pd.DataFrame]:
    left, right = records[records["form"] == 0], register[register["form"] == 0]
    common = right.groupby("sound")["whose"].nunique()
    rare = right[~right["sound"].isin(common.index[common > COMMON])]
    yield _joined(left, rare, ["sound"])


def _by_building(records: Mentioned, register: Mentioned) -> Iterable[pd.DataFrame]:
    """Pair by place, building and surname: for a door without its room, or with a slip of the pen in it."""
    left, right = _housed(records), _housed(register)
    for left_rows, other, on in (
        (_exploded(left), _exploded(right), ["place", "building", "surname"]),
        (left[~_placed(left)], right, ["building", "surname"]),
        (left, right[~_placed(right)], ["building", "surname"]),
    ):
        many = other.groupby(on)["whose"].transform("nunique") > COMMON
        yield _joined(
            left_rows.drop(columns=["group", "unit"]), other[~many].drop(columns=["group", "unit"]), on
        )


def _housed(mentioned: Mentioned) -> pd.DataFrame:
    doors = mentioned.doors[mentioned.doors["building"] != ""][
        ["whose", "places", "building", "group", "unit"]
    ]
    return doors.merge(mentioned.persons[["whose", "surname"]].drop_duplicates(), on="whose")
