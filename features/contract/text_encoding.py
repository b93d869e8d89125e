"""Which encoding a text that is not UTF-8 is in: GB18030, Big5, Shift-JIS or EUC-JP, by how common its characters are.

Almost any bytes are valid GB18030. charset-normalizer takes a few Chinese characters, as a column of grids has, for
Korean or Japanese; how common the characters are tells these three apart from two characters on.
"""

from functools import lru_cache

ENCODINGS = ("gb18030", "big5", "big5hkscs", "cp932")  # the first counts where two are as likely
SAMPLE = 1 << 20  # bytes that are looked at
PLAUSIBLE = 0.5  # least likelihood of a text that is believed
FIRST_KOREAN, LAST_KOREAN = 0xB0, 0xC8  # first bytes of the syllables in EUC-KR
FEWEST_KOREAN = 8  # different characters, from which on chance does not explain it
RARE = 0.5  # likelihood of a rarer character, beside 1 of a common one


def likely_encoding(content: bytes) -> str | None:
    """Return the encoding in which a content is the likeliest text; None where it makes no sense in any.

    >>> likely_encoding("东区".encode("gb18030")), likely_encoding("東區".encode("big5"))
    ('gb18030', 'big5')
    >>> likely_encoding("東地区、さくら町".encode("cp932"))
    'cp932'
    """
    if _is_japanese(content[:SAMPLE]):
        return "euc_jp"
    likelihoods = {encoding: _likelihood(content[:SAMPLE], encoding) for encoding in ENCODINGS}
    best = max(likelihoods, key=lambda encoding: likelihoods[encoding])
    return best if likelihoods[best] >= PLAUSIBLE else None


def _is_japanese(sample: bytes) -> bool:
    """Whether a text has kana where GB18030 and EUC-JP have them alike: no Chinese text has."""
    text = sample.decode("euc_jp", "replace")
    kana = sum("\u3041" <= sign <= "\u30ff" for sign in text)
    return kana > 0 and text.count("�") == 0


def looks_korean(text: str) -> bool:
    """Whether the Chinese characters of a text that was read as GB18030 may be Korean ones.

    All stand where EUC-KR has its syllables, as three in five characters of Chinese texts do.

    >>> looks_korean("서울특별시 종로구 가회동".encode("euc-kr").decode("gb18030"))
    True
    >>> looks_korean("东山街道第一网格文化路小区")
    False
    """
    signs = {sign for sign in text if "\u4e00" <= sign <= "\u9fff"}
    leads = [sign.encode("gb18030")[0] for sign in signs]
    return len(leads) >= FEWEST_KOREAN and all(FIRST_KOREAN <= lead <= LAST_KOREAN for lead in leads)


def _likelihood(sample: bytes, encoding: str) -> float:
    """Compute the mean likelihood, 0 to 1, of the characters beyond ASCII; an undecodable byte counts as four of 0."""
    text = sample.decode(encoding, "replace")
    signs = [sign for sign in text if sign > "\x7f"]
    broken = text.count("�")
    common, rare = _characters()
    known = sum(1.0 if sign in common else RARE if sign in rare else 0.0 for sign in signs)
    return known / (len(signs) + 3 * broken) if signs else 1.0


@lru_cache(maxsize=1)
def _characters() -> tuple[frozenset[str], frozenset[str]]:
    """Return the common characters (first levels of GB2312 and Big5, punctuation, kana), and GB2312's second level."""
    common = _table("gb2312", range(0xB0, 0xD8)) | _table("big5", range(0xA4, 0xC7))
    signs = [*range(0x3001, 0x3012), *range(0x3041, 0x30FF), *range(0xFF01, 0xFF5F), *range(0x2460, 0x2474)]
    punctuation = {*map(chr, signs), *"—…“”‘’·～￥√×℃㎡°①②③"}
    return frozenset(common | punctuation), frozenset(_table("gb2312", range(0xD8, 0xF8)))


def _table(encoding: str, leads: range) -> set[str]:
    pairs = (bytes((lead, trail)) for lead in leads for trail in range(0x40, 0xFF))
    return {text for pair in pairs if len(text := pair.decode(encoding, "ignore")) == 1}
