"""Make households and residents of a register of persons or households; ids stay what they were a month ago."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd

from features.contract.spoken_values import read_birth
from features.exports.ages import years_of_age
from features.findings import line_words
from features.language import say
from features.linking.doors import read_door
from features.linking.names import surname_of
from features.units import JULIAN_YEAR
from features.workspace_secret import keyed_hash

KEPT = (
    "household_id",
    "resident_id",
    "door",
    "valid_from",
)  # ``door``: hash of door and householder, "" of a household that has an id of its own
DOOR, HOUSEHOLDER, CALLED, PHONE, NAME, RELATION, AGE = (
    "住址",
    "户主",
    "称呼",
    "电话",
    "姓名",
    "与户主关系",
    "年龄",
)
MOST_TAGS = 60  # different tags that become attributes
_HEAD = re.compile(r"^(?:户主|本人|户主本人|房主|业主|0?1)$")
_CARD_BIRTH = re.compile(r"^\d{6}((?:19|20)\d{6})\d{3}[\dXx]$")
_ID_DIGITS = 10


@dataclass(frozen=True)
class RegisterTables:
    """Rows of the contract's tables, and what must be kept so that next month's ids are the same.

    Each row of ``households`` and ``residents`` has in ``record`` the position of the record from which it comes.
    ``aside``: why a record belongs to no household, by its position. ``doubts``: what is odd about a record.
    """

    households: pd.DataFrame
    residents: pd.DataFrame
    kept: pd.DataFrame  # KEPT
    aside: dict[int, str]
    doubts: dict[int, str]


def register_tables(
    records: pd.DataFrame, kept: pd.DataFrame, secret: bytes, begins: date, grid: str
) -> RegisterTables:
    """Make the tables of a register.

    records: usable rows of shape persons or households (``take_rows``), in the ledger's order.
    kept: what earlier months kept (``RegisterTables.kept``); no rows at the first time.
    secret: the workspace's key: ids that are made here tell nobody's name, door or identity card.
    begins: the day from which households hold whose register tells none.
    grid: the grid of households whose register tells none.
    """
    records, doubts = _own_cards(records.reset_index(drop=True))
    group, aside = _grouped(records)
    resident = [
        _resident_id(row, home, secret) for row, home in zip(records.to_dict("records"), group, strict=True)
    ]
    ids = _household_ids(records, group, resident, kept, secret)
    since = dict(zip(kept["household_id"], kept["valid_from"], strict=True))
    every = records.to_dict("records")
    homes, people, new_kept = [], [], []
    tags = _tags(records)
    for home, places in _members(group).items():
        rows = [every[place] for place in places]
        household_id = ids[home]
        valid_from = (
            since.get(household_id)
            or next((row["valid_from"] for row in rows if row["valid_from"]), "")
            or begins.isoformat()
        )
        homes.append(_household(household_id, places, rows, valid_from, grid, tags))
        for place, row in zip(places, rows, strict=True):
            if row["shape"] == "persons":
                people.append(_resident(resident[place], household_id, place, row, valid_from, tags))
            new_kept.append((household_id, resident[place], _hashed(home, secret), valid_from))
    known = pd.DataFrame(new_kept, columns=list(KEPT))
    left = kept[~kept["household_id"].isin(known["household_id"])]
    return RegisterTables(
        pd.DataFrame(homes),
        _once_each(pd.DataFrame(people), tags),
        pd.concat([left, known], ignore_index=True),
        aside,
        doubts,
    )


def _own_cards(records: pd.DataFrame) -> tuple[pd.DataFrame, dict[int, str]]:
    """Leave an identity card to the one person whose it is where rows of others have it too, by a slip; and say so."""
    rows, doubts = records.to_dict("records"), dict[int, str]()
    of_card: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if card := _whole_card(row):
            of_card.setdefault(card, []).append(place)
    for card, places in of_card.items():
        born = read_birth(found[1]) if (found := _CARD_BIRTH.match(card)) else None
        owner = next(
            (place for place in places if born and read_birth(rows[place]["birth"]) == born), places[0]
        )
        for place in places:
            if _are_two(rows[owner], rows[place]):
                where = line_words([rows[owner]["source_row"]])
                zh = f"身份证号和另一个人的相同，按两个人读：见{rows[owner]['source_sheet']}{where}"
                doubts[place] = say(
                    zh, f"has the identity card of another person, both are read: see {where}"
                )
    cards = records["id_card"].mask(records.index.isin(doubts), "")
    return records.assign(id_card=cards), doubts


def _are_two(one: Any, other: Any) -> bool:
    """Whether two rows with the same identity card are two persons: by name and birth, without births by surname."""
    names, births = ([_plain(row[field]) for row in (one, other)] for field in ("person", "birth"))
    if not all(names) or names[0] == names[1]:
        return False
    born = [read_birth(birth) for birth in births]
    return born[0] != born[1] if all(born) else names[0][0] != names[1][0]


def _grouped(records: pd.DataFrame) -> tuple[list[Any], dict[int, str]]:
    """Give each record the key of its household, None where nobody can tell, and say why."""
    group: list[Any] = []
    aside: dict[int, str] = {}
    homes_at: dict[str, set[Any]] = {}
    begun: tuple[str, str] | None = None  # door and householder of the household whose rows are being read
    by_card: dict[str, Any] = {}
    sheet = None
    rows = records.to_dict("records")
    for place, row in enumerate(rows):
        if sheet != (sheet := (row["source_file"], row["source_sheet"])):
            begun = None  # a household does not go on in another list
        door, name = _door_key(row["address"]), _plain(row["person"])
        head = _plain(row["householder"]) or (
            name if row["shape"] == "households" or _HEAD.match(_plain(row["relation"])) else ""
        )
        key: Any = None
        if row["household_id"]:
            key = ("id", row["household_id"])
        elif head and (door or row["shape"] == "households"):
            begun = (door, head)
            key = ("door", door, head)
        elif head:
            begun, key = ("", f"{head}#{place}"), ("door", "", f"{head}#{place}")
        elif begun and (not door or door == begun[0]):
            key = ("door", *begun)
        elif len(homes_at.get(door, ())) == 1:
            (key,) = homes_at[door]
        if key is None:
            aside[place] = say(
                "没有户编号，也看不出是哪一户", "no household id, and nothing tells its household"
            )
        elif door:
            homes_at.setdefault(door, set()).add(key)
        if key is not None and (card := _whole_card(row)):
            by_card.setdefault(card, key)
        group.append(key)
    for place in [*aside]:  # the person may stand in another list with a home
        group[place] = by_card.get(_whole_card(rows[place]))
        if group[place] is not None:
            del aside[place]
    return group, aside


def _members(group: Sequence[Any]) -> dict[Any, list[int]]:
    """Return the positions of each household's records."""
    homes: dict[Any, list[int]] = {}
    for place, home in enumerate(group):
        if home is not None:
            homes.setdefault(home, []).append(place)
    return homes


def _household_ids(
    records: pd.DataFrame, group: Sequence[Any], resident: Sequence[str], kept: pd.DataFrame, secret: bytes
) -> dict[Any, str]:
    """Name each household: by its register, as earlier months named it, or anew.

    A household is an earlier one if most of its residents with an identity card lived there, or else if door and
    householder are the same; no two of this month become one.
    """
    by_person = dict(zip(kept["resident_id"], kept["household_id"], strict=True))
    by_door = {door: home for door, home in zip(kept["door"], kept["household_id"], strict=True) if door}
    cards_of = records["id_card"].tolist()
    taken: set[str] = set()
    ids: dict[Any, str] = {}
    for home, places in _members(group).items():
        if home[0] == "id":
            ids[home] = home[1]
            continue
        cards = [place for place in places if cards_of[place]]
        votes = Counter(by_person[resident[place]] for place in cards if resident[place] in by_person)
        known = next(
            (home for home, count in votes.most_common(1) if 2 * count >= len(cards)), None
        ) or by_door.get(_hashed(home, secret))
        if known is None or known in taken:
            known = "H" + _hashed(home, secret)[:_ID_DIGITS]
        taken.add(known)
        ids[home] = known
    return ids


def _hashed(home: Any, secret: bytes) -> str:
    """Return the hash of a household's key, from which nobody can read its door or householder; "" where it has an id."""
    return "" if home[0] == "id" else keyed_hash(secret, "household", "\n".join(home))


def _resident_id(row: dict[Any, Any], home: Any, secret: bytes) -> str:
    """Name a person by the hash of the identity card, or else of household, name and birth."""
    identity = _whole_card(row) or "\n".join([str(home), row["person"], row["birth"]])
    return "P" + keyed_hash(secret, "resident", identity)[:_ID_DIGITS]


def _whole_card(row: Any) -> str:
    """Return the number of a row's identity card; "" without one, or where digits are masked."""
    card = _plain(row["id_card"]).upper()
    return card if len(card) >= 15 and "*" not in card else ""


def _household(
    household_id: str,
    places: Sequence[int],
    rows: Sequence[Any],
    valid_from: str,
    grid: str,
    tags: Sequence[str],
) -> dict[str, Any]:
    """Make the row of a household: where it is, whose it is, and what a household's register says of it."""
    first = next((row for row in rows if _HEAD.match(_plain(row["relation"]))), rows[0])
    of_homes = [row for row in rows if row["shape"] == "households"]
    here = {
        field: next((row[field] for row in rows if row[field]), "")
        for field in ("grid", "microgrid", "address")
    }
    grid = here["grid"] or grid
    home = {
        "record": places[0],
        "household_id": household_id,
        "grid_id": grid,
        "microgrid_id": here["microgrid"] or grid,
        "valid_from": valid_from,
        "valid_until": next((row["valid_until"] for row in of_homes if row["valid_until"]), ""),
        DOOR: here["address"],
        HOUSEHOLDER: _head_name(rows),
        CALLED: surname_of(_head_name(rows)),
        PHONE: first["phone"] or next((row["phone"] for row in rows if row["phone"]), ""),
    }
    refusing = next((row["refusal"] for row in rows if row["refusal"]), "")
    if refusing:
        home["是否拒访"] = refusing
    for row in of_homes:  # a household may stand in several lists, such as one of those who get aid
        home |= row["attributes"]
    if told := "、".join(row["tags"] for row in of_homes if row["tags"]):
        home |= _tagged(told, tags)
    return home


def _resident(
    resident_id: str, household_id: str, place: int, row: Any, valid_from: str, tags: Sequence[str]
) -> dict[str, Any]:
    card = _CARD_BIRTH.match(_plain(row["id_card"]))
    born = read_birth(row["birth"]) or (read_birth(card[1]) if card else None)
    age = years_of_age(row["age"]) if row["age"] and not born else None
    if age is not None and row["age_on"]:
        year = date.fromisoformat(row["age_on"]) - timedelta(days=round((age + 0.5) * JULIAN_YEAR))
        born = read_birth(str(year.year))
    return {
        "record": place,
        "resident_id": resident_id,
        "household_id": household_id,
        "valid_from": row["valid_from"] or valid_from,
        "valid_until": row["valid_until"],
        "birth_date": born.isoformat() if born else "",
        NAME: row["person"],
        RELATION: row["relation"],
        PHONE: row["phone"],
        **({AGE: row["age"]} if age is not None and not born else {}),
        **row["attributes"],
        **_tagged(row["tags"], tags),
    }


def _tags(records: pd.DataFrame) -> list[str]:
    """Return the tags that stand in the records, the most frequent first."""
    counts = Counter(tag.strip() for cell in records["tags"] for tag in cell.split("、") if tag.strip())
    return [tag for tag, _ in counts.most_common(MOST_TAGS) if tag not in ("无", "正常", "普通", "一般")]


def _tagged(cell: str, tags: Sequence[str]) -> dict[str, str]:
    """Write each tag as a column of its own, 是 where the cell has it."""
    here = {tag.strip() for tag in cell.split("、")}
    return {tag: "是" if tag in here else "否" for tag in tags}


def _head_name(rows: Sequence[Any]) -> str:
    """Return the householder's name: as the register says, or the person who is called the householder."""
    householder = next((row["householder"] for row in rows if row["householder"]), "")
    heads = [
        row["person"] for row in rows if row["shape"] == "households" or _HEAD.match(_plain(row["relation"]))
    ]
    return householder or next(iter(heads), "")


def _once_each(people: pd.DataFrame, tags: Sequence[str]) -> pd.DataFrame:
    """Make one row of a person who stands several times in one household: the last of each column; any tag holds."""
    same = ["resident_id", "household_id"]
    if people.empty or not people.duplicated(same).any():
        return people
    tagged = [tag for tag in tags if tag in people]
    said = people.replace("", pd.NA)
    said[tagged] = said[tagged].replace("否", pd.NA)
    once = said.groupby(same, sort=False, as_index=False).last()
    once[tagged] = once[tagged].fillna("否")
    return once[[*people.columns]].fillna("")


def _door_key(address: str) -> str:
    """Return a door in one writing, so that 3幢2单元501室 and 3-2-501 are the same."""
    door = read_door(address) if address else None
    return "|".join([*door.places, door.numbers]) if door else _plain(address)


def _plain(text: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text or ""))
