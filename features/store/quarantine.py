"""The rows that could not be used, one CSV for each ingest that found any."""

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import astuple, dataclass
from pathlib import Path

from features.atomic import write_atomically

FOLDER = "quarantine"
HEADER = ("reason", "file", "line", "table", "row")


@dataclass(frozen=True)
class Quarantined:
    """One row that could not be used."""

    reason: str
    file: str
    line: int
    table: str
    row: str  # its fields as JSON, or the line as it stands in the file

    @staticmethod
    def content(fields: dict[str, str | None]) -> str:
        """Return the fields that are filled, as JSON."""
        return json.dumps(
            {name: value for name, value in fields.items() if value is not None}, ensure_ascii=False
        )


def write_quarantine(rows: Iterable[Quarantined], workspace: Path) -> Path | None:
    """Write the rows into a CSV named by its content, so that the same rows give the same file.

    Returns:
        The file's path, None where there are no rows.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER)
    writer.writerows(lines := [astuple(row) for row in rows])
    if not lines:
        return None
    content = text.getvalue().encode("utf-8-sig")
    path = workspace / FOLDER / f"{hashlib.sha256(content).hexdigest()[:12]}.csv"
    if not path.exists():
        write_atomically(path, content)
    return path
