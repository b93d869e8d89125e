"""Compare a record with a household: how far door, person and telephone agree, and how often that happens by chance."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from rapidfuzz import process
from rapidfuzz.distance import OSA

from features.language import say
from features.linking.candidates import COMMON
from features.linking.mentioned import Mentioned
from features.linking.names import fits

# levels of each kind of evidence, the strongest first; the last is a contradiction
DOOR = ("unsaid", "same", "lacking", "part", "near", "other")
PLACE = ("unsaid", "same", "alike", "unknown", "other")
NAME = ("unsaid", "same", "sound", "near", "surname", "other")
PHONE = ("unsaid", "same", "near", "other")
PARTS = ("group", "building", "unit", "room")
NEIGHBOURS = 20  # doors of an estate that differ from a door by one sign, about
SLIPS = 3  # people whose name differs from a name by one sign, about
_DOOR = {
    "same": ("门牌一致", "same door"),
    "lacking": ("门牌一致（有一方缺单元或组）", "same door, with a part left out"),
    "part": ("同一幢，没写室号", "same building, no room"),
    "near": ("门牌差一字", "door differs by one sign"),
    "other": ("门牌不同", "another door"),
}
_PLACE = {
    "alike": ("小区名相近", "estate's name alike"),
    "unknown": ("小区名不认识", "unknown estate"),
    "other": ("小区不同", "another estate"),
}
_FULL = {
    "same": ("姓名一致", "same name"),
    "sound": ("姓名同音", "name sounds the same"),
    "near": ("姓名差一字", "name differs by one sign"),
    "surname": ("同姓", "same surname"),
    "other": ("姓名不同", "another name"),
}
_PARTLY = {"same": ("姓氏相符", "surname agrees"), "other": ("姓氏不同", "another surname")}
_PHONE = {
    "same": ("电话一致", "same telephone"),
    "near": ("电话差一位", "telephone differs by one digit"),
    "other": ("电话不同", "another telephone"),
}


@dataclass(frozen=True)
class Evidence:
    """How each pair agrees: for each kind its level [pairs], and how likely that level is between strangers [pairs].

    ``whole``: 0 where the record writes a door in full, 1 without its unit or group, 2 where it points at no single door.
    ``form``: 0 where it names a person in full, 1 with signs hidden, 2 by surname. ``hidden``: 1 where its telephone is
    masked. ``named``: whether the record names a person or a telephone.
    """

    door: np.ndarray
    whole: np.ndarray
    place: np.ndarray
    name: np.ndarray
    form: np.ndarray
    phone: np.ndarray
    hidden: np.ndarray
    named: np.ndarray
    by_chance: dict[str, np.ndarray]  # kind: float64 [pairs]


def evidence_of(pairs: pd.DataFrame, records: Mentioned, register: Mentioned) -> Evidence:
    """Compare each pair of ``candidate_pairs``; of several doors, people or numbers, the ones that agree best count."""
    door, place = _doors(pairs, records, register)
    whole = np.zeros(records.count, dtype=np.int8)
    whole[records.doors["whose"]] = records.doors["form"]
    name, form, name_chance = _names(pairs, records, register)
    phone, hidden, phone_chance = _phones(pairs, records, register)
    named = np.zeros(records.count, dtype=bool)
    named[records.persons["whose"]] = True
    named[records.phones["whose"]] = True
    record = pairs["record"].to_numpy()
    chances = {
        "door": _door_chance(pairs, door, place, register.count),
        "name": name_chance,
        "phone": phone_chance,
    }
    return Evidence(door, whole[record], place, name, form, phone, hidden, named[record], chances)


def _met(pairs: pd.DataFrame, left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    """Join each pair's rows of both sides: the pair's position as ``pair``, the household's columns with ``_held``."""
    placed = pairs.assign(pair=np.arange(len(pairs), dtype=np.int32))
    met = placed.merge(left, left_on="record", right_on="whose").drop(columns="whose")
    return met.merge(right, left_on="household", right_on="whose", suffixes=("", "_held"))


def _best(count: int, pair: np.ndarray, level: np.ndarray, unsaid: int = 0) -> np.ndarray:
    """Take each pair's strongest level: int8 [count]; ``unsaid`` where it has none."""
    best = np.full(count, 127, dtype=np.int8)
    np.minimum.at(best, pair, level.astype(np.int8))
    return np.where(best == 127, unsaid, best).astype(np.int8)


def _doors(pairs: pd.DataFrame, records: Mentioned, register: Mentioned) -> tuple[np.ndarray, np.ndarray]:
    columns = ["whose", *PARTS, "house", "places", "written", "named"]
    met = _met(pairs, records.doors[columns], register.doors[columns])
    both_given = np.column_stack([(met[part] != "") & (met[f"{part}_held"] != "") for part in PARTS])
    same = np.column_stack([met[part].to_numpy() == met[f"{part}_held"].to_numpy() for part in PARTS])
    differ = (both_given & ~same).sum(axis=1)
    building, room = both_given[:, PARTS.index("building")], both_given[:, PARTS.index("room")]
    whole = same.all(axis=1)
    house = (met["house"] & met["house_held"]).to_numpy()
    points = building & (room | house)
    level = np.select(
        [(differ == 0) & whole & points, (differ == 0) & points, (differ == 0) & building, differ == 1],
        [1, 2, 3, 4],
        np.where(both_given.any(axis=1), 5, 9),
    )
    rows = np.flatnonzero(level == 4)
    which = (both_given & ~same)[rows].argmax(axis=1)
    texts = np.column_stack([met[part].to_numpy() for part in PARTS])[rows, which]
    held = np.column_stack([met[f"{part}_held"].to_numpy() for part in PARTS])[rows, which]
    level[rows] = np.where(_slips(texts, held) & (building & (room | house))[rows], 4, 5)
    place = _place_levels(met)
    key = np.minimum(level * 10 + place, 99)
    best = _best(len(pairs), met["pair"].to_numpy(), key, 0)
    return np.where(best >= 90, 0, best // 10).astype(np.int8), (best % 10).astype(np.int8)


def _place_levels(met: pd.DataFrame) -> np.ndarray:
    """Return the level of PLACE of each pair of doors: int [rows]."""
    both = list(
        zip(met["places"], met["places_held"], met["named"], met["named_held"], met["written"], strict=True)
    )
    levels = {pair: _place_level(*pair) for pair in dict.fromkeys(both)}
    return np.array([levels[pair] for pair in both], dtype=np.int64)


def _place_level(
    said: frozenset[int], held: frozenset[int], named: bool, named_held: bool, written: bool
) -> int:
    if not named or not named_held:
        return 0
    if not said:
        return 3
    return (1 if written else 2) if said & held else 4


def _slips(texts: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Tell which texts differ by one sign, or two signs in another order: bool [texts]."""
    if not len(texts):
        return np.zeros(0, dtype=bool)
    return process.cpdist(texts, held, scorer=OSA.distance, dtype=np.int32) == 1


def _door_chance(pairs: pd.DataFrame, door: np.ndarray, place: np.ndarray, households: int) -> np.ndarray:
    """How likely a household chosen by chance agrees as well: the candidates that do, by the number of households."""
    chance = np.ones(len(pairs))
    record = pairs["record"].to_numpy()
    count = int(record.max()) + 1 if len(record) else 0
    agreeing = place != 4
    exact = (door == 1) | (door == 2)
    for chosen in (exact & agreeing, exact & ~agreeing):
        number = np.bincount(record[chosen], minlength=count)
        chance[chosen] = number[record[chosen]] / households
    part = door == 3
    number = np.bincount(record[part], minlength=count)
    chance[part] = np.maximum(number[record[part]], NEIGHBOURS * 2) / households
    chance[door == 4] = NEIGHBOURS / households
    return np.minimum(chance, 1.0)


def _names(
    pairs: pd.DataFrame, records: Mentioned, register: Mentioned
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    columns = ["whose", "form", "surname", "name", "sound"]
    met = _met(pairs, records.persons[columns], register.persons[columns])
    form = np.maximum(met["form"].to_numpy(), np.where(met["form_held"] == 2, 2, 0))
    name, held = met["name"].to_numpy(), met["name_held"].to_numpy()
    family = (met["surname"] == met["surname_held"]).to_numpy()
    sound = (met["sound"] == met["sound_held"]).to_numpy()
    spelled = (met["surname"] == "").to_numpy() & sound  # in pinyin
    level = np.select([(name == held) | spelled, sound & (form == 0), family], [1, 2, 4], 5)
    near = np.flatnonzero((level == 4) & (form == 0))
    level[near] = np.where(_slips(name[near], held[near]), 3, 4)
    masked = np.flatnonzero((form == 1) & (met["form"].to_numpy() == 1))
    level[masked] = [
        1 if fits(left, other) else 5 for left, other in zip(name[masked], held[masked], strict=True)
    ]
    level[(form == 2) & family] = 1
    level[(form == 2) & ~family] = 5
    best = _best(len(pairs), met["pair"].to_numpy(), level * 4 + form)
    level, form = best // 4, best % 4
    return level, form, _name_chance(met, best, register)


def _name_chance(met: pd.DataFrame, best: np.ndarray, register: Mentioned) -> np.ndarray:
    """How likely a household chosen by chance has somebody whose name agrees as well: float64 [pairs]."""
    persons, total = register.persons, register.count
    shares = {
        column: persons.groupby(column)["whose"].nunique() / total for column in ("name", "sound", "surname")
    }
    pair = met["pair"].to_numpy()
    said = {column: np.empty(len(best), dtype=object) for column in shares}
    chosen = best[pair] // 4 != 0
    for column, texts in said.items():
        texts[pair[chosen]] = met[f"{column}_held"].to_numpy()[chosen]
    # of several people of a household, those who agree best speak last
    agree = np.flatnonzero(chosen & (met["name"].to_numpy() == met["name_held"].to_numpy()))
    for column, texts in said.items():
        texts[pair[agree]] = met[f"{column}_held"].to_numpy()[agree]
    name, sound, surname = (
        pd.Series(said[column]).map(shares[column]).fillna(1 / total).to_numpy(np.float64)
        for column in ("name", "sound", "surname")
    )
    level, form = best // 4, best % 4
    chance = np.select(
        [level == 1, level == 2, level == 3, level == 4, level == 5],
        [
            np.where(form == 0, name, np.where(form == 1, surname * 0.1, surname)),
            sound,
            np.full(len(best), SLIPS / total),
            surname,
            1 - surname,
        ],
        1.0,
    )
    return np.clip(chance, 1 / total, 1.0)


def _phones(
    pairs: pd.DataFrame, records: Mentioned, register: Mentioned
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    met = _met(pairs, records.phones, register.phones)
    phone, held = met["phone"].to_numpy(), met["phone_held"].to_numpy()
    hidden = np.array(
        [("*" in left) or ("*" in other) for left, other in zip(phone, held, strict=True)], dtype=bool
    )
    same = (phone == held) & ~hidden
    masks = (met["mask"] == met["mask_held"]).to_numpy() & (met["mask"] != "").to_numpy() & hidden
    endings = np.array(
        [left[0] == "*" and other.endswith(left[1:]) for left, other in zip(phone, held, strict=True)],
        dtype=bool,
    )
    level = np.where(same | masks | endings, 1, 3)
    other = np.flatnonzero((level == 3) & ~hidden)
    level[other] = np.where(_slips(phone[other], held[other]), 2, 3)
    best = _best(len(pairs), met["pair"].to_numpy(), level * 2 + hidden)
    level, form = best // 2, best % 2
    record = pairs["record"].to_numpy()
    agree = np.bincount(record[level == 1], minlength=int(record.max()) + 1 if len(record) else 0)
    chance = np.select(
        [level == 1, level == 2], [agree[record] / register.count, COMMON / register.count / 100], 1.0
    )
    return level, form, np.where(level == 1, np.maximum(chance, 1 / register.count), chance)


def reason_of(evidence: Evidence, pair: int) -> str:
    """Say how a pair agrees and differs, for example 门牌一致；姓氏相符；电话不同."""
    name = _FULL if evidence.form[pair] == 0 else _PARTLY
    words = [
        _DOOR.get(DOOR[evidence.door[pair]]),
        _PLACE.get(PLACE[evidence.place[pair]]) if evidence.door[pair] else None,
        name.get(NAME[evidence.name[pair]]),
        _PHONE.get(PHONE[evidence.phone[pair]]),
    ]
    return say("；", "; ").join(say(*pair) for pair in words if pair)
