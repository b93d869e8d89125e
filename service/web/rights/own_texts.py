"""Texts that only one household had: taken out of models and published weeks, where they stand without its number.

A category that nobody else has names the household as surely as its number does. Its place in the list of categories
stays, so that no other category becomes another one.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from features.atomic import write_atomically
from features.point_in_time.schema import plain_text
from features.store.plain_file import replace_texts
from service.web.published.digests import write_digests

# with the models that a model holds
MODELS = ("champion/**/model.json", "served/*/model/**/model.json", "mlartifacts/**/bundle/**/model.json")
# what MLflow and the page of models keep of a model besides: features by name
NAMING = (
    "mlartifacts/**/*.csv",
    "mlartifacts/**/*.json",
    "mlartifacts/**/MLmodel",
    "served/reports/*/*.csv",
)
PLAIN_FILES = ("served/*/*.npz", "served/*/records/**/*.npz")


Rename = Callable[[str], str]


def forget_texts(workspace: Path, texts: Iterable[str]) -> list[Path]:
    """Put a meaningless text in the place of each in every model and published week; the files that changed."""
    others = {text: f"deleted-{secrets.token_hex(4)}" for text in texts}
    others |= {plain_text(text): other for text, other in others.items() if plain_text(text) not in others}

    def rename(text: str) -> str:
        """Replace the text itself, and the name of the feature that it has: TABLE.ATTRIBUTE=TEXT."""
        attribute, _, value = text.partition("=")
        return f"{attribute}={others[value]}" if value in others else others.get(text, text)

    def rewrite_names(content: bytes, _: Rename) -> bytes:
        return _names_without(content, others)

    changed = []
    kinds = ((MODELS, _model_without), (NAMING, rewrite_names), (PLAIN_FILES, replace_texts))
    for patterns, rewrite in kinds:
        for path in sorted({path for pattern in patterns for path in workspace.glob(pattern)}):
            if others and _rewritten(path, rewrite, rename):
                changed.append(path)
    for place in sorted({path for path in workspace.glob("served/*") if set(path.rglob("*")) & set(changed)}):
        write_digests(place)
    return changed


def _rewritten(path: Path, rewrite: Callable[[bytes, Rename], bytes], rename: Rename) -> bool:
    """Rewrite a file under its name: other names of it, links to the week before, are rewritten in their turn."""
    before = path.read_bytes()
    after = rewrite(before, rename)
    if after != before:
        write_atomically(path, after)
    return after != before


def _names_without(content: bytes, others: dict[str, str]) -> bytes:
    """Rename features in a text file, and in what they mean in words, however it writes them.

    As CSV, as JSON, or as JSON in YAML, folded at blanks.
    """
    text = content.decode("utf-8")
    for own, other in others.items():
        for written in {own, own.replace('"', '""'), json.dumps(own)[1:-1]}:
            for quoted in {written, written.replace("'", "''")}:
                words = r"\s+".join(map(re.escape, quoted.split()))
                text = re.sub(rf"""(?<=[=为 ]){words}(?=["',\s]|\\"|的居民数|$)""", other, text)
    return text.encode("utf-8")


def _model_without(content: bytes, rename: Rename) -> bytes:
    """Rename categories and the features that they have; nothing else of a model's words."""
    before = json.loads(content)
    after = {
        **before,
        "schema": _renamed_values(before["schema"], rename),
        "feature_names": [rename(name) for name in before["feature_names"]],
    }
    return content if after == before else json.dumps(after, ensure_ascii=False, indent=1).encode()


def _renamed_values(schema: Any, rename: Rename) -> Any:
    if isinstance(schema, list):
        return [_renamed_values(item, rename) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: [rename(value) if isinstance(value, str) else value for value in item]
        if name == "values" and isinstance(item, list)
        else _renamed_values(item, rename)
        for name, item in schema.items()
    }
