"""Read and write files below a root that fsspec knows: a directory, s3://…, hdfs://…, memory://…."""

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from features.atomic import write_atomically


def put(url: str, content: bytes) -> None:
    """Write a file whole or not at all; on this machine so that it survives a power cut."""
    filesystem, path = fsspec.url_to_fs(url)
    if isinstance(filesystem, LocalFileSystem):
        write_atomically(Path(path), content)
        return
    filesystem.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    partial = f"{path}.partial"
    try:
        filesystem.pipe_file(partial, content)
        filesystem.mv(partial, path)
    except BaseException:
        if filesystem.exists(partial):
            filesystem.rm(partial)
        raise


def get(url: str) -> bytes | None:
    """Return a file's content, None where there is no such file."""
    filesystem, path = fsspec.url_to_fs(url)
    try:
        return filesystem.cat_file(path)
    except FileNotFoundError:
        return None


def copy_file(url: str, target: Path) -> None:
    """Copy a file to this machine's disk: by a link where that is possible, otherwise by its content."""
    target.parent.mkdir(parents=True, exist_ok=True)
    filesystem, path = fsspec.url_to_fs(url)
    if isinstance(filesystem, LocalFileSystem):
        with suppress(OSError):
            os.link(path, target)
            return
    filesystem.get_file(path, str(target))


def put_table(url: str, table: pa.Table) -> None:
    """Write a Parquet file whole or not at all."""
    content = io.BytesIO()
    pq.write_table(table, content, row_group_size=max(len(table), 1))
    put(url, content.getvalue())


def get_table(url: str) -> pa.Table:
    """Read a Parquet file's rows."""
    filesystem, path = fsspec.url_to_fs(url)
    return pq.read_table(path, filesystem=filesystem, partitioning=None)


def encoded_texts(column: pa.ChunkedArray) -> tuple[pd.Index, np.ndarray]:
    """Return the distinct texts of a column of dictionaries, and a code for each row."""
    held = column.unify_dictionaries().combine_chunks()
    return pd.Index(held.dictionary.to_numpy(zero_copy_only=False), dtype=object), held.indices.to_numpy()


def keep_only(root: str, pattern: str, used: set[str]) -> None:
    """Remove the files and directories that match a pattern below a root, except the ``used`` ones.

    ``root``: a URL that fsspec knows. ``pattern``: a glob below it. ``used``: paths below the root.
    """
    filesystem, place = fsspec.url_to_fs(root)
    paths: list[Any] = filesystem.glob(f"{place}/{pattern}")
    for path in paths:
        if path.removeprefix(f"{place}/") not in used:
            filesystem.rm(path, recursive=True)
