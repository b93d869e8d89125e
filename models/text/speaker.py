"""Tell what somebody asks for their own household from what they tell of others.

A complaint about a neighbour names somebody else's household: what it tells is not the speaker's need. A text is cut
into clauses; one about a neighbour is left out, and so are those after it, until the speaker comes back to their own.
"""

import re

_CLAUSE = re.compile(r"[^，。；！？,;!?\n]+[，。；！？,;!?\n]*")
_NUISANCE = (
    "漏|渗|滴水|装修|吵|噪|跑|跳|扔|养|半夜|天天|经常|每天|老是|总是|一直|深夜|晚上|凌晨"
    "|打孩子|打麻将|麻将|弹琴|唱歌|狗|猫|鸡|占|堆|乱|违|私|油烟|抽烟|空调外机|租给|群租"
)
_OTHER = re.compile(
    r"(?:邻居|邻里|隔壁|对门|邻家|邻户|同楼的?人|有人家|人家|别人家?|某户)"
    rf"|楼[上下](?!楼)(?:的|家|户|住户|邻居|那家|人家|租户|业主|{_NUISANCE})"
    rf"|(?:\d{{1,4}}|［门牌］|某)(?:室|户)?(?:住户|业主|租户|人家|家)(?:{_NUISANCE})"
)
_OWN = re.compile(
    r"我家|我们家|咱家|自家|自己家|本人|本户|家里|家中|家有|(?<!和)(?<!帮)我(?!们小区|们楼|们单元)"
    r"(?:的|妈|爸|父|母|老公|老婆|儿子|女儿|孩子|爷爷|奶奶|想|要|也|没|不|是|今年|现在|申请|需要)"
)
_TURN = re.compile(
    r"^\s*(?:另外|此外|还有|还想|同时|再有|顺便|想问|想咨询|请问|咨询|\d+[、.．)）]|[一二三四][、.．])"
)
_MORE = re.compile(r"另外|此外|还有|再有|顺便|(?<!\d)[1-9][、.．)）](?!\d)")
_LISTED = re.compile(r"[、/；;+|]")
_LONGEST_LISTED = 6  # letters of a matter in a list of mere names
_PART = re.compile(r"另外|此外|还有|再有|同时|顺便|(?<!\d)[1-9][、.．)）](?!\d)|[一二三四五][、]|[；;\n]")


def own_part(text: str) -> str:
    """Return what a text tells of the speaker's own household.

    >>> own_part("邻居家的狗半夜叫，另外我家孩子暑假没人带")
    '另外我家孩子暑假没人带'
    >>> own_part("卫生间漏水，请派人维修")
    '卫生间漏水，请派人维修'
    """
    kept, others = [], False
    for match in _CLAUSE.finditer(text):
        clause = match.group()
        own_words = _OWN.search(clause)
        if other := _OTHER.search(clause):
            others = not (own_words and own_words.start() < other.start())
        elif own_words or _TURN.search(clause):
            others = False
        if not others:
            kept.append(clause)
    return "".join(kept)


def parts_of(text: str) -> list[str]:
    """Cut a text where another matter begins; a text about one matter stays whole.

    >>> parts_of("水管坏了，另外孩子没人带")
    ['水管坏了，', '孩子没人带']
    """
    return [part for part in _PART.split(text) if len(part.strip()) > 3]


def matters_of(text: str) -> list[str]:
    """List what a text asks for where it says itself that it is several things, else the whole text.

    >>> matters_of("送餐、陪诊"), matters_of("水管坏了，还有孩子没人带"), matters_of("水管坏了；请尽快找人来修")
    (['送餐', '陪诊'], ['水管坏了，', '孩子没人带'], ['水管坏了；请尽快找人来修'])
    """
    names = [name.strip() for name in _LISTED.split(text.strip()) if name.strip()]
    if len(names) > 1 and all(len(name) <= _LONGEST_LISTED for name in names):
        return names if not _MORE.search(text) else [text]
    return [part for part in _MORE.split(text) if len(part.strip()) > 3] or [text]
