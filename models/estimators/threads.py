"""Threads for the work of NumPy and LightGBM, during which Python lets other threads run."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
MOST = 2
TURN = 0.0005  # seconds after which Python's lock changes hands: between two trees LightGBM waits for it


def usable_threads(most: int = MOST) -> int:
    """Return the number of threads to use: at most ``most``, fewer where OMP_NUM_THREADS says so."""
    return min(most, int(os.environ.get("OMP_NUM_THREADS") or most))


def in_threads(task: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Call ``task`` for each item in several threads, and return the results in order."""
    threads = usable_threads(min(MOST, len(items)))
    if threads < 2:
        return [task(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(task, items))


@contextmanager
def working_beside(threads: int = 1) -> Iterator[Executor]:
    """Run tasks in threads beside this one; leaving the block waits until all of them are done."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        with ThreadPoolExecutor(threads) as beside:
            yield beside
    finally:
        sys.setswitchinterval(before)
