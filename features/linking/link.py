"""Link records without a household's number to the register, surely or not at all."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.linking.candidates import add_keys, candidate_pairs
from features.linking.doors import read_door
from features.linking.evidence import DOOR, NAME, PHONE, Evidence, evidence_of, reason_of
from features.linking.match_model import chances, fit
from features.linking.mentioned import EVIDENCE, Mentioned, read_mentioned, texts_of
from features.linking.names import read_persons
from features.linking.phones import read_phones
from features.linking.places import read_places

# Chance from which a record is linked without a person. Few records are near it, so of all that are linked about one in
# a thousand is wrong (docs/linking.md); at 0.99 a plain door with a telephone that nobody registered would wait.
SURE = 0.9
SHOWN = 5  # candidates
AT_ONCE = 20_000  # records compared at a time, which bounds the memory
POSSIBLE = 1e-4  # chance below which a candidate isn't shown
LINKED, REVIEW, UNKNOWN, DECIDED = "linked", "review", "unknown", "decided"
COLUMNS = ("household_id", "candidates", "chance", "reason", "verdict")


def link(
    records: pd.DataFrame,
    register: pd.DataFrame,
    decisions: pd.DataFrame | None = None,
    aliases: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Link records to households by door, person and telephone.

    records: columns address, person and phone, texts or missing; a column that isn't there says nothing. ``at``, the
        time of the record, is optional.
    register: columns household_id, address, person and phone; several rows a household. ``valid_until`` is optional:
        a household that had left before a record's ``at`` isn't linked to it.
    decisions: what people decided: address, person, phone, household_id ("": nobody of the register).
    aliases: other names of estates, by name.

    Returns one row a record with its index: ``household_id`` (missing where nobody is sure), ``candidates`` (list of
    household_id, the likeliest first), ``chance`` that the first is right, ``reason`` in words, and ``verdict``:
    ``linked``, ``review``, ``unknown`` (no candidate), or ``decided`` by a person.
    """
    households, whose = np.unique(register["household_id"].to_numpy(dtype=str), return_inverse=True)
    count = max(len(households), 1)  # chances are shares of it; nobody is linked where it is empty
    held = read_mentioned(register, whose, count)
    links, model = [], None
    said_names = [
        door.places for door in map(read_door, texts_of(records, "address")) if door and len(door.places) > 1
    ]
    places = read_places(held.doors["names"], aliases or {}, said_names)
    add_keys(held, places)
    for begin in range(0, len(records), AT_ONCE):
        part = records.iloc[begin : begin + AT_ONCE]
        mentioned = read_mentioned(part, np.arange(len(part)), len(part))
        add_keys(mentioned, places)
        pairs = candidate_pairs(mentioned, held)
        evidence = evidence_of(pairs, mentioned, held)
        record = pairs["record"].to_numpy()
        if model is None:
            model = fit(record, evidence, count, shared_names(held))
        chance, _, _ = chances(model, record, evidence, count, shared_names(held))
        gone = _gone(part, register, pairs, whose, count)
        links.append(_verdicts(part, pairs, evidence, np.where(gone, 0.0, chance), households))
    linked = pd.concat(links) if links else pd.DataFrame(columns=list(COLUMNS))
    return _decided(linked, records, decisions)


def shared_names(register: Mentioned) -> float:
    """Estimate how likely a full name that isn't the register's own is also in it (Good and Turing's estimate)."""
    names = register.persons.loc[register.persons["form"] == 0, "name"]
    once = (names.value_counts() == 1).sum()
    return float(np.clip(1 - once / max(len(names), 1), 0.05, 1.0))


def _gone(
    records: pd.DataFrame, register: pd.DataFrame, pairs: pd.DataFrame, whose: np.ndarray, count: int
) -> np.ndarray:
    """Tell which pairs are of a household that had left before the record: bool [pairs]."""
    if "valid_until" not in register or "at" not in records:
        return np.zeros(len(pairs), dtype=bool)
    ends, at = (
        pd.to_datetime(column).to_numpy("datetime64[us]").astype(np.int64)
        for column in (register["valid_until"], records["at"])
    )
    # a missing time is the smallest number: no end, or no time of the record
    missing = np.iinfo(np.int64).min
    ends = np.where(ends == missing, np.iinfo(np.int64).max, ends)
    last = np.full(count, missing)
    np.maximum.at(last, whose, ends)
    return last[pairs["household"].to_numpy()] <= at[pairs["record"].to_numpy()]


def _verdicts(
    records: pd.DataFrame, pairs: pd.DataFrame, evidence: Evidence, chance: np.ndarray, households: np.ndarray
) -> pd.DataFrame:
    order = np.lexsort((-chance, pairs["record"].to_numpy()))
    order = order[chance[order] > POSSIBLE]
    record, household = pairs["record"].to_numpy()[order], pairs["household"].to_numpy()[order]
    first = np.flatnonzero(np.diff(record, prepend=-1))
    best = np.full(len(records), -1)
    best[record[first]] = order[first]
    candidates: list[list[str]] = [[] for _ in range(len(records))]
    for row, other in zip(record.tolist(), households[household].tolist(), strict=True):
        if len(candidates[row]) < SHOWN:
            candidates[row].append(other)
    has_pair = best >= 0
    top = np.where(has_pair, chance[best] if len(chance) else 0.0, 0.0)
    sure = has_pair & (top >= SURE) & _supported(evidence)[best] if len(chance) else has_pair
    ids = pd.array([candidates[row][0] if sure[row] else None for row in range(len(records))], dtype="str")
    reasons = [reason_of(evidence, row) if row >= 0 else "" for row in best.tolist()]
    verdict = np.select([sure, has_pair], [LINKED, REVIEW], UNKNOWN)
    return pd.DataFrame(
        {
            "household_id": ids,
            "candidates": candidates,
            "chance": top,
            "reason": reasons,
            "verdict": verdict.astype(object),
        },
        index=records.index,
    )


def _supported(evidence: Evidence) -> np.ndarray:
    """Tell which pairs may be linked without a person, whatever their chance: bool [pairs].

    A name alone is nobody's; a door doesn't outweigh another person's name, nor a telephone another door.
    """
    door = np.isin(evidence.door, [DOOR.index("same"), DOOR.index("lacking")])
    name = (evidence.name > 0) & (evidence.name < NAME.index("other"))
    phone = evidence.phone == PHONE.index("same")
    stranger = (evidence.name == NAME.index("other")) & ~phone
    elsewhere = (evidence.door == DOOR.index("other")) & ~name
    nearly = np.isin(evidence.door, [DOOR.index("near"), DOOR.index("part")])
    return (door | phone | (name & nearly)) & ~stranger & ~elsewhere


def _decided(linked: pd.DataFrame, records: pd.DataFrame, decisions: pd.DataFrame | None) -> pd.DataFrame:
    """Put what people decided in place of what was found."""
    if decisions is None or not len(decisions) or not len(records):
        return linked
    by_key = dict(zip(record_keys(decisions), decisions["household_id"].fillna("").astype(str), strict=True))
    columns: dict[str, list[Any]] = {column: linked[column].tolist() for column in COLUMNS}
    for place, key in enumerate(record_keys(records)):
        if key in by_key:
            household = by_key[key]
            columns["household_id"][place] = household or None
            columns["candidates"][place] = [household] if household else []
            columns["chance"][place] = 1.0 if household else 0.0
            columns["verdict"][place] = DECIDED
    decided = pd.DataFrame(columns, index=linked.index)
    return decided.astype({"household_id": "str", "chance": float})


def record_keys(rows: pd.DataFrame) -> list[str]:
    """Return one key for each row of columns address, person and phone.

    >>> one = {"address": ["3幢2单元501"], "person": ["王 阿姨"], "phone": ["138-0000 1234"]}
    >>> other = {"address": ["三栋二单元501室"], "person": ["王女士"], "phone": ["13800001234"]}
    >>> record_keys(pd.DataFrame(one)) == record_keys(pd.DataFrame(other))
    True
    """
    return [_key(*texts) for texts in zip(*(texts_of(rows, column) for column in EVIDENCE), strict=True)]


def _key(address: str, person: str, phone: str) -> str:
    door = read_door(address)
    where = f"{'/'.join(door.places)}{door.numbers}" if door else address.strip()
    who = "/".join(name.name for name in read_persons(person)) or person.strip()
    return f"{where}\t{who}\t{'/'.join(read_phones(phone))}"
