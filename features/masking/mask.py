"""Replace personal data in free text by what it was.

The marks are ［姓名］, ［电话］, ［身份证号］, ［银行卡号］, ［门牌］, ［邮箱］, ［账号］ and ［车牌］.

Every text that leaves the household's own page goes through here first: into a log, a list, a run's report, a review
sheet, a model. What is masked too much costs a reader a word; what is masked too little is told of somebody.
"""

from collections.abc import Iterable

import pandas as pd

from features.masking.names import NAME, find_names
from features.masking.numbers import Find, find_numbers

OPEN, CLOSE = "［", "］"


def mask_text(text: str, names: Iterable[str] = ()) -> str:
    """Mask one text; ``names`` are masked wherever they stand, as those of the row's own columns should be.

    >>> mask_text("我叫王小明，电话13812345678，住3幢2单元501")
    '我叫［姓名］，电话［电话］，住3幢［门牌］'
    """
    masked = _replaced(text, list(find_numbers(text)))
    given = [name for name in names if len(name) > 1]
    finds = [(start, start + len(name), NAME) for name in given for start in _places(masked, name)]
    return _replaced(masked, [*finds, *find_names(masked)])


def mask_texts(texts: pd.Series) -> pd.Series:
    """Mask each text, equal ones once; what is missing stays missing."""
    masked = {text: mask_text(str(text)) for text in texts.dropna().unique()}
    return texts.map(masked, na_action="ignore")


def _places(text: str, name: str) -> Iterable[int]:
    start = text.find(name)
    while start >= 0:
        yield start
        start = text.find(name, start + len(name))


def _replaced(text: str, finds: list[Find]) -> str:
    """Replace what was found; of overlapping finds the earliest counts, then the longest."""
    parts, done = [], 0
    for start, end, kind in sorted(finds, key=lambda find: (find[0], -find[1])):
        if start < done or (text.rfind(OPEN, 0, start) > text.rfind(CLOSE, 0, start)):
            if start < done < end:
                done = end  # the rest of a find that overlaps another goes with it
            continue
        parts += [text[done:start], f"{OPEN}{kind}{CLOSE}"]
        done = end
    return "".join([*parts, text[done:]])
