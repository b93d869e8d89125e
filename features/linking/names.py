"""Read how ledgers name people: 张建国, 张某, 王阿姨, 老王, 张*国, 张建国的爱人, zhang jianguo."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from features.contract.spoken_values import NOTHING, UNKNOWN
from features.masking.surnames import DOUBLE

Form = Literal["full", "masked", "surname"]
_COMPOUND = "|".join(sorted(DOUBLE))
KIN = (
    "爱人|妻子|妻|丈夫|夫|老婆|老公|老伴|配偶|太太|儿子|女儿|儿媳妇?|女婿|媳妇|父亲|母亲|爸爸?|妈妈?|爷爷|奶奶|外公|外婆|孙子|孙女|外孙女?|哥哥?|姐姐?|弟弟?"
    "|妹妹?|家属|家人|家里|家|户|邻居|保姆|监护人|子女|小孩|孩子"
)
TITLE = (
    "先生|女士|小姐|太太|阿姨|大爷|大妈|大娘|大伯|大叔|大姐|大哥|大嫂|奶奶|爷爷|叔叔|伯伯|婆婆|公公|叔|伯|婶|嫂|姨|姐|哥|奶|爷|老师|师傅|同志|老人|老太太?"
    "|老伯|医生|主任|书记|老板|经理|姓|氏|某某|某"
)
_BETWEEN = re.compile(r"[、，,;；/|&+]+|和(?=[一-鿿]{2})|及|与")
_OF_KIN = re.compile(rf"(?:(?<=[一-鿿]{{2}})|(?<=[某\*]))(?:的|之)?(?:{KIN})$")
_HEAD = re.compile(
    r"^(?:户主|居民|业主|租户|租客|房东|联系人|来电人|诉求人|反映人|老人|低保户|姓名)[::]?(?=.)"
)
_TITLED = re.compile(rf"^(?:老|小)?(?P<surname>{_COMPOUND}|[一-鿿])(?:{TITLE}|家)+$")
_NICKNAME = re.compile(rf"^(?:老|小)(?P<surname>{_COMPOUND}|[一-鿿])$")
_HIDDEN = re.compile(r"[*＊×○〇●□■?？_#某]|X(?=[X一-鿿]|$)")
_NAMELESS = re.compile(r"^(?:匿名|无名|保密|不愿|不便|未留|未提供|未透露|热心市民|市民|群众|居民|网友)")
_FULL = re.compile(r"^[一-鿿㐀-䶿·]{2,12}$")


@dataclass(frozen=True)
class Person:
    """A person as a ledger names them.

    ``form``: ``full`` (surname and given name), ``masked`` (some signs hidden, as 张*国) or ``surname`` (王阿姨, 张某).
    ``name``: what is known of it; hidden signs are ``*``.
    """

    form: Form
    surname: str
    name: str


def read_persons(text: str) -> list[Person]:
    """Read the people whom a cell names; kin of a named person stand for that person's household.

    >>> read_persons("王阿姨、张建国的爱人")
    [Person(form='surname', surname='王', name='王'), Person(form='full', surname='张', name='张建国')]
    >>> read_persons("张*国")
    [Person(form='masked', surname='张', name='张*国')]
    >>> read_persons("欧阳先生"), read_persons("不详"), read_persons("匿名")
    ([Person(form='surname', surname='欧阳', name='欧阳')], [], [])
    """
    return list(_read(text)) if text else []


@lru_cache(maxsize=200_000)
def _read(text: str) -> tuple[Person, ...]:
    plain = unicodedata.normalize("NFKC", text).strip()
    plain = re.sub(r"\([^()]*\)|[\d+-]{5,}", "", plain)
    people = (
        [_person(re.sub(r"[\s.。]", "", written)) for written in _BETWEEN.split(plain)]
        if not _latin(plain)
        else [_person(plain)]
    )
    return tuple(dict.fromkeys(person for person in people if person))


def _latin(text: str) -> bool:
    return bool(re.fullmatch(r"[A-Za-z][A-Za-z\s.'-]+", text))


def _person(name: str) -> Person | None:
    if _latin(name):
        syllables = re.sub(r"[^A-Za-z ]", "", name).lower().split()
        return Person("full", "", "".join(syllables)) if len("".join(syllables)) > 3 else None
    name = _OF_KIN.sub("", _HEAD.sub("", name))
    if not name or name.lower() in UNKNOWN or name in NOTHING or _NAMELESS.match(name):
        return None
    if name.strip("某*") == "":
        return None
    if titled := _TITLED.match(name) or _NICKNAME.match(name):
        return Person("surname", titled["surname"], titled["surname"])
    name = re.sub(rf"(?<=[一-鿿]{{2}})(?:{TITLE})$", "", name)
    hidden = _HIDDEN.sub("*", name)
    if "*" in hidden:
        surname = surname_of(hidden)
        if "*" in surname:
            return None
        known = hidden.replace("*", "")
        return Person(
            "masked" if len(known) > len(surname) else "surname",
            surname,
            hidden if len(known) > len(surname) else surname,
        )
    if len(name) == 1 or name in DOUBLE:
        return Person("surname", name, name) if re.match(r"[一-鿿]", name) else None
    return Person("full", surname_of(name), name) if _FULL.match(name) else None


def surname_of(name: str) -> str:
    """Return a name's surname, of one sign or two.

    >>> surname_of("欧阳娜"), surname_of("张三")
    ('欧阳', '张')
    """
    compound = re.match(_COMPOUND, name)
    return compound[0] if compound and len(name) > 2 else name[:1]


@lru_cache(maxsize=200_000)
def sound_of(name: str) -> str:
    """Return how a name sounds, without tones: the same for homophones, old and new forms of a sign, and pinyin.

    >>> sound_of("张建国"), sound_of("張建國"), sound_of("zhangjianguo")
    ('zhangjianguo', 'zhangjianguo', 'zhangjianguo')
    """
    from pypinyin import Style, lazy_pinyin  # its dictionary takes half a second to load

    return "".join(lazy_pinyin(name, style=Style.NORMAL)).lower().replace("ü", "v")


def fits(masked: str, name: str) -> bool:
    """Tell whether a name can be what a masked one hides; the number of hidden signs counts only between known ones.

    >>> fits("张*国", "张建国"), fits("张*国", "张建军"), fits("*建国", "张建国")
    (True, False, True)
    """
    pattern = "".join(
        ".{1,2}" if part.startswith("*") else re.escape(part) for part in re.findall(r"\*+|[^*]+", masked)
    )
    return bool(re.fullmatch(pattern, name))
