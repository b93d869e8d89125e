"""Keep what people decided about texts, in the workspace: masked, and by a hash of the text as it was written."""

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from features.atomic import write_atomically
from features.masking.mask import mask_texts

PLACE = Path("text") / "decisions.parquet"
COLUMNS = ("key", "text", "need")


def key_of(text: str) -> str:
    """Hash a text without the blanks around it."""
    return hashlib.sha256(text.strip().encode()).hexdigest()[:32]


def read_decisions(workspace: Path) -> pd.DataFrame:
    """Read the decisions: a row a text and need, with key, text (masked) and need (missing: nobody's need)."""
    path = workspace / PLACE
    if not path.is_file():
        return pd.DataFrame({column: pd.Series(dtype="string") for column in COLUMNS})
    return pd.read_parquet(path)


def keep_decisions(workspace: Path, decided: pd.DataFrame) -> int:
    """Add decisions to those of the workspace and return how many texts they are; a later one replaces an earlier.

    ``decided``: text and need, a row for each text and need; key too where the text stands there masked.
    """
    rows = decided.dropna(subset=["text"]).astype("string")
    if "key" not in rows:
        rows["key"] = rows["text"].map(key_of).astype("string")
    rows["text"] = mask_texts(rows["text"])
    before = read_decisions(workspace)
    both = pd.concat([before[~before["key"].isin(rows["key"])], rows[list(COLUMNS)]], ignore_index=True)
    _write(workspace, both.drop_duplicates(["key", "need"]))
    return rows["key"].nunique()


def forget_decisions(workspace: Path, texts: Iterable[str]) -> int:
    """Remove what was decided about texts, as they were written, and return how many rows that were."""
    before = read_decisions(workspace)
    gone = before["key"].isin([key_of(text) for text in texts])
    if gone.any():
        _write(workspace, before[~gone])
    return int(gone.sum())


def _write(workspace: Path, decisions: pd.DataFrame) -> None:
    content = io.BytesIO()
    decisions.astype("string").to_parquet(content, index=False)
    (workspace / PLACE).parent.mkdir(parents=True, exist_ok=True)
    write_atomically(workspace / PLACE, content.getvalue())
