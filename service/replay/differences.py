"""Say where a table that was made again differs from the one that was kept."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.language import say
from models.registry.champion import file_digest
from service.weekly.list_week import GROUPS
from service.weekly.week_directory import DEMAND, DROPPED, OUTREACH, RISK, SCORES, read_table

KEYS = {
    SCORES: ["household_id", "need"],
    RISK: ["household_id"],
    OUTREACH: ["outreach_id"],
    DROPPED: ["household_id", "arm"],
    GROUPS: ["group"],
    DEMAND: ["need", "grid_id", "span"],
}


@dataclass(frozen=True)
class Difference:
    """Lines on one table, and whether all its values are the same."""

    lines: list[str]
    same: bool


def difference(kept: Path, made: Path, noted: str) -> Difference:
    """Compare a kept table with the one that was made again.

    ``noted``: digest of the kept table when it was written, "" where none was noted.
    """
    lines = []
    if noted and file_digest(kept) != noted:
        lines.append(
            say(
                "保存的这张表在写出以后改动过（删除住户、重做名单或损坏）",
                "the kept table was changed after it was written (a household deleted, lists made anew, or damage)",
            )
        )
    if file_digest(kept) == file_digest(made):
        return Difference([*lines, say("逐字节相同", "the same, byte for byte")], True)
    rows = _differing(_read(kept), _read(made), KEYS[kept.name])
    if not rows:
        return Difference(
            [*lines, say("每个值都相同，文件字节不同", "every value is the same, the file's bytes are not")],
            True,
        )
    return Difference([*lines, *rows], False)


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return read_table(path)
    return pd.read_csv(path, encoding="utf-8-sig", dtype=str, na_filter=False)


def _differing(kept: pd.DataFrame, made: pd.DataFrame, keys: list[str]) -> list[str]:
    """Write a line on rows that only one table has, and on each column with other values; none where all are equal."""
    kept, made = kept.set_index(keys).sort_index(), made.set_index(keys).sort_index()
    lines = []
    gone, new = kept.index.difference(made.index), made.index.difference(kept.index)
    for rows, zh, en in (
        (gone, "只在保存的表里", "only in the kept table"),
        (new, "只在重做的表里", "only in the table made again"),
    ):
        if len(rows):
            lines.append(
                say(
                    f"{len(rows)} 行{zh}，如 {_named(rows[0])}",
                    f"{len(rows)} rows {en}, such as {_named(rows[0])}",
                )
            )
    both = kept.index.intersection(made.index)
    kept, made = kept.loc[both], made.loc[both]
    for column in kept.columns:
        if column not in made:
            lines.append(say(f"重做的表没有 {column} 列", f"the table made again has no column {column}"))
            continue
        differs = _unequal(kept[column], made[column])
        if differs.any():
            first = int(np.flatnonzero(differs)[0])
            lines.append(
                say(
                    f"{column} 有 {differs.sum()} 行不同，如 {_named(both[first])}："
                    f"{kept[column].iloc[first]} → {made[column].iloc[first]}",
                    f"{column} differs in {differs.sum()} rows, such as {_named(both[first])}: "
                    f"{kept[column].iloc[first]} → {made[column].iloc[first]}",
                )
            )
    return lines


def _unequal(left: pd.Series, right: pd.Series) -> np.ndarray:
    """Tell in which rows two columns differ, missing values being equal: bool [rows]."""
    both_missing = (left.isna() & right.isna()).to_numpy()
    return np.asarray(left.to_numpy() != right.to_numpy(), dtype=bool) & ~both_missing


def _named(key: object) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
