"""Find the household of each row of a ledger: by its id, or by door, person and telephone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from features.linking.link import link
from features.mapping.register import DOOR, HOUSEHOLDER, NAME, PHONE, RegisterTables

NAMED = ("address", "person", "phone")
GIVEN = "given"  # the verdict of a row whose household the ledger names by its id
SURE = (GIVEN, "linked", "decided")


@dataclass(frozen=True)
class Register:
    """Whom rows can be of: the names, doors and telephones of households, and what people decided of unsure rows."""

    rows: pd.DataFrame  # household_id, address, person, phone
    decisions: pd.DataFrame
    gone: frozenset[str] = frozenset()  # ids that count as another household's by now
    erased: frozenset[str] = frozenset()  # ids of households that were deleted at their own wish
    aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)  # other names of estates

    def with_tables(self, tables: RegisterTables) -> "Register":
        """Return the register with the households and residents of new tables, each of whom stands there once."""
        homes, people = tables.households, tables.residents
        parts = []
        if len(homes):
            named = {DOOR: "address", HOUSEHOLDER: "person", PHONE: "phone"}
            parts.append(homes.rename(columns=named)[["household_id", *named.values()]])
        if len(people):
            named = {NAME: "person", PHONE: "phone"}
            doors = homes.set_index("household_id")[DOOR]
            named_people = people.rename(columns=named)[["household_id", *named.values()]]
            parts.append(named_people.assign(address=named_people["household_id"].map(doors)))
        rows = pd.concat([_others(self.rows, parts), *parts], ignore_index=True).fillna("")
        rows = rows[~rows["household_id"].isin(self.gone)]
        return replace(self, rows=rows.drop_duplicates())


def _others(rows: pd.DataFrame, parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Leave out the rows of people whom new tables have in the same household: each counts once when read again."""
    told: set[tuple[str, str]] = set()
    for part in parts:
        told |= {
            (home, name) for home, name in zip(part["household_id"], part["person"], strict=True) if name
        }
    stand_again = [
        any((home, name) in told for name in str(person).split("、"))
        for home, person in zip(rows["household_id"], rows["person"], strict=True)
    ]
    return rows[~np.array(stand_again, dtype=bool)]


def households_of(events: pd.DataFrame, register: Register) -> pd.DataFrame:
    """Find the household of each event.

    events: rows of ``take_rows`` with household_id, address, person and phone ("" where nothing stands).
    register: whom they can be of.

    Returns with the index of ``events``: household_id (NA where nobody knows), candidates (likeliest first), chance,
    link_reason, and verdict (``given``, or what ``features.linking.link`` says).
    """
    known = {*register.rows["household_id"], *register.gone}
    given = events["household_id"].isin(known)
    links = pd.DataFrame(
        {
            "household_id": events["household_id"].where(given, pd.NA),
            "candidates": [[] for _ in range(len(events))],
            "chance": given.astype(float).astype(object),
            "link_reason": "",
            "verdict": np.where(given, GIVEN, ""),
        },
        index=events.index,
    )
    rest = events.loc[~given, list(NAMED)]
    if rest.empty:
        return links
    distinct = rest.drop_duplicates().reset_index(drop=True)
    linked = link(distinct, register.rows, register.decisions, register.aliases)
    linked = linked.rename(columns={"reason": "link_reason"})
    place = rest.merge(distinct.assign(place=distinct.index), on=list(NAMED), how="left")["place"].to_numpy()
    for column in links.columns:
        links.loc[rest.index, column] = pd.Series(
            linked[column].to_numpy()[place], index=rest.index, dtype=object
        )
    return links
