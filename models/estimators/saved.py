"""Read arrays and trees that a model kept, checked first: one that was damaged, or made to do harm, is not used.

What LightGBM takes for granted in the text of trees ends the process where it is not so.
"""

from collections.abc import Mapping
from pathlib import Path
from zipfile import ZipFile

import numpy as np

from models.estimators.boosting import lgb

LARGEST = 256 << 20  # bytes of a file once it is unpacked
_MAY_BE_INFINITE = ("transform_scale",)  # of a column that says nothing
_MAY_BE_MISSING = ("season", "lent_season")  # of a need that few asked for
_OF_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_OF_SPLITS = ("split_gain", "threshold", "internal_value", "internal_weight", "internal_count")


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read an npz file. Raises ValueError where it is larger than any model, or holds objects."""
    with ZipFile(path) as archive:
        if sum(part.file_size for part in archive.infolist()) > LARGEST:
            raise ValueError(f"{path}: larger than any model")
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def check_numbers(arrays: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError for an array of numbers of which one is none."""
    for name, array in arrays.items():
        if array.dtype.kind == "f":
            no_infinite, no_missing = name not in _MAY_BE_INFINITE, name not in _MAY_BE_MISSING
            wrong = (np.isinf(array) & no_infinite) | (np.isnan(array) & no_missing)
            if wrong.any():
                raise ValueError(f"{name}: {wrong.sum()} values are no numbers")


def read_trees(path: Path) -> lgb.Booster:
    """Read one booster. Raises ValueError where the text is not whole, or holds what is no number."""
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path}: larger than any model")
    text = path.read_text(encoding="utf-8")
    check_trees(text)
    return lgb.Booster(model_str=text)


def check_trees(text: str) -> None:
    """Raise ValueError unless a text says of each tree all that belongs to it, and no more."""
    head, mark, _ = text.partition("\n\n")
    entries = _entries(head)
    features = int(entries.get("max_feature_idx", "-1")) + 1
    names, ranges = (entries.get(name, "").split() for name in ("feature_names", "feature_infos"))
    if not mark or entries.get("num_class") != "1" or entries.get("num_tree_per_iteration") != "1":
        raise ValueError("no trees of one class")
    if not features or len(names) != features or len(ranges) != features:
        raise ValueError("other features than it says")
    at = len(head) + len(mark)
    for number, size in enumerate(map(int, entries.get("tree_sizes", "").split())):
        tree = text[at : at + size]
        if size <= 0 or not tree.startswith(f"Tree={number}\n"):
            raise ValueError(f"tree {number} is not where it should be")
        _check_tree(_entries(tree), features)
        at += size
    if not text[at:].startswith("end of trees"):
        raise ValueError("more trees than it says")


def _entries(text: str) -> dict[str, str]:
    return {name: value for line in text.splitlines() for name, mark, value in [line.partition("=")] if mark}


def _check_tree(said: dict[str, str], features: int) -> None:
    """Raise ValueError where numbers are missing, are none, or name a feature or a place that is not there."""
    leaves = int(said["num_leaves"])
    if leaves < 1 or said.get("num_cat") != "0" or said.get("is_linear", "0") != "0":
        raise ValueError("a tree of another kind")
    splits = leaves - 1
    if not splits:
        _numbers(said, "leaf_value", leaves)
        return
    for names, count in ((_OF_LEAVES, leaves), (_OF_SPLITS, splits)):
        for name in names:
            _numbers(said, name, count)
    feature, kind = _numbers(said, "split_feature", splits), _numbers(said, "decision_type", splits)
    if feature.min() < 0 or feature.max() >= features or (kind.astype(int) & 1).any():
        raise ValueError("a split by a feature that is not there")
    children = np.stack([_numbers(said, f"{side}_child", splits) for side in ("left", "right")])
    # each split and leaf hangs below one split, of a smaller number
    below = np.arange(splits)
    if (np.sort(children, axis=None) != [*range(-leaves, 0), *range(1, splits)]).any() or (
        (children >= 0) & (children <= below)
    ).any():
        raise ValueError("a tree that does not hang together")


def _numbers(said: dict[str, str], name: str, count: int) -> np.ndarray:
    """Read so many finite numbers: float64 [count]; a threshold is infinite where only what is missing goes right."""
    numbers = np.array(said.get(name, "").split(), dtype=np.float64)
    wrong = np.isnan(numbers) if name == "threshold" else ~np.isfinite(numbers)
    if len(numbers) != count or wrong.any():
        raise ValueError(f"{name}: not {count} numbers")
    return numbers
