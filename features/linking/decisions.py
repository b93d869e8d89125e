"""What people decided about records without a household: kept in the workspace's records, and used again."""

from pathlib import Path

import pandas as pd

from features.linking.mentioned import EVIDENCE, texts_of
from features.store.database import STORE, begin, has_tables, open_store

COLUMNS = (*EVIDENCE, "household_id")


def read_decisions(workspace: Path) -> pd.DataFrame:
    """Read all decisions, the oldest first: address, person, phone and household_id ("": nobody of the register)."""
    if not (workspace / STORE).is_file():
        return pd.DataFrame(columns=list(COLUMNS))
    with open_store(workspace, read_only=True) as connection:
        if not has_tables(connection):
            return pd.DataFrame(columns=list(COLUMNS))
        rows = connection.sql(f"SELECT {', '.join(COLUMNS)} FROM link_decisions ORDER BY number")
        return rows.to_arrow_table().to_pandas()


def keep_decisions(workspace: Path, decisions: pd.DataFrame) -> int:
    """Keep decisions, which stand before earlier ones on the same record; return how many.

    ``decisions``: columns as ``read_decisions`` returns them.
    """
    if not len(decisions):
        return 0
    rows = list(zip(*(texts_of(decisions, column) for column in COLUMNS), strict=True))
    workspace.mkdir(parents=True, exist_ok=True)
    with open_store(workspace) as connection:
        begin(connection)
        last = connection.execute("SELECT coalesce(max(number), 0) FROM link_decisions").fetchall()[0][0]
        numbered = [(last + place, *row) for place, row in enumerate(rows, 1)]
        connection.executemany("INSERT INTO link_decisions VALUES (?, ?, ?, ?, ?)", numbered)
        connection.execute("COMMIT")
    return len(rows)
