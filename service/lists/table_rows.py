"""Rows of a table as dictionaries."""

from collections.abc import Iterable
from typing import Any

import pandas as pd


def as_rows(table: pd.DataFrame, names: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """The rows with these columns (all), as ``to_dict("records")`` gives them.

    Column by column: where a table holds Arrow's texts, that takes a quarter of the time.
    """
    names = list(table.columns if names is None else names)
    columns = [table[name].to_list() for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
