"""What is kept in a plain file comes back as it was, and a file never names code."""

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.store.plain_file import UnreadableFile, from_bytes, from_file, to_bytes


@dataclass(frozen=True)
class Inner:
    """Stands inside ``Outer``."""

    numbers: np.ndarray


@dataclass(frozen=True)
class Outer:
    """One of each kind of value."""

    by_name: Mapping[Any, Any]
    inner: Inner


plain = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    plain | st.dates(), lambda one: st.lists(one) | st.tuples(one, one) | st.dictionaries(st.integers(), one)
)


@settings(max_examples=40)
@given(st.dictionaries(st.text() | st.integers(), values), st.lists(st.floats(width=32)))
def test_values_come_back_as_they_were(by_name, numbers):
    whole = Outer(by_name, Inner(np.array(numbers, dtype=np.float32)))
    back = from_bytes(to_bytes(whole), Outer, (Inner,))
    assert back.by_name == whole.by_name
    assert back.inner.numbers.dtype == np.float32
    np.testing.assert_array_equal(back.inner.numbers, whole.inner.numbers)


@settings(max_examples=40)
@given(st.lists(st.none() | st.text()))
def test_texts_come_back_with_their_gaps(texts):
    held = np.empty(len(texts), dtype=object)
    held[:] = texts
    for given_texts in (held, held.astype(np.dtypes.StringDType(na_object=None))):
        back = from_bytes(to_bytes(Inner(given_texts)), Inner).numbers
        assert back.dtype == given_texts.dtype and back.tolist() == texts


def test_a_table_comes_back_with_its_kinds():
    frame = pd.DataFrame({"name": ["王", None], "visits": [3, 4], "share": [0.5, np.nan]})
    back = from_bytes(
        to_bytes(Outer({"workers": frame, "on": date(2025, 9, 1)}, Inner(np.ones(1)))), Outer, (Inner,)
    )
    pd.testing.assert_frame_equal(back.by_name["workers"], frame)


def test_a_class_that_the_reader_does_not_list_is_not_built(tmp_path):
    path = tmp_path / "file.npz"
    path.write_bytes(to_bytes(Outer({}, Inner(np.ones(2)))))
    with pytest.raises(UnreadableFile, match="KeyError"):
        from_file(path, Outer)
    with pytest.raises(UnreadableFile, match="Inner"):
        from_bytes(to_bytes(Inner(np.ones(2))), Outer, (Inner,))


class Hostile:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return pytest.fail, ("code was run",)


@pytest.mark.parametrize("damage", ["pickle", "array", "cut short", "empty"])
def test_a_file_that_could_name_code_is_unreadable(damage):
    whole = to_bytes(Inner(np.ones(2)))
    content = {"pickle": pickle.dumps(Hostile()), "cut short": whole[: len(whole) // 2], "empty": b""}.get(
        damage
    )
    if content is None:
        stream = io.BytesIO()
        np.savez(stream, layout=np.array([Hostile()], dtype=object))
        content = stream.getvalue()
    with pytest.raises(UnreadableFile):
        from_bytes(content, Inner)


def test_what_has_no_plain_form_is_refused():
    with pytest.raises(TypeError, match="function"):
        to_bytes(Outer({"run": lambda: None}, Inner(np.ones(1))))
