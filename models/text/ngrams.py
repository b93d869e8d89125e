"""Count the character n-grams of texts by their hash, so that a model keeps no piece of what was written."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array, vstack

BITS = 18  # of a hash: 262,144 columns
LONGEST = 2  # characters
_CHUNK = 2_000_000  # characters at a time
_END = 0  # code point that closes a text; n-grams over it are left out
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)


def count_ngrams(texts: Sequence[str], bits: int = BITS, longest: int = LONGEST) -> csr_array:
    """Count every n-gram of 1 to ``longest`` characters.

    texts: cleaned texts; upper and lower case count as different characters.
    bits: of a hash: n-grams with equal hashes share a column.
    longest: most characters of an n-gram, 1 to 3.

    Returns float32 [texts, 2**bits].

    >>> count_ngrams(["漏水", "漏"]).sum(axis=1).tolist()
    [3.0, 1.0]
    """
    parts, start, size = [], 0, 0
    for position, text in enumerate(texts):
        size += len(text) + 1
        if size > _CHUNK:
            parts.append(_count(texts[start : position + 1], bits, longest))
            start, size = position + 1, 0
    parts.append(_count(texts[start:], bits, longest))
    return vstack(parts, format="csr") if len(parts) > 1 else parts[0]


def _count(texts: Sequence[str], bits: int, longest: int) -> csr_array:
    joined = "".join(text + chr(_END) for text in texts)
    points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    ends = points == _END
    row = np.cumsum(ends) - ends
    columns, rows = [], []
    hashed = np.zeros(len(points), dtype=np.uint64)
    whole = np.ones(len(points), dtype=bool)
    for length in range(longest):
        reach = len(points) - length
        hashed, whole = hashed[:reach], whole[:reach]
        hashed = (hashed ^ points[length:]) * _FACTORS[length]
        hashed ^= hashed >> np.uint64(29)
        whole = whole & ~ends[length:]
        columns.append((hashed[whole] >> np.uint64(3)) & np.uint64((1 << bits) - 1))
        rows.append(row[:reach][whole])
    column = np.concatenate(columns).astype(np.int32)
    counts = csr_array(
        (np.ones(len(column), dtype=np.float32), (np.concatenate(rows).astype(np.int32), column)),
        shape=(len(texts), 1 << bits),
    )
    counts.sum_duplicates()
    return counts
