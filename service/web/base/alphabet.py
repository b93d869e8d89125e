"""The characters that texts sent to the service may have; a request with others is refused.

Refused are control characters (except tab and line ends), halves of surrogate pairs, and marks that change the
direction of writing, with which a text looks different from what it is.
"""

import re
from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

import orjson

REFUSED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
ESCAPED = re.compile(rb"\\[bfu]")  # escapes in JSON that may stand for refused characters
FORM = b"application/x-www-form-urlencoded"
LONGEST_HEADER = 8000  # bytes of one header's value


def acceptable(text: str) -> bool:
    """Tell whether a text has none of the refused characters."""
    return not REFUSED.search(text)


def acceptable_bytes(content: bytes) -> bool:
    """Tell whether bytes are an acceptable text in UTF-8."""
    try:
        return acceptable(content.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def acceptable_address(path: bytes, query: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    """Tell whether all texts of a request before its body are acceptable, also after percent-decoding.

    ``path``, ``query``: as sent. ``headers``: pairs of name and value.
    """
    values = [value for _, value in headers]
    text = b"\n".join([path + query, *values])  # a line's end is no refused character
    if len(text) > LONGEST_HEADER and max(map(len, values), default=0) > LONGEST_HEADER:
        return False
    if not (path.isascii() and query.isascii() and acceptable(text.decode("latin-1"))):
        return False
    return b"%" not in text or all(
        acceptable_bytes(unquote_to_bytes(part)) for part in (path, query, *values) if b"%" in part
    )


def acceptable_body(kind: bytes, content: bytes) -> bool:
    """Tell whether all texts of a body are acceptable: a form's fields, or JSON including its escapes.

    ``kind``: the content type, in lower case.
    """
    if kind.startswith(FORM):
        pairs = parse_qsl(content.decode("latin-1"), keep_blank_values=True, errors="surrogateescape")
        return all(acceptable(text) for pair in pairs for text in pair)
    if not acceptable_bytes(content):
        return False
    if b"\\" not in content:
        return True
    try:
        return _texts_acceptable(orjson.loads(content))
    except orjson.JSONDecodeError:  # no JSON, or what only other readers take for it, such as NaN
        return not ESCAPED.search(content)


def _texts_acceptable(value: Any) -> bool:
    """Tell whether all texts in a value are acceptable, however deep it is nested."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if not acceptable(item):
                return False
        elif isinstance(item, dict):
            waiting += [*item, *item.values()]
        elif isinstance(item, list):
            waiting += item
    return True
