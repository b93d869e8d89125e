"""Find the households that a day's text names: 3幢2单元501张某、502李某反映漏水."""

import re
import unicodedata
from dataclasses import dataclass

from features.linking.doors import Door, arabic, read_door
from features.linking.names import KIN, TITLE, read_persons

_NUMBER = r"(?:[A-Z]?\d{1,5}[A-Z]?|[A-Z])"
_MARK = r"(?:号楼|单元|幢|栋|座|梯|门|组|社|楼|层|室|房|户|号|#)"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖萧田董袁潘于蒋蔡余杜叶程苏魏吕丁任"
    "沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向"
    "汤包柴洪施牛樊葛邢安齐庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝尚毕温康季季费"
)
# a place by its last sign, or whatever a clause begins with, such as 金域蓝湾, but no person's name
_PLACE = r"(?:[一-鿿]{1,8}(?:小区|花园|新村|公寓|家园|苑|城|里|村|园|府|庭|湾|路|街|巷|期|区)"
_PLACE += rf"|(?<![一-鿿\dA-Z])(?![{_SURNAMES}][一-鿿]{{1,2}}[\dA-Z])[一-鿿]{{2,8}}?)?"
# words of a visit that stand before a place, or where none is named
_ON_THE_WAY = re.compile(
    r"^[一-鿿]*(?:走访|探访|回访|巡访|家访|慰问|看望|入户|下户|巡查|联系|接到|陪同|今天|今日|上午|下午|晚上|住户|居民|[到去了往访在])(?:了|的)?"
)
_DOOR = re.compile(
    rf"{_PLACE}第?{_NUMBER}{_MARK}(?:-?第?{_NUMBER}{_MARK}){{0,4}}(?:-?{_NUMBER}(?:室|房|户|号)?(?!\d|岁|元|年|月|日|人|次|个|米|点))?"
    rf"|{_PLACE}(?<!\d)\d{{1,3}}[-#](?:\d{{1,2}}-)?\d{{3,4}}(?!\d)"
    rf"|(?<=[、,，;；和及/\s。])(?<!\d)\d{{3,4}}(?:室|房|户)?(?=[一-鿿*])(?![岁元年月日人次个米点号度])"
    rf"|(?<=[、,/和及])(?P<listed>\d{{3,4}}(?:室|房|户)?)(?=[\s、,/;。]|$)"  # of a list, where a door stands before it
)
# what stands behind a name
_SAYING = (
    r"反映|反应|反馈|家中|家里|需要|需|要求|要|说|称|来电|本人|居民|问|表示|提出|咨询|申请|投诉|求助|希望|想|因|患|不在|无人|未遇|已|在|独居|生病"
    r"|住院|身体|行动|\d"
)
_CALLED = re.compile(
    rf"^[\s:：,，]*(?:住户|业主|居民|户主|租户)?(?P<person>(?:老|小)?(?:[{_SURNAMES}])"
    rf"(?:{TITLE}|[*某]{{1,2}}|(?: (?!{_SAYING}))?[一-鿿*]{{1,2}}?)?(?:(?:的|之)?(?:{KIN}))?)"
    rf"(?=$|[\s、,，;；。:：(]|{_SAYING})"
)
_NUMERAL = r"[零〇○一二三四五六七八九十百两]+"
# a name such as 张三 keeps its sign: only numerals before or behind the words of a door are numbers
_OF_DOOR = re.compile(
    rf"{_NUMERAL}(?=号楼|单元|[幢栋座梯门组社楼层室号#])|(?<=[幢栋座元门楼层])第?{_NUMERAL}(?=[室幢栋单]|$|[^一-鿿])"
)
_BETWEEN = re.compile(r"^[\s、,，;；。:：]+|[\s、,，;；。:：/和及]+$")


@dataclass(frozen=True)
class Mention:
    """A household that a text names: its door (with what it shares with the door before it), who, and what was said."""

    address: str
    person: str
    text: str


def mentions(text: str) -> list[Mention]:
    """Find the households in a text, in order; a door leaves out what it shares with the one before it.

    >>> [(one.address, one.person, one.text) for one in mentions("3幢2单元501张某、502李某反映漏水")]
    [('3幢2单元501', '张某', ''), ('3幢2单元502室', '李某', '反映漏水')]
    >>> [(one.address, one.person) for one in mentions("今天走访了金域蓝湾3幢501张某，上午到4幢302")]
    [('金域蓝湾3幢501', '张某'), ('金域蓝湾4幢302室', '')]
    >>> [one.address for one in mentions("1幢1单元201、202,203 谢绝走访，已修200元")]
    ['1幢1单元201', '1幢1单元202室', '1幢1单元203室']
    >>> [(one.person, one.text) for one in mentions("3幢501张 三反映漏水；502李四本人想找工作；601王 无人")]
    [('张 三', '反映漏水'), ('李四', '本人想找工作'), ('王', '无人')]
    """
    plain = unicodedata.normalize("NFKC", text.replace("\n", "。"))
    plain = _OF_DOOR.sub(lambda match: arabic(match[0].removeprefix("第")), re.sub(r"[—–−－~]+", "-", plain))
    doors: list[re.Match[str]] = []
    for match in _DOOR.finditer(plain):
        if not match["listed"] or (doors and doors[-1].end() == match.start() - 1):
            doors.append(match)
    if not doors:
        return []
    ends = [*(match.start() for match in doors[1:]), len(plain)]
    result: list[Mention] = []
    before = Door()
    for match, end in zip(doors, ends, strict=True):
        written = _ON_THE_WAY.sub("", match[0])
        door = read_door(written if re.search(r"\D", written) else f"{written}室")
        if door is None or door == Door():
            continue
        address, before = _with(door, before, written)
        rest = plain[match.end() : end]
        called = _CALLED.match(rest)
        person = called["person"] if called and read_persons(called["person"]) else ""
        after = rest[called.end() :] if called and person else rest
        result.append(Mention(address, person, _BETWEEN.sub("", _BETWEEN.sub("", after))))
    return result


def _with(door: Door, before: Door, written: str) -> tuple[str, Door]:
    """Add to a door what the one before it says and it leaves out: everything above its own highest part."""
    parts = ("group", "building", "unit", "room")
    parts_named = [part for part in parts if getattr(door, part)]
    if not parts_named or door.places:
        return written, door
    above = {
        part: getattr(before, part) for part in parts[: parts.index(parts_named[0])] if getattr(before, part)
    }
    whole = Door(before.places, **{**{part: getattr(door, part) for part in parts}, **above})
    if not above and not before.places:
        return written, whole
    words = {
        "group": "组",
        "building": "幢" if whole.room or whole.unit else "号",
        "unit": "单元",
        "room": "室",
    }
    numbers = "".join(f"{value}{words[part]}" for part in parts if (value := getattr(whole, part)))
    return "".join(whole.places[:1]) + numbers, whole
