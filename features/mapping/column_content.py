"""What a column's cells hold: identity cards, telephones, times, doors, sentences, words of a state, tags."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from features.contract.spoken_values import OPEN, SETTLED, plain, read_number
from features.mapping.moments import Period, read_when

LOOKED_AT = 300  # cells of a column
MOST = 0.6  # share of its cells from which a column counts as being of a kind
FEWEST_CELLS = 20  # from which repeated texts tell something
FEW_WORDS = 40  # different texts of a column of categories
ID_CARD = re.compile(r"[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx*]")
_MASKED_CARD = re.compile(r"\d{3,6}[*xX]{6,}\d{0,4}[\dXx]?")
PHONE = re.compile(
    r"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d[- ]?(?:\d{4}|\*{4})[- ]?\d{4}(?!\d)|(?<!\d)0\d{2,3}-?\d{7,8}(?!\d)"
)
_NUMBER = r"(?:\d{1,3}|[一二三四五六七八九十]{1,3})"
DOOR = re.compile(
    rf"{_NUMBER}\s*(?:幢|栋|号楼|楼|座|#)[\s,，]*(?:{_NUMBER}\s*单元|[A-Za-z甲乙丙丁]单元)?[\s,，]*(?:\d{{3,4}}|[一二三四五六七八九十零〇百]{{3,6}})\s*(?:室|房|户)?"
    r"|(?<![\d-])\d{1,3}\s*[-－—/]\s*(?:\d{1,2}\s*[-－—/]\s*)?\d{3,4}(?![\d-])"
    r"|[\u4e00-\u9fff]{1,8}(?:路|街|巷|弄|村|组|队)\s*\d+\s*(?:号|弄|组)(?:\s*\d{3,4}\s*室)?"
)
_NAME = re.compile(
    r"[\u4e00-\u9fff·]{2,4}|[\u4e00-\u9fff](?:某{1,2}|先生|女士|\*{1,2}|阿姨|大爷|奶奶|师傅|老师)"
)
_STATES = re.compile(
    r"已?(?:办结|完成|解决|处理|走访|入户|见面|核查|回访|办理|答复|销号)(?:中|完毕)?|未.{0,5}|待.{0,4}|正?在.{0,3}|跟进.?|持续.{0,4}|转办.?|是|否|√|×|不在家|无人.{0,3}|拒.{0,4}"
)
TAG_SIGNS = "、,，;；/|+┋"


@dataclass(frozen=True)
class Content:
    """What a column's cells hold, each as a share of those that are filled; ``samples``: some of their texts."""

    filled: int
    id_card: float = 0.0
    phone: float = 0.0
    when: float = 0.0
    door: float = 0.0
    doors: float = 0.0  # two or more in a cell
    name: float = 0.0
    state: float = 0.0
    link: float = 0.0  # addresses of the web
    tags: float = 0.0  # several in a cell
    length: float = 0.0  # mean number of letters
    distinct: int = 0
    common: int = 0  # texts that stand at least twice
    samples: tuple[str, ...] = ()

    @property
    def repeats(self) -> bool:
        """Whether most texts stand in several cells; a few cells do not tell."""
        return self.filled >= FEWEST_CELLS and self.distinct < 0.5 * self.filled


def content_of(values: Sequence[Any], zone: str, period: Period) -> Content:
    """Describe the first ``LOOKED_AT`` filled cells of a column."""
    cells = [value for value in values if value != ""][:LOOKED_AT]
    if not cells:
        return Content(0)
    texts = [cell_text(value) for value in cells]
    counts = Counter(texts)
    count = len(cells)

    def share(matches: Sequence[bool]) -> float:
        return sum(matches) / count

    return Content(
        filled=count,
        id_card=share([bool(ID_CARD.fullmatch(text) or _MASKED_CARD.fullmatch(text)) for text in texts]),
        phone=share([bool(PHONE.match(text)) for text in texts]),
        when=share([_tells_time(value, zone, period) for value in cells]),
        door=share([bool(DOOR.search(text)) for text in texts]),
        doors=share([len(DOOR.findall(text)) > 1 or _listed_rooms(text) for text in texts]),
        name=share([bool(_NAME.fullmatch(text)) for text in texts]),
        state=share([_is_state(text) for text in texts]),
        link=share([text.startswith(("http://", "https://")) for text in texts]),
        tags=share([any(sign in text for sign in TAG_SIGNS) and read_number(text) is None for text in texts]),
        length=sum(map(len, texts)) / count,
        distinct=len(counts),
        common=sum(number > 1 for number in counts.values()),
        samples=tuple(dict.fromkeys(texts))[:3],
    )


def cell_text(value: Any) -> str:
    """Return what a cell shows: whole numbers without a point, a day without its midnight.

    >>> cell_text(501.0), cell_text(" 张三 "), cell_text(True)
    ('501', '张三', '是')
    """
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value).removesuffix(" 00:00:00").strip()


def _listed_rooms(text: str) -> bool:
    """Whether a door is followed by the room of another: 3幢2单元501张某、502李某."""
    return (
        bool(DOOR.search(text))
        and len(re.findall(r"(?<![\d.])\d{3,4}(?:室|房)?(?=\s*[\u4e00-\u9fff、，,；;])", text)) > 1
    )


def _tells_time(value: Any, zone: str, period: Period) -> bool:
    if isinstance(value, int | float) and value < 20_000:
        return False  # a day of the month, an age, a number of people
    if isinstance(value, str) and value.strip().isdigit() and len(value.strip()) < 8:
        return False
    return read_when(value, zone, period) is not None


def _is_state(text: str) -> bool:
    word = plain(text)
    return word in SETTLED or word in OPEN or bool(_STATES.fullmatch(word))
