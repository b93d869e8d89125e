"""What columns of an office's own ledgers are called, and which field of a record each name stands for."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import yaml

from features.contract.refusing_words import tells_refusal
from features.contract.settings_text import LOADER
from features.language import say


@dataclass(frozen=True)
class Field:
    """A field of a record: its name in two languages, and the words that name a column for it.

    ``words`` are whole names; ``parts`` are words that may stand anywhere in a name.
    """

    zh: str
    en: str
    words: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def here(self) -> str:
        """Return the name in the language in force."""
        return say(self.zh, self.en)


def _read_fields() -> Mapping[str, Field]:
    """Read ``fields.yaml``, whose order is that in which names are tried."""
    content = yaml.load(files("features").joinpath("mapping/fields.yaml").read_text("utf-8"), LOADER)
    return {
        name: Field(entry["zh"], entry["en"], tuple(entry.get("words", ())), tuple(entry.get("parts", ())))
        for name, entry in content.items()
    }


FIELDS = _read_fields()
# Words of a name that count for nothing: marks of required columns, and what stands in brackets.
_ADDED = re.compile(r"[\(（\[【].*?[\)）\]】]|[*＊:：\s]|必填|选填")
_ASKED = re.compile(r"^(?:[QqＱ]?\d{1,2}[、.,])?(?:您|你)(?:家|们)?的?|^[Qq]?\d{1,2}、")


def plain_name(name: str) -> str:
    """Return a column's name without blanks, marks, what is added in brackets, and how a questionnaire asks for it.

    >>> plain_name("*走访 时间（年/月/日）"), plain_name("姓\\n名"), plain_name("2、您的住址：")
    ('走访时间', '姓名', '住址')
    """
    return _ASKED.sub("", _ADDED.sub("", unicodedata.normalize("NFKC", name))).strip("_-、.")


@lru_cache(maxsize=4096)
def field_named(name: str) -> tuple[str, bool] | None:
    """Return the field that a column's name stands for and whether it is the field's whole name; None for other names.

    >>> field_named("走访时间"), field_named("诉求内容摘录"), field_named("文化程度")
    (('happened_at', True), ('text', False), None)
    """
    short = plain_name(name)
    if not short:
        return None
    for field, entry in FIELDS.items():
        if any(short.lower() == word.lower() for word in entry.words):
            return field, True
    if tells_refusal(short):
        return "refusal", False
    for field, entry in FIELDS.items():
        if any(part in short for part in entry.parts):
            return field, False
    return None
