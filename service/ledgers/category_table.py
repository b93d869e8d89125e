"""The table from a ledger's categories to needs: proposed when a ledger is mapped, edited by the community, then used."""

from collections.abc import Sequence
from pathlib import Path

from features.contract.community import Community
from features.language import say
from features.mapping.ledger_sheets import LedgerSheet
from features.mapping.mapping_file import Mapping
from features.mapping.take_rows import categories_of
from models.text.categories import BY_TEXT, propose_categories, read_categories, write_categories

CATEGORIES = "categories.yaml"
SHOWN = 8  # categories whose proposal is shown


def categories_in_force(directory: Path, workspace: Path, community: Community) -> dict[str, str | None]:
    """Read the table of the ledgers' directory, or else the one that the workspace kept of an earlier directory."""
    paths = (place / CATEGORIES for place in (directory, workspace))
    return next((read_categories(path, community) for path in paths if path.is_file()), {})


def add_categories(
    directory: Path, workspace: Path, community: Community, sheets: Sequence[LedgerSheet], mapping: Mapping
) -> list[str]:
    """Add the categories of a ledger that the table lacks, with the need proposed for each; say what was added.

    Parameters
    ----------
    directory
        Of the ledger; the table is written there.
    workspace
        Where earlier tables are kept.
    community
        Whose needs are proposed.
    sheets, mapping
        The ledger and how it is read.
    """
    table = categories_in_force(directory, workspace, community)
    new = propose_categories((one for one in categories_of(sheets, mapping) if one not in table), community)
    if not new:
        return []
    path = directory / CATEGORIES
    write_categories(path, table | new)
    by_text = [label for label, need in new.items() if need == BY_TEXT]
    lines = [f"  {label} → {need}" for label, need in new.items() if need != BY_TEXT]
    return [
        say(
            f"类别对需求：{len(lines)} 种认出，{len(by_text)} 种看内容（text），写在 {path}，请核对",
            f"categories to needs: {len(lines)} known, {len(by_text)} by their text (text); check {path}",
        ),
        *lines[:SHOWN],
        *([say(f"  …… 共 {len(lines)} 种", f"  … {len(lines)} in all")] if len(lines) > SHOWN else []),
    ]
