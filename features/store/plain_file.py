"""Write frozen dataclasses of arrays, tables and plain values into one npz file that cannot name code, and read them.

A file holds its arrays, and as JSON the structure around them. A dataclass is named by its plain name, which counts only
where the reader lists it among ``kinds``: whatever a file says, nothing else is ever built from it.
"""

import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import BaseModel

NUMBERS = "biufM"  # NumPy's kinds of arrays that npz files hold as they are
# the other kinds, which are kept as texts
TEXTS = {"O": object, "T": np.dtypes.StringDType(na_object=None), "U": str}
LAYOUT = "layout"  # the entry of the npz file that says what stands where
Kind = TypeVar("Kind")


class UnreadableFile(ValueError):
    """The file is damaged, or was written by a version that kept other contents."""


def to_bytes(value: Any) -> bytes:
    """Return ``value`` as the content of an npz file.

    Numbers, texts, None, dates, lists, tuples, mappings, arrays of numbers or texts, data frames, pydantic models and
    dataclasses of these are allowed. Raises TypeError for anything else.
    """
    arrays: dict[str, np.ndarray] = {}
    layout = _laid_out(value, arrays)
    content = io.BytesIO()
    text = np.frombuffer(json.dumps(layout, ensure_ascii=False).encode(), dtype=np.uint8)
    np.savez(content, allow_pickle=False, **{LAYOUT: text}, **arrays)  # type: ignore[arg-type]
    return content.getvalue()


def from_file(path: Path, kind: type[Kind], kinds: Iterable[type] = ()) -> Kind:
    """Read a ``kind`` from a file that holds what ``to_bytes`` returned.

    ``kinds``: the other classes that may stand inside it. Raises UnreadableFile where the file holds anything else, and
    FileNotFoundError.
    """
    return from_bytes(path.read_bytes(), kind, kinds, str(path))


def from_bytes(content: bytes, kind: type[Kind], kinds: Iterable[type] = (), name: str = "") -> Kind:
    """Read a ``kind`` from a file's content, as ``from_file`` does; ``name`` is what an error calls the file."""
    allowed = {expected.__name__: expected for expected in (kind, *kinds)}
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            layout = json.loads(arrays[LAYOUT].tobytes())
            value = _built(layout, arrays, allowed)
    except Exception as error:  # whatever a damaged file makes NumPy, Arrow or pydantic say
        raise UnreadableFile(f"{name}: {type(error).__name__}") from error
    if not isinstance(value, kind):
        raise UnreadableFile(f"{name}: {type(value).__name__}")
    return value


def replace_texts(content: bytes, rename: Callable[[str], str]) -> bytes:
    """Put another text in the place of each; the content as it was where none becomes another. Settings stay."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if LAYOUT not in arrays:
        return content
    replaced: list[bool] = []

    def text(value: str) -> str:
        other = rename(value)
        replaced.append(other != value)
        return other

    def table(name: str) -> None:
        held = _table(arrays[name])
        for place, column in enumerate(held.itercolumns()):
            if not pa.types.is_string(column.type):
                continue
            others = {value: text(value) for value in column.unique().to_pylist() if value is not None}
            if any(before != other for before, other in others.items()):
                texts = [others.get(value) for value in column.to_pylist()]
                held = held.set_column(place, held.schema.field(place), pa.array(texts, column.type))
                arrays[name] = _arrow_bytes(held)

    def walk(layout: Any) -> Any:
        if isinstance(layout, str):
            return text(layout)
        if isinstance(layout, list):
            return [walk(item) for item in layout]
        if not isinstance(layout, dict) or layout.keys() & {"array", "settings", "date"}:
            return layout
        for key in layout.keys() & {"texts", "table"}:
            table(layout[key])
            return layout
        if "dataclass" in layout:
            return {**layout, "values": {name: walk(item) for name, item in layout["values"].items()}}
        return {key: walk(item) for key, item in layout.items()}

    layout = walk(json.loads(arrays[LAYOUT].tobytes()))
    if not any(replaced):
        return content
    arrays[LAYOUT] = np.frombuffer(json.dumps(layout, ensure_ascii=False).encode(), dtype=np.uint8)
    rewritten = io.BytesIO()
    np.savez(rewritten, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    return rewritten.getvalue()


def _laid_out(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """Describe a value for JSON, and put its arrays into ``arrays``."""
    if value is None or isinstance(value, bool | int | float | str):
        return value.item() if isinstance(value, np.generic) else value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype.kind in NUMBERS:
        return {"array": _kept(value, arrays)}
    if isinstance(value, np.ndarray):
        texts = pa.table({"texts": pa.array(value.astype(object), pa.string())})
        return {"texts": _kept(_arrow_bytes(texts), arrays), "kind": value.dtype.kind}
    if isinstance(value, pd.DataFrame):
        table = pa.Table.from_pandas(value, preserve_index=False)
        return {"table": _kept(_arrow_bytes(table), arrays)}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, BaseModel):
        return {"settings": type(value).__name__, "values": value.model_dump(mode="json")}
    if is_dataclass(value):
        held = {field.name: _laid_out(getattr(value, field.name), arrays) for field in fields(value)}
        return {"dataclass": type(value).__name__, "values": held}
    if isinstance(value, Mapping):
        return {"mapping": [[_laid_out(item, arrays) for item in pair] for pair in value.items()]}
    if isinstance(value, list | tuple):
        return {"tuple" if isinstance(value, tuple) else "list": [_laid_out(item, arrays) for item in value]}
    raise TypeError(f"{type(value).__name__} cannot be kept in a plain file")


def _kept(array: np.ndarray, arrays: dict[str, np.ndarray]) -> str:
    name = f"a{len(arrays)}"
    arrays[name] = array
    return name


def _arrow_bytes(table: pa.Table) -> np.ndarray:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return np.frombuffer(sink.getvalue(), dtype=np.uint8)


def _table(array: np.ndarray) -> pa.Table:
    return pa.ipc.open_stream(pa.py_buffer(array)).read_all()


def _built(layout: Any, arrays: Mapping[str, np.ndarray], allowed: Mapping[str, type]) -> Any:
    """Build the value that ``_laid_out`` described. Raises KeyError for a class that is not ``allowed``."""
    if not isinstance(layout, dict):
        return layout
    if "array" in layout:
        return arrays[layout["array"]]
    if "texts" in layout:
        texts = _table(arrays[layout["texts"]])["texts"].to_numpy()
        return texts.astype(TEXTS[layout["kind"]])
    if "table" in layout:
        return _table(arrays[layout["table"]]).to_pandas()
    if "date" in layout:
        return date.fromisoformat(layout["date"])
    if "settings" in layout:
        return allowed[layout["settings"]].model_validate(layout["values"])  # type: ignore[attr-defined]
    if "dataclass" in layout:
        values = {name: _built(item, arrays, allowed) for name, item in layout["values"].items()}
        return allowed[layout["dataclass"]](**values)
    if "mapping" in layout:
        return {
            _built(key, arrays, allowed): _built(item, arrays, allowed) for key, item in layout["mapping"]
        }
    if "tuple" in layout:
        return tuple(_built(item, arrays, allowed) for item in layout["tuple"])
    return [_built(item, arrays, allowed) for item in layout["list"]]
