"""Work done beside: NumPy's long loops and LightGBM's training run without Python's lock."""

import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

TURN = 0.0005  # seconds after which the lock changes hands: between two trees LightGBM waits for it


@contextmanager
def working_beside(threads: int = 1) -> Iterator[Executor]:
    """Threads beside this one; left once all that was given to them is done."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        with ThreadPoolExecutor(threads) as beside:
            yield beside
    finally:
        sys.setswitchinterval(before)
