"""Prepare texts: mask personal data, part title and body, count n-grams and keywords."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.sparse import csr_array, vstack

from features.masking.mask import mask_text

LONGEST_TITLE = 60  # characters of a first line that counts as a title
LEAD = 300  # characters of the body that tell most
_SPACE = re.compile(r"\s+")
BITS = 18  # of an n-gram's hash, which is its column: 262,144 columns
LONGEST = 2  # characters
_CHUNK = 2_000_000  # characters at a time
_END = 0  # code point that closes a text; n-grams over it are left out
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)


def fields_of(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the titles and the bodies of masked texts; a text of one line is all body.

    >>> fields_of(["漏水\\n卫生间 漏水", "停电"])
    (['漏水', ''], ['卫生间漏水', '停电'])
    """
    titles, bodies = [], []
    for text in texts:
        first, _, rest = mask_text(text).strip().partition("\n")
        titled = bool(rest.strip()) and len(first) <= LONGEST_TITLE
        titles.append(_SPACE.sub("", first) if titled else "")
        bodies.append(_SPACE.sub("", rest if titled else first + rest).lower())
    return titles, bodies


def count_fields(titles: Sequence[str], bodies: Sequence[str]) -> list[csr_array]:
    """Count the n-grams of title, beginning and body: float32 [texts, hashes] each."""
    return [count_ngrams(part) for part in (titles, [body[:LEAD] for body in bodies], bodies)]


def count_keywords(
    titles: Sequence[str], bodies: Sequence[str], keywords: Sequence[Sequence[str]]
) -> np.ndarray:
    """Count the different keywords of each need in a text, those in its title twice: float32 [texts, needs]."""
    hits = np.zeros((len(bodies), len(keywords)), dtype=np.float32)
    for place, words in enumerate(keywords):
        for word in {word.strip().lower() for word in words} - {""}:
            hits[:, place] += [
                2 * (word in title) + (word in body) for title, body in zip(titles, bodies, strict=True)
            ]
    return hits


def count_ngrams(texts: Sequence[str]) -> csr_array:
    """Count every n-gram of 1 to ``LONGEST`` characters: float32 [texts, 2**BITS].

    texts: cleaned texts; upper and lower case count as different characters.

    >>> count_ngrams(["漏水", "漏"]).sum(axis=1).tolist()
    [3.0, 1.0]
    """
    parts, start, size = [], 0, 0
    for position, text in enumerate(texts):
        size += len(text) + 1
        if size > _CHUNK:
            parts.append(_count(texts[start : position + 1]))
            start, size = position + 1, 0
    parts.append(_count(texts[start:]))
    return vstack(parts, format="csr") if len(parts) > 1 else parts[0]


def _count(texts: Sequence[str]) -> csr_array:
    joined = "".join(text + chr(_END) for text in texts)
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    ends = points == _END
    row = np.cumsum(ends) - ends
    columns, rows = [], []
    hashed = np.zeros(len(points), dtype=np.uint64)
    whole = np.ones(len(points), dtype=bool)
    for length in range(LONGEST):
        reach = len(points) - length
        hashed, whole = hashed[:reach], whole[:reach]
        hashed = (hashed ^ points[length:]) * _FACTORS[length]
        hashed ^= hashed >> np.uint64(29)
        whole = whole & ~ends[length:]
        columns.append((hashed[whole] >> np.uint64(3)) & np.uint64((1 << BITS) - 1))
        rows.append(row[:reach][whole])
    column = np.concatenate(columns).astype(np.int32)
    counts = csr_array(
        (np.ones(len(column), dtype=np.float32), (np.concatenate(rows).astype(np.int32), column)),
        shape=(len(texts), 1 << BITS),
    )
    counts.sum_duplicates()
    return counts
