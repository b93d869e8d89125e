"""Read a chat that was copied into one column: a line with name and time, and below it the lines of the message.

A chain (接龙) has a numbered line for each who joins: each is a message of their own, about what the chain is about.
"""

import re
from collections.abc import Sequence

from features.linking.mentions import mentions
from features.mapping.column_content import DOOR

COLUMNS = ("昵称", "门牌", "时间", "消息")
FEWEST = 2  # messages of a chat
_CLOCK = r"(?:[上下中]午|早上|晚上|凌晨)?\s*\d{1,2}[:：]\d{2}(?:[:：]\d{2})?"
_HEAD = re.compile(
    rf"([^\s,，;；|][^\t,，;；|]{{0,30}}?)[\s:：]+((?:\d{{4}}\s*[年/.-]\s*)?\d{{1,2}}\s*[月/.-]\s*\d{{1,2}}\s*日?\s*{_CLOCK})"
)
_CHAIN = re.compile(r"^[#＃]?\s*接\s*龙[\s:：]*(.*)$")
_JOINS = re.compile(r"^\d{1,3}\s*[.、．)）]\s*(.*\S)")
_DAY = re.compile(r"(?:\d{4}\s*[年/.-]\s*)?\d{1,2}\s*[月/.-]\s*\d{1,2}(?:\s*[日号]|(?!\d))")


def messages_of(texts: Sequence[str]) -> tuple[str, list[list[str]], list[int]] | None:
    """Read the lines of a chat; None where they are none.

    Returns what stands above the first message, a row of ``COLUMNS`` for each message, and the number of its first line,
    from 1 on. A door in a nickname (3-2-501李姐) stands in a column of its own. Who posts a chain asks for nothing by
    that; a line of a chain that the next who joined posted again counts once.

    >>> messages_of(["西山群", "3-2-501李姐 3月5日 10:20", "路灯坏了", "有人修吗", "王强 3月5日 10:31", "收到"])[1]
    [['李姐', '3-2-501', '3月5日 10:20', '路灯坏了。有人修吗'], ['王强', '', '3月5日 10:31', '收到']]
    >>> messages_of(["#接龙 10月9日送餐报名", "例 门牌 姓名", "1. 西苑3-2-501 王芳 两份", "2. 李姐"])[1]
    [['王芳', '西苑3-2-501', '10月9日', '10月9日送餐报名：两份'], ['李姐', '', '10月9日', '10月9日送餐报名']]
    """
    title: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    clock = ""  # of the message in which the line stands
    chain: tuple[str, str] | None = None  # what the chain is about, and its day
    joined: set[tuple[str, str]] = set()
    began = 0  # the line with which the chain began
    for number, text in enumerate(texts, 1):
        if head := _HEAD.fullmatch(text):
            clock, chain, began = head[2], None, 0
            rows.append([*_nickname(head[1]), clock, ""])
            lines.append(number)
        elif begins := _CHAIN.match(text):
            day = _DAY.search(text)
            chain, began = (begins[1], day[0] if day else clock), number
        elif chain and (joins := _JOINS.match(text)):
            entry = (chain[0], joins[1])
            if not clock or entry not in joined:
                rows.append(_joined(joins[1], *chain))
                lines.append(number)
            joined.add(entry)
        elif text and chain and not chain[0]:
            chain = (text, chain[1])
        elif text and rows and lines[-1] > began:
            rows[-1][3] = "。".join(filter(None, (rows[-1][3], text)))
        elif text and not began:
            title.append(text)
    return (" ".join(title), rows, lines) if len(rows) >= FEWEST else None


def _nickname(text: str) -> tuple[str, str]:
    """Part a nickname into name and door.

    >>> _nickname("西苑3-2-501李姐"), _nickname("3组15号张三"), _nickname("王强 4-1-302"), _nickname("王强")
    (('李姐', '西苑3-2-501'), ('张三', '3组15号'), ('王强', '4-1-302'), ('王强', ''))
    """
    home = next(iter(mentions(text)), None)
    door = home.address if home and home.address in text else ""
    door = door or (match[0] if (match := DOOR.search(text)) else "")
    return text.replace(door, "").strip(" -_室"), door


def _joined(entry: str, about: str, day: str) -> list[str]:
    """Read a line of a chain: door, name and words in any order; without a door its first word is the name."""
    first, _, rest = entry.partition(" ")
    found = mentions(entry)
    if not found:
        return [first, "", day, "：".join(filter(None, (about, rest.strip())))]
    home = found[0]
    name = home.person or (first if not re.search(r"\d", first) else "")
    return [name, home.address, day, "：".join(filter(None, (about, home.text)))]
