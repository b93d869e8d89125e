"""Read doors as Chinese ledgers write them: 3幢2单元501, 三号楼二门五零一室, 3-2-501, 3#501, 双喜村3组15号."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from features.contract.spoken_values import DIGITS

_OLD_FORMS = str.maketrans(
    "棟樓號單戶門層閣區園莊隊組廣陽東蘇麗華橋灣", "栋楼号单户门层阁区园庄队组广阳东苏丽华桥湾"
)
_DASHES = re.compile(r"[‐‑‒–—―−~_/\\]+")
_NUMERALS = re.compile(r"[零〇○一二三四五六七八九十百两廿卅]+")
_SHORT_TENS = str.maketrans({"廿": "二十", "卅": "三十"})
_REMARK = re.compile(r"\(([^()]*)\)")
# a remark in brackets that says where the door is: (2期), (东区), (3幢501)
_PLACE_REMARK = re.compile(r"\d|[东西南北新老AB][区苑院]")
_ROOM = r"\d{3,4}[A-Z]?"
_BUILDING = r"(?<![\d\-.路街巷道弄])([A-Z]?\d{1,3}[A-Z]?)"
_DASHED = (  # numbers without words, and what they stand for
    (
        re.compile(
            rf"(?<![\d\-.])([A-Z]?\d{{1,3}}[A-Z]?)(?:[-#.]|#楼|[幢栋]-)(\d{{1,2}}|[A-Z])[-.]"
            rf"({_ROOM}|\d{{1,2}}(?=室|户|$))(?!\d|[-.]\d)"
        ),
        r"\1幢\2单元\3室",
    ),
    (re.compile(rf"([幢栋座楼#])-?(\d{{1,2}}|[A-Z])[-.]({_ROOM})(?!\d)"), r"\1\2单元\3室"),
    (re.compile(rf"{_BUILDING}(?:[-#]|#楼)-?({_ROOM})(?!\d|[-.]\d)"), r"\1幢\2室"),
    (re.compile(rf"{_BUILDING}-(?=\d{{1,2}}(?:单元|梯))"), r"\1幢"),
    (re.compile(r"([村屯寨庄湾])(\d{1,4}(?:-\d{1,2})?)$"), r"\1\2号"),
)
_VALUE = (
    r"[A-Z]{1,2}-?\d{1,4}|\d{1,5}(?:-\d{1,3})?[A-Z甲乙丙]?|[A-Z](?![A-Z])"
    r"|[甲乙丙丁戊]\d{0,3}|[东西南北中](?=[幢栋座单门])"
)
_MARK = r"号楼|号院|号门|#楼|单元|门洞|幢楼|栋楼|楼栋|[幢栋座梯门组社队弄院层楼室房户号#]"
_PART = re.compile(rf"-?第?({_VALUE})({_MARK})(?:房|室)?")
_BARE = re.compile(r"^[-.,、]?([A-Z]?\d{1,5}(?:-\d{1,2}(?!\d))?[A-Z]?)(?!\d)(?:室|房|户|号)?")
_SIDE = re.compile(r"^([东西南北中左右])(?:边|侧|首|面)?(?:户|室|门)?")
_ROLES = {
    **dict.fromkeys(("号楼", "#楼", "幢", "栋", "座", "幢楼", "栋楼", "楼栋", "#"), "building"),
    **dict.fromkeys(("单元", "梯", "门", "门洞", "号门"), "unit"),
    **dict.fromkeys(("室", "房", "户"), "room"),
    **dict.fromkeys(("组", "社", "队"), "group"),
    **dict.fromkeys(("层", "楼"), "floor"),
    **dict.fromkeys(("号院", "院", "弄"), "lot"),
    "号": "number",
}
_AREAS = re.compile(  # province, city, district, street office and community, each only before two signs or more
    r"^(?:\w{2,7}?(?:省|自治区)(?=\w{2}))?(?:\w{2,6}?(?:市(?!场)|自治州)(?=\w{2}))?"
    r"(?:\w{2,5}?(?:(?<![小社园])区|县)(?=\w{2}))?(?:\w{2,6}?(?:(?:街道办事处|街道办|街道)(?=\w{2}|$)|[镇乡](?=\w{2})))?"
    r"(?:\w{2,6}?社区(?:居委会|居民委员会)?(?=\w{2}))?"
)
_NOT_PLACE = re.compile(
    r"^(?:现?家?住在?|位于|地址|住址|门牌号?|的|之|第)+|[\s,，、;；:：.·。*\"'-]+|(?:内|附近|对面|旁边?)$"
)
# what a name has to end in to be a place where it stands behind the room: else it is a person or a remark
_PLACE_END = re.compile(r"[路街道巷弄村庄屯湾园苑区城庭府里坊寓院楼厦邸居轩阁期]$")


@dataclass(frozen=True)
class Door:
    """One door, part by part; "" where the text doesn't say it.

    ``places``: names of estate, village or road, without province, city and street office. ``group``: of a
    village.
    ``building``: also the number of a house in a road or village; then ``house`` is true. ``room``: with its floor,
    such as 501.
    """

    places: tuple[str, ...] = ()
    group: str = ""
    building: str = ""
    unit: str = ""
    room: str = ""
    house: bool = False

    @property
    def numbers(self) -> str:
        """Return all parts but the place as one text, for example ``|3|2|501``."""
        return "|".join((self.group, self.building, self.unit, self.room))


def read_door(text: str) -> Door | None:
    """Read the door in a text; None where it has neither a number nor the name of a place.

    >>> read_door("西山花园三幢二单元五零一室").numbers, read_door("西山花园３－２－５０１").numbers
    ('|3|2|501', '|3|2|501')
    >>> read_door("双喜村三组15号"), read_door("2幢1单元4楼1号").room
    (Door(places=('双喜村',), group='3', building='15', unit='', room='', house=True), '401')
    >>> read_door("双喜村3组15") == read_door("双喜村三组15号"), read_door("3幢2组501").numbers
    (True, '|3|2|501')
    """
    return _read(text) if text else None


@lru_cache(maxsize=200_000)
def _read(text: str) -> Door | None:
    plain = plain_address(text)
    for pattern, words in _DASHED:
        plain = pattern.sub(words, plain)
    door = _assigned(_pieces(plain))
    return door if door != Door() else None


def plain_address(text: str) -> str:
    """Return an address in narrow signs, with Arabic numerals, one kind of dash, and no blanks.

    >>> plain_address("西山花園 十二幢－２单元 五〇一"), plain_address("滨海十九路一百零五号")
    ('西山花园12幢-2单元501', '滨海19路105号')
    """
    plain = unicodedata.normalize("NFKC", text).translate(_OLD_FORMS).upper()
    plain = _DASHES.sub("-", re.sub(r"\s+", "", plain))
    plain = _NUMERALS.sub(lambda match: arabic(match[0]), plain)
    plain = re.sub(r"(?<=\d)O(?=\d|室|$)", "0", plain)
    return _REMARK.sub(lambda match: match[1] if _PLACE_REMARK.search(match[1]) else "", plain)


def arabic(signs: str) -> str:
    """Write a numeral in Arabic digits: 五零一 is 501, 二十 is 20, 一百零五 is 105."""
    signs = signs.translate(_SHORT_TENS)
    if not re.search("[十百]", signs):
        return "".join(str(DIGITS[sign]) for sign in signs)
    total, digit = 0, None
    for sign in signs:
        if sign in DIGITS:
            digit = DIGITS[sign]
        else:
            total += (1 if digit is None else digit) * (10 if sign == "十" else 100)
            digit = None
    return str(total + (digit or 0))


def _pieces(plain: str) -> list[tuple[str, str]]:
    """Split an address into its parts in order: (value, role), and (name, "name") for the names between them."""
    pieces: list[tuple[str, str]] = []
    at = 0
    for match in _PART.finditer(plain):
        pieces += _bare_room(plain[at : match.start()], pieces)
        mark = match[2]
        pieces.append((match[1], "storey" if mark == "层" else _ROLES[mark]))
        at = match.end()
    pieces += _bare_room(plain[at:], pieces)
    behind_room = len(pieces) > 1 and pieces[-1][1] == "name" and pieces[-2][1] != "name"
    return pieces[:-1] if behind_room and not _PLACE_END.search(pieces[-1][0]) else pieces


def _bare_room(between: str, before: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Read what stands between two parts: a number without a word (a room), a side of a floor, and names."""
    pieces: list[tuple[str, str]] = []
    last = before[-1][1] if before else ""
    if last not in ("", "name", "room") and (bare := _BARE.match(between)):
        of_village = last == "group" and not any(role in ("building", "floor") for _, role in before)
        pieces.append((bare[1], "number" if of_village else "room"))
        between = between[bare.end() :]
    elif last in ("floor", "storey", "unit") and (side := _SIDE.match(between)):
        pieces.append((side[1], "room"))
        between = between[side.end() :]
    name = _place_name(between)
    return [*pieces, (name, "name")] if name else pieces


def _place_name(text: str) -> str:
    name = _AREAS.sub("", _NOT_PLACE.sub("", text))
    return name if len(name) > 1 else ""


def _assigned(pieces: list[tuple[str, str]]) -> Door:
    """Give each piece its part of the door; a 号 is a house, a room, or the number of the estate's own address."""
    roles = [role for _, role in pieces]
    pieces = [(value, _role(place, pieces, roles)) for place, (value, _) in enumerate(pieces)]
    names: list[str] = []
    for (before, _), (value, role) in pairwise([("", ""), *pieces]):
        if role == "name":
            names.append(value)
        elif role == "lot":
            names = (
                [*names[:-1], f"{names[-1]}{value}号"]
                if names and names[-1] == before
                else [*names, f"{value}号"]
            )
    parts: dict[str, str] = {}
    for value, role in pieces:
        parts.setdefault(role, value)
    parts.setdefault("building", parts.get("house", ""))
    room = _trimmed(parts.get("room", ""))
    if "floor" in parts and room and len(room) < 3:
        room = f"{_trimmed(parts['floor'])}{room.zfill(2) if room.isdigit() else room}"
    return Door(
        tuple(dict.fromkeys(names)),
        _trimmed(parts.get("group", "")),
        _trimmed(parts.get("building", "")),
        _trimmed(parts.get("unit", "")),
        room,
        "house" in parts and not room,
    )


def _role(place: int, pieces: list[tuple[str, str]], roles: list[str]) -> str:
    """Decide what a part is, from the parts around it."""
    value, role = pieces[place]
    before, after = roles[:place], roles[place + 1 :]
    if role == "number":
        if any(role in before for role in ("building", "unit", "floor", "storey")) and "room" not in roles:
            return "room" if before[-1] != "name" else "lot"
        if "building" in roles:
            return "lot"
        return "house" if "number" not in before else "room"
    if role == "group" and ("building" in before or "floor" in before):
        return "unit"
    if role == "floor" and "building" not in roles and "number" not in before:
        room = next((room for room, kind in pieces[place + 1 :] if kind == "room"), "")
        if "unit" in after or (len(room) > 2 and not room.startswith(value)):
            return "building"
    return {"storey": "floor"}.get(role, role)


def _trimmed(value: str) -> str:
    return re.sub(r"^0+(?=\w)", "", value.replace("-", "")) if "-" not in value[1:] else value
