"""Map categories of a hotline or a platform to needs by a table that the community edits, proposed from names."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from features.atomic import write_atomically
from features.contract.community import Community, Need
from features.contract.settings_text import read_yaml
from features.language import UserError, say

_LEVELS = re.compile(r"\s*[>＞/／|｜→]\s*|\s+-\s+|--")
BY_TEXT = "text"  # in the table: the category tells no need, the text of its rows does
_LEAST_ALIKE = 0.5  # share of a label's pairs of characters that the need's words have


def propose_categories(labels: Iterable[str], community: Community) -> dict[str, str]:
    """Propose a need for each label; ``BY_TEXT`` where no name or keyword is alike, or two are equally so.

    A label of several levels (城管 > 噪音 > 施工噪音) is compared from its last level on.
    """
    return {label: _proposed(label, community) for label in labels}


def _proposed(label: str, community: Community) -> str:
    for level in reversed(_LEVELS.split(label)):
        scores = sorted(((_alike(level, need), need.id) for need in community.needs), reverse=True)
        if scores and scores[0][0] >= _LEAST_ALIKE:
            return BY_TEXT if len(scores) > 1 and scores[1][0] == scores[0][0] else scores[0][1]
    return BY_TEXT


def _alike(level: str, need: Need) -> float:
    """Compare a label with a need: 3 for its name or id, 2 and more for a keyword in it, below 1 for shared pairs."""
    small = level.lower()
    names = [name.lower() for name in (need.name.zh, need.name.en, need.id) if name]
    if small in names:
        return 3.0
    words = [word.strip().lower() for word in (*names, *need.keywords) if len(word.strip()) > 1]
    if inside := [word for word in words if word in small]:
        return 2.0 + max(map(len, inside)) / 100
    pairs = {small[at : at + 2] for at in range(len(small) - 1)}
    own_pairs = {word[at : at + 2] for word in words for at in range(len(word) - 1)}
    return len(pairs & own_pairs) / len(pairs) if pairs else 0.0


def read_categories(path: Path, community: Community | None = None) -> dict[str, str | None]:
    """Read the table: label as written → need id, null for nobody's need, or ``BY_TEXT``.

    Raises UserError where it is no such table, or names a need that ``community`` does not have.
    """
    table = read_yaml(path)
    if not isinstance(table, dict):
        raise UserError(f"{path}：应为“类别: 需求”的表", f"{path}: should map categories to needs")
    needs = {BY_TEXT, *(need.id for need in community.needs)} if community else None
    for label, need in table.items():
        if need is not None and needs is not None and need not in needs:
            raise UserError(
                f"{path}：{label} 对应的需求 {need} 不在 community.yaml 里，请改正，或写 text 或 null",
                f"{path}: {label} maps to {need}, not in community.yaml: correct it or write text or null",
            )
    return {str(label): None if need is None else str(need) for label, need in table.items()}


def write_categories(path: Path, table: Mapping[str, str | None]) -> None:
    """Write the table for the community to edit."""
    head = say(
        "# 类别: 需求的 id；text 表示看内容决定，null 表示不是居民的需求（不读入）。请核对并修改\n",
        "# category: id of a need; text: its text decides; null: no resident's need, not read. Check and correct it\n",
    )
    lines = yaml.safe_dump(dict(table), allow_unicode=True, sort_keys=True, width=1000)
    write_atomically(path, (head + lines).encode())
