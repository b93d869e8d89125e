"""Keep the files of each week in the workspace: paths, whole writes, and reads with plain errors."""

import io
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from features.atomic import forget_partials, read_json, write_atomically
from features.contract.community import RetentionSettings
from features.language import UserError, language, say
from features.store.quarantine import FOLDER
from service.planning.phase_in import COLUMNS as LOTS
from service.planning.planner import COLUMNS

BEFORE = 3  # weeks after which an old list is no longer what workers have in hands
DROPPED, BEFORE_LIST, PHASE_IN = "dropped.csv", "before.parquet", "phase_in.parquet"
WARNED_LIST, DEMAND = "warnings.parquet", "demand.csv"
LOOK_BACK = "monitor.json"  # in the workspace: what the newest look back found
WEEKS, SCORES, RISK, OUTREACH, LISTED = (
    "weeks",
    "scores.parquet",
    "risk.parquet",
    "outreach.parquet",
    "listed.parquet",
)


def week_directory(workspace: Path, as_of: date) -> Path:
    """Return the directory in which one week's files are kept."""
    return workspace / WEEKS / as_of.isoformat()


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a Parquet file, whole or not at all."""
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), content, write_page_checksum=True)
    write_atomically(path, content.getvalue())


def read_table(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet file of the workspace, by default all columns. Raises UserError when it cannot be read."""
    with readable(path):
        return pd.read_parquet(path, columns=columns, page_checksum_verification=True)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn errors in reading a file of the workspace into a UserError."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}：读不了，请删除后重新运行", f"{path}: cannot be read; delete it and run again"
        ) from error


def remove_expired(workspace: Path, retention: RetentionSettings, as_of: date) -> list[str]:
    """Remove the files of weeks, and rows set aside, that the settings no longer keep; return a line on what went.

    ``as_of``: the date of the newest week, from which weeks are counted. What killed commands left goes too.
    """
    forget_partials(workspace)
    gone = []
    if retention.lists is not None:
        oldest = as_of - timedelta(weeks=retention.lists)
        for home in sorted((workspace / WEEKS).glob("????-??-??")):
            if date.fromisoformat(home.name) <= oldest:
                shutil.rmtree(home)
                gone.append(f"{WEEKS}/{home.name}")
    if retention.quarantine is not None:
        oldest = as_of - timedelta(weeks=retention.quarantine)
        for path in sorted((workspace / FOLDER).glob("*.csv")):
            if date.fromtimestamp(path.stat().st_mtime) <= oldest:
                path.unlink()
                gone.append(f"{FOLDER}/{path.name}")
    listed = "、".join(gone)
    return [say(f"按 retention 删去 {listed}", f"removed by retention: {', '.join(gone)}")] * bool(gone)


def list_before(workspace: Path, as_of: date) -> pd.DataFrame | None:
    """Read the newest list of the ``BEFORE`` weeks before a date; None where there is none."""
    for back in range(1, BEFORE + 1):
        path = week_directory(workspace, as_of - timedelta(weeks=back)) / OUTREACH
        if path.is_file():
            return read_table(path)
    return None


def keep_input(path: Path, table: pd.DataFrame | None) -> None:
    """Keep beside a week's list a table that it was planned from, as a later run may replace that one."""
    if table is None:
        path.unlink(missing_ok=True)
    else:
        write_table(table, path)


def keep_lots(home: Path, lots: Sequence[pd.DataFrame]) -> None:
    """Keep who took part in a week's phase-in, and whom the lot put off; nothing where there was none."""
    table = pd.concat([table for table in lots if len(table)] or [pd.DataFrame()])
    if len(table):
        write_table(table[list(LOTS)].sort_values("household_id", ignore_index=True), home / PHASE_IN)
    else:
        (home / PHASE_IN).unlink(missing_ok=True)


def all_lots(workspace: Path) -> pd.DataFrame:
    """Read who took part in the phase-in of every week; no rows before the first."""
    tables = [read_table(path) for path in sorted((workspace / WEEKS).glob(f"*/{PHASE_IN}"))]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(LOTS))


def keep_listed(home: Path, table: pd.DataFrame) -> None:
    """Add the pairs to those ever listed for a week: a printed list that was made anew later may still come back."""
    path = home / LISTED
    if path.is_file():
        before = read_table(path)
        table = pd.concat([table, before[~before["outreach_id"].isin(table["outreach_id"])]])
    write_table(table, path)


def all_listed(workspace: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read every pair ever listed: all columns of outreach.parquet and reason_kinds, or those in ``columns``.

    The table has no rows before the first list.
    """
    names = columns or [*COLUMNS, "reason_kinds"]
    tables = [read_table(path, columns) for path in sorted((workspace / WEEKS).glob(f"*/{LISTED}"))]
    empty = pd.DataFrame(columns=names, dtype=object)
    return pd.concat([empty, *tables], ignore_index=True) if tables else empty


def read_alarms(workspace: Path) -> list[dict[str, Any]]:
    """Read the alarms of the newest look back: kind, subject, since, zh, en; none before the first."""
    return read_json(workspace / LOOK_BACK, {}).get("alarms", [])


def read_look_back(workspace: Path) -> dict[str, Any] | None:
    """Read what the newest look back found: ``as_of``, and ``lines`` in the current language; None before the first."""
    kept = read_json(workspace / LOOK_BACK)
    return {"as_of": kept["as_of"], "lines": kept["lines"][language()]} if kept else None
