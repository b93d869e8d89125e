"""Prepare texts: mask personal data, part title and body, count n-grams and keywords."""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.sparse import csr_array

from features.masking.mask import mask_text
from models.text.ngrams import count_ngrams

LONGEST_TITLE = 60  # characters of a first line that counts as a title
LEAD = 300  # characters of the body that tell most
FIELDS = 3  # title, beginning of the body, body
_SPACE = re.compile(r"\s+")


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
