"""Take in a directory that holds an office's own ledgers beside, or instead of, tables of the contract."""

from collections.abc import Callable
from pathlib import Path

from features.contract.table_names import table_of
from features.contract.workbook_cells import WORKBOOKS
from features.ingest.ingest import check, ingest
from features.language import UserError
from features.mapping.ledger_sheets import TEXTS
from features.mapping.mapping_file import Mapping, mapping_for, mappings_of
from service.ledgers.taken_in import TakenIn


def ingest_directory(
    directory: Path,
    workspace: Path,
    accept: bool = True,
    tell: Callable[[str], None] = lambda line: None,
    dry: bool = False,
) -> TakenIn:
    """Validate and load a directory; ledgers in it are read by their mappings and become rows of the contract.

    directory: tables of the contract, mapped ledgers, or both.
    workspace: where everything is kept.
    accept: whether an export that differs much from those before is taken.
    tell: called with a line whenever something that may take long begins.
    dry: report only, and change nothing.

    Raises UserError: the directory cannot be used, or a ledger's columns have changed; nothing is stored then.
    """
    ledgers = _ledgers(directory, workspace)
    if not ledgers:
        report = (
            check(directory, workspace, tell)
            if dry
            else ingest(directory, workspace, accept=accept, tell=tell)
        )
        return TakenIn(report, [])
    # these read texts by scikit-learn, which takes a second to load
    from service.ledgers.take_in_ledgers import take_in_ledgers

    return take_in_ledgers(ledgers, directory, workspace, accept, tell, dry)


def _ledgers(directory: Path, workspace: Path) -> list[tuple[Path, Mapping]]:
    """Find the files of a directory that have a mapping. Raises UserError where there is no such directory."""
    if not directory.is_dir():
        raise UserError(f"{directory}：没有这个目录", f"{directory}: no such directory")
    mappings = mappings_of(directory, workspace)
    ledgers = []
    for path in sorted(directory.iterdir()) if mappings else ():
        if path.name.startswith((".", "~$")) or path.suffix.lower() not in (*WORKBOOKS, *TEXTS):
            continue
        beside = [mapping for mapping in mappings if mapping[0].parent == directory]
        mapping = mapping_for(path, beside if table_of(path.stem) else mappings)
        if mapping:
            ledgers.append((path, mapping))
    return ledgers
