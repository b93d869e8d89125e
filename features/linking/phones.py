"""Read telephone numbers as ledgers write them: 138 0000 1234, 138****1234, 0577-8812345, 尾号1234, several in a cell."""

import re
import unicodedata

_NUMBER = re.compile(
    r"(?<![\d*X])(?:\+?86-?)?(1[\d*X]{10})(?![\d*X])|(?<![\d*X])(?:0\d{2,3}-?)?([2-9][\d*X]{6,7})(?![\d*X])"
)
_ENDING = re.compile(r"(?:尾号|后四位|末四位)\D{0,3}(\d{4})(?!\d)")


def read_phones(text: str) -> list[str]:
    """Read the numbers in a text: digits, with ``*`` for what is hidden; of an ending alone, ``*1234``.

    >>> read_phones("138-0000 1234/0577－88123456"), read_phones("138****1234"), read_phones("尾号1234")
    (['13800001234', '88123456'], ['138****1234'], ['*1234'])
    """
    if not text:
        return []
    plain = unicodedata.normalize("NFKC", text).upper()
    plain = re.sub(r"\.0+$", "", plain)
    plain = re.sub(r"(?<=[\d*X])[\s.·-]+(?=[\d*X])", "", plain)
    numbers = [(match[1] or match[2]).replace("X", "*") for match in _NUMBER.finditer(plain)]
    numbers += [f"*{match[1]}" for match in _ENDING.finditer(plain)]
    return list(dict.fromkeys(number for number in numbers if len(number.replace("*", "")) > 3))


def mask_key(phone: str) -> str:
    """Return what a masked number and the whole one have in common: the first three and the last four digits.

    >>> mask_key("138****1234"), mask_key("13800001234"), mask_key("88123456")
    ('138*1234', '138*1234', '')
    """
    if len(phone) != 11 or "*" in phone[:3] + phone[-4:]:
        return ""
    return f"{phone[:3]}*{phone[-4:]}"
