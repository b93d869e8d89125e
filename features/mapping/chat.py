"""Read a chat that was copied into one column: a line with name and time, and below it the lines of the message."""

import re
from collections.abc import Sequence

from features.mapping.column_content import DOOR

COLUMNS = ("昵称", "门牌", "时间", "消息")
FEWEST = 2  # messages of a chat
_CLOCK = r"(?:[上下中]午|早上|晚上|凌晨)?\s*\d{1,2}[:：]\d{2}(?:[:：]\d{2})?"
_HEAD = re.compile(
    rf"([^\s,，;；|][^\t,，;；|]{{0,30}}?)[\s:：]+((?:\d{{4}}\s*[年/.-]\s*)?\d{{1,2}}\s*[月/.-]\s*\d{{1,2}}\s*日?\s*{_CLOCK})"
)


def messages_of(texts: Sequence[str]) -> tuple[str, list[list[str]], list[int]] | None:
    """Read the lines of a chat; None where they are none.

    Returns what stands above the first message, a row of ``COLUMNS`` for each message, and the number of its first line,
    from 1 on. A door in a nickname (3-2-501李姐) stands in a column of its own.

    >>> messages_of(["西山群", "3-2-501李姐 3月5日 10:20", "路灯坏了", "有人修吗", "王强 3月5日 10:31", "收到"])[1]
    [['李姐', '3-2-501', '3月5日 10:20', '路灯坏了。有人修吗'], ['王强', '', '3月5日 10:31', '收到']]
    """
    title: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    for number, text in enumerate(texts, 1):
        if head := _HEAD.fullmatch(text):
            door = DOOR.search(head[1])
            name = head[1].replace(door[0], "").strip(" -_室") if door else head[1]
            rows.append([name, door[0] if door else "", head[2], ""])
            lines.append(number)
        elif text and rows:
            rows[-1][3] = "。".join(filter(None, (rows[-1][3], text)))
        elif text:
            title.append(text)
    return (" ".join(title), rows, lines) if len(rows) >= FEWEST else None
