"""What a workspace keeps of ledgers between months: ids made for households, warnings, and rows that wait."""

import io
from pathlib import Path

import pandas as pd

from features.atomic import write_atomically
from features.language import UserError
from features.mapping.register import KEPT

FOLDER = "ledgers"
IDS, DAYS, PENDING, WARNINGS, TOLD = (
    "made_ids.parquet",
    "register_days.parquet",
    "pending.parquet",
    "warnings.parquet",
    "told_refusals.parquet",  # hashes of rows that may refuse
)
WARNING_COLUMNS = (
    "warning_id",
    "household_id",
    "received_at",
    "deadline",
    "warned_of",
    "source_file",
    "source_sheet",
    "source_row",
)


def read_kept(workspace: Path, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read a table of the workspace's ledgers; no rows where there is none. Raises UserError where it is damaged."""
    path = workspace / FOLDER / name
    if not path.is_file():
        return pd.DataFrame({column: pd.Series(dtype=object) for column in columns})
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}：读不了，请从备份放回", f"{path}: cannot be read; put it back from a backup"
        ) from error


def keep(workspace: Path, name: str, table: pd.DataFrame) -> None:
    """Write a table of the workspace's ledgers, whole or not at all."""
    content = io.BytesIO()
    table.reset_index(drop=True).to_parquet(content, index=False)
    write_atomically(workspace / FOLDER / name, content.getvalue())


def read_warnings(workspace: Path) -> pd.DataFrame:
    """Read the warnings of all lists from above: ``WARNING_COLUMNS``."""
    return read_kept(workspace, WARNINGS, WARNING_COLUMNS)


def read_register_kept(workspace: Path) -> pd.DataFrame:
    """Read what ``register_tables`` kept."""
    made = read_kept(workspace, IDS, ("made_id", *KEPT[1:])).rename(columns={"made_id": "household_id"})
    days = read_kept(workspace, DAYS, ("household_id", "valid_from"))
    return pd.concat([made, days.assign(resident_id="", door="")], ignore_index=True)[list(KEPT)]


def keep_register(workspace: Path, kept: pd.DataFrame) -> None:
    """Keep what ``register_tables`` says.

    An id that was made from hashes stays when its household is deleted: the next register must give it the same id, by
    which the deletion is recognised. Ids that the office gave are taken out then, as from every other table.
    """
    made = kept["door"] != ""
    keep(workspace, IDS, kept[made].rename(columns={"household_id": "made_id"}).drop_duplicates())
    days = kept.loc[~made, ["household_id", "valid_from"]]
    keep(workspace, DAYS, days.drop_duplicates("household_id"))


def forget_waiting(workspace: Path, household_id: str) -> bool:
    """Delete the rows that wait for people and may be of a household; tell whether there were any."""
    waiting = read_kept(workspace, PENDING, ("candidates", "household_id"))
    of_household = waiting["candidates"].map(lambda candidates: household_id in list(candidates)).astype(bool)
    of_household |= (waiting["household_id"] == household_id).fillna(False).astype(bool)
    if not of_household.any():
        return False
    keep(workspace, PENDING, waiting[~of_household])
    return True
