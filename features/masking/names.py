"""Find names of persons in Chinese text: by the words around them, and by how the text is cut into words.

The words come from rjieba, whose dictionary and hidden Markov model mark likely names. A name is taken where it begins
with a surname; one that is only told by its surname counts with a form of address after it (王阿姨).
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import rjieba

from features.masking.numbers import Find
from features.masking.surnames import COMMON, DOUBLE, GIVEN, RARE, surname_length

NAME = "姓名"
_SURNAME = f"(?:{'|'.join(sorted(DOUBLE))}|[{''.join(sorted(COMMON))}])"
_GIVEN = "".join(sorted(GIVEN))
_TITLE = (
    "先生|女士|小姐|阿姨|大爷|大妈|大娘|大叔|大姐|大哥|大伯|奶奶|爷爷|婆婆|伯伯|叔叔|师傅|老师|医生|大夫|护士|同志|同学|经理|主任|书记|科长|处长"
    "|局长|所长|校长|院长|队长|组长|村长|镇长|站长|老板|律师|警官|法官|教授|总"
)
_ADDRESSED = re.compile(rf"({_SURNAME}[一-鿿]{{0,2}}?)(?:{_TITLE})")
_INTRODUCED = re.compile(
    r"(?:我叫|我是|本人叫|名叫|姓名|联系人|投诉人|反映人|来电人|当事人|申请人|户主|监护人|经办人|负责人|被举报人|网格员|楼长|业主|居民|村民"
    r"|老人|职工|员工|学生|家长|丈夫|妻子|老公|老婆|儿子|女儿|父亲|母亲|邻居|房东|租客|叫)"
    rf"(?:是|为|叫|[:：])?\s*((?:{_SURNAME}|[{''.join(sorted(RARE))}])[一-鿿]{{1,2}})(?=$|[^一-鿿]|[的在家住说称反来向找要因已现从给把去想])"
)
# next to these words, or alone between two signs, characters of given names are enough
_NEAR = re.compile(
    rf"(?:楼上|楼下|隔壁|对门|找|告知|通知|联系|走访|看望|探望|慰问|核实|上门|陪同|协助|帮助)[了过到]?[，,：: ]?"
    rf"({_SURNAME}(?:[{_GIVEN}]{{2}}|[一-鿿]{{1,2}}?(?=家|了解|到|和|夫妇|夫妻|一家|$|[^一-鿿])))"
)
_ALONE = re.compile(rf"(?<![一-鿿])({_SURNAME}[{_GIVEN}]{{1,2}})(?=[^一-鿿]|$|的|家|等|和|与)")
_FOREIGN = re.compile(r"[一-鿿]{2,8}[·•‧][一-鿿]{2,8}(?:[·•‧][一-鿿]{2,8})?")
# after it a name is a place's or an organisation's
_PLACE = re.compile(
    r"(?:家)?(?:路|街|村|镇|乡|巷|湾|桥|山|庄|屯|坪|坡|塘|冲|岭|营|店|沟|坝|苑|花园|小区|社区|广场|公园|大道|大厦|公司|集团|医院|学校|小学|中学|大学|"
    r"幼儿园|超市|酒店|饭店|火锅|景区|水库|机场|车站|故居|纪念|工业园|新区|片区|街道|安置房|市|县|区|省)"
)
_PLACE_ENDS = frozenset("桥街镇市村冲坪矿府苑路园场湾塘岭庄店馆院寺庙站家区县里庭厦层")
# Ordinary words that look like names: the dictionary marks them as such, or they begin with a surname.
_WORDS = frozenset((Path(__file__).parent / "ordinary_words.txt").read_text("utf-8").split())


def find_names(text: str) -> Iterator[Find]:
    """Yield start, end and kind of each name of a person; several may overlap."""
    for pattern, sure in ((_INTRODUCED, True), (_ADDRESSED, False), (_NEAR, False), (_ALONE, False)):
        for match in pattern.finditer(text):
            name = match.group(1)
            if name not in _WORDS and name[:2] not in _WORDS and (sure or _may_be_name(name)):
                yield *match.span(1), NAME
    for match in _FOREIGN.finditer(text):
        yield *match.span(), NAME
    yield from _marked(text)


def _marked(text: str) -> Iterator[Find]:
    """Yield the names that the cutting into words shows: one word, or a surname and what follows it."""
    words = rjieba.tag(text, True)
    place = 0
    for position, (word, tag) in enumerate(words):
        start, place = place, place + len(word)
        following = words[position + 1][0] if position + 1 < len(words) else ""
        if word in _WORDS or word[:2] in _WORDS:
            continue
        surname = surname_length(word)
        given = len(word) - surname
        if surname and given and tag.startswith("nr") and given <= 3 and word[-1] not in _PLACE_ENDS:
            # of three characters after the surname the last belongs to the next word
            end = place - (given == 3)
            if not _PLACE.match(text, end):
                yield start, end, NAME
        elif surname and not given and (length := _given_length(following, words, position)):
            end = place + length
            if not _PLACE.match(text, end):
                yield start, end, NAME


@lru_cache(maxsize=65536)
def _may_be_name(name: str) -> bool:
    """Tell whether the dictionary has no other meaning for a likely name."""
    words = rjieba.tag(name, True)
    return len(name) == 1 or len(words) > 1 or words[0][1].startswith("nr")


def _given_length(following: str, words: list[tuple[str, str]], position: int) -> int:
    """Count the characters of a given name after a word that is a surname; 0 where there is none."""
    if following in _WORDS or not following:
        return 0
    if len(following) <= 2 and GIVEN.issuperset(following):
        after = words[position + 2][0] if len(following) == 1 and position + 2 < len(words) else ""
        return len(following) + int(len(after) == 1 and after in GIVEN)
    two = following[:2]
    return 2 if len(following) == 3 and GIVEN.issuperset(two) and following[2] in "家的" else 0
