"""Read the table by which a community maps categories of a hotline or a platform to its needs."""

from pathlib import Path

from features.contract.community import Community
from features.contract.settings_text import read_yaml
from features.language import UserError, say


def read_categories(path: Path, community: Community | None = None) -> dict[str, str | None]:
    """Read the table: label as written → need id, or null for nobody's need.

    Raises UserError where it is no such table, or names a need that ``community`` does not have.
    """
    table = read_yaml(path)
    if not isinstance(table, dict):
        raise UserError(say(f"{path}：应为“类别: 需求”的表", f"{path}: should map categories to needs"))
    needs = {need.id for need in community.needs} if community else None
    for label, need in table.items():
        if need is not None and needs is not None and need not in needs:
            raise UserError(
                say(
                    f"{path}：{label} 对应的需求 {need} 不在 community.yaml 里，请改正或写 null",
                    f"{path}: {label} maps to {need}, which community.yaml does not have: correct it or write null",
                )
            )
    return {str(label): None if need is None else str(need) for label, need in table.items()}
