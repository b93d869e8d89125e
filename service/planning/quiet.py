"""Lines that a library prints past Python, whatever it was told."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_output() -> Iterator[None]:
    """What is printed meanwhile goes nowhere: HiGHS prints a line of its makers' when it mends a solution. Errors are
    raised, and standard error stays as it is."""
    if os.name != "posix":
        yield
        return
    buffered = ctypes.CDLL(None)
    sys.stdout.flush()
    buffered.fflush(None)
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        buffered.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)
